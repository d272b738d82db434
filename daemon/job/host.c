#include "job/host.h"

#include "base/clock.h"
#include "base/log.h"
#include "job/fleet.h"
#include "job/skip.h"
#include "terms/settings.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BRISK_NS      (20 * NS_PER_MS) /* of an attempt: the host's jobs are short */
#define REMEMBERED_NS (60 * NS_PER_SEC)

/* The most specific section of settings->hosts that is about the host; host_count: none. */
static unsigned section_of(const struct settings *s, const char *name)
{
    const struct settings_host *section = settings_host_match(s, name, 0);
    return (unsigned)(section ? (size_t)(section - s->hosts) : s->host_count);
}

unsigned host_limit(const struct settings *s, const char *name)
{
    const struct settings_host *section;
    for (size_t i = 0; (section = settings_host_match(s, name, i)); i++)
        if (section->connections)
            return (unsigned)section->connections;
    return (unsigned)s->host_connections;
}

/* Each limit by itself, from the most specific section that gives it. */
static void set_limits(const struct jobs *jobs, struct host *host)
{
    const struct settings *s = jobs->settings;
    const struct settings_host *section;
    struct pace_limits *limits = &host->limits;
    *limits = (struct pace_limits){0};
    host->section = section_of(s, host->name);
    host->limit = host_limit(s, host->name);
    for (size_t i = 0; (section = settings_host_match(s, host->name, i)); i++) {
        if (limits->rate <= 0)
            limits->rate = section->requests_per_second;
        if (limits->failures == 0)
            limits->failures = section->breaker_failures;
        if (limits->cooldown == 0)
            limits->cooldown = section->breaker_cooldown;
    }
    if (!host->ours && host->limit > s->guest_connections)
        host->limit = (unsigned)s->guest_connections;
    limits->failures = limits->failures ? limits->failures : s->breaker_failures;
    limits->cooldown = limits->cooldown ? limits->cooldown : s->breaker_cooldown;
}

int hosts_sums_new(struct jobs *jobs)
{
    free(jobs->host_sums);
    jobs->host_sums = calloc(jobs->settings->host_count + 1, sizeof *jobs->host_sums);
    return jobs->host_sums ? 0 : -ENOMEM;
}

static bool is_open(const struct host *host)
{
    return host->pace.breaker != BREAKER_CLOSED;
}

/* So many more, or fewer, of a section are known. */
static void sum_hosts(struct jobs *jobs, unsigned section, int hosts)
{
    if (jobs->host_sums)
        jobs->host_sums[section].hosts += (unsigned)hosts;
}

/* So much more, or less, of its section. */
static void sum_add(const struct host *host, int hosts, int running, int open)
{
    if (!host->jobs->host_sums)
        return;
    struct host_sum *sum = &host->jobs->host_sums[host->section];
    sum->hosts += (unsigned)hosts;
    sum->running += (unsigned)running;
    sum->open += (unsigned)open;
}

struct host *host_find(const struct jobs *jobs, const char *name)
{
    return tree_entry(tree_find_name(&jobs->hosts, name), struct host, entry.node);
}

bool host_rests(const struct jobs *jobs, const char *name)
{
    return backlog_find(&jobs->backlog, name);
}

static struct host *host_new(struct jobs *jobs, const char *name)
{
    size_t size = strlen(name) + 1;
    struct host *host = calloc(1, sizeof *host + size);
    if (!host)
        return NULL;
    memcpy(host->name, name, size);
    host->jobs = jobs;
    host->ours = fleet_owns(jobs, name);
    host->elsewhere = fleet_running_elsewhere(jobs, name);
    host->pace.counted_at = fleet_gained_at(jobs, name);
    set_limits(jobs, host);
    list_init(&host->ready_link);
    list_init(&host->hungry_link);
    list_init(&host->stocked_link);
    list_init(&host->freed_link);
    list_init(&host->standing);
    list_init(&host->window);
    list_init(&host->hops);
    list_init(&host->asides);
    wake_timer_init(&host->clock, WAKE_HOST);
    wake_timer_init(&host->due, WAKE_HOST_DUE);
    host->entry.name = host->name;
    tree_insert(&jobs->hosts, &host->entry.node);
    jobs->host_count++;
    sum_add(host, 1, 0, 0);
    return host;
}

static void hungry_remove(struct host *host)
{
    if (list_empty(&host->hungry_link))
        return;
    list_del(&host->hungry_link);
    host->jobs->hungry_count--;
}

static void host_free(struct host *host)
{
    struct jobs *jobs = host->jobs;
    assert(host->folding == 0 && !host->loading && host->window_len == 0);
    tree_remove(&jobs->hosts, &host->entry.node);
    jobs->host_count--;
    sum_add(host, -1, 0, -is_open(host));
    list_del(&host->ready_link);
    list_del(&host->freed_link);
    hungry_remove(host);
    user_waits_end(&host->standing);
    wake_stop(&jobs->wake, &host->clock);
    wake_stop(&jobs->wake, &host->due);
    free(host->unread);
    free(host);
}

/* It has nothing, but for what the store may have. */
static bool is_empty(const struct host *host)
{
    return host->running == 0 && !host->loading && !host->held && host->folding == 0 &&
           host->unread_count == 0 && !host->wake_at && !host->guest_at && !host->due.at &&
           list_empty(&host->window) && list_empty(&host->hops) && list_empty(&host->asides);
}

static bool is_idle(const struct host *host)
{
    return !host->more && is_empty(host);
}

/* Until when what the host owes its rate, or has failed, is remembered; 0: there is nothing. */
static uint64_t remembered_until(const struct host *host)
{
    const struct pace *pace = &host->pace;
    uint64_t since = pace->used_at;
    if (pace->breaker != BREAKER_CLOSED && pace->retry_at > since)
        since = pace->retry_at;
    return pace->failed > 0 || host->limits.rate > 0 ? since + REMEMBERED_NS : 0;
}

void host_put_if_idle(struct host *host)
{
    if (!is_idle(host))
        return;
    if (remembered_until(host) > clock_now())
        host_set_clock(host);
    else
        host_free(host);
}

void host_make_ready(struct host *host)
{
    if (host->ready)
        return;
    list_del(&host->ready_link); /* if it was parked */
    list_add_tail(&host->jobs->ready, &host->ready_link);
    host->ready = true;
}

void host_has_more(struct host *host)
{
    host->more = host->stale = true;
    host_make_ready(host);
}

/* --- rest ------------------------------------------------------------------------------------- */

static struct backlog_host *resting_new(struct jobs *jobs, const char *name, bool blocked)
{
    struct backlog_host *resting = backlog_add(&jobs->backlog, name, blocked);
    if (resting) {
        resting->section = section_of(jobs->settings, name);
        sum_hosts(jobs, resting->section, 1);
    }
    return resting;
}

static void resting_free(struct jobs *jobs, struct backlog_host *resting)
{
    sum_hosts(jobs, resting->section, -1);
    backlog_remove(&jobs->backlog, resting);
}

/* NULL: there is no memory, and it rests on. */
static struct host *resting_back(struct jobs *jobs, struct backlog_host *resting)
{
    struct host *host = host_new(jobs, resting->name);
    if (!host)
        return NULL;
    host->more = true;
    if (resting->blocked)
        list_add_tail(&jobs->parked, &host->ready_link);
    resting_free(jobs, resting);
    return host;
}

struct host *host_get(struct jobs *jobs, const char *name)
{
    struct host *host = host_find(jobs, name);
    if (host)
        return host;
    struct backlog_host *resting = backlog_find(&jobs->backlog, name);
    if (!resting)
        return host_new(jobs, name);
    bool blocked = resting->blocked;
    host = resting_back(jobs, resting);
    if (host && !blocked)
        host_make_ready(host);
    return host;
}

struct host *host_next_resting(struct jobs *jobs)
{
    struct backlog_host *resting = backlog_first(&jobs->backlog);
    return resting ? resting_back(jobs, resting) : NULL;
}

void host_rest(struct host *host, bool blocked)
{
    if (blocked && !host_has_slot(host))
        return; /* others have them, and the news of that finds only hosts that do not rest */
    if (!host->ours || !host->more || !is_empty(host) || remembered_until(host) > clock_now())
        return;
    if (resting_new(host->jobs, host->name, blocked)) /* else it stays as it is */
        host_free(host);
}

int host_queued(struct jobs *jobs, const char *name)
{
    if (!fleet_owns(jobs, name))
        return 0; /* its owner finds it in the store */
    struct host *host = host_find(jobs, name);
    struct backlog_host *resting = host ? NULL : backlog_find(&jobs->backlog, name);
    if (host)
        host_has_more(host);
    else if (resting)
        backlog_unblock(&jobs->backlog, resting);
    else if (!resting_new(jobs, name, false))
        return -ENOMEM;
    return 0;
}

int host_invited(struct jobs *jobs, const char *name, bool takes_turns)
{
    if (fleet_owns(jobs, name))
        return host_queued(jobs, name);
    struct host *host = host_get(jobs, name);
    if (!host)
        return -ENOMEM;
    host->takes_turns = takes_turns;
    if (!takes_turns)
        host->guest_at = 0;
    if (host->window_len == 0 && !takes_turns)
        host_has_more(host);
    else if (host->window_len == 0 && host->running == 0 && !host->loading && !host->guest_at)
        host->guest_at = clock_now() + jobs->fleet->guest_wait_ns;
    host_set_clock(host);
    return 0;
}

void hosts_leave_backlog(struct jobs *jobs)
{
    tree_for_each(n, &jobs->backlog.names)
    {
        struct backlog_host *resting = container_of(n, struct backlog_host, entry.node);
        if (!fleet_owns(jobs, resting->name))
            resting_free(jobs, resting);
    }
}

void hosts_wake(struct jobs *jobs)
{
    list_for_each(e, &jobs->stocked) host_make_ready(container_of(e, struct host, stocked_link));
    while (!list_empty(&jobs->parked))
        host_make_ready(container_of(jobs->parked.next, struct host, ready_link));
    backlog_unblock_all(&jobs->backlog);
    wake_admit(&jobs->wake);
}

void hosts_free(struct jobs *jobs)
{
    tree_for_each(n, &jobs->hosts)
    {
        struct host *host = container_of(n, struct host, entry.node);
        while (!list_empty(&host->window)) {
            struct job *job = container_of(host->window.next, struct job, link);
            host_window_remove(job);
            job_free(job);
        }
        assert(host->running == 0 && list_empty(&host->hops) && list_empty(&host->asides));
        host_free(host);
    }
    tree_for_each(n, &jobs->backlog.names)
        backlog_remove(&jobs->backlog, container_of(n, struct backlog_host, entry.node));
}

/* Jobs that wait for a slot here may have one now. */
static void look_at_hops(struct host *host)
{
    if (!list_empty(&host->hops) && list_empty(&host->freed_link))
        list_add_tail(&host->jobs->freed, &host->freed_link);
}

void host_set_ours(struct host *host, bool ours)
{
    struct jobs *jobs = host->jobs;
    if (host->ours == ours)
        return;
    int was_open = is_open(host);
    host->ours = ours;
    host->elsewhere = ours ? fleet_running_elsewhere(jobs, host->name) : 0;
    host->pace = (struct pace){.counted_at = fleet_gained_at(jobs, host->name)};
    host->wake_at = host->guest_at = 0;
    host->takes_turns = false;
    sum_add(host, 0, 0, -was_open);
    set_limits(jobs, host);
    if (!ours) {
        wake_stop(&jobs->wake, &host->due);
        hungry_remove(host);
        host->more = host->stale = false;
    }
    skip_clear(host); /* an owner parks what a guest can only leave alone */
    look_at_hops(host);
    host_make_ready(host);
}

void host_set_elsewhere(struct host *host, unsigned running)
{
    bool more = running < host->elsewhere;
    host->elsewhere = running;
    if (!more)
        return;
    look_at_hops(host);
    host_make_ready(host);
    wake_admit(&host->jobs->wake);
}

/* --- time ------------------------------------------------------------------------------------- */

void host_due(struct jobs *jobs, const char *name, int64_t due)
{
    if (!fleet_owns(jobs, name))
        return; /* its owner looks for it */
    const struct backlog_host *resting = backlog_find(&jobs->backlog, name);
    if (resting && !resting->blocked)
        return; /* when its turn comes, the store tells of this row as well */
    struct host *host = host_get(jobs, name);
    if (!host) {
        wake_recover(&jobs->wake); /* when the queue is read again, the row is found */
        return;
    }
    if (!host->due.at || due < host->due.at)
        wake_at_real(&jobs->wake, &host->due, due);
}

void host_set_clock(struct host *host)
{
    uint64_t at = host->wake_at;
    if (host->back_at && (!at || host->back_at < at))
        at = host->back_at;
    if (host->guest_at && (!at || host->guest_at < at))
        at = host->guest_at;
    if (!at && is_idle(host))
        at = remembered_until(host);
    if (at)
        wake_at(&host->jobs->wake, &host->clock, at);
    else
        wake_stop(&host->jobs->wake, &host->clock);
}

bool host_in_pace(struct host *host)
{
    uint64_t now = clock_now();
    uint64_t wait = pace_wait(&host->pace, &host->limits, now);
    if (wait == 0)
        return true;
    if (wait != UINT64_MAX) { /* else the probe's end makes the host ready again */
        host->wake_at = now + wait;
        host_set_clock(host);
    }
    return false;
}

/* --- the window ------------------------------------------------------------------------------- */

static bool runs_before(const struct job *a, const struct job *b)
{
    if (a->row->rank != b->row->rank)
        return a->row->rank < b->row->rank;
    return a->id < b->id;
}

/* A command's job cannot go back to the store, so it does not count for what may be loaded. */
static void count_window(struct host *host, const struct job *job, int change)
{
    struct jobs *jobs = host->jobs;
    host->window_len += (unsigned)change;
    jobs->window_len += job->spec->run ? 0 : (unsigned)change;
    jobs->claimed_waiting += job->claimed ? (unsigned)change : 0;
}

void host_window_add(struct host *host, struct job *job)
{
    struct list *at = host->window.prev;
    while (at != &host->window && runs_before(job, container_of(at, struct job, link))) {
        at = at->prev;
        host->jobs->steps++;
    }
    job_set_place(job, PLACE_WINDOW);
    list_add_head(at, &job->link);
    job->host = host;
    count_window(host, job, 1);
    if (list_empty(&host->stocked_link))
        list_add_tail(&host->jobs->stocked, &host->stocked_link);
    host_make_ready(host);
}

void host_window_remove(struct job *job)
{
    struct host *host = job->host;
    assert(job->place == PLACE_WINDOW && host->window_len > 0 && !list_empty(&job->link));
    list_del(&job->link);
    count_window(host, job, -1);
    if (host->window_len == 0)
        list_del(&host->stocked_link);
}

void host_set_aside(struct job *job)
{
    struct jobs *jobs = job->jobs;
    struct host *host = host_get(jobs, job->row->host);
    assert(job->place == PLACE_ASIDE && list_empty(&job->link));
    job->host = host;
    if (host) /* else the store may give it out once more, and it is not taken twice */
        list_add_tail(&host->asides, &job->link);
    wake_at_real(&jobs->wake, &job->clock, job->row->due);
}

/* --- slots ------------------------------------------------------------------------------------ */

void host_slot_take(struct host *host, struct job *job)
{
    assert(host_has_slot(host) && !job->has_slot);
    pace_take(&host->pace, &host->limits, clock_now());
    host->running++;
    if (!host->ours && job->jobs->fleet)
        job->jobs->fleet->guests++;
    sum_add(host, 0, 1, 0);
    job->host = host;
    job->has_slot = true;
}

void host_slot_free(struct host *host)
{
    struct jobs *jobs = host->jobs;
    assert(host->running > 0);
    host->running--;
    sum_add(host, 0, -1, 0);
    look_at_hops(host);
    host_make_ready(host);
    host_put_if_idle(host);
    wake_admit(&jobs->wake);
}

void hosts_limits_changed(struct jobs *jobs)
{
    if (hosts_sums_new(jobs) < 0)
        log_error("no memory to count what hosts do; the metrics of hosts are not given");
    tree_for_each(n, &jobs->hosts)
    {
        struct host *host = container_of(n, struct host, entry.node);
        set_limits(jobs, host);
        sum_add(host, 1, (int)host->running, is_open(host));
        look_at_hops(host);
        if (host->unread_count > 0) {
            skip_clear(host);
            host->more = host->stale = true;
        }
        host_make_ready(host);
    }
    tree_for_each(n, &jobs->backlog.names)
    {
        struct backlog_host *resting = container_of(n, struct backlog_host, entry.node);
        resting->section = section_of(jobs->settings, resting->name);
        sum_hosts(jobs, resting->section, 1);
    }
    wake_admit(&jobs->wake);
}

/* True if that opened the breaker. */
static bool tell_pace(struct host *host, enum error_kind kind, int status, uint64_t now)
{
    int before = is_open(host);
    bool opened = pace_report(&host->pace, &host->limits, kind, status, now);
    sum_add(host, 0, 0, is_open(host) - before);
    return opened;
}

void host_report(struct job *job, const struct cause *cause)
{
    struct host *host = job->host;
    if (!host || !job->has_slot)
        return;
    if (!job->attempt || (cause && (cause->kind == KIND_NONE || cause->kind == KIND_PROXY))) {
        /* No attempt, cancelled, a proxy: it says nothing about the host. */
        pace_withdraw(&host->pace);
        return;
    }
    struct attempt_report report;
    uint64_t now = clock_now();
    attempt_report(job->attempt, now, &report);
    if (tell_pace(host, cause ? cause->kind : KIND_NONE, report.status, now))
        log_warning("host %s: %llu failures in a row; nothing starts there for %llu s", host->name,
                    (unsigned long long)host->pace.failed,
                    (unsigned long long)(host->limits.cooldown / NS_PER_SEC));
}

void host_learn(struct host *host, const struct job *job)
{
    struct attempt_report report = {0};
    uint64_t now = clock_now();
    if (job->attempt)
        attempt_report(job->attempt, now, &report);
    host->brisk = report.started > 0 && now - report.started < BRISK_NS;
}

/* --- redirects to another host ---------------------------------------------------------------- */

/* Who waits for a slot here already comes first. */
static bool hop_may_start(const struct host *host)
{
    return host_has_slot(host) && list_empty(&host->hops);
}

int host_hop(struct job *job, const char *name)
{
    struct host *old = job->host;
    struct host *host = host_get(job->jobs, name);
    if (!host)
        return -ENOMEM;
    bool starts = hop_may_start(host);
    job->host = NULL;
    job->has_slot = false;
    tell_pace(old, KIND_NONE, 0, clock_now()); /* it answered */
    if (starts) {
        host_slot_take(host, job);
    } else {
        job_set_place(job, PLACE_HOPPING);
        job->host = host;
        list_add_tail(&host->hops, &job->hop_link);
    }
    host_slot_free(old);
    return starts;
}

struct job *host_take_hop(struct host *host)
{
    while (host_has_slot(host) && !list_empty(&host->hops)) {
        struct job *job = container_of(list_pop(&host->hops), struct job, hop_link);
        job->host = NULL; /* which may go: this job is in none of its lists any more */
        if (attempt_cause(job->attempt))
            continue;
        host_slot_take(host, job);
        job_set_place(job, PLACE_RUNNING);
        return job;
    }
    return NULL;
}
