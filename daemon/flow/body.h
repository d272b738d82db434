/* A body: what the writer and the reader of one attempt's pipe share.
 *
 * The bytes go through a pipe(7); this object carries what a pipe cannot say: whether the end of the
 * pipe is the end of the body. `state` is published before the write end is closed, so a reader that
 * meets the pipe's end knows which it was (invariant 1). It also holds the clocks that tell who waits
 * for whom.
 *
 * Reference counted: the attempt, the writer and the reader each hold one; an abandoned worker keeps
 * its own until it returns, if ever. */
#ifndef PENSTOCK_FLOW_BODY_H
#define PENSTOCK_FLOW_BODY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum body_state {
    BODY_OPEN,     /* more may come */
    BODY_COMPLETE, /* every byte is in the pipe, and the end was verified; then the write end closes */
    BODY_ABORTED, /* the body will not arrive whole; the reader gets EIO from now on */
};

struct body {
    atomic_int refs;
    _Atomic enum body_state state; /* leaves BODY_OPEN once */
    /* Reader's clock: nanoseconds spent in read(2), which is waiting but for the copy, and since when
     * it is in there now (0 if it is not). Written by the reader, read by any thread. */
    _Atomic uint64_t read_wait;
    _Atomic uint64_t read_wait_since;
    _Atomic uint64_t bytes_read;
};

/* One reference, state BODY_OPEN. NULL: out of memory. */
struct body *body_new(void);
struct body *body_ref(struct body *body);
void body_unref(struct body *body); /* takes NULL */

/* BODY_OPEN -> to. False if the body has left BODY_OPEN before: the first cause wins. Any thread. */
bool body_settle(struct body *body, enum body_state to);

static inline enum body_state body_state(const struct body *body)
{
    return atomic_load_explicit(&((struct body *)body)->state, memory_order_acquire);
}

/* Nanoseconds the reader has waited for data so far, the wait under way included. Any thread. */
uint64_t body_read_wait(const struct body *body, uint64_t now);

#endif
