#include "job/intake.h"

#include "base/clock.h"
#include "job/claim.h"
#include "job/drain.h"
#include "job/finish.h"
#include "job/host.h"
#include "job/window.h"

#include <assert.h>

void intake_job(struct job *job)
{
    struct host *host = host_get(job->jobs, job->row->host);
    assert(jobs_are_current(job->jobs));
    if (job->claimed && (!host || host->jobs->draining)) {
        job_release(job);
        return;
    }
    if (!host) {
        wake_recover(&job->jobs->wake); /* when the queue is read again, the row is found */
        job_free(job);
        return;
    }
    /* The store could give a command's job back, but not its pipe. */
    if (job->claimed || job->spec->run || window_has_room(host)) {
        host_window_add(host, job);
        if (job->claimed)
            claim_watch(job);
    } else {
        host_has_more(host);
        job_free(job);
    }
    wake_admit(&host->jobs->wake);
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
    if (row->due > clock_real_us()) {
        host_due(jobs, row->host, row->due);
        store_job_free(row);
        spec_free(spec);
        return;
    }
    bool claimed = row->state == JOB_RUNNING;
    struct job *job = job_new(jobs, row, spec, NULL);
    if (job) {
        job->claimed = claimed;
        job->claimed_at = job->queued_at;
        intake_job(job);
    } else {
        wake_recover(&jobs->wake);
    }
}
