/* The credit of a reader who must miss no record: how many bytes of records may be on their way to
 * him. Each record of the sources that share the credit takes its line's length out of it; what the
 * reader has taken is given back; and while nothing is left, sink_emit blocks. So a slow reader
 * slows down the jobs whose records he reads, as the sink's full queue slows down all.
 *
 * Credit-based flow control, as HTTP/2's windows are (RFC 9113, section 5.2). One record always
 * fits: the credit may be overdrawn by the last one. */
#ifndef PENSTOCK_RECORD_CREDIT_H
#define PENSTOCK_RECORD_CREDIT_H

#include "base/list.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct sink;

struct sink_credit {
    atomic_uint refs;
    /* Under the sink's lock. */
    size_t used, max;
    bool closed; /* nobody reads any more, and nobody waits */
    pthread_cond_t given;
    unsigned waiters;        /* emits that wait for `given` */
    struct list waited_link; /* sink->waited, while there are any */
};

/* With one reference. NULL: out of memory. Any thread. */
struct sink_credit *sink_credit_new(size_t max);
struct sink_credit *sink_credit_ref(struct sink_credit *credit); /* takes NULL */
void sink_credit_unref(struct sink_credit *credit);              /* takes NULL; any thread */

/* Under the sink's lock; take NULL. */
bool sink_credit_used_up(const struct sink_credit *credit);
/* Waits until some of it is given back, or whoever waits is to look for another reason. */
void sink_credit_wait(struct sink *sink, struct sink_credit *credit);
void sink_credit_wake(struct sink_credit *credit);
/* A record of so many bytes goes to the reader. False: there is none. */
bool sink_credit_take(struct sink_credit *credit, size_t bytes);

/* The reader has taken so much, and may have `max` from now on, 0: as before. Any thread. */
void sink_credit_return(struct sink *sink, struct sink_credit *credit, size_t bytes, size_t max);
/* Is nothing left of it, so that whoever emits waits for the reader? Any thread. */
bool sink_credit_spent(struct sink *sink, const struct sink_credit *credit);
/* The reader has gone: the jobs go on without him. Any thread. */
void sink_credit_close(struct sink *sink, struct sink_credit *credit);

#endif
