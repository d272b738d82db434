/* Admission: which job runs next.
 *
 * A job runs when a worker permit and a slot of its host can be had together, in one step, here on
 * the control loop; both are kept through redirects and given back together, so nothing can wait in
 * a circle. One exception to "together": a redirect to another host gives the old slot back first
 * and then waits for the new one with its permit. Whoever holds a slot needs nothing more, so that
 * wait ends.
 *
 * Hosts take turns, one job each, so ten thousand jobs for one host do not hold up the one job for
 * another. A host keeps a window of its next jobs in memory; the others stay in the store. */
#include "job/admission.h"

#include "base/clock.h"
#include "base/log.h"
#include "job/claim.h"
#include "job/finish.h"
#include "job/job.h"
#include "job/pause.h"
#include "job/recover.h"
#include "job/run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW       64
#define WINDOW_BRISK 256 /* of a host whose jobs come and go within the time of a commit */
/* Jobs that have ended but whose lines or rows are not written yet: beyond that nothing starts, so
 * that a slow sink or store bounds memory as well. */
#define ENDING_MAX 1024

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
    list_init(&host->window);
    list_init(&host->hops);
    host->entry.name = host->name;
    tree_insert(&jobs->hosts, &host->entry.node);
    jobs->host_count++;
    return host;
}

static void host_free(struct host *host)
{
    tree_remove(&host->jobs->hosts, &host->entry.node);
    host->jobs->host_count--;
    list_del(&host->ready_link);
    free(host->name);
    free(host);
}

void host_put_if_idle(struct host *host)
{
    /* A breaker's count and a pause outlive the host's last job; so does a debt of its rate. */
    if (host->running > 0 || host->more || host->loading || host->next_due || host->paused ||
        host->folding > 0 || host->wake_at || host->pace.failed > 0 || host->limits.rate > 0 ||
        !list_empty(&host->window) || !list_empty(&host->hops))
        return;
    host_free(host);
}

static void make_ready(struct host *host)
{
    if (host->ready_link.next == &host->ready_link)
        list_add_tail(&host->jobs->ready, &host->ready_link);
}

void admission_wake_all(struct jobs *jobs)
{
    tree_for_each(n, &jobs->hosts) make_ready(container_of(n, struct host, entry.node));
    wake_admit(&jobs->wake);
}

/* --- windows ------------------------------------------------------------------------------------- */

static bool runs_before(const struct job *a, const struct job *b)
{
    if (a->row->rank != b->row->rank)
        return a->row->rank < b->row->rank;
    return a->id < b->id;
}

static size_t window_size(const struct host *host)
{
    return host->ahead > 0 ? WINDOW_BRISK : WINDOW;
}

static void window_insert(struct host *host, struct job *job)
{
    struct list *at = host->window.prev;
    while (at != &host->window && runs_before(job, container_of(at, struct job, link)))
        at = at->prev;
    list_add_head(at, &job->link);
    job->host = host;
    job->place = PLACE_WINDOW;
    host->window_len++;
    make_ready(host);
}

/* A row that cannot be read any more (its parser is gone from the config) ends as `unexpected`: it
 * was acknowledged, so it has a verdict. */
static void admit_row(struct host *host, struct store_job *row)
{
    struct error err = {""};
    struct jobs *jobs = host->jobs;
    if (job_find(jobs, row->id)) {
        store_job_free(row);
        return;
    }
    struct job *job = job_new(jobs, row, NULL, &err);
    if (!job) {
        log_error("no memory for a job of host %s; it stays in the store", host->name);
        host->more = true;
    } else if (!job->spec) {
        struct cause cause = {.kind = KIND_UNEXPECTED};
        memcpy(cause.message, err.text, sizeof err.text);
        job_finish(job, JOB_FAILED, &cause);
    } else if (job->spec->run) {
        struct cause cause = {.cancelled = true,
                              .message = "the daemon was started anew; the command is gone"};
        job_finish(job, JOB_CANCELLED, &cause);
    } else {
        window_insert(host, job);
    }
}

static void on_loaded(struct mail *mail)
{
    struct host *host = container_of(mail, struct host, load.call.mail);
    struct jobs *jobs = host->jobs;
    struct store_window *load = &host->load;

    host->loading = false;
    free(host->skip);
    host->skip = NULL;
    if (load->call.result < 0) {
        log_error("the queue of host %s could not be read: %s", host->name, load->call.error.text);
        admission_due(jobs, host->name, clock_real_us() + 1000000);
        wake_drained(&jobs->wake);
        return;
    }
    host->more = load->count == load->limit || host->stale;
    if (load->next_due && (!host->next_due || load->next_due < host->next_due))
        admission_due(jobs, host->name, load->next_due);
    for (size_t i = 0; i < load->count; i++)
        admit_row(host, load->jobs[i]);
    free(load->jobs);
    if (list_empty(&host->window) && !host->more)
        host_put_if_idle(host);
    else
        make_ready(host);
    wake_admit(&jobs->wake);
    wake_drained(&jobs->wake);
}

/* Rows of this host that are in memory although the store still calls them runnable. */
static size_t collect_skip(struct host *host)
{
    size_t n = 0;
    tree_for_each(e, &host->jobs->active) n +=
        container_of(e, struct job, active.node)->place != PLACE_RUNNING;
    host->skip = n > 0 ? calloc(n, sizeof *host->skip) : NULL;
    if (!host->skip)
        return 0;
    n = 0;
    tree_for_each(e, &host->jobs->active)
    {
        const struct job *job = container_of(e, struct job, active.node);
        if (job->place != PLACE_RUNNING && strcmp(job->row->host, host->name) == 0)
            host->skip[n++] = job->id;
    }
    return n;
}

static void window_load(struct host *host)
{
    struct store *store = host->jobs->config.store;
    host->loading = true;
    host->stale = false;
    host->load = (struct store_window){.host = host->name,
                                       .now = clock_real_us(),
                                       .skip_count = collect_skip(host),
                                       .limit = window_size(host)};
    host->load.skip = host->skip;
    mail_init(&host->load.call.mail, on_loaded);
    store->engine->window(store, &host->load);
}

void admission_queue(struct job *job)
{
    struct host *host = host_get(job->jobs, job->row->host);
    if (job->claimed && (!host || host->jobs->draining)) {
        job_release(job);
        return;
    }
    if (!host) {
        job_free(job); /* the row stays in the store and is found at the next load of its host */
        return;
    }
    /* The store could give a command's job back, but not its pipe. */
    if (job->claimed || job->spec->run ||
        (!host->loading && !host->more && host->window_len < window_size(host))) {
        window_insert(host, job);
        if (job->claimed)
            claim_watch(job);
    } else {
        host->more = host->stale = true;
        make_ready(host);
        job_free(job);
    }
    wake_admit(&host->jobs->wake);
}

void admission_due(struct jobs *jobs, const char *name, int64_t due)
{
    struct host *host = host_get(jobs, name);
    if (!host)
        return;
    if (!host->next_due || due < host->next_due)
        host->next_due = due;
    int64_t wait = due - clock_real_us();
    wake_at(&jobs->wake, clock_now() + (wait > 0 ? (uint64_t)wait * 1000 : 0));
}

/* What a host owes its rate, or has failed, is forgotten a minute after its last request. */
static void forget_pace(struct host *host, uint64_t now)
{
    if (host->running > 0 || host->more || host->loading || host->paused ||
        !list_empty(&host->window) || !list_empty(&host->hops) ||
        host->pace.breaker != BREAKER_CLOSED || now - host->pace.used_at <= 60 * NS_PER_SEC)
        return;
    host->pace.failed = 0;
    host->limits.rate = 0;
    host_put_if_idle(host);
}

static uint64_t check_host(struct host *host, uint64_t now, int64_t now_us)
{
    uint64_t next = 0;
    if (host->back_at && host->back_at <= now)
        claim_give_back(host, now);
    if (host->next_due && host->next_due <= now_us) {
        host->next_due = 0;
        host->more = host->stale = true;
        make_ready(host);
    } else if (host->next_due) {
        next = now + (uint64_t)(host->next_due - now_us) * 1000;
    }
    if (host->wake_at && host->wake_at <= now) {
        host->wake_at = 0;
        make_ready(host);
    } else if (host->wake_at && (next == 0 || host->wake_at < next)) {
        next = host->wake_at;
    }
    if (host->back_at && (next == 0 || host->back_at < next))
        next = host->back_at;
    return next;
}

void admission_check_due(struct jobs *jobs)
{
    uint64_t now = clock_now(), first = 0;
    int64_t now_us = clock_real_us();
    tree_for_each(n, &jobs->hosts)
    {
        struct host *host = container_of(n, struct host, entry.node);
        uint64_t next = check_host(host, now, now_us);
        if (next && (first == 0 || next < first))
            first = next;
        if (!next)
            forget_pace(host, now);
    }
    if (first)
        wake_at(&jobs->wake, first);
    wake_admit(&jobs->wake);
}

/* --- the end, and what hinders -------------------------------------------------------------------- */

void admission_free(struct jobs *jobs)
{
    tree_for_each(n, &jobs->hosts)
    {
        struct host *host = container_of(n, struct host, entry.node);
        struct list *e;
        while ((e = list_pop(&host->window)))
            job_free(container_of(e, struct job, link));
        host_free(host);
    }
    pause_free(jobs);
}

const char *admission_obstacle(const struct jobs *jobs, const char *host_name, const char *parser)
{
    const struct host *host = host_find(jobs, host_name);
    if (jobs->paused || (host && host->paused) || admission_paused(jobs, parser))
        return "paused";
    if (sink_failing(jobs->config.sink))
        return "sink";
    if (store_failing(jobs->config.store))
        return "store";
    if (host &&
        (host->running >= host->limit || host->wake_at || host->pace.breaker != BREAKER_CLOSED))
        return "host";
    return "worker";
}

/* --- permits and slots ------------------------------------------------------------------------ */

static void take_slot(struct host *host, struct job *job)
{
    pace_take(&host->pace, &host->limits, clock_now());
    host->running++;
    job->host = host;
    job->has_slot = true;
}

/* One that was aborted while it waited is ending: a transfer begun now would outlive its attempt. */
static void continue_hops(struct host *host)
{
    while (host->running < host->limit && !list_empty(&host->hops)) {
        struct job *job = container_of(list_pop(&host->hops), struct job, hop_link);
        if (attempt_cause(job->attempt)) {
            job->host = NULL; /* which may go: this job is in none of its lists any more */
            continue;
        }
        take_slot(host, job);
        job_continue(job);
    }
}

void admission_slot_free(struct host *host)
{
    struct jobs *jobs = host->jobs;
    host->running--;
    continue_hops(host);
    make_ready(host);
    host_put_if_idle(host);
    wake_admit(&jobs->wake);
}

bool admission_take_hop(struct job *job, const char *host_name)
{
    struct host *old = job->host;
    struct host *host = host_get(job->jobs, host_name);
    if (!host) {
        attempt_abort(job->attempt, KIND_RESOURCES, "no memory for a redirect");
        return false;
    }
    job->host = NULL;
    job->has_slot = false;
    pace_report(&old->pace, &old->limits, KIND_NONE, 0, clock_now()); /* it answered */
    if (host->running < host->limit) {
        take_slot(host, job);
        admission_slot_free(old);
        return true;
    }
    job->place = PLACE_HOPPING;
    job->host = host;
    list_add_tail(&host->hops, &job->hop_link);
    admission_slot_free(old);
    return false;
}

bool admission_open(const struct jobs *jobs)
{
    return !jobs->draining && !jobs->recovering && !jobs->recover_at && !jobs->paused &&
           jobs->permits_used < jobs->settings->workers && jobs->ending_count < ENDING_MAX &&
           !sink_failing(jobs->config.sink) && !store_failing(jobs->config.store);
}

void admission_drop(struct job *job)
{
    struct host *host = job->host;
    host->window_len--;
    job_free(job);
    host_put_if_idle(host);
}

/* The first job of the window whose parser is not paused. */
static struct job *next_job(struct host *host)
{
    list_for_each(e, &host->window)
    {
        struct job *job = container_of(e, struct job, link);
        if (!admission_paused(host->jobs, job->row->parser))
            return job;
    }
    return NULL;
}

/* True if pace lets a job start now; else the host is woken when it will. */
static bool in_pace(struct host *host)
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

/* One job of this host, if it can. False: the host has nothing to start now. */
static bool start_one(struct host *host)
{
    if (host->window_len <= window_size(host) / 4 && host->more && !host->loading)
        window_load(host);
    struct job *job = host->paused ? NULL : next_job(host);
    if (!job || host->running >= host->limit || !in_pace(host))
        return false;
    list_del(&job->link);
    host->window_len--;
    host->jobs->permits_used++;
    take_slot(host, job);
    job_start(job);
    claim_ahead(host);
    return true;
}

void admission_report(struct job *job, const struct cause *cause)
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

void admission_run(struct jobs *jobs)
{
    while (!list_empty(&jobs->ready) && admission_open(jobs)) {
        struct host *host = container_of(jobs->ready.next, struct host, ready_link);
        list_del(&host->ready_link);
        if (start_one(host))
            make_ready(host); /* behind the others */
        else
            host_put_if_idle(host);
    }
}

void admission_limit_changed(struct host *host)
{
    set_limits(host->jobs, host);
    continue_hops(host);
    make_ready(host);
}

/* --- at start --------------------------------------------------------------------------------- */

struct initial {
    struct store_hosts call;
    struct jobs *jobs;
};

static void on_hosts(struct mail *mail)
{
    struct initial *initial = container_of(mail, struct initial, call.call.mail);
    struct jobs *jobs = initial->jobs;
    jobs->loading = false;
    if (initial->call.call.result < 0) {
        log_error("the queue could not be read, and is tried again: %s",
                  initial->call.call.error.text);
        wake_recover(&jobs->wake);
    }
    for (size_t i = 0; i < initial->call.count; i++) {
        struct host *host = host_get(jobs, initial->call.hosts[i].host);
        if (host) {
            host->more = host->stale = true;
            make_ready(host);
        }
        free(initial->call.hosts[i].host);
    }
    free(initial->call.hosts);
    free(initial);
    wake_admit(&jobs->wake);
    wake_drained(&jobs->wake);
}

void admission_load(struct jobs *jobs)
{
    struct initial *initial = calloc(1, sizeof *initial);
    if (!initial) {
        log_error("no memory to read the queue; it is tried again");
        wake_recover(&jobs->wake);
        return;
    }
    initial->jobs = jobs;
    jobs->loading = true;
    mail_init(&initial->call.call.mail, on_hosts);
    jobs->config.store->engine->hosts(jobs->config.store, &initial->call);
}
