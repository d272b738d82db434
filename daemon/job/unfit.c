#include "job/unfit.h"

#include "base/log.h"
#include "job/fleet.h"
#include "job/metrics.h"

#include <errno.h>
#include <stdio.h>

bool unfit_is(const struct job *job)
{
    return job->ending == ENDING_FINAL && job->final == JOB_DONE &&
           job->call.finish.call.result == -EINVAL;
}

void unfit_fail(struct job *job, struct cause *ret_cause)
{
    struct jobs *jobs = job->jobs;
    *ret_cause = (struct cause){.kind = KIND_UNEXPECTED};
    snprintf(ret_cause->message, sizeof ret_cause->message, "%s", job->call.finish.call.error.text);
    log_warning("job %llu: it has failed, and what the log has said of attempt %u does not count: "
                "%s",
                (unsigned long long)job->id, (unsigned)job->row->attempt, ret_cause->message);
    fleet_post_revoke(jobs, job->id, job->row->attempt);
    if (job->held_line.spool)
        jobs->records -= job->held_line.spool->lines;
    job->held_line.spool = NULL;
    job->final = JOB_FAILED;
    job->error = ret_cause->kind;
    metrics_job_ended(job);
    jobs->verdicts[job->final]++;
    jobs->kinds[job->error]++;
    job_set_state(job, job->final);
}
