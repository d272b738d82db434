/* The lines about a job: what its attempt came to, and its verdict. */
#ifndef PENSTOCK_JOB_VERDICT_H
#define PENSTOCK_JOB_VERDICT_H

#include "base/buf.h"
#include "job/job.h"

/* Sets memory aside for the lines, so that want of it keeps no job from its verdict: for all jobs,
 * at the start; and for one before each of its hops (hop_url: NULL for the first), as much as its
 * lines can take after it. 0 or -ENOMEM. */
int verdict_init(struct jobs *jobs);
int verdict_reserve(struct job *job, const char *hop_url);

/* Append a line, which is not to be used if the buffer has `failed`. */
void verdict_line(struct buf *b, const struct job *job, const struct cause *cause);
void attempt_line(struct buf *b, const struct job *job, const char *outcome,
                  const struct cause *cause, int64_t retry_in_us);

#endif
