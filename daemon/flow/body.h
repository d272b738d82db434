/* A body: what the writer and the reader of one attempt's pipe share.
 *
 * The bytes go through a pipe(7); this object carries what a pipe cannot say: whether the end of
 * the pipe is the end of the body. `state` is published before the write end is closed, so a reader
 * that meets the pipe's end knows which it was (invariant 1). It also holds the clocks that tell
 * who waits for whom.
 *
 * Reference counted: the attempt, the writer and the reader each hold one; an abandoned worker
 * keeps its own until it returns, if ever. */
#ifndef PENSTOCK_FLOW_BODY_H
#define PENSTOCK_FLOW_BODY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum body_state {
    BODY_OPEN, /* more may come */
    /* every byte is in the pipe, and the end was verified; then the write end closes */
    BODY_COMPLETE,
    BODY_ABORTED, /* the body will not arrive whole; the reader gets EIO from now on */
    /* every byte that came is in the pipe, but nobody can tell whether that was all: the reader's
     * decoder may (body_judge_end); without one it is as BODY_ABORTED at the pipe's end */
    BODY_ENDED,
};

struct body {
    atomic_int refs;
    _Atomic enum body_state state; /* leaves BODY_OPEN once, and BODY_ENDED once */
    /* Reader's clock: nanoseconds spent in read(2), which is waiting but for the copy, and since
     * when it is in there now (0 if it is not). Written by the reader, read by any thread. */
    _Atomic uint64_t read_wait;
    _Atomic uint64_t read_wait_since;
    _Atomic uint64_t bytes_read;
    /* By the reader: it decodes the body (flow/decode.h), and how many bytes came of it. */
    atomic_bool decoding;
    _Atomic uint64_t bytes_decoded;
    /* The write end met a pipe without readers. Set before an abort that follows from it is
     * published, which is then no sign of a body that was cut. */
    atomic_bool reader_left;
    /* an eventfd that becomes readable when somebody should look at `state`; -1: none */
    int wake_fd;
};

/* One reference, state BODY_OPEN. NULL: out of memory. */
struct body *body_new(void);
struct body *body_ref(struct body *body);
void body_unref(struct body *body); /* takes NULL */

/* Gives the body its wake_fd, for a reader that polls. Before it is shared. 0 or a negative
 * errno. */
int body_watch(struct body *body);

/* Makes wake_fd readable, if there is one; body_settle does so itself. Any thread. */
void body_wake(struct body *body);

/* BODY_OPEN -> to. False if the body has left BODY_OPEN before: the first cause wins. Any
 * thread. */
bool body_settle(struct body *body, enum body_state to);

/* BODY_ENDED -> BODY_COMPLETE or BODY_ABORTED. False if it was not BODY_ENDED. The reader alone. */
bool body_judge_end(struct body *body, bool whole);

static inline enum body_state body_state(const struct body *body)
{
    return atomic_load_explicit(&((struct body *)body)->state, memory_order_acquire);
}

/* Nanoseconds the reader has waited for data so far, the wait under way included. Any thread. */
uint64_t body_read_wait(const struct body *body, uint64_t now);

#endif
