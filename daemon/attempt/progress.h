/* How far an attempt has come: written by its fetch loop, read by any thread. On a cache line of
 * its own, as the loop writes to it for each piece of the body. */
#ifndef PENSTOCK_ATTEMPT_PROGRESS_H
#define PENSTOCK_ATTEMPT_PROGRESS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define PROGRESS_LINE 64

struct progress {
    _Alignas(PROGRESS_LINE) _Atomic uint64_t bytes; /* of the body, taken */
    _Atomic int64_t length;                         /* Content-Length, -1 if not told */
    atomic_bool paused;                             /* the pipe is full */
    atomic_bool engaged;                            /* a worker has the body, or had it */
};

static inline uint64_t progress_bytes(const struct progress *p)
{
    return atomic_load_explicit(&((struct progress *)p)->bytes, memory_order_relaxed);
}

static inline void progress_set_bytes(struct progress *p, uint64_t bytes)
{
    atomic_store_explicit(&p->bytes, bytes, memory_order_relaxed);
}

static inline void progress_set_paused(struct progress *p, bool paused)
{
    atomic_store_explicit(&p->paused, paused, memory_order_relaxed);
}

/* What the worker was given is visible to whoever sees that it is engaged. */
static inline bool progress_engaged(const struct progress *p)
{
    return atomic_load_explicit(&((struct progress *)p)->engaged, memory_order_acquire);
}

#endif
