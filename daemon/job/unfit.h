/* Ends that the store refuses for what they bring, once their verdict is in the log: a record that
 * a constraint of the user's does not take, say. The control loop. */
#ifndef PENSTOCK_JOB_UNFIT_H
#define PENSTOCK_JOB_UNFIT_H

#include "job/job.h"

/* The store has answered a job's call: was it the end of one that was done, and is it refused for
 * good? */
bool unfit_is(const struct job *job);

/* Revokes what the log says of the attempt, and makes the job one that has failed, with the store's
 * words in *ret_cause. Its lines, and its end in the store, are the caller's to send. */
void unfit_fail(struct job *job, struct cause *ret_cause);

#endif
