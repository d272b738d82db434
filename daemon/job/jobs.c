/* The object that holds all jobs: its making, its clock, its end. */
#include "job/jobs.h"

#include "base/clock.h"
#include "base/log.h"
#include "job/admission.h"
#include "job/bulk.h"
#include "job/claim.h"
#include "job/follow.h"
#include "job/job.h"
#include "job/recover.h"
#include "job/run.h"
#include "job/schedule.h"
#include "job/wait.h"
#include "terms/proxy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- the timer: deadlines of running jobs, rows that fall due --------------------------------- */

static void on_timer(uv_timer_t *timer)
{
    struct jobs *jobs = timer->data;
    jobs->timer_at = 0;
    jobs_check_clocks(jobs, clock_now());
    admission_check_due(jobs);
    remote_check_due(jobs);
    recover_check(jobs);
    schedules_check(jobs);
}

void jobs_set_timer(struct jobs *jobs, uint64_t at)
{
    uint64_t now = clock_now();
    if ((jobs->timer_at && jobs->timer_at <= at) || uv_is_closing((uv_handle_t *)&jobs->timer))
        return;
    jobs->timer_at = at;
    uv_update_time(jobs->config.loop);
    /* Rounded up, and never 0: libuv 1.44 runs a 0 ms timer that is set in its own callback at
     * once. */
    uint64_t ms = at > now ? (at - now + NS_PER_MS - 1) / NS_PER_MS : 1;
    uv_timer_start(&jobs->timer, on_timer, ms > 0 ? ms : 1, 0);
}

/* --- mails ------------------------------------------------------------------------------------ */

static void on_admit(struct mail *mail)
{
    admission_run(container_of(mail, struct jobs, admit_mail));
}

void jobs_sink_changed(struct jobs *jobs)
{
    mailbox_post(jobs->config.mailbox, &jobs->trouble_mail);
}

static void on_trouble(struct mail *mail)
{
    struct jobs *jobs = container_of(mail, struct jobs, trouble_mail);
    admission_run(jobs); /* it asks the sink itself whether it may */
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

int jobs_new(const struct jobs_config *config, struct jobs **ret_jobs, struct error *err)
{
    struct jobs *jobs = calloc(1, sizeof *jobs);
    if (!jobs)
        return error_set(err, -ENOMEM, "no memory for the jobs");
    jobs->config = *config;
    jobs->settings = config->settings;
    jobs->max_jobs = config->settings->max_jobs;
    jobs->registry = registry_ref(config->registry);
    jobs->policy = policy_ref(config->policy);
    jobs->started_us = jobs->reloaded_us = clock_real_us();
    tree_init(&jobs->active, tree_by_id);
    tree_init(&jobs->hosts, tree_by_name);
    tree_init(&jobs->awaited, tree_by_id);
    tree_init(&jobs->parsers, tree_by_name);
    list_init(&jobs->ready);
    list_init(&jobs->running);
    list_init(&jobs->ending);
    list_init(&jobs->followers);
    list_init(&jobs->waits);
    list_init(&jobs->remotes);
    list_init(&jobs->parked);
    mail_init(&jobs->admit_mail, on_admit);
    mail_init(&jobs->trouble_mail, on_trouble);
    int r = proxy_new(jobs->settings->proxy, &jobs->proxy);
    set_env(jobs);
    if (r == 0)
        r = follow_init(jobs);
    if (r == 0)
        r = schedules_new(jobs, &jobs->schedules);
    if (r == 0)
        r = uv_timer_init(config->loop, &jobs->timer);
    if (r < 0) {
        proxy_free(jobs->proxy);
        schedules_free(jobs->schedules);
        follow_deinit(jobs);
        registry_unref(jobs->registry);
        policy_unref(jobs->policy);
        free(jobs);
        return error_set(err, r, "the jobs cannot be set up: %s", strerror(-r));
    }
    jobs->timer.data = jobs;
    recover_start(jobs);
    admission_load(jobs);
    schedules_load(jobs->schedules);
    *ret_jobs = jobs;
    return 0;
}

void jobs_reconfigure(struct jobs *jobs, const struct settings *settings, struct registry *registry,
                      struct policy *policy)
{
    jobs->settings = settings;
    registry_unref(jobs->registry);
    jobs->registry = registry_ref(registry);
    policy_unref(jobs->policy);
    jobs->policy = policy_ref(policy);
    pool_set_workers(jobs->config.pool, (unsigned)settings->workers);
    tree_for_each(n, &jobs->hosts)
        admission_limit_changed(container_of(n, struct host, entry.node));
    admission_poke(jobs);
}

void jobs_reloaded(struct jobs *jobs, bool good)
{
    if (good) {
        jobs->reloads++;
        jobs->reloaded_us = clock_real_us();
    } else {
        jobs->reloads_refused++;
    }
}

static void on_last_mail(struct mail *mail)
{
    struct jobs *jobs = container_of(mail, struct jobs, last_mail);
    void (*closed)(void *) = jobs->closed;
    void *arg = jobs->closed_arg;
    follow_deinit(jobs);
    schedules_free(jobs->schedules);
    admission_free(jobs);
    proxy_free(jobs->proxy);
    registry_unref(jobs->registry);
    policy_unref(jobs->policy);
    free(jobs);
    if (closed)
        closed(arg);
}

static void on_closed(uv_handle_t *handle)
{
    struct jobs *jobs = handle->data;
    /* Behind the mails of ours that are still on their way. */
    mail_init(&jobs->last_mail, on_last_mail);
    mailbox_post(jobs->config.mailbox, &jobs->last_mail);
}

void jobs_close(struct jobs *jobs, void (*closed)(void *arg), void *arg)
{
    jobs->closed = closed;
    jobs->closed_arg = arg;
    uv_close((uv_handle_t *)&jobs->timer, on_closed);
}

/* --- drain ------------------------------------------------------------------------------------ */

void jobs_drain(struct jobs *jobs, void (*drained)(void *arg), void *arg)
{
    if (jobs->draining)
        return;
    jobs->draining = true;
    jobs->drained = drained;
    jobs->drained_arg = arg;
    schedules_drain(jobs->schedules);
    remote_drain(jobs);
    if (!jobs->config.store->engine->keeps)
        drain_cancel_queued(jobs); /* they would be lost: each gets its verdict */
    else
        claim_drain(jobs);
    admission_poke(jobs);
    jobs_drain_step(jobs);
}

void jobs_stop(struct jobs *jobs)
{
    struct store *store = jobs->config.store;
    jobs->stopped = true;
    if (store->engine->give_up)
        store->engine->give_up(store);
    list_for_each(e, &jobs->running) job_interrupt(container_of(e, struct job, link));
}

static bool loading(const struct jobs *jobs)
{
    tree_for_each(n,
                  &jobs->hosts) if (container_of(n, struct host, entry.node)->loading) return true;
    return false;
}

void jobs_drain_step(struct jobs *jobs)
{
    if (!jobs->draining || jobs->drained_told)
        return;
    if (!list_empty(&jobs->running) || !list_empty(&jobs->ending) || jobs->cancelling > 0 ||
        jobs->recovering || jobs->loading || jobs->claims_out > 0 || loading(jobs) ||
        schedules_busy(jobs->schedules))
        return;
    waits_fail(jobs);
    if (jobs->calls_out > 0)
        return;
    jobs->drained_told = true;
    jobs->drained(jobs->drained_arg);
}
