/* One target of the sink: a descriptor, and how far it has come in the batch. The sink's thread. */
#ifndef PENSTOCK_RECORD_TARGET_H
#define PENSTOCK_RECORD_TARGET_H

#include "record/log_file.h"
#include "record/queue.h"
#include "record/sink.h"

#include <stdbool.h>
#include <stdint.h>

/* How one writes to a descriptor without ever blocking for good. */
enum target_way {
    TARGET_PLAIN,  /* a regular file, or a description that is non-blocking */
    TARGET_SOCKET, /* send(2) with MSG_DONTWAIT */
    TARGET_SMALL,  /* shared and blocking: poll, then at most PIPE_BUF bytes */
};

struct target {
    char *name, *path;
    enum sink_type type;
    unsigned events;
    unsigned wanted;   /* `events` from the next batch on */
    bool as_text;      /* SINK_JOURNAL: sentences */
    uint64_t max_size; /* as in struct sink_target */
    unsigned keep;
    uint64_t full_at; /* not rotated before this size: it could not be; 0 */
    bool fresh;       /* came by sink_switch, and has not written yet: its end is to be mended */
    int given;        /* SINK_STDOUT: the caller's descriptor, ours once the sink runs */
    struct log_file file;
    enum target_way way;
    bool blocked;  /* wait for POLLOUT on file.fd */
    bool terminal; /* a standard output that can hang up */
    bool gone;     /* a standard output that nobody reads: swallows */
    bool reopen;   /* wanted, between two lines */
    bool done;     /* has all of the batch */

    /* Progress: lines before `next` are written, and `part` bytes of that one. */
    size_t next, part;
    uint64_t lines, bytes;
    struct {
        size_t next;
        uint64_t size, lines, bytes;
    } start; /* of what the batch has put into this file: up to here a failed sync can go back */

    int error;                 /* negative errno, 0 if it works */
    uint64_t retry_at;         /* clock_now, while it fails */
    struct sink_status status; /* under the sink's lock */
};

/* Copies what `from` says and opens it. On failure nothing is left open, and from->fd is untouched.
 */
int target_init(struct target *t, const struct sink_target *from, struct error *err);
/* The same for one that comes by sink_switch, on any thread: touches nothing in the file, which may
 * be another target's at this moment, and opens none if from->kept. */
int target_prepare(struct target *t, const struct sink_target *from, struct error *err);
/* Do both write to the same thing by the same name? Then one takes the other's place as it is. */
bool target_same(const struct target *a, const struct target *b);
/* `to` was prepared and becomes `from`, but for its name and, from the next batch on, its events;
 * target_deinit then frees what is left of `from`. */
void target_succeed(struct target *to, struct target *from);
/* Nothing is written any more by this one: whole lines, as far as the file lets us, and synced if
 * `sync`. If it is `late` others have its lines of the batch from `next` on, which goes back as
 * after any failed sync. 0, or a negative errno. */
int target_leave(struct target *t, bool late, bool sync);
/* In the midst of a batch: it begins at its line `next`. */
void target_begin_at(struct target *t, size_t next);

/* Closes; a standard output's descriptor only if `given` says that it is ours. Takes a zeroed one.
 */
void target_deinit(struct target *t, bool given);

void target_begin(struct target *t);

/* Writes on in the batch. 1: it is `done` (and synced, if `sync`); 0: `blocked`; or a negative
 * errno: then a file stands at the end of a whole line again, if it can at all. */
int target_push(struct target *t, const struct batch *batch, bool sync);

/* Between two batches: is it a file that has grown to its max_size? Then target_rotate
 * gives it its other name, and target_refresh opens the next. 0; or a negative errno, and it is
 * written on, to be tried again once it has grown by as much. */
bool target_is_full(const struct target *t);
int target_rotate(struct target *t);

/* Opens the path anew if that is wanted or the descriptor is lost. 0, also when there is nothing to
 * do now; or a negative errno: then it has no descriptor. */
int target_refresh(struct target *t);

#endif
