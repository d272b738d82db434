/* What sink.c (the callers' side) and writer.c (the sink's thread) share. */
#ifndef PENSTOCK_RECORD_SINK_PRIVATE_H
#define PENSTOCK_RECORD_SINK_PRIVATE_H

#include "record/queue.h"
#include "record/sink.h"
#include "record/target.h"

#include <poll.h>
#include <pthread.h>
#include <unistd.h>

/* What the thread does; under the lock. It says when a wake-up is worth its system call. */
enum writer_mode {
    WRITER_BUSY,    /* looks at the queue by itself before it sleeps */
    WRITER_LINGERS, /* looks again in a moment: records need not wake it, posted lines do */
    WRITER_SLEEPS,  /* anything wakes it */
};

/* Targets that wait to become the sink's. */
struct sink_targets {
    struct target *list;
    struct pollfd *polled; /* room for all of them and one more */
    size_t count;
};

struct sink {
    struct sink_config config; /* without targets */
    struct target *targets;
    size_t target_count;
    pthread_t thread;
    int wake_fd; /* eventfd */

    pthread_mutex_t lock; /* of the queue, of target->status, and of what follows */
    pthread_cond_t room;  /* an emit that blocks for the queue waits here */
    struct list waited;   /* credits by waited_link: emits that block for these wait there */
    struct queue queue;
    size_t waiters;
    enum writer_mode mode;
    bool stopping;              /* sink_free was called */
    uint64_t stop_by;           /* clock_now: patience ends */
    bool stopped;               /* nothing is written any more */
    struct sink_targets *asked; /* by sink_switch, not seen by the thread yet */

    atomic_bool tap, reopen;
    atomic_size_t failing;

    /* The thread's own. */
    struct batch batch;
    struct pollfd *polled;
    struct sink_targets *coming; /* the next targets, until switch_targets */
    uint64_t coming_since;       /* clock_now */
    bool stop_seen;
    bool linger;  /* a batch was just written */
    bool grouped; /* a spool is on its way out, or the batch with the lines that belong to it */
    uint64_t reopen_by; /* clock_now: a target's reopening waits no longer for the group's end */
    uint64_t spool_retry_at; /* 0, or a spool could not be read */
    uint64_t tap_retry_at;   /* 0, or there was no memory for the tap's chunk */
    size_t lost;             /* for sink_free, after the thread's end */
    bool ended; /* under `lock`, told by `room`: the thread touches nothing of this any more */
};

/* The thread looks at what is asked of it. Any thread. */
static inline void sink_wake(struct sink *s)
{
    const uint64_t one = 1;
    /* It can only fail when the counter is full, and then the thread is awake. */
    if (write(s->wake_fd, &one, sizeof one) < 0)
        (void)0;
}

#endif
