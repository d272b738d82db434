/* Records of a job that runs, on their way to a store that takes them before the job's end. The
 * control loop. */
#ifndef PENSTOCK_JOB_EARLY_H
#define PENSTOCK_JOB_EARLY_H

#include "job/job.h"

/* attempt_ops.batch */
void early_send(struct attempt *attempt);

/* Calls `then`: at once, or, if some are under way, when they are answered: the end of the attempt
 * is not to go to the store before that. */
void early_then(struct job *job, void (*then)(struct job *job));

#endif
