/* The workers: threads that each run one blocking parser at a time and nothing else.
 *
 * Threads are made when first needed, up to the number of permits that admission gives out, and are
 * kept for the next job; idle ones end after a while. A job that is engaged always finds a thread,
 * because admission counts permits before; the pool itself has no queue. A worker whose parser
 * outlives its time is abandoned: it no longer counts, another takes its place, and its thread ends
 * when the parser returns, if ever. */
#ifndef PENSTOCK_PARSE_POOL_H
#define PENSTOCK_PARSE_POOL_H

#include "base/list.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pool;
struct pool_worker;

struct pool_job {
    void (*work)(
        struct pool_job *job);  /* on a worker; when it returns, the job's memory is not touched
                                           again */
    struct pool_worker *worker; /* the pool's: set by pool_run, only compared afterwards */
};

struct pool_stats {
    unsigned workers;        /* the limit */
    unsigned busy;           /* running a job, the abandoned ones not counted */
    unsigned idle;           /* threads that wait */
    unsigned abandoned;      /* threads that are stuck now */
    unsigned long long lost; /* abandoned since the start */
};

/* `workers` at once, `max_abandoned` stuck ones beside them. 0 or -ENOMEM. */
int pool_new(unsigned workers, unsigned max_abandoned, struct pool **ret_pool);

/* Engages a worker. Any thread; takes no time but, now and then, a thread's creation. A job whose
 * predecessor is just returning may get a thread over the limit for that moment. 0; -EAGAIN: no
 * thread can be had (the kernel refused, or stuck ones over max_abandoned take up the limit);
 * -ENOMEM. Then the job has not started and will not. */
int pool_run(struct pool *pool, struct pool_job *job);

/* Gives a job's worker up: it does not count any more. True if the job was still running (and may
 * return yet at any time); false if it had returned (then its `work` has done its last). Any thread
 * but the worker. */
bool pool_abandon(struct pool *pool, struct pool_job *job);

void pool_stats(struct pool *pool, struct pool_stats *ret_stats);

/* Changes the limit (a reload). */
void pool_set_workers(struct pool *pool, unsigned workers);

/* How long an idle thread waits before it ends; 30 s at first. Any thread; for those that idle from
 * now on. */
void pool_set_idle_time(struct pool *pool, uint64_t ns);

/* Ends the idle threads and joins them. The jobs must have returned, be about to, or have been
 * abandoned: this waits. Abandoned threads are left behind: returns how many, and then the pool's
 * memory stays until the last of them has returned, if ever. */
unsigned pool_free(struct pool *pool);

#endif
