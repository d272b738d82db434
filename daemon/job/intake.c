#include "job/intake.h"

#include "job/claim.h"
#include "job/drain.h"
#include "job/finish.h"
#include "job/fleet.h"
#include "job/host.h"
#include "job/window.h"

#include <assert.h>

/* Behind what its host has in the store. */
static void leave_to_store(struct job *job)
{
    struct jobs *jobs = job->jobs;
    if (host_queued(jobs, job->row->host) < 0)
        wake_recover(&jobs->wake); /* when the queue is read again, the row is found */
    job_free(job);
}

/* The host has been offered room already, and could not use it yet. */
static bool may_stand(const struct job *job)
{
    return user_stands(job->user, job->row->host) && user_may_start(job->user, job->row->host);
}

/* It goes behind those of its user that wait because of max_running, here and elsewhere. */
static bool joins_user(struct job *job)
{
    if (!user_is_tight(job->user) || may_stand(job) ||
        user_pass_over(job->user, job->row->host) < 0)
        return false;
    job_free(job);
    return true;
}

/* The store could give a command's job back, but not its pipe. */
static bool must_stay(const struct job *job)
{
    return job->claimed || job->spec->run;
}

static void into_window(struct job *job)
{
    bool foreign = !fleet_owns(job->jobs, job->row->host) && !job->spec->run;
    struct host *host = foreign ? NULL : host_get(job->jobs, job->row->host);
    if (job->claimed && (!host || job->jobs->draining)) {
        job_release(job);
    } else if (host && (must_stay(job) || window_has_room(host))) {
        host_window_add(host, job);
        if (job->claimed)
            claim_watch(job);
    } else {
        leave_to_store(job);
        if (host)
            host_rest(host, false);
    }
}

void intake_job(struct job *job)
{
    struct jobs *jobs = job->jobs;
    assert(jobs_are_current(jobs));
    bool stays = must_stay(job);
    if (!stays && joins_user(job))
        return;
    if (!stays && host_rests(jobs, job->row->host))
        leave_to_store(job);
    else
        into_window(job);
    wake_admit(&jobs->wake);
}

void intake_row(struct jobs *jobs, struct store_job *row, struct spec *spec)
{
    assert(jobs_are_current(jobs));
    if (jobs->draining && !jobs->config.store->engine->keeps) {
        struct cause cause = {.cancelled = true, .message = DRAIN_NOT_KEPT};
        struct job *job = job_new(jobs, row, spec, NULL);
        if (job)
            job_finish(job, JOB_CANCELLED, &cause);
        return;
    }
    if (row->due > jobs_now(jobs)) {
        host_due(jobs, row->host, row->due);
        store_job_free(row);
        spec_free(spec);
        return;
    }
    struct job *job = job_new(jobs, row, spec, NULL);
    if (job)
        intake_job(job);
    else
        wake_recover(&jobs->wake);
}
