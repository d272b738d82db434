#include "api/api.h"

#include "api/audit.h"
#include "api/call.h"
#include "api/call_backup.h"
#include "api/call_bulk.h"
#include "api/call_check.h"
#include "api/call_fleet.h"
#include "api/call_look.h"
#include "api/call_loops.h"
#include "api/call_metrics.h"
#include "api/call_operate.h"
#include "api/call_records.h"
#include "api/call_run.h"
#include "api/call_schedule.h"
#include "api/call_submit.h"
#include "api/call_top.h"
#include "api/call_wait.h"
#include "api/follower.h"
#include "api/daemon_view.h"
#include "base/clock.h"
#include "base/fd.h"
#include "job/job.h"
#include "job/run.h"
#include "terms/access.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

/* --- dispatch --------------------------------------------------------------------------------- */

/* What needs no look at a row: NULL, or the keys that would permit it. */
static const char *missing_permission(const struct api_call *call)
{
    const struct access *access = call->api->jobs->settings->access;
    switch (call->method) {
    case API_SUBMIT:
    case API_RUN:
    case API_HEAD:
    case API_RETRY:
    case API_CHECK_URL:
        return access_may_submit(access, &call->peer) ? NULL : "submit_users, submit_groups";
    case API_PAUSE:
    case API_RESUME:
    case API_RELOAD:
    case API_SCHEDULE_APPLY:
    case API_SCHEDULE_ADD:
    case API_SCHEDULE_LIST:
    case API_SCHEDULE_RUN:
    case API_SCHEDULE_REMOVE:
    case API_FLEET_EVICT:
        return access_may_administer(access, &call->peer) ? NULL : "admin_users, admin_groups";
    default:
        return NULL;
    }
}

static void forbid(struct api_call *call, const char *keys)
{
    fd_close_foreign(&call->fd);
    call_fail(call, API_FORBIDDEN, NULL, "uid %u may not do that here ([control] %s)",
              (unsigned)call->peer.uid, keys);
}

void api_call(struct api *api, struct api_call *call)
{
    call_begin(api, call);
    const char *missing = missing_permission(call);
    if (missing) {
        forbid(call, missing);
        return;
    }
    if (api->draining) {
        fd_close_foreign(&call->fd);
        call_fail(call, API_DRAINING, NULL, "the daemon is stopping");
        return;
    }
    switch (call->method) {
    case API_SUBMIT:
        call_submit(call);
        return;
    case API_SHOW:
        call_show(call);
        return;
    case API_RECORDS:
        call_records(call);
        return;
    case API_LIST:
        call_list(call);
        return;
    case API_CANCEL:
    case API_RETRY:
        call_bulk(call);
        return;
    case API_WAIT:
        call_wait(call);
        return;
    case API_RUN:
    case API_HEAD:
        call_run(call);
        return;
    case API_EXITED:
        call_exited(call);
        return;
    case API_PAUSE:
    case API_RESUME:
        call_pause(call, call->method == API_PAUSE);
        return;
    case API_SCHEDULE_APPLY:
    case API_SCHEDULE_ADD:
    case API_SCHEDULE_LIST:
    case API_SCHEDULE_RUN:
    case API_SCHEDULE_REMOVE:
        call_schedule(call);
        return;
    case API_RELOAD:
        call_reload(call);
        return;
    case API_STATS:
        call_reply(call, view_stats(api));
        return;
    case API_LOOPS:
        call_loops(call);
        return;
    case API_TOP:
        call_top(call);
        return;
    case API_METRICS:
        call_metrics(call);
        return;
    case API_FLEET:
        call_fleet(call);
        return;
    case API_FLEET_EVICT:
        call_evict(call);
        return;
    case API_CHECK_URL:
        call_check_url(call);
        return;
    case API_BACKUP:
        call_backup(call);
        return;
    case API_PARSERS:
        call_reply(call, view_parsers(api->jobs->registry));
        return;
    }
    call_fail(call, API_INTERNAL, NULL, "no such operation");
}

void api_call_abandon(struct api_call *call)
{
    assert(jobs_are_current(call->api->jobs));
    call->abandoned = true;
    if (call->method == API_WAIT)
        wait_abandon(call);
}

void api_runner_gone(struct runner *runner)
{
    struct job *job;
    while ((job = runner_drop(runner))) {
        job_cancel(job, spec_is_head(job->spec) ? "the client that asked has gone"
                                                : "the client that ran the command has gone");
        if (job->attempt)
            attempt_returned(job->attempt); /* nobody is left who could say so */
    }
}

/* --- news ------------------------------------------------------------------------------------- */

static void on_job_ended(struct job_watch *watch, const struct job *job)
{
    struct api *api = container_of(watch, struct api, watch);
    followers_job_ended(api, job);
    waits_ended(api, job);
}

static void on_ended_elsewhere(struct job_watch *watch, uint64_t id)
{
    struct api *api = container_of(watch, struct api, watch);
    followers_ended_elsewhere(api, id);
    waits_ended_elsewhere(api, id);
}

static void on_stopping(struct job_watch *watch)
{
    struct api *api = container_of(watch, struct api, watch);
    turns_refuse(&api->turns);
    backup_stop(api);
}

/* --- life ------------------------------------------------------------------------------------- */

static void api_free(struct api *api)
{
    audit_free(api->audit);
    loops_free(api->loops);
    waits_free(api->waits);
    followers_free(api->followers);
    free(api);
}

int api_new(const struct api_config *config, struct api **ret_api, struct error *err)
{
    struct api *api = calloc(1, sizeof *api);
    if (!api || followers_new(api, &api->followers) < 0 || waits_new(&api->waits) < 0 ||
        audit_new(&api->audit) < 0) {
        if (api)
            api_free(api);
        return error_set(err, -ENOMEM, "no memory for the operations");
    }
    api->config = *config;
    api->jobs = config->jobs;
    if (loops_new(api, api->jobs->config.fetch, &api->loops) < 0) {
        api_free(api);
        return error_set(err, -ENOMEM, "no memory for the operations");
    }
    api->max_jobs = config->jobs->settings->max_jobs;
    list_init(&api->lists);
    slices_init(&api->slices, config->jobs->config.mailbox);
    api->schedules = config->schedules;
    api->started_us = api->reloaded_us = clock_real_us();
    turns_init(&api->turns, &api->slices, call_schedule_begin);
    api->watch = (struct job_watch){
        .ended = on_job_ended, .ended_elsewhere = on_ended_elsewhere, .stopping = on_stopping};
    job_watch_add(api->jobs, &api->watch);
    *ret_api = api;
    return 0;
}

void api_reloaded(struct api *api, bool good)
{
    if (good) {
        api->reloads++;
        api->reloaded_us = clock_real_us();
        followers_access_changed(api);
    } else {
        api->reloads_refused++;
    }
}

void api_signalled(struct api *api, const char *name)
{
    audit_signal(api, name);
}

void api_drain(struct api *api, void (*drained)(void *arg), void *arg)
{
    assert(jobs_are_current(api->jobs));
    api->drained = drained;
    api->drained_arg = arg;
    api_owe(api);
    api->draining = true;
    waits_fail(api);
    api_paid(api);
}

static void on_last_mail(struct mail *mail)
{
    struct api *api = container_of(mail, struct api, last_mail);
    void (*closed)(void *) = api->closed;
    void *arg = api->closed_arg;
    job_watch_remove(&api->watch);
    api_free(api);
    if (closed)
        closed(arg);
}

void api_close(struct api *api, void (*closed)(void *arg), void *arg)
{
    assert(jobs_are_current(api->jobs));
    api->closed = closed;
    api->closed_arg = arg;
    /* Behind the mails of ours that are still on their way. */
    mail_init(&api->last_mail, on_last_mail);
    mailbox_post(api->config.mailbox, &api->last_mail);
}
