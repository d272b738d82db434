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
 * refused with -ESTALE when it is not the current one. An attempt that was postponed stays the
 * current one until the next claim; so they say as well whether it runs. Thus a verdict is stored
 * once, and never by a ghost: by whoever still believes that he runs what others have taken from
 * him. */
#ifndef PENSTOCK_STORE_STORE_H
#define PENSTOCK_STORE_STORE_H

#include "base/error.h"
#include "base/list.h"
#include "base/mailbox.h"
#include "base/metric.h"
#include "record/kind.h"
#include "record/spool.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A job as it is stored. Strings are owned by the row (store_job_free). Times are CLOCK_REALTIME in
 * microseconds, 0 for none. */
struct store_job {
    uint64_t id;      /* given by the store: positive, never reused */
    uint32_t attempt; /* claims so far */
    /* How many of these came to nothing because the daemon ended, and how many of those because it
     * died. */
    uint32_t interrupted, torn;
    enum job_state state;
    int priority;                   /* higher runs first; see rank */
    int64_t rank;                   /* order to run: lower first, then by id; given by the store */
    uint32_t uid, gid;              /* of the peer that submitted it */
    int64_t created, due, finished; /* due: not before; next try of a waiting one */
    uint64_t retry_of;              /* 0 for none */
    uint64_t finish_seq;            /* order of the ends, from 1; 0 while it has not ended */
    enum error_kind error;          /* of the verdict; KIND_NONE */
    int64_t ran;                    /* µs that its attempts ran, as far as the store was told */
    char *host;                     /* shard and limit key: host of the URL, lower case */
    char *parser;
    char *spec;     /* JSON: what was asked for, as terms/spec.h writes it */
    char *labels;   /* JSON object */
    char *key;      /* idempotency key or NULL */
    char *schedule; /* of which it is a run, or NULL */
    char *verdict;  /* the verdict's line (JSON object, no newline) or NULL */
    char *needs;    /* it is parked (shared.h), and waits for a member that has this; or NULL */
    /* Of a run that the call has claimed: its schedule as it stood then; NULL: there is none. */
    struct store_schedule *definition;
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
    uint64_t version;  /* of all that: given by the store at each put, and never given again */
    int64_t created;
    int64_t next_at; /* put's, submit's and pass's */
    /* Its runs: submit's. */
    uint64_t job;    /* the run that has not ended; 0 */
    uint64_t forced; /* the run that takes a body that is the same as well; 0 */
    uint64_t last_job, runs;
    uint64_t skipped;  /* times that were left out because a run had not ended */
    uint64_t left_out; /* those of them since the last run began */
    int64_t last_run;
    char *problem; /* why it could not be run the last time: pass's; a run clears it. NULL */
    /* How the last run that has ended did: finish's. */
    enum job_state last_state; /* JOB_QUEUED: none has ended */
    enum error_kind last_error;
    int64_t last_end, last_done;
    uint64_t failures; /* `failed` in a row */
    /* The validators of the last body that was taken whole, each may be NULL; `validated` says
     * whose they are: a digest of the URL that gave them, and the parser's mark. */
    char *etag, *modified, *validated;
};

/* Its last run failed, or could not even be made. */
static inline bool store_schedule_failing(const struct store_schedule *schedule)
{
    return schedule->problem || schedule->last_state == JOB_FAILED;
}

struct store_call {
    struct mail mail;   /* the caller sets it up with mail_init; delivered when done */
    int result;         /* 0 or a negative errno */
    struct error error; /* a sentence if result is negative */
    struct list link;   /* the engine's, while the call is under way */
    int op;             /* the engine's */
    unsigned epoch;     /* the engine's: as what member it was asked */
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
    /* The jobs are of one user, who may have so many that have not ended (0: no limit). -EUSERS:
     * he has, and the message names the section of the config; others may still find room. */
    uint64_t user_max;
    char user_section[96];
    /* The one job is a run of a schedule, whose row changes with it, by compare-and-set: one time
     * gives one run, whoever else sees that it is due. Borrowed. NULL: it is not. */
    struct store_schedule_run {
        const char *name;
        /* As the caller has read them; -ESTALE if the schedule is gone or has others by now. */
        uint64_t version;
        int64_t expected; /* next_at */
        int64_t at, next_at;
        /* Somebody asks for it. Else it is not made while the schedule is paused (-ESTALE). */
        bool asked;
        bool forced; /* row.forced */
        /* Results with -EBUSY, as its run has not ended. The time is passed over then (next_at,
         * skipped, left_out) unless somebody asks: that changes nothing. */
        uint64_t job, left_out;
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

/* queued or waiting -> running, attempt + 1. -ENOENT, -ESTALE if it is neither, or has been at
 * another attempt since it was read: whoever claims it goes by the row of that time. */
struct store_claim {
    struct store_call call;
    uint64_t id;
    uint32_t attempt;                  /* as it was read; the next one begins */
    struct store_schedule *definition; /* result, the caller's: as in struct store_job */
};

/* -> done, failed or cancelled, from any state that is not final. -ENOENT, -ESTALE as above. */
struct store_finish {
    struct store_call call;
    uint64_t id;
    uint32_t attempt;
    /* The caller runs the attempt: it ends from `running` alone. False: nobody does, and it ends
     * from `queued` or `waiting` alone. -ESTALE: it is not so. */
    bool running;
    enum job_state state;
    enum error_kind error;
    const char *verdict; /* borrowed until the mail comes */
    int64_t finished;
    /* What the attempt found, flushed: stored in the same step, by an engine that takes it.
     * Borrowed. NULL: nothing. */
    const struct spool *records;
    uint64_t stored; /* the engine's: so many bytes of them came before */
    /* The job is of a schedule, whose row changes with it. Borrowed. NULL: it is not. */
    const struct store_schedule_end {
        const char *name; /* a schedule that is gone changes nothing */
        /* a body was taken whole: the validators are replaced, if `revision` still holds */
        bool whole;
        uint64_t revision;
        const char *etag, *modified, *validated;
    } * end;
};

/* Some records of an attempt that goes on: from the first that does not stand yet. They count once
 * its end does, which brings the rest. 0; -ESTALE: the attempt is not this caller's any more;
 * -EINVAL: a record is refused for what it is, and would be at the end; or another negative errno:
 * not now, and no harm is done, as they come with the next ones or with the end. */
struct store_append {
    struct store_call call;
    uint64_t id;
    uint32_t attempt;
    struct spool records; /* `fd` and `size`: all that are flushed; the file is the caller's */
};

/* running -> waiting until `due`; or running -> queued (due = 0). `interrupted` and `torn` are
 * counted. */
struct store_postpone {
    struct store_call call;
    uint64_t id;
    uint32_t attempt;
    int64_t due;
    int64_t ran;      /* as in the row: with this attempt */
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

/* The runnable rows of each of some hosts (queued, or waiting and due by `now`) in the order they
 * should run: rank, then id. All or none. */
struct store_window {
    struct store_call call;
    int64_t now;
    /* Borrowed, by uid: users of whom no more than so many rows of a host are wanted. What is left
     * out for that costs nothing, however much it is. PostgreSQL's looks at none: where that is
     * chosen, the config refuses what needs it. */
    const struct store_window_user {
        uint32_t uid;
        size_t limit;
    } * users;
    size_t user_count;
    struct store_window_host {
        const char *host; /* borrowed */
        /* Rows of a lower rank are left out, so that an engine need not step over what was there
         * and is claimed by now. INT64_MIN: none is. */
        int64_t from_rank;
        const uint64_t *skip; /* borrowed: rows that are left out, in any order */
        size_t skip_count;
        size_t limit;
        /* The host is another member's: its parked rows, of those that this one can run. */
        bool guest;
        struct store_job **jobs; /* result, as above */
        size_t count;
        int64_t next_due; /* when the next waiting or not-before row falls due; 0: none */
        /* Those of `users` who may have more rows there than they were given; malloc, as `jobs`. */
        uint32_t *left_out;
        size_t left_count;
    } * hosts; /* the caller's */
    size_t count;
};
/* For engines: no host has a result (any more). */
void store_window_reset(struct store_window *call);
/* For engines: at most so many rows of that user are wanted (SIZE_MAX: any). */
size_t store_window_limit(const struct store_window *call, uint32_t uid);
/* For engines: that user may have more rows. 0 or -ENOMEM. */
int store_window_leave(struct store_window_host *wanted, uint32_t uid);

/* Hosts that have rows which wait to run, by name: a page. Fewer than `limit`: the last. */
struct store_hosts {
    struct store_call call;
    const char *after; /* borrowed: the hosts behind this one; NULL: from the first */
    size_t limit;
    char **hosts; /* result: the array and they are the caller's (store_hosts_free) */
    size_t count;
};
/* Adds a copy of the name (0 or -ENOMEM); frees the result. */
int store_hosts_add(struct store_hosts *call, const char *name);
void store_hosts_free(struct store_hosts *call);

/* A place among the ends; all 0: before the first. Numbers alone are no order of commits where
 * several daemons store ends, so the transaction's own stands before them there. */
struct store_cursor {
    uint64_t xid; /* 0 in an engine of one daemon */
    uint64_t seq; /* finish_seq */
};

/* Ended rows after `after` in order of their ends: for followers that were too slow. */
struct store_ended {
    struct store_call call;
    struct store_cursor after; /* moved to the last of `jobs` */
    size_t limit;
    struct store_job **jobs;
    size_t count;
};

/* A page of schedules: by name, or, if `due`, those that are not paused by next_at, then name. */
struct store_schedules {
    struct store_call call;
    bool due;
    bool failing;      /* by name: of those alone */
    bool brief;        /* their specs are not wanted: they are "" */
    int64_t after_at;  /* if `due`: the page begins behind this next_at … */
    const char *after; /* … and this name; NULL: at the first one. Borrowed */
    const char *until; /* by name: the last one that is wanted; NULL. Borrowed */
    size_t limit;
    size_t max_bytes; /* of their specs, beyond which a page has no further one; 0: no such limit */
    struct store_schedule **rows; /* result: copies; the array and they are the caller's */
    size_t count, bytes;
    bool more; /* there may be others behind them */
};

/* Schedules by their names. */
struct store_schedule_get {
    struct store_call call;
    const char *const *names; /* borrowed */
    size_t count;
    struct store_schedule **rows; /* result, the caller's: one for each name; NULL: there is none */
};

/* Makes schedules, or changes what they ask for; removes others. All or none. */
struct store_schedule_put {
    struct store_call call;
    /* Borrowed. `version` is the one that the caller has compared with, 0 for a schedule that is
     * not to be there yet: -ESTALE if one has another by now. The result is the new one. A next_at
     * of 0 leaves that as it is. */
    struct store_schedule *const *rows;
    size_t count;
    const char *const *removed; /* one that is not there is no error */
    size_t removed_count;
};

/* A time at which no run could be made: when the next one is, and why. -ESTALE as of a run. */
struct store_schedule_pass {
    struct store_call call;
    const char *name; /* borrowed, as is `problem` */
    uint64_t version;
    int64_t expected, next_at;
    const char *problem; /* NULL: there is none; the time was wrong */
};

/* A copy of the whole store as it stands at one moment, written to a socket while work goes on. */
struct store_backup {
    struct store_call call;
    int fd;           /* a unix(7) stream socket; the caller's, who closes it */
    atomic_bool stop; /* the caller sets it when the copy shall end early (-ECANCELED) */
    uint64_t bytes;   /* result: that were sent */
};

struct store_counts {
    uint64_t by_state[JOB_STATE_COUNT_];
    uint64_t last_id, last_finish_seq;
    uint64_t pending_bytes; /* of the specs of jobs that have not ended, with their bodies */
    uint64_t schedules, schedules_failing, schedules_paused;
    uint64_t schedule_version; /* the last that was given */
    /* When the last run of a schedule was made, to a minute; CLOCK_REALTIME, µs. So it is known
     * that the day's clock was set back while nobody looked. */
    uint64_t seen;
};
#define STORE_SEEN_US INT64_C(60000000) /* that minute */

struct store;
struct store_shared;
struct store_engine {
    const char *name;
    bool keeps;   /* jobs survive the daemon */
    bool records; /* it takes records with an end */
    /* What it has as well if several daemons share it: store/shared.h. NULL: one has it alone. */
    const struct store_shared *shared;
    void (*submit)(struct store *s, struct store_submit *call);
    void (*claim)(struct store *s, struct store_claim *call);
    void (*finish)(struct store *s, struct store_finish *call);
    void (*postpone)(struct store *s, struct store_postpone *call);
    /* NULL: records come with the end alone. No end of that attempt is asked for before its
     * answer. */
    void (*append)(struct store *s, struct store_append *call);
    void (*get)(struct store *s, struct store_get *call);
    void (*list)(struct store *s, struct store_list *call);
    void (*window)(struct store *s, struct store_window *call);
    void (*hosts)(struct store *s, struct store_hosts *call);
    void (*ended)(struct store *s, struct store_ended *call);
    void (*schedules)(struct store *s, struct store_schedules *call);
    void (*schedule_get)(struct store *s, struct store_schedule_get *call);
    void (*schedule_pass)(struct store *s, struct store_schedule_pass *call);
    void (*schedule_put)(struct store *s, struct store_schedule_put *call);
    /* NULL: there is nothing to copy (an engine that does not keep), or others copy it (a
     * server's tools). -EBUSY: another copy is under way. */
    void (*backup)(struct store *s, struct store_backup *call);
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
    /* Records go into this table from now on, as store_config.table names it and store_module's
     * `check_table` has let it pass. At once. NULL: it takes none. */
    void (*records_into)(struct store *s, const char *table);
    void (*free)(struct store *s); /* every call has come back */
};
/* The engine embeds this first. */
struct store {
    const struct store_engine *engine;
    struct mailbox *mailbox; /* where calls come back: the control loop's */
};

/* For engines: mkdir -p of a file's directory; those that are made are the user's own. 0; or a
 * negative errno with a message in *err. */
int store_make_dir(const char *path, struct error *err);

/* For engines: does the row stand where a finish says that it does? 0; or -ESTALE with a message in
 * call->error. */
int store_check_running(struct store_finish *call, enum job_state state);

/* The time that stands in rows, in microseconds since 1970: the server's where several daemons
 * share the store, as their own clocks may differ; else CLOCK_REALTIME. At once, from memory. */
int64_t store_now(struct store *s);

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
    /* Of PostgreSQL; `path` is a file that it locks, so that no two daemons are of one place. */
    const char *dsn; /* libpq's connection string, without a password; NULL: standards */
    /* The same for beats and hints, which no pooler can carry. NULL: `dsn`. */
    const char *direct;
    const char *password_file; /* NULL: $CREDENTIALS_DIRECTORY/store if that is there */
    const char *schema;        /* NULL: penstock */
    const char *table;         /* where records go (table_name.h); NULL: `records` of the schema */
    const char *name;          /* of this daemon among all; NULL: the machine's */
    uint64_t lease_ns;         /* how long one that gives no sign is believed alive; 0: 60 s */
    unsigned workers;          /* how many downloads this daemon may run: its share of the hosts */
    const char *digest;        /* of what all should have alike in their configs; NULL: "" */
    /* Of an engine that is shared: what is called with a struct store_event's mail, on the control
     * loop. NULL: this daemon is the only one, and another is refused. */
    void (*on_event)(struct mail *mail);
    /* The store began to fail, and why; or works again (NULL). On the store's thread. */
    void (*trouble)(void *arg, const char *why);
    void *arg;
};

/* For engines: is there room in the queue for this job as well? 0; or -EDQUOT with a message in
 * *err. */
int store_check_room(const struct store_config *config, const struct store_counts *counts,
                     const struct store_job *job, struct error *err);

/* For engines: may the user have this job as well, with so many that have not ended? 0; or -EUSERS
 * with a message in *err. */
int store_check_user(const struct store_submit *call, const struct store_job *job, uint64_t pending,
                     struct error *err);

#endif
