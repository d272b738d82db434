/* wait: answers once all the jobs it names have ended. */
#ifndef PENSTOCK_JOB_WAIT_H
#define PENSTOCK_JOB_WAIT_H

#include "job/jobs.h"

void call_wait(struct jobs_call *call);
void wait_abandon(struct jobs_call *call);
void calls_job_ended(struct jobs *jobs, uint64_t id); /* wakes `wait`s */
void waits_fail(struct jobs *jobs);                   /* the daemon ends */

#endif
