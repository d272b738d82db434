/* How jobs leave memory. */
#ifndef PENSTOCK_JOB_FINISH_H
#define PENSTOCK_JOB_FINISH_H

#include "job/job.h"

/* THE GATE: ends a job, once; later calls do nothing. The attempt, if there was one, has ended. The
 * verdict goes to the sink, then to the store, then to whoever waits; then the job is freed. */
void job_finish(struct job *job, enum job_state state, const struct cause *cause);

/* It was running when another daemon on this store died: its attempt is closed in the log, and it
 * runs again. */
void job_torn(struct job *job);

/* It was claimed and has not started: it is queued again, without a line. */
void job_release(struct job *job);

/* It was claimed, and its attempt could not begin: it is tried again if the cause is worth it, or
 * fails. */
void job_not_begun(struct job *job, const struct cause *cause);

/* The job runs, and is to be cancelled; its attempt has come to an end of its own. Will it be tried
 * again? */
bool finish_will_retry(const struct job *job);

/* jobs->words has rung: lines that there was no memory for. */
void finish_check_words(struct jobs *jobs);

/* The attempt has ended: decides between verdict, retry and interruption. */
void job_attempt_ended(struct job *job);

#endif
