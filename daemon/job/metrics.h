/* What is counted for the figures (the `metrics` operation).
 *
 * Who owns what:
 *   control loop   all of struct metrics and the other counters of struct jobs: added to when an
 *                  attempt or a job ends, never while a body is on its way
 *   fetch loops    their own counters (fetch.h), atomic; the bytes of kernel pipes (body_pipe.h),
 *                  atomic
 *   sink, store    the lines and bytes of each target, the times of commits: under the locks of
 *                  their threads, which are held for no I/O
 *   workers        nothing but what belongs to their attempt, which the control loop adds up when
 *                  it has ended
 * The text is put together on the control loop from these; what the kernel says of the process is
 * read on a thread of libuv's pool before. */
#ifndef PENSTOCK_JOB_METRICS_H
#define PENSTOCK_JOB_METRICS_H

#include "base/metric.h"
#include "record/kind.h"

struct job;

enum outcome {
    OUTCOME_DONE,
    OUTCOME_RETRY,
    OUTCOME_FAILED,
    OUTCOME_CANCELLED,
    OUTCOME_INTERRUPTED,
    OUTCOME_COUNT_
};

struct metrics {
    uint64_t outcomes[OUTCOME_COUNT_][KIND_COUNT_];
    uint64_t verdicts[JOB_STATE_COUNT_][KIND_COUNT_];
    uint64_t resumes, redirects;
    uint64_t wait_origin, wait_parser, wait_sink;  /* ns, of attempts that have ended */
    struct histogram connect, first_byte, attempt; /* of each attempt */
    struct histogram queued, total;                /* of each job */
};

/* The attempt's outcome is known; or that of one of an earlier daemon's (no job->attempt). Control
 * loop. */
void metrics_attempt_ended(struct job *job, enum outcome outcome, enum error_kind kind);
/* The job's verdict is. */
void metrics_job_ended(struct job *job);

#endif
