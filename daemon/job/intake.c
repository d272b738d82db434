#include "job/intake.h"

#include "base/clock.h"
#include "job/admission.h"
#include "job/drain.h"
#include "job/finish.h"
#include "job/job.h"

#include <stdlib.h>
#include <string.h>

void intake_row(struct jobs *jobs, struct store_job *row, struct spec *spec)
{
    if (jobs->draining && !jobs->config.store->engine->keeps) {
        struct cause cause = {.cancelled = true, .message = DRAIN_NOT_KEPT};
        struct job *job = job_new(jobs, row, spec, NULL);
        if (job)
            job_finish(job, JOB_CANCELLED, &cause);
        return;
    }
    if (row->due > clock_real_us()) {
        admission_due(jobs, row->host, row->due);
        store_job_free(row);
        spec_free(spec);
        return;
    }
    bool claimed = row->state == JOB_RUNNING;
    char *host = strdup(row->host); /* job_new takes the row over, whatever comes of it */
    struct job *job = job_new(jobs, row, spec, NULL);
    if (job) {
        job->claimed = claimed;
        job->claimed_at = job->queued_at;
        admission_queue(job);
    } else if (claimed) {
        wake_recover(&jobs->wake);
    } else if (host) {
        admission_due(jobs, host, clock_real_us() + 1000000);
    }
    free(host);
}
