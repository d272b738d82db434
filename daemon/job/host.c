#include "job/host.h"

#include "base/clock.h"
#include "base/log.h"
#include "terms/settings.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BRISK_NS (20 * NS_PER_MS) /* of an attempt: the host's jobs are short */

/* Each limit by itself, from the most specific section that gives it. */
static void set_limits(const struct jobs *jobs, struct host *host)
{
    const struct settings *s = jobs->settings;
    const struct settings_host *section;
    uint64_t connections = 0;
    struct pace_limits *limits = &host->limits;
    *limits = (struct pace_limits){0};
    section = settings_host_match(s, host->name, 0);
    host->section = section ? (size_t)(section - s->hosts) : s->host_count;
    for (size_t i = 0; (section = settings_host_match(s, host->name, i)); i++) {
        if (connections == 0)
            connections = section->connections;
        if (limits->rate <= 0)
            limits->rate = section->requests_per_second;
        if (limits->failures == 0)
            limits->failures = section->breaker_failures;
        if (limits->cooldown == 0)
            limits->cooldown = section->breaker_cooldown;
    }
    host->limit = (unsigned)(connections ? connections : s->host_connections);
    limits->failures = limits->failures ? limits->failures : s->breaker_failures;
    limits->cooldown = limits->cooldown ? limits->cooldown : s->breaker_cooldown;
}

struct host *host_find(const struct jobs *jobs, const char *name)
{
    return tree_entry(tree_find_name(&jobs->hosts, name), struct host, entry.node);
}

struct host *host_get(struct jobs *jobs, const char *name)
{
    struct host *host = host_find(jobs, name);
    if (host)
        return host;
    host = calloc(1, sizeof *host);
    if (!host || !(host->name = strdup(name))) {
        free(host);
        return NULL;
    }
    host->jobs = jobs;
    set_limits(jobs, host);
    list_init(&host->ready_link);
    list_init(&host->freed_link);
    list_init(&host->window);
    list_init(&host->hops);
    host->entry.name = host->name;
    tree_insert(&jobs->hosts, &host->entry.node);
    jobs->host_count++;
    return host;
}

static void host_free(struct host *host)
{
    assert(host->folding == 0 && !host->loading);
    tree_remove(&host->jobs->hosts, &host->entry.node);
    host->jobs->host_count--;
    list_del(&host->ready_link);
    list_del(&host->freed_link);
    free(host->name);
    free(host);
}

static bool is_idle(const struct host *host)
{
    return host->running == 0 && !host->more && !host->loading && !host->held &&
           list_empty(&host->window) && list_empty(&host->hops);
}

void host_put_if_idle(struct host *host)
{
    /* A breaker's count and a hold outlive the host's last job; so does a debt of its rate. */
    if (is_idle(host) && !host->next_due && host->folding == 0 && !host->wake_at &&
        host->pace.failed == 0 && host->limits.rate <= 0)
        host_free(host);
}

void host_make_ready(struct host *host)
{
    if (list_empty(&host->ready_link))
        list_add_tail(&host->jobs->ready, &host->ready_link);
}

void host_has_more(struct host *host)
{
    host->more = host->stale = true;
    host_make_ready(host);
}

void hosts_wake(struct jobs *jobs)
{
    tree_for_each(n, &jobs->hosts) host_make_ready(container_of(n, struct host, entry.node));
    wake_admit(&jobs->wake);
}

void hosts_free(struct jobs *jobs)
{
    tree_for_each(n, &jobs->hosts)
    {
        struct host *host = container_of(n, struct host, entry.node);
        struct list *e;
        while ((e = list_pop(&host->window)))
            job_free(container_of(e, struct job, link));
        assert(host->running == 0 && list_empty(&host->hops));
        host_free(host);
    }
}

/* --- time ------------------------------------------------------------------------------------- */

void host_due(struct jobs *jobs, const char *name, int64_t due)
{
    struct host *host = host_get(jobs, name);
    if (!host) {
        wake_recover(&jobs->wake); /* when the queue is read again, the row is found */
        return;
    }
    if (!host->next_due || due < host->next_due)
        host->next_due = due;
    wake_at_real(&jobs->wake, due);
}

void host_forget_pace(struct host *host, uint64_t now)
{
    if (!is_idle(host) || host->pace.breaker != BREAKER_CLOSED ||
        now - host->pace.used_at <= 60 * NS_PER_SEC)
        return;
    host->pace.failed = 0;
    host->limits.rate = 0;
    host_put_if_idle(host);
}

bool host_in_pace(struct host *host)
{
    uint64_t now = clock_now();
    uint64_t wait = pace_wait(&host->pace, &host->limits, now);
    if (wait == 0)
        return true;
    if (wait != UINT64_MAX) { /* else the probe's end makes the host ready again */
        host->wake_at = now + wait;
        wake_at(&host->jobs->wake, host->wake_at);
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

void host_window_add(struct host *host, struct job *job)
{
    struct list *at = host->window.prev;
    while (at != &host->window && runs_before(job, container_of(at, struct job, link)))
        at = at->prev;
    job_set_place(job, PLACE_WINDOW);
    list_add_head(at, &job->link);
    job->host = host;
    host->window_len++;
    host_make_ready(host);
}

void host_window_remove(struct job *job)
{
    struct host *host = job->host;
    assert(job->place == PLACE_WINDOW && host->window_len > 0 && !list_empty(&job->link));
    list_del(&job->link);
    host->window_len--;
}

/* --- slots ------------------------------------------------------------------------------------ */

void host_slot_take(struct host *host, struct job *job)
{
    assert(host->running < host->limit && !job->has_slot);
    pace_take(&host->pace, &host->limits, clock_now());
    host->running++;
    job->host = host;
    job->has_slot = true;
}

/* Jobs that wait for a slot here may have one now. */
static void look_at_hops(struct host *host)
{
    if (!list_empty(&host->hops) && list_empty(&host->freed_link))
        list_add_tail(&host->jobs->freed, &host->freed_link);
}

void host_slot_free(struct host *host)
{
    struct jobs *jobs = host->jobs;
    assert(host->running > 0);
    host->running--;
    look_at_hops(host);
    host_make_ready(host);
    host_put_if_idle(host);
    wake_admit(&jobs->wake);
}

void hosts_limits_changed(struct jobs *jobs)
{
    tree_for_each(n, &jobs->hosts)
    {
        struct host *host = container_of(n, struct host, entry.node);
        set_limits(jobs, host);
        look_at_hops(host);
        host_make_ready(host);
    }
    wake_admit(&jobs->wake);
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
    if (pace_report(&host->pace, &host->limits, cause ? cause->kind : KIND_NONE, report.status,
                    now))
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
    return host->running < host->limit && list_empty(&host->hops);
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
    pace_report(&old->pace, &old->limits, KIND_NONE, 0, clock_now()); /* it answered */
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
    while (host->running < host->limit && !list_empty(&host->hops)) {
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
