/* The sink: a thread that writes the log's lines to every target (stdout, files, the journal),
 * batched, in one order for all, without delay when idle.
 *
 * Two ways in. Workers call sink_emit, which blocks while the queue is full: that is the pressure
 * that slows a download down. The control loop calls sink_post, which never blocks: its line is
 * embedded in the object it speaks of (a verdict stays with its job) and handed back once every
 * target has it.
 *
 * Nothing is dropped. A target that fails is tried again every second; a torn line is truncated
 * away (files) before; meanwhile the queue fills, emit blocks, and `trouble` tells. The only
 * exception is a standard output that nobody reads any more: from then on it swallows what is meant
 * for it.
 *
 * Records that were held back until their job was done (a spool) are posted as one line that stands
 * for all of them: they come out together, in pieces of bounded size, and everything else waits for
 * their end. */
#ifndef PENSTOCK_RECORD_SINK_H
#define PENSTOCK_RECORD_SINK_H

#include "base/buf.h"
#include "base/error.h"
#include "base/list.h"
#include "record/kind.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sink;
struct sink_credit;
struct spool;

/* SINK_STORED is of the config alone: records that the store takes with their verdict. */
enum sink_type { SINK_STDOUT, SINK_FILE, SINK_JOURNAL, SINK_STORED };

/* One [sink "NAME"]. Strings are borrowed for the call and copied. */
struct sink_target {
    const char *name;
    enum sink_type type;
    const char *path; /* SINK_FILE; SINK_JOURNAL: journald's socket, NULL for its usual place */
    int fd;           /* SINK_STDOUT: the private duplicate of descriptor 1; owned by the sink */
    unsigned events;  /* mask of enum event */
    bool as_text;     /* SINK_JOURNAL: sentences, with the line beside them */
    /* SINK_FILE: from so many bytes on the file becomes PATH.1 and another one is begun; 0: never.
     * So many of the old ones are kept, at least 1. */
    uint64_t max_size;
    unsigned keep;
    /* For sink_targets_open: a file (or the journal) that the sink writes to by this path already,
     * not opened now. */
    bool kept;
};

/* Where records come from: one attempt. Embedded in the parse task. */
struct sink_source {
    uint64_t job;
    uint32_t attempt;
    uint64_t seq;                 /* of the last record; the worker's */
    const char *extra;            /* further members for each line, as `,"schedule":"x"`, or "" */
    struct sink_credit *credit;   /* of a reader who must miss none of its records; NULL: nobody */
    atomic_bool shut;             /* set by sink_shut: emits are refused */
    _Atomic uint64_t wait;        /* ns spent blocked in sink_emit; sink_waited reads both */
    _Atomic uint64_t wait_since;  /* 0 if not blocked now */
    atomic_bool waits_for_reader; /* while it is blocked: for credit, and not for the queue */
};

/* Nanoseconds that this source's emits have spent blocked until `now`. At the moment when a wait
 * ends it may be counted twice, never not at all. Any thread. */
uint64_t sink_waited(const struct sink_source *source, uint64_t now);

/* A line posted by the control loop. */
struct sink_line {
    struct list link;
    enum event event;
    uint64_t job;    /* 0: of no job */
    struct buf text; /* the whole line with its newline */
    /* In place of `text`: many lines of one job, flushed; the caller's, who closes it after
     * `taken`. NULL: none. */
    struct spool *spool;
    /* On the sink's thread, after every target has taken the line (and synced it, if it is a file
     * and syncing is on): usually posts a mail to the control loop. May be NULL. */
    void (*taken)(struct sink_line *line);
    uint64_t at; /* private: the queue's bytes of records before it */
};

/* Lines on their way to followers. A chunk holds whole lines, and an index of them. */
struct sink_mark {
    uint32_t start, len; /* in data; len with the newline */
    enum event event;
    uint64_t job;
    bool credited; /* it has taken from its source's credit: must not be lost, and is given back */
};
struct sink_chunk {
    struct list link;
    char *data;
    size_t len, size;
    struct sink_mark *marks;
    size_t mark_count, mark_size;
};

struct sink_config {
    const struct sink_target *targets;
    size_t target_count;
    size_t queue_bytes;  /* emit blocks above it; 0 for 1 MiB */
    size_t record_bytes; /* a longer record is refused with -EMSGSIZE; 0 for 1 MiB */
    uint64_t retry_ns;   /* between tries of a failing target; 0 for 1 s */
    uint64_t reopen_ns;  /* a reopening waits so long for the end of a spool's group; 0 for 10 s */
    bool sync;           /* fdatasync a file before `taken` */
    /* EPIPE on stdout: nobody reads any more. On the sink's thread, once. */
    void (*stdout_gone)(void *arg);
    /* A target began to fail (error != 0) or works again (0). On the sink's thread. */
    void (*trouble)(void *arg, const char *target, int error);
    /* The targets of a sink_switch are in their places: what fails may be another. On the sink's
     * thread. */
    void (*switched)(void *arg);
    /* While sink_tap is on: a chunk that was written (all lines of it, records and others), before
     * the `taken` of its lines. On the sink's thread; ownership passes: free with sink_chunk_free.
     */
    void (*tap)(void *arg, struct sink_chunk *chunk);
    void *arg;
};

/* Opens the targets, starts the thread. 0, or a negative errno with a message in *err that names
 * the target, its path and the remedy; then `fd`s stay the caller's. */
int sink_new(const struct sink_config *config, struct sink **ret_sink, struct error *err);

/* Worker thread: one record (a JSON value on one line, valid: the caller has checked). 0;
 * -ECANCELED once the source is shut; -EMSGSIZE; -ENOMEM. Blocks while the queue is full, or the
 * source's credit is used up. seq counts only what was taken. */
int sink_emit(struct sink *sink, struct sink_source *source, const char *json, size_t len);

/* Control loop: after it returns, no further record of this source enters the queue, and an emit
 * that is blocked returns -ECANCELED. So what is posted next comes after the source's last record.
 */
void sink_shut(struct sink *sink, struct sink_source *source);

/* How many records the sink has taken from this source. Any thread, while the source lives. */
uint64_t sink_source_seq(struct sink *sink, const struct sink_source *source);

/* Control loop: queues the line, whatever the queue's size (the lines are bounded by their
 * objects). */
void sink_post(struct sink *sink, struct sink_line *line);

/* The same for several, between which no other line comes. */
void sink_post_all(struct sink *sink, struct sink_line *const *lines, size_t count);

/* Worker thread: a record that went into a spool, not to sink_emit, counts as one of the source's.
 * 0, or -ECANCELED once the source is shut. */
int sink_count(struct sink *sink, struct sink_source *source);

/* Switches the tap on or off. Any thread. */
void sink_tap(struct sink *sink, bool on);

/* Reopens the files by their paths (after logrotate), between two lines. Any thread; does not wait.
 * A spool and what was posted together with it stay in one file, unless that takes longer than
 * reopen_ns or the file fails. */
void sink_reopen(struct sink *sink);

/* True while a target fails: then no new job may start. Any thread. */
bool sink_failing(struct sink *sink);

struct sink_status {
    char target[64];
    int error;             /* errno, 0 if it works */
    int64_t since_us;      /* CLOCK_REALTIME */
    uint64_t lines, bytes; /* written so far */
};
/* The state of each target; at most `max` are written. Returns how many there are. Any thread. */
size_t sink_statuses(struct sink *sink, struct sink_status *ret_statuses, size_t max);
/* Bytes waiting in the queue, and those that all targets have taken so far. Any thread. */
size_t sink_queued(struct sink *sink);
uint64_t sink_written(struct sink *sink);

/* Writes out what is queued, waiting for failing targets (and for a reader that stalls) up to
 * `patience_ns`, then stops the thread and frees. Lines that could not be written are given back by
 * `taken` all the same; returns how many (records and others). No emit may be under way. Takes
 * NULL. SINK_STUCK: a write does not return. Then nothing was freed, and the thread goes on
 * whenever that returns: the process is to end as it is, or this is to be called again. */
#define SINK_STUCK SIZE_MAX
size_t sink_free(struct sink *sink, uint64_t patience_ns);

#endif
