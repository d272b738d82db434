/* A session: one client's connection. It reads lines, has them carried out (control/rpc.h), and
 * writes answers and, for one that follows, events.
 *
 * Time: a pump takes lines for SESSION_PUMP_NS and goes on in another turn; a line beyond
 * SESSION_ASIDE bytes is parsed on the helper's thread meanwhile. Such a session is `heavy` until
 * it has nothing left to do: its owner lets others go first.
 *
 * Bounds: a line of SESSION_MAX_LINE bytes; rpc's of requests and answers, beyond which nothing
 * more is read; stream's of events. A client that sends no more (EOF) still gets all its answers,
 * and its events while it follows. What a client has sent before it went is begun, as far as those
 * bounds allow, and then its calls are abandoned. All on the control loop. */
#ifndef PENSTOCK_CONTROL_SESSION_H
#define PENSTOCK_CONTROL_SESSION_H

#include "base/buf.h"
#include "base/helper.h"
#include "base/jsonl.h"
#include "base/list.h"
#include "control/rpc.h"
#include "control/stream.h"

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#define SESSION_MAX_LINE  ((size_t)1 << 20)
#define SESSION_ASIDE     ((size_t)8 << 10)
#define SESSION_PUMP_NS   UINT64_C(500000)
#define SESSION_BIG_INPUT ((size_t)64 << 10) /* from here on reading needs the owner's leave */

struct session;

/* The owner's side. */
struct session_host {
    uv_loop_t *loop;
    struct rpc_host rpc;
    struct helper *helper; /* or NULL: there is none */
    struct budget *budget; /* of all sessions; or NULL */
    /* Asks for session_pump soon, not from within; may be asked again before that. */
    void (*wake)(struct session *session);
    /* Something has come: calls session_pump, true; or wakes it for later, false. */
    bool (*come)(struct session *session);
    /* May it read on, with so much of a line that has not ended? If not it is woken once it may. */
    bool (*may_grow)(struct session *session);
    /* Its input has become short again. */
    void (*shrunk)(struct session *session);
    /* Its jobs wait for it, and its socket is full: it is put into a list by unread_link, and stays
     * there until its output has been written. */
    void (*unread)(struct session *session);
    /* The budget is overdrawn. */
    void (*overdrawn)(void *arg);
    /* The descriptor is closed. The session itself still waits for calls to come back. */
    void (*closed)(struct session *session);
    /* The session is about to be freed: from the pump or from the loop's close callback. */
    void (*gone)(struct session *session);
    void *arg;
};

struct session {
    struct list link, wake_link; /* the owner's */
    struct list
        big_link; /* the owner's, too: one of those whose input may grow, or who wait for that */
    struct list unread_link; /* the owner's as well: jobs wait for what its client does not read */
    uint64_t read_at;        /* clock_now: when that one last took something of it */
    uint64_t big_since;      /* its input may grow since then; 0: it may not */
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
    bool gone;      /* and takes nothing more: what it has sent is begun, and that is all */
    bool in_done;   /* and all that it sent has been taken */
    bool finishing; /* closes once its output has been written */
    bool moved;     /* the client has taken something since the owner cleared this */
    bool handle_closed;
    bool heavy;          /* it has more to do than its share of a turn */
    bool mid_out;        /* `out` begins in the middle of a line */
    const char *cut_why; /* it must go, for this; NULL */
    bool cut_done;       /* and its memory was given back */
    struct share share;

    /* A line that the helper parses, in place. */
    bool parsing;    /* the helper has it */
    bool has_parsed; /* it is done, and what came of it has not been taken */
    struct helper_task task;
    char *line;
    size_t line_len;
    json_t *root;
    int parsed;
    struct error parse_error;
};

/* Who is at the other end of a connection: without supplementary groups. */
struct peer session_peer(int fd);

/* Takes `fd` (non-blocking, connected) over on success. 0 or a negative errno. */
int session_new(const struct session_host *host, int fd, struct session **ret_session);

/* Does what there is to do: takes lines, begins requests, writes. May close or free the session. */
void session_pump(struct session *session);

/* Takes no more requests and closes once what is answered has been written; what is under way is
 * given up. */
void session_finish(struct session *session);

/* Must go, for `why` (a literal): gives back its memory, tells the client if that is possible, and
 * closes. Nothing of it counts in the budget any more. */
void session_cut(struct session *session, const char *why);

/* Closes at once; `gone` follows, never from within. Idempotent. */
void session_close(struct session *session);

#endif
