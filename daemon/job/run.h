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
/* This daemon is no member of its fleet any more: what others take over ends, without a word to the
 * store. The job may be freed by it. */
void job_fence(struct job *job);
/* Another member was asked to cancel it, and gives this as the reason. */
void job_cancel_told(struct job *job, const char *why);
void job_check_clock(struct job *job); /* job->clock has rung */

#endif
