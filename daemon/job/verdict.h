/* The lines about a job: what its attempt came to, and its verdict. */
#ifndef PENSTOCK_JOB_VERDICT_H
#define PENSTOCK_JOB_VERDICT_H

#include "base/buf.h"
#include "job/job.h"

void verdict_line(struct buf *b, const struct job *job, const struct cause *cause);
void attempt_line(struct buf *b, const struct job *job, const char *outcome,
                  const struct cause *cause, int64_t retry_in_us);

#endif
