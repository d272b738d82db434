/* The conversation of one connection: lines of text in, calls out, lines of answers back. No I/O.
 *
 * Requests begin in the order in which they came and run side by side; their answers leave in the
 * same order. What may be under way or wait to leave at once is bounded (RPC_CALLS, RPC_BYTES):
 * beyond it requests wait here unbegun, and rpc_wants says no to further lines, which is the
 * client's backpressure.
 *
 * All functions: the control loop. */
#ifndef PENSTOCK_CONTROL_RPC_H
#define PENSTOCK_CONTROL_RPC_H

#include "api/api.h"
#include "base/buf.h"
#include "base/list.h"
#include "control/stream.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define RPC_CALLS 1024 /* under way at once */
#define RPC_BYTES \
    ((size_t)4 << 20) /* of answers that wait, and room reserved for those to come \
                       */

/* What all conversations of a daemon share. */
struct rpc_host {
    struct api *api;
    const char *version, *instance;
    void (*stats)(void *arg, json_t *result); /* adds to the answer of `stats`; may be NULL */
    const struct budget *budget;              /* of all connections; or NULL */
    void *arg;
};

struct rpc {
    const struct rpc_host *host;
    struct peer peer;
    struct stream *stream; /* where `follow` leads; the owner's */
    struct runner runner;  /* the client as the one that runs commands */
    int fd; /* came with what the client sent, and waits for the `run` or `backup` that it belongs
               to; -1 */
    /* A call has been answered: rpc_take may give more, rpc_wants and rpc_idle may have changed.
     * Never from within a function of this header. The rpc must outlive it. */
    void (*answered)(struct rpc *rpc);
    struct list queue;   /* requests in order, until their answers have left */
    struct list unbegun; /* the tail of them that has not begun: separate, for rpc_wants */
    unsigned calls;      /* under way */
    size_t bytes;        /* of answers that wait, and reserved ones */
    size_t memory;       /* that the requests have, and answers that wait */
    uint64_t deadline; /* of clock_now: no further request begins in this turn after it; 0: none */
    bool stopped;      /* by the deadline: rpc_go_on goes on */
    bool mid_line;     /* the last piece that left did not end its line */
    bool abandoned;
    bool failed; /* out of memory in an answer: the order can't be kept, close */
};

void rpc_init(struct rpc *rpc, const struct rpc_host *host, const struct peer *peer,
              struct stream *stream, void (*answered)(struct rpc *rpc));

/* One line, without its newline. Blank ones are ignored. 0, or -ENOMEM: close the connection. */
int rpc_line(struct rpc *rpc, const char *text, size_t len);

/* The same of a line that has been read elsewhere: message_parse's result, of which it takes
 * ownership, of `len` bytes. */
int rpc_parsed(struct rpc *rpc, int result, json_t *root, size_t len, const struct error *err);

/* In place of a line that can't be read: it is answered by this error. 0 or -ENOMEM. */
int rpc_refuse(struct rpc *rpc, int code, const char *message);

/* A descriptor came with the client's bytes (SCM_RIGHTS): takes ownership, for the next `run`
 * or `backup`. */
void rpc_passed(struct rpc *rpc, int fd);

/* May there be another line? */
bool rpc_wants(const struct rpc *rpc);

/* Begins what the deadline or the want of room has left, though no answer may leave: a client that
 * does not read yet may have asked for things that others wait for. 0 or -ENOMEM. */
int rpc_go_on(struct rpc *rpc);

/* Appends answers that are due to `out`, until it has `want` bytes or more, or none is ready;
 * begins what waited for room. 0 or -ENOMEM. */
int rpc_take(struct rpc *rpc, struct buf *out, size_t want);

/* Nothing is under way and nothing waits. */
bool rpc_idle(const struct rpc *rpc);

/* The client is gone, or must go: forgets what has not begun, and answers that have not left;
 * abandons what is under way. Calls still come back (`answered`); the rpc may be freed once
 * rpc_idle. Idempotent. */
void rpc_abandon(struct rpc *rpc);

#endif
