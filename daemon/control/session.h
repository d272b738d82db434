/* A session: one client's connection. It reads lines, has them carried out (control/rpc.h), and
 * writes answers and, for one that follows, events.
 *
 * Bounds: a line of SESSION_MAX_LINE bytes; rpc's of requests and answers, beyond which nothing
 * more is read; stream's of events. A client that sends no more (EOF) still gets all its answers,
 * and its events while it follows. A client that is gone has its calls abandoned. All on the
 * control loop. */
#ifndef PENSTOCK_CONTROL_SESSION_H
#define PENSTOCK_CONTROL_SESSION_H

#include "base/buf.h"
#include "base/jsonl.h"
#include "base/list.h"
#include "control/rpc.h"
#include "control/stream.h"

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#define SESSION_MAX_LINE ((size_t)1 << 20)

struct session;

/* The owner's side. */
struct session_host {
    uv_loop_t *loop;
    struct rpc_host rpc;
    /* Asks for session_pump soon, not from within; may be asked again before that. */
    void (*wake)(struct session *session);
    /* The descriptor is closed. The session itself still waits for calls to come back. */
    void (*closed)(struct session *session);
    /* The session is about to be freed: from the pump or from the loop's close callback. */
    void (*gone)(struct session *session);
    void *arg;
};

struct session {
    struct list link, wake_link; /* the owner's */
    const struct session_host *host;
    int fd; /* -1 once closed */
    uv_poll_t poll;
    int watched; /* mask of uv_poll_event */
    struct jsonl in;
    struct rpc rpc;
    struct stream stream;
    uint32_t *groups; /* of the peer, besides its primary one */
    struct buf out;
    size_t sent;    /* of out */
    bool eof;       /* the client sends no more */
    bool in_done;   /* and all that it sent has been taken */
    bool finishing; /* closes once its output has been written */
    bool moved;     /* the client has taken something since the owner cleared this */
    bool handle_closed;
};

/* Takes `fd` (non-blocking, connected) over on success. 0 or a negative errno. */
int session_new(const struct session_host *host, int fd, struct session **ret_session);

/* Does what there is to do: takes lines, begins requests, writes. May close or free the session. */
void session_pump(struct session *session);

/* Takes no more requests and closes once what is answered has been written; what is under way is
 * given up. */
void session_finish(struct session *session);

/* Closes at once; `gone` follows, never from within. Idempotent. */
void session_close(struct session *session);

#endif
