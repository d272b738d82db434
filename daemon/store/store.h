/* The store: where jobs live. One interface, one file per engine; a database server can fill it.
 *
 * Calls are asynchronous: each is a struct of the caller's with its arguments and results, and a
 * mail that comes back to the control loop's mailbox once the result stands (and, in an engine that
 * keeps anything, is durable). Calls are carried out in the order they were made, but for `list`,
 * which may take several turns over many rows: each is seen as it stands when it is reached. All
 * functions: the control loop.
 *
 * A job's row moves queued -> running -> (waiting -> running)* -> final. `attempt` counts the
 * claims and is the epoch: finish and postpone name the attempt that they speak for, and are
 * refused with -ESTALE when it is not the current one, so that a verdict is stored once, and never
 * by a ghost. */
#ifndef PENSTOCK_STORE_STORE_H
#define PENSTOCK_STORE_STORE_H

#include "base/error.h"
#include "base/list.h"
#include "base/mailbox.h"
#include "base/metric.h"
#include "record/kind.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A job as it is stored. Strings are owned by the row (store_job_free). Times are CLOCK_REALTIME in
 * microseconds, 0 for none. */
struct store_job {
    uint64_t id;      /* given by the store: positive, never reused */
    uint32_t attempt; /* claims so far */
    /* Of these, that came to nothing because the daemon ended; and of these, because it died. */
    uint32_t interrupted, torn;
    enum job_state state;
    int priority;                   /* higher runs first; see rank */
    int64_t rank;                   /* order to run: lower first, then by id; given by the store */
    uint32_t uid, gid;              /* of the peer that submitted it */
    int64_t created, due, finished; /* due: not before; next try of a waiting one */
    uint64_t retry_of;              /* 0 for none */
    uint64_t finish_seq;            /* order of the ends, from 1; 0 while it has not ended */
    enum error_kind error;          /* of the verdict; KIND_NONE */
    char *host;                     /* shard and limit key: host of the URL, lower case */
    char *parser;
    char *spec;     /* JSON: what was asked for, as terms/spec.h writes it */
    char *labels;   /* JSON object */
    char *key;      /* idempotency key or NULL */
    char *schedule; /* of which it is a run, or NULL */
    char *verdict;  /* the verdict's line (JSON object, no newline) or NULL */
    /* of `get` alone: the lines of attempts that were postponed, joined by commas; NULL */
    char *history;
};

/* How long a history may get: from there on it takes no more lines. */
#define STORE_HISTORY_MAX 16384

/* What one point of priority is worth: so much longer a wait. The rank of a job is fixed when it is
 * submitted: the time from which it may run, less its priority in such steps. All ranks age alike,
 * so the order of two jobs never changes, and a job is overtaken only by what comes within its
 * disadvantage: none starves. */
#define STORE_AGE_US INT64_C(60000000)
int64_t store_rank(const struct store_job *job);

void store_job_free(struct store_job *job);                    /* takes NULL */
struct store_job *store_job_copy(const struct store_job *job); /* NULL: out of memory */

/* Result arrays: adds a copy at the end (0 or -ENOMEM); frees the array and its jobs (takes
 * NULL). */
int store_jobs_add(struct store_job ***jobs, size_t *count, const struct store_job *job);
void store_jobs_free(struct store_job **jobs, size_t count);

/* A schedule as it is stored; owned by the row (store_schedule_free). Times as above. */
struct store_schedule {
    /* What it asks for: schedule_put's. */
    char *name;
    char *spec; /* JSON, as schedule/definition.c writes it */
    uint32_t uid, gid;
    bool paused;
    uint64_t revision; /* another one: what it downloads has changed, and its validators are void */
    int64_t created, next_at;
    /* Its runs: submit's. */
    uint64_t job; /* the run that has not ended; 0 */
    uint64_t last_job, runs, skipped;
    int64_t last_run;
    /* How the last run that has ended did: finish's. */
    enum job_state last_state; /* JOB_QUEUED: none has ended */
    enum error_kind last_error;
    int64_t last_end, last_done;
    uint64_t failures; /* `failed` in a row */
    /* Of the last body that was taken whole, each may be NULL; `validated` says what they are of: a
     * digest of the URL that gave them, and the parser's mark. */
    char *etag, *modified, *validated;
};

struct store_call {
    struct mail mail;   /* the caller sets it up with mail_init; delivered when done */
    int result;         /* 0 or a negative errno */
    struct error error; /* a sentence if result is negative */
    struct list link;   /* the engine's, while the call is under way */
    int op;             /* the engine's */
};

/* Adds jobs, all or none but for keys: a job whose (uid, key) is known and whose spec is the same
 * becomes that one (existing = true, id filled in); another spec: its own result is -EEXIST.
 * -EDQUOT: the queue is full (max_jobs and max_bytes count what has not ended). */
struct store_submit {
    struct store_call call;
    struct store_submit_item {
        struct store_job *job; /* the caller's; the store copies it and fills in id and rank */
        bool claim;            /* claimed in the same step: it comes back running, with attempt 1 */
        int result;            /* 0, -EEXIST */
        bool existing;
    } * items;
    size_t count;
    /* The one job is a run of a schedule, whose row changes with it. Borrowed. NULL: it is not. */
    const struct store_schedule_run {
        const char *name; /* a schedule that is gone changes nothing */
        int64_t at, next_at;
        uint64_t skipped;
    } * run;
};

/* For engines: the item's job as if it had not been claimed. */
static inline void store_submit_unclaim(struct store_submit_item *item)
{
    if (!item->claim)
        return;
    item->job->state = JOB_QUEUED;
    item->job->attempt = 0;
}

/* queued or waiting -> running, attempt + 1. -ENOENT, -ESTALE if it is neither. */
struct store_claim {
    struct store_call call;
    uint64_t id;
    uint32_t attempt; /* result */
};

/* -> done, failed or cancelled, from any state that is not final. -ENOENT, -ESTALE as above. */
struct store_finish {
    struct store_call call;
    uint64_t id;
    uint32_t attempt;
    enum job_state state;
    enum error_kind error;
    const char *verdict; /* borrowed until the mail comes */
    int64_t finished;
    /* The job is of a schedule, whose row changes with it. Borrowed. NULL: it is not. */
    const struct store_schedule_end {
        const char *name;
        /* a body was taken whole: the validators are replaced, if `revision` still holds */
        bool whole;
        uint64_t revision;
        const char *etag, *modified, *validated;
    } * end;
};

/* running -> waiting until `due`; or running -> queued (due = 0). `interrupted` and `torn` are
 * counted. */
struct store_postpone {
    struct store_call call;
    uint64_t id;
    uint32_t attempt;
    int64_t due;
    const char *line; /* borrowed: the attempt's, for the history; NULL: there was no attempt */
    bool interrupted, torn;
};

struct store_get {
    struct store_call call;
    uint64_t id;
    struct store_job *job; /* result: a copy, the caller's; NULL with -ENOENT */
};

/* What list, cancel, retry and follow select by. NULL, 0 or -1: any, but 0 is a state (queued). */
struct store_select {
    int state;                           /* enum job_state or -1 */
    int error;                           /* enum error_kind or -1 */
    const char *label_key, *label_value; /* no value: has the label at all */
    const char *schedule, *host, *parser;
    int64_t since; /* created at or after */
    bool by_uid;   /* of `uid` alone */
    uint32_t uid;
};
bool store_select_match(const struct store_select *select, const struct store_job *job);

/* A page, newest first: ids below `before` (0: from the newest). */
struct store_list {
    struct store_call call;
    struct store_select select; /* strings borrowed until the mail comes */
    uint64_t before;
    size_t limit;
    size_t max_bytes; /* of texts, beyond which a page has no further job; 0: no such limit */
    struct store_job **jobs; /* result: copies; the array and they are the caller's */
    size_t count, bytes;
    uint64_t next; /* `before` for the next page; 0: that was the last */
};
/* For engines: has the page all that it may? Counts the last job that was added to it. */
bool store_list_full(const struct store_list *list);
void store_list_count(struct store_list *list);

/* Of one host, the runnable rows (queued, or waiting and due by `now`) in the order they should
 * run: rank, then id. Rows in `skip` (ids being run or claimed) are left out. */
struct store_window {
    struct store_call call;
    const char *host; /* borrowed */
    int64_t now;
    const uint64_t *skip;
    size_t skip_count;
    size_t limit;
    struct store_job **jobs; /* result, as above */
    size_t count;
    int64_t next_due; /* when the next waiting or not-before row falls due; 0: none */
};

/* Hosts that have rows which have not ended, and how many: at start. */
struct store_hosts {
    struct store_call call;
    struct store_host {
        char *host;
        uint64_t pending;
    } * hosts; /* result: the caller's */
    size_t count;
};

/* Ended rows after `after` in order of their ends: for followers that were too slow. */
struct store_ended {
    struct store_call call;
    uint64_t after; /* finish_seq */
    size_t limit;
    struct store_job **jobs;
    size_t count;
};

/* All schedules, by name. */
struct store_schedules {
    struct store_call call;
    struct store_schedule **rows; /* result: the caller's */
    size_t count;
};

/* Makes schedules, or changes what they ask for; removes others. All or none. */
struct store_schedule_put {
    struct store_call call;
    const struct store_schedule *const *rows; /* these are borrowed */
    size_t count;
    const char *const *removed; /* one that is not there is no error */
    size_t removed_count;
};

struct store_counts {
    uint64_t by_state[JOB_STATE_COUNT_];
    uint64_t last_id, last_finish_seq;
    uint64_t pending_bytes; /* of the specs of jobs that have not ended, with their bodies */
};

struct store;
struct store_engine {
    const char *name;
    bool keeps; /* jobs survive the daemon */
    void (*submit)(struct store *s, struct store_submit *call);
    void (*claim)(struct store *s, struct store_claim *call);
    void (*finish)(struct store *s, struct store_finish *call);
    void (*postpone)(struct store *s, struct store_postpone *call);
    void (*get)(struct store *s, struct store_get *call);
    void (*list)(struct store *s, struct store_list *call);
    void (*window)(struct store *s, struct store_window *call);
    void (*hosts)(struct store *s, struct store_hosts *call);
    void (*ended)(struct store *s, struct store_ended *call);
    void (*schedules)(struct store *s, struct store_schedules *call);
    void (*schedule_put)(struct store *s, struct store_schedule_put *call);
    void (*counts)(struct store *s, struct store_counts *ret_counts); /* at once, from memory */
    /* How long commits took, since the start; at once, from memory. NULL: it makes none. */
    void (*commits)(struct store *s, struct histogram *ret_commits);
    /* Changes cannot be made durable just now: submits and claims are refused with the reason,
     * finish and postpone wait in the store and are tried again. NULL: that cannot happen. */
    bool (*failing)(struct store *s);
    /* What the store says of that; at once, from memory. Called where `failing` says so. */
    void (*trouble)(struct store *s, struct error *ret_why);
    /* The daemon must end: what waits for a store that fails is tried once more, then comes back
     * with the reason. NULL: as above. */
    void (*give_up)(struct store *s);
    void (*free)(struct store *s); /* every call has come back */
};
/* The engine embeds this first. */
struct store {
    const struct store_engine *engine;
    struct mailbox *mailbox; /* where calls come back: the control loop's */
};

static inline bool store_failing(struct store *s)
{
    return s->engine->failing && s->engine->failing(s);
}

struct store_config {
    const char *path;   /* engines that keep */
    uint64_t max_jobs;  /* not ended; 0: no limit */
    uint64_t max_bytes; /* of their specs; 0: no limit */
    /* Ended rows are forgotten after that time, and beyond that many, oldest first, soon after a
     * later call; their keys with them. */
    int64_t keep_finished_us;     /* 0: 7 d ("at once" is never meant) */
    uint64_t keep_finished_count; /* 0: 100,000 (memory), 1,000,000 (SQLite) */

    /* What follows is for engines that keep. */
    bool make_dir;     /* create the directory of `path` (0700) if it is not there */
    uint64_t retry_ns; /* between tries while the store fails; 0: 1 s */
    const char *vfs;   /* SQLite's name of a file system layer, for tests of faults; NULL */
    /* The store began to fail, and why; or works again (NULL). On the store's thread. */
    void (*trouble)(void *arg, const char *why);
    void *arg;
};

/* For engines: is there room in the queue for this job as well? 0; or -EDQUOT with a message in
 * *err. */
int store_check_room(const struct store_config *config, const struct store_counts *counts,
                     const struct store_job *job, struct error *err);

#endif
