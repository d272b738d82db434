/* The object that holds all jobs: its making, and who is woken for what. */
#include "job/jobs.h"

#include "base/clock.h"
#include "fetch/policy.h"
#include "job/admission.h"
#include "job/claim.h"
#include "job/drain.h"
#include "job/finish.h"
#include "job/fleet.h"
#include "job/hold.h"
#include "job/host.h"
#include "job/intake.h"
#include "job/membership.h"
#include "job/park.h"
#include "job/recover.h"
#include "job/remote.h"
#include "job/run.h"
#include "job/user_turn.h"
#include "job/verdict.h"
#include "job/window.h"
#include "parse/pool.h"
#include "terms/proxy.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- what is woken ---------------------------------------------------------------------------- */

/* A command's job that is due is queued; another one's attempt may have used up its time. */
static void on_job_clock(struct job *job)
{
    if (job->place != PLACE_ASIDE) {
        job_check_clock(job);
        return;
    }
    struct host *host = job->host;
    list_del(&job->link);
    job->host = NULL;
    intake_job(job);
    if (host)
        host_put_if_idle(host);
}

static void on_ring(void *arg, struct wake_timer *timer)
{
    struct jobs *jobs = arg;
    switch (timer->kind) {
    case WAKE_HOST:
        admission_host_clock(container_of(timer, struct host, clock));
        return;
    case WAKE_HOST_DUE:
        admission_host_due(container_of(timer, struct host, due));
        return;
    case WAKE_JOB:
        on_job_clock(container_of(timer, struct job, clock));
        return;
    case WAKE_WORDS:
        finish_check_words(jobs);
        return;
    case WAKE_RECOVERY:
        recover_check(jobs);
        return;
    case WAKE_FLEET:
        membership_tick(jobs);
        return;
    }
}

static void on_admit(void *arg)
{
    admission_run(arg);
}

static void on_drained(void *arg)
{
    drain_look(arg);
}

static void on_recover(void *arg)
{
    recover_again(arg);
}

static int64_t on_now(void *arg)
{
    struct jobs *jobs = arg;
    return store_now(jobs->config.store);
}

static const struct wake_calls wake_calls = {.ring = on_ring,
                                             .now = on_now,
                                             .admit = on_admit,
                                             .drained = on_drained,
                                             .recover = on_recover};

void jobs_trouble_changed(struct jobs *jobs)
{
    wake_admit(&jobs->wake); /* admission asks the sink and the store itself whether it may */
}

/* --- life ------------------------------------------------------------------------------------- */

/* Fixed for the daemon's life: the fetch loops read it without a lock. What it holds needs a
 * restart. */
static void set_env(struct jobs *jobs)
{
    const struct settings *s = jobs->settings;
    atomic_init(&jobs->pipe_budget.left, s->pipe_budget);
    jobs->env = (struct attempt_env){
        .control = jobs->config.mailbox,
        .fetch = jobs->config.fetch,
        .pool = jobs->config.pool,
        .sink = jobs->config.sink,
        .pipe_size = s->pipe_size,
        .pipe_budget = &jobs->pipe_budget,
        .max_record = s->max_record,
        .decode_ratio = s->decode_ratio,
        .decode_window = s->decode_window,
        .max_header = s->max_header,
        .resume_delay = s->resume_delay,
        .spool_dir = s->spool_dir,
        .spool_max = s->spool_max,
        .proxy = jobs->proxy,
        .loop = jobs->config.loop,
    };
}

static int parts_new(struct jobs *jobs)
{
    const struct settings *s = jobs->settings;
    struct results_config kept = {
        .path = s->results_path, .keep_ns = s->results_keep, .max_bytes = s->results_max};
    int r = proxy_new(s->proxy, &jobs->proxy);
    if (r == 0)
        r = results_new(&kept, jobs->config.mailbox, &jobs->results);
    if (r == 0)
        r = fleet_new(jobs->config.store, s->fleet_name, &jobs->fleet);
    if (r == 0)
        r = holds_new(&jobs->holds);
    if (r == 0)
        r = claims_new(&jobs->claims);
    if (r == 0)
        r = windows_new(jobs, &jobs->windows);
    if (r == 0)
        r = hosts_sums_new(jobs);
    if (r == 0)
        r = recovery_new(&jobs->recovery);
    if (r == 0)
        r = drain_new(&jobs->drain);
    return r;
}

static void parts_free(struct jobs *jobs)
{
    drain_free(jobs->drain);
    recovery_free(jobs->recovery);
    free(jobs->host_sums);
    users_deinit(&jobs->users);
    windows_free(jobs->windows);
    claims_free(jobs->claims);
    holds_free(jobs->holds);
    fleet_free(jobs->fleet);
    results_free(jobs->results);
    buf_deinit(&jobs->shown);
    proxy_free(jobs->proxy);
    registry_unref(jobs->registry);
    policy_unref(jobs->policy);
    free(jobs);
}

int jobs_new(const struct jobs_config *config, struct jobs **ret_jobs, struct error *err)
{
    struct jobs *jobs = calloc(1, sizeof *jobs);
    if (!jobs)
        return error_set(err, -ENOMEM, "no memory for the jobs");
    jobs->config = *config;
    jobs->settings = config->settings;
    jobs->registry = registry_ref(config->registry);
    jobs->policy = policy_ref(config->policy);
    tree_init(&jobs->active, tree_by_id);
    tree_init(&jobs->hosts, tree_by_name);
    users_init(&jobs->users);
    backlog_init(&jobs->backlog);
    tree_init(&jobs->pressed, tree_by_id);
    list_init(&jobs->ready);
    list_init(&jobs->hungry);
    list_init(&jobs->stocked);
    list_init(&jobs->parked);
    list_init(&jobs->freed);
    list_init(&jobs->running);
    list_init(&jobs->ending);
    list_init(&jobs->wordless);
    list_init(&jobs->watches);
    wake_timer_init(&jobs->words, WAKE_WORDS);
    wake_timer_init(&jobs->recover, WAKE_RECOVERY);
    walks_init(&jobs->walks, jobs);
    int r = parts_new(jobs);
    set_env(jobs);
    if (r == 0)
        r = verdict_init(jobs);
    if (r == 0)
        r = wake_init(&jobs->wake, config->loop, config->mailbox, &wake_calls, jobs);
    if (r < 0) {
        parts_free(jobs);
        return error_set(err, r, "the jobs cannot be set up: %s", strerror(-r));
    }
    recover_start(jobs);
    membership_start(jobs);
    *ret_jobs = jobs;
    return 0;
}

void jobs_reconfigure(struct jobs *jobs, const struct settings *settings, struct registry *registry,
                      struct policy *policy)
{
    assert(jobs_are_current(jobs));
    jobs->settings = settings;
    registry_unref(jobs->registry);
    jobs->registry = registry_ref(registry);
    policy_unref(jobs->policy);
    jobs->policy = policy_ref(policy);
    pool_set_workers(jobs->config.pool, (unsigned)settings->workers);
    results_set_bounds(jobs->results, settings->results_keep, settings->results_max);
    users_limits_changed(jobs);
    user_turns_release(jobs);
    hosts_limits_changed(jobs);
    park_look(jobs);
}

void jobs_figures(const struct jobs *jobs, unsigned *ret_running, uint64_t *ret_pending)
{
    struct store *store = jobs->config.store;
    struct store_counts counts;
    store->engine->counts(store, &counts);
    *ret_running = jobs->permits_used;
    *ret_pending = counts.by_state[JOB_QUEUED] + counts.by_state[JOB_WAITING];
}

const char *jobs_member(const struct jobs *jobs)
{
    return fleet_name(jobs);
}

void jobs_counts(struct jobs *jobs, struct store_counts *ret_counts)
{
    struct store *store = jobs->config.store;
    store->engine->counts(store, ret_counts);
    uint64_t *running = &ret_counts->by_state[JOB_RUNNING];
    uint64_t waits = jobs->claimed_waiting < *running ? jobs->claimed_waiting : *running;
    *running -= waits;
    ret_counts->by_state[JOB_QUEUED] += waits;
}

static void on_closed(void *arg)
{
    struct jobs *jobs = arg;
    void (*closed)(void *) = jobs->closed;
    void *closed_arg = jobs->closed_arg;
    hosts_free(jobs);
    assert(!tree_first(&jobs->active) && list_empty(&jobs->running) && list_empty(&jobs->ending));
    assert(jobs->permits_used == 0 && jobs->ending_count == 0);
    parts_free(jobs);
    if (closed)
        closed(closed_arg);
}

void jobs_close(struct jobs *jobs, void (*closed)(void *arg), void *arg)
{
    assert(jobs_are_current(jobs));
    jobs->closed = closed;
    jobs->closed_arg = arg;
    wake_close(&jobs->wake, on_closed);
}
