/* The lines about a job: what its attempt came to, and its verdict. */
#ifndef PENSTOCK_JOB_VERDICT_H
#define PENSTOCK_JOB_VERDICT_H

#include "base/buf.h"
#include "job/job.h"

void verdict_line(struct buf *b, const struct job *job, const struct cause *cause);
/* Where the time of a job that has an attempt went, in ns. */
struct job_seconds {
    uint64_t total, queued;       /* since it was queued (in this daemon) */
    uint64_t connect, first_byte; /* of the attempt's last transfer; 0: it did not come to that */
    uint64_t wait_origin, wait_parser, wait_sink;
};
void job_seconds(const struct job *job, uint64_t now, struct job_seconds *ret_seconds);
void attempt_line(struct buf *b, const struct job *job, const char *outcome,
                  const struct cause *cause, int64_t retry_in_us);

#endif
