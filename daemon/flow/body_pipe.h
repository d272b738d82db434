/* The writer side of a body pipe: non-blocking, on a fetch loop.
 *
 * Whatever the pipe does not take of one chunk is kept in a carry (one chunk at most, so 16 KiB
 * with libcurl); while the carry waits, further chunks are refused whole and the caller pauses its
 * transfer. Of a body that comes fast, or in small pieces of which a turn has several, the carry
 * also collects chunks, up to BODY_PIPE_BATCH bytes, until there are so many or the caller says
 * that its turn is over (body_pipe_flush): each write wakes the reader, and that costs more than
 * the copy. The write end is polled for WRITABLE only while there is a carry, and otherwise for the
 * reader's departure alone. All functions: the loop's thread. */
#ifndef PENSTOCK_FLOW_BODY_PIPE_H
#define PENSTOCK_FLOW_BODY_PIPE_H

#include "flow/body.h"

#include <stddef.h>
#include <uv.h>

struct body_pipe;

/* Bytes by which pipes may grow, all together. Shared by threads; outlives its pipes. */
struct pipe_budget {
    atomic_size_t left;
};

struct body_pipe_ops {
    /* The carry is in the pipe: the transfer may go on. Not called once complete/abort was. */
    void (*drained)(struct body_pipe *pipe);
    /* The reader closed its end (at most once; EPIPE). Its verdict decides what that means. What is
     * written later is refused. From the loop, never from within a call; not after complete, where
     * `finished` comes instead and `reader_left` tells. */
    void (*reader_gone)(struct body_pipe *pipe);
    /* After body_pipe_complete: the last byte is in the pipe, BODY_COMPLETE is published and the
     * write end closed. Or, if the reader left or the body was aborted first, it is closed without,
     * and the body is BODY_ABORTED. Once; not after body_pipe_close. */
    void (*finished)(struct body_pipe *pipe);
};

struct body_pipe {
    const struct body_pipe_ops *ops;
    void *user;
    struct body *body; /* a reference */
    uv_loop_t *loop;
    uv_poll_t poll;
    int fd;      /* the write end; -1 once closed */
    char *carry; /* allocated by the first write, so that no write can fail half-way */
    size_t carry_size, carry_len, carry_off;
    size_t granted;    /* bytes that the kernel's pipe holds */
    uint64_t accepted; /* bytes taken, the carry included */
    uint64_t full_since,
        full_time;              /* ns that a carry has waited: the writer's wait for the reader */
    struct pipe_budget *budget; /* or NULL: it never grows; set after it was opened */
    size_t grown;      /* taken from there; given back when the reader turns slow, or at the end */
    uv_timer_t relief; /* of a pipe that has grown once: looks whether it may be small again */
    uint64_t relief_ms;
    int held;               /* bytes in the pipe when it was looked at last */
    bool relieving, timed;  /* nothing is spliced until it is small; `relief` is initialised */
    uint64_t mark, mark_at; /* `accepted` when its speed was looked at last, and when that was */
    bool batching;          /* the body comes fast: chunks are collected */
    bool collecting;        /* the carry holds chunks that the pipe was not offered yet */
    bool again;             /* something was written since the last flush */
    bool blocked;           /* full, and what comes next is spliced: there is no carry */
    bool completing, unverified, reader_left, closing;
    bool watched; /* the poll handle is initialised */
    int polling;  /* the events that are polled for; 0: none */
    size_t asked; /* the size that was asked for, until it is seen to; 0: none, or done */
    /* Most small bodies are over within one turn of the loop. So the poll handle, whose calls cost
     * more than such a body's write, is made only when the loop is about to wait. */
    uv_prepare_t fresh;
    unsigned handles; /* not closed yet: these go together with the descriptor */
    void (*closed)(struct body_pipe *pipe);
    uv_idle_t deferred; /* if they went long before body_pipe_close, `closed` comes by way of it */
};

/* Makes the pipe: both ends close-on-exec, the write end non-blocking, of `size` bytes if the
 * kernel grants it (0: as it comes). 0 and the read end, which the caller owns; or a negative errno
 * (-EMFILE, -ENFILE …), and then nothing is left to close. Takes a reference of `body`. */
int body_pipe_open(struct body_pipe *pipe, uv_loop_t *loop, struct body *body, size_t size,
                   const struct body_pipe_ops *ops, void *user, int *ret_read_fd);

/* All or nothing: 0, the chunk is taken; BODY_PIPE_FULL, none of it is (a carry waits): pause;
 * -EPIPE, the reader is gone; -ECANCELED, after complete or abort; or another negative errno
 * (-ENOMEM for the carry). */
#define BODY_PIPE_FULL 1
int body_pipe_write(struct body_pipe *pipe, const char *data, size_t len);

/* Offers to the pipe what was collected. After a turn's last body_pipe_write, always. Calls
 * nobody. */
#define BODY_PIPE_BATCH 65536
void body_pipe_flush(struct body_pipe *pipe);

/* Moves what a stream socket holds, at most `max` bytes (> 0), into the pipe without a copy through
 * this process (splice(2)): 0 and *ret_len, which is 0 if the socket has ended; -EAGAIN, it holds
 * nothing now; BODY_PIPE_FULL: `drained` follows; -EPIPE and -ECANCELED as above; or the socket's
 * errno, or splice's own. What waits in the pipe holds on to the socket's pages: as many of them as
 * the pipe has slots. A pipe that is full although its reader is fast grows to 1 MiB, if its budget
 * and the kernel allow it; once that is less than 1 MiB/s it is made as small as it was, for which
 * the reader first takes what no longer fits. */
int body_pipe_splice(struct body_pipe *pipe, int socket, size_t max, size_t *ret_len);

/* The transfer ended well: write out the carry, publish BODY_COMPLETE, close; then `finished`,
 * which may be called before this returns. */
void body_pipe_complete(struct body_pipe *pipe);

/* The same where the end could not be verified: publishes BODY_ENDED in place of BODY_COMPLETE. */
void body_pipe_end(struct body_pipe *pipe);

/* Publishes BODY_ABORTED (unless settled before) and closes the write end at once; a blocked reader
 * wakes. If the pipe was completing, `finished` is called before this returns. Idempotent; takes a
 * closed pipe; may be called in any of the callbacks. */
void body_pipe_abort(struct body_pipe *pipe);

/* True while a carry, or what is spliced, waits for room. */
bool body_pipe_full(const struct body_pipe *pipe);

/* Bytes of kernel memory that all open pipes of the process may hold, and how many these are. Any
 * thread. */
void body_pipe_totals(uint64_t *ret_bytes, uint64_t *ret_pipes);

/* Nanoseconds that a carry has waited so far, now included. */
uint64_t body_pipe_full_time(const struct body_pipe *pipe, uint64_t now);

/* Aborts if still open (without `finished`), then closes the handle; the memory is free to use
 * again from `closed` on, which is never called before this returns. May be called in any of the
 * callbacks, once. */
void body_pipe_close(struct body_pipe *pipe, void (*closed)(struct body_pipe *pipe));

#endif
