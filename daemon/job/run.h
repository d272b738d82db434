/* A job from its claim to the end of its attempt. */
#ifndef PENSTOCK_JOB_RUN_H
#define PENSTOCK_JOB_RUN_H

#include "job/job.h"

void job_launch(struct job *job);   /* is claimed */
void job_continue(struct job *job); /* was redirected, and has its slot */
/* `reason` is a constant. False: its verdict is given already, or is on its way. */
bool job_cancel(struct job *job, const char *reason);
/* Cancels the job of this row, whose ownership it takes, be it in memory or not. 0; -EALREADY: it
 * has ended; or -ENOMEM. */
int job_cancel_row(struct jobs *jobs, struct store_job *row, const char *reason);
void job_interrupt(struct job *job); /* the daemon stops */
void jobs_check_clocks(struct jobs *jobs, uint64_t now);

#endif
