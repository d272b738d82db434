/* A transfer: one libcurl easy handle feeding one consumer, on one fetch loop. It follows no
 * redirect and never retries: each is a new transfer, and the consumer's business.
 *
 * The struct is embedded in its attempt and may be used again after on_end. Calls into it are
 * marked by thread; the callbacks all run on the loop's thread, never from within transfer_start or
 * _cancel. */
#ifndef PENSTOCK_FETCH_TRANSFER_H
#define PENSTOCK_FETCH_TRANSFER_H

#include "base/mailbox.h"
#include "fetch/loop.h"
#include "fetch/request.h"
#include "flow/body_pipe.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define TRANSFER_TAKEN 0
#define TRANSFER_PAUSE 1

struct transfer;
struct transfer_ops {
    /* The head is here. 0: go on with the body; negative: stop (the transfer ends `stopped`).
     * Always called before on_data, and for a response without a body too. */
    int (*on_response)(struct transfer *t, const struct transfer_response *response);
    /* A piece of the body, at most 16 KiB. TRANSFER_TAKEN: all of it; TRANSFER_PAUSE: none of it,
     * give it again after transfer_resume; negative: stop. */
    int (*on_data)(struct transfer *t, const char *data, size_t len);
    /* on_data was called, and no more comes before the loop has looked at others. The op may be
     * NULL. */
    void (*on_turn)(struct transfer *t);
    /* The next `left` bytes are all that is left of the body: a pipe of the consumer's into which
     * they may go unseen, in place of on_data; or NULL. A pipe's `drained` calls transfer_resume,
     * as ever. The op may be NULL, and may be asked more than once. */
    struct body_pipe *(*pipe_for)(struct transfer *t, uint64_t left);
    /* So many more bytes went there; 0: it is full. */
    void (*on_piped)(struct transfer *t, uint64_t len);
    /* Exactly once and last: the handle is gone, the struct may be freed or started again. */
    void (*on_end)(struct transfer *t, const struct transfer_result *result);
};

struct transfer {
    const struct transfer_request *request;
    const struct transfer_ops *ops;
    void *user;
    struct fetch_loop *loop;
    struct mail start_mail, cancel_mail;
    atomic_bool throttled;      /* it waits for its host's byte rate; to be read by any thread */
    atomic_int phase;           /* enum transfer_phase, transfer.c's; 0 in a zeroed struct */
    struct transfer_impl *impl; /* transfer.c's: the easy handle and its clocks; loop's thread */
};

/* Starts it. Any thread. Out of memory and the like come as on_end. */
void transfer_start(struct transfer *t, struct fetch_loop *loop,
                    const struct transfer_request *request, const struct transfer_ops *ops,
                    void *user);

/* Ends it soon, with on_end(stopped), unless that is on its way. Any thread; idempotent. Harmless
 * before transfer_start and after on_end, as long as the struct is there (zeroed, if it was never
 * started); nothing refers to the struct any more once on_end was called. */
void transfer_cancel(struct transfer *t);

/* After TRANSFER_PAUSE: delivers on. May call on_data before it returns, never on_end. The loop's
 * thread, but not from within another transfer's on_response or on_data. No-op if not paused. While
 * a transfer is paused its stall clock stands still. */
void transfer_resume(struct transfer *t);

/* A loop is about to run: from now on its multi and its rates lead to their transfers. */
void transfer_serve(struct fetch_loop *loop);

#endif
