/* The stream of a connection that follows jobs: lines of the log in, `event` notifications out. No
 * I/O.
 *
 * Memory is bounded, and the daemon never waits for a follower, but for one: who follows the jobs
 * that he submits, and asked for it, presses on them (record/credit.h). At most STREAM_CREDIT bytes
 * of their records are on their way here at a time, and as much again to his socket; nothing of
 * theirs is dropped. For the others:
 *   - up to STREAM_LINES bytes of notifications wait here (a single longer one fits into an empty
 * stream);
 *   - what comes while they are full is dropped and counted (`missed` tells how many lines, as soon
 * as there is room), but a verdict is kept, up to STREAM_VERDICTS bytes of them;
 *   - beyond that the stream ends with `overflow`, and the connection with it;
 *   - where many connections hold much, each may hold less (control/budget.h).
 * A client who presses and reads nothing at all for a minute, while others wait for what its jobs
 * have, is cut off (stream_cut), and they go on.
 *
 * Nothing leaves while a request that follows has not been answered (stream_hold): the answer comes
 * first. All functions: the control loop. */
#ifndef PENSTOCK_CONTROL_STREAM_H
#define PENSTOCK_CONTROL_STREAM_H

#include "api/api.h"
#include "api/follower.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/list.h"
#include "control/budget.h"
#include "control/idset.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STREAM_LINES    ((size_t)4 << 20)
#define STREAM_VERDICTS ((size_t)64 << 20)
#define STREAM_CREDIT   ((size_t)256 << 10)

enum stream_mode {
    STREAM_IDLE,    /* follows nothing */
    STREAM_SUBMITS, /* jobs that this connection submits with `follow` */
    STREAM_IDS,     /* the ids of a `follow` */
    STREAM_SELECT   /* whatever a `follow` selects: it has no end */
};

struct stream {
    struct follower follower;
    struct api *api;
    void (*ready)(struct stream *stream); /* stream_take has something; may be called often */
    size_t max_lines, max_verdicts;       /* STREAM_…; tests set less */
    const struct budget *budget; /* of all connections: bounds max_lines further; or NULL */
    enum stream_mode mode;
    unsigned holds;   /* requests that follow and whose answer has not left yet */
    unsigned submits; /* submits that follow and are under way */
    unsigned events;  /* which the client wants; the follower may get verdicts beside them */
    bool shut;        /* takes nothing more: the connection is going */
    bool overflowed;
    bool checking;        /* a `follow` by ids is not sure yet that there are such jobs */
    uint64_t unknown;     /* while checking: an id that there is not; 0 */
    bool ending, end_due; /* the last id may have ended; `end` is to be told */
    bool ended;           /* `end` has been told: the subscription can go */
    struct buf lines;     /* notifications, whole, in order */
    size_t owed;          /* bytes of the records in `lines` that are to be given back */
    struct list kept;     /* lines that found no room and must not be lost */
    size_t kept_bytes;
    uint64_t missed;   /* lines dropped and not told yet */
    struct idset open; /* ids that are followed and have not ended */
    struct idset told; /* ids whose verdicts have come, for submits: known keys name them again */
};

void stream_init(struct stream *stream, struct api *api, void (*ready)(struct stream *stream));

/* Unsubscribes and frees what is left. No submit that follows is under way. */
void stream_deinit(struct stream *stream);

/* Lines are refused from now on, what waits is dropped. */
void stream_shut(struct stream *stream);

/* A `follow` with its params (may be NULL). 0 and *ret_result, or an error code of the protocol, a
 * sentence and perhaps a field. */
int stream_follow(struct stream *stream, const json_t *params, json_t **ret_result,
                  struct error *err, const char **ret_field);

/* Whether all ids of a `follow` are known is told only after a look into the store
 * (follower.unknown). The store answers in order: any call made after stream_follow comes back
 * later than that, and then stream_checked says 0, or API_NOT_FOUND, a sentence and a field; the
 * stream is idle again then. */
bool stream_needs_check(const struct stream *stream);
int stream_checked(struct stream *stream, struct error *err, const char **ret_field);

/* Follows nothing any more, forgets what waits. */
void stream_reset(struct stream *stream);

/* A submit that follows, with these events, begins: 0, or an error code with a message in *err.
 * Then stream_submitted once it is answered, with its result or NULL. `press`: its jobs wait for
 * the client, who misses no line of theirs. */
int stream_submit(struct stream *stream, unsigned events, bool press, struct error *err);
void stream_submitted(struct stream *stream, const json_t *result);

/* A notification of its own, about a job that this connection's client runs a command for. */
void stream_tell(struct stream *stream, const char *method, uint64_t id);

void stream_hold(struct stream *stream);
void stream_release(struct stream *stream);

/* The memory that waits here. */
size_t stream_memory(const struct stream *stream);

/* Gives up what waits, and takes no more but `overflow`, which tells of `why` and ends the
 * connection: it can be had by stream_take. */
void stream_cut(struct stream *stream, const char *why);

/* Do jobs wait for its client? And have they what others wait for (follower_holds_up)? */
bool stream_presses(const struct stream *stream);
bool stream_holds_up(const struct stream *stream);

/* Is there something that stream_take would give? */
bool stream_pending(const struct stream *stream);

/* Moves what waits to the end of `out` (whole lines), and fills up from what was kept. */
void stream_take(struct stream *stream, struct buf *out);

/* Does it still have a reason to keep a client that sends nothing more? */
bool stream_following(const struct stream *stream);

#endif
