/* The jobs, as the control protocol sees them: every operation takes JSON parameters and answers
 * with JSON. This is all of the daemon's trade that control/ knows. Everything here runs on the
 * control loop.
 *
 * An operation is a struct jobs_call of the caller's. It is answered exactly once, never from
 * within the call that makes it, either with a result or with an error. While it is under way its
 * memory must stay; a caller whose client has gone calls jobs_call_abandon (only `wait` ends early
 * by it; the others run their course) and frees it in `answer` as ever. */
#ifndef PENSTOCK_JOB_JOBS_H
#define PENSTOCK_JOB_JOBS_H

#include "base/error.h"
#include "base/list.h"
#include "base/mailbox.h"
#include "record/kind.h"
#include "record/sink.h"
#include "terms/access.h"
#include "terms/settings.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct jobs;
struct fetch;
struct pool;
struct store;
struct registry;
struct policy;

/* Error codes of the protocol besides JSON-RPC 2.0's own (-32700 … -32600). */
enum jobs_error {
    JOBS_INVALID_PARAMS = -32602,
    JOBS_INTERNAL = -32603,
    JOBS_NOT_FOUND = -32001, /* no such job */
    JOBS_CONFLICT =
        -32002, /* the key belongs to a job with other parameters; or its state forbids it */
    JOBS_DRAINING = -32003,    /* the daemon is stopping and accepts nothing new */
    JOBS_QUEUE_FULL = -32004,  /* queue.max_jobs */
    JOBS_FORBIDDEN = -32005,   /* not this peer's to do */
    JOBS_UNAVAILABLE = -32006, /* the store refuses: full disk, … */
    JOBS_BAD_CONFIG = -32007,  /* a reload found something wrong: nothing has changed */
};

enum jobs_method {
    JOBS_SUBMIT, /* {job} -> {"id":N} | [{job}…] -> [{"id":N} | {"error":{…}} …]; "existing":true
                    for a known key */
    JOBS_SHOW,    /* {"id":N} -> {job object} */
    JOBS_LIST,    /* {SELECT…, "limit":N, "before":ID} -> {"jobs":[…],"next":ID|null} */
    JOBS_CANCEL,  /* {"id":N} | {"ids":[…]} | {SELECT…} ->
                     {"cancelled":[…],"ended":[…],"missing":[…]} */
    JOBS_RETRY,   /* the same -> {"retried":[{"id":NEW,"retry_of":OLD}…],"missing":[…]} */
    JOBS_WAIT,    /* {"ids":[…]} -> {"jobs":[{job object}…]} once all have ended */
    JOBS_STATS,   /* {} -> {…} */
    JOBS_TOP,     /* {"limit":N} -> {…,"running":[…],"hosts":[…]} */
    JOBS_METRICS, /* {"format":"openmetrics"|"prometheus"} -> the text, a string */
    JOBS_RUN,     /* {job} with call->fd and call->runner -> {"id":N} */
    JOBS_EXITED,  /* {"id":N,"status":N}, from the runner's connection -> {} */
    JOBS_PAUSE,   /* {} or {"all":true} | {"host":NAME} | {"parser":NAME} |
                     {"schedule":NAME} -> {"paused":true} */
    JOBS_RESUME,  /* the same -> {"paused":false} */
    JOBS_RELOAD,  /* {} -> {"reloaded":true,"restart":["SECTION.KEY"…]} */
    JOBS_SCHEDULE_APPLY,  /* {"schedules":[…],"prune":B,"keep":[NAME…],"dry_run":B} ->
                            {"changes":[{"name","change"}…]} */
    JOBS_SCHEDULE_ADD,    /* {schedule} -> the same */
    JOBS_SCHEDULE_LIST,   /* {"failing":B,"limit":N,"after":NAME} ->
                             {"schedules":[…],"next":NAME|null} */
    JOBS_SCHEDULE_RUN,    /* {"name":NAME} -> {"id":N} */
    JOBS_SCHEDULE_REMOVE, /* {"name":NAME} -> {"removed":true} */
    JOBS_PARSERS,         /* {} ->
                     {"parsers":[{"name","summary","type","options":[{"name","default","help"}]}]} */
};

/* A follower gets the lines of the jobs it asked for. The owner embeds it. */
struct follower {
    struct list link;
    /* A line of the log, as it stands there with its newline; event and job as in its text.
     * Verdicts come after the sink has them, and after all records of their job. Must not block;
     * copies what it keeps. */
    void (*line)(struct follower *f, enum event event, uint64_t job, const char *text, size_t len);
    /* Lines were dropped before they could be told apart (records only, never verdicts). May be
     * NULL. */
    void (*missed)(struct follower *f, uint64_t lines);
    /* One of the ids that were to be followed is unknown: nothing will come of it. May be NULL. */
    void (*unknown)(struct follower *f, uint64_t id);
    unsigned events;  /* mask; EVENT_ALL */
    struct peer peer; /* who follows: gets the lines of jobs that it may see */
    /* Private to jobs: what it selects. */
    struct follow_filter *filter;
    struct jobs *jobs;
};

/* A connection that runs commands (`run`). Embedded in its owner. */
struct jobs_runner {
    /* `what` is begin, complete or abort. Must not block, nor call back. */
    void (*tell)(struct jobs_runner *runner, const char *what, uint64_t id);
    struct list jobs; /* private */
};
void jobs_runner_init(struct jobs_runner *runner,
                      void (*tell)(struct jobs_runner *runner, const char *what, uint64_t id));
/* The connection has gone: its jobs are cancelled. Takes one that never ran anything. */
void jobs_runner_gone(struct jobs_runner *runner);

struct jobs_call {
    enum jobs_method method;
    const json_t *params; /* a reference of the caller's, until the answer; NULL: none were given */
    struct peer peer;
    /* JOBS_SUBMIT: subscribe this follower to each job it makes, before the job is queued. Or NULL. */
    struct follower *follower;
    /* JOBS_RUN: the pipe's write end, taken over; else -1. JOBS_RUN, JOBS_EXITED: whose command it is. */
    int fd;
    struct jobs_runner *runner;
    /* Exactly one of result (a new reference, the callee's to keep) and code != 0 is set. `error`
     * names the field and the remedy; `field` (NULL or a literal path as "jobs[3].url") goes into
     * error.data. */
    void (*answer)(struct jobs_call *call, json_t *result, int code, const struct error *error,
                   const char *field);
    /* Private to jobs. */
    struct jobs *jobs;
    struct mail mail;
    json_t *result;
    int code;
    struct error error;
    char field[64];
    bool abandoned;
    void *wait; /* JOBS_WAIT: wait.c's */
};

void jobs_call(struct jobs *jobs, struct jobs_call *call);
void jobs_call_abandon(struct jobs *jobs, struct jobs_call *call);

/* Subscribes to {"ids":[…]} or {SELECT…} or {} (all), "events":["record",…]. 0, or -EINVAL and a
 * sentence. An id that has ended already gets its verdict's line all the same, from the loop; one
 * that is not known is told by `unknown`. A follower by ids gets exactly one verdict, or `unknown`,
 * for each. */
int jobs_follow(struct jobs *jobs, struct follower *follower, const json_t *params,
                struct error *err);
/* Takes a follower that was never subscribed, if zeroed. */
void jobs_unfollow(struct follower *follower);

/* Somebody wants the config to be read again. Belongs to who asks, until `done`. */
struct jobs_reload {
    struct list link;
    /* 0 and the names of what only a restart changes (an array, borrowed); -ESHUTDOWN, the daemon
     * stops; or another negative errno and a sentence. */
    void (*done)(struct jobs_reload *request, int result, const json_t *restart,
                 const struct error *err);
};

struct jobs_config {
    uv_loop_t *loop;
    struct mailbox *mailbox; /* the control loop's */
    const struct settings *settings;
    struct fetch *fetch;
    struct pool *pool;
    struct store *store;
    struct sink *sink; /* its callbacks lead to jobs_sink_changed and jobs_lines_written */
    struct registry *registry;
    struct policy *policy;
    const char *instance; /* random id of this start, for logs */
    /* Reads the config again, all or nothing, and tells request->done. NULL: that cannot be done. */
    void (*reload)(void *arg, struct jobs_reload *request);
    void *arg;
};

int jobs_new(const struct jobs_config *config, struct jobs **ret_jobs, struct error *err);

/* Drain: nothing new is accepted, nothing queued is started; `drained` is called once no attempt
 * runs. jobs_stop ends the running attempts at once (with a store that keeps they run again after
 * the next start; otherwise they end `cancelled`), and leads to `drained` as well. */
void jobs_drain(struct jobs *jobs, void (*drained)(void *arg), void *arg);
void jobs_stop(struct jobs *jobs);

/* The sink began to fail or works again. Any thread. */
void jobs_sink_changed(struct jobs *jobs);
/* Lines that the sink has written, for the followers; takes the chunk over. The sink's thread. */
void jobs_lines_written(struct jobs *jobs, struct sink_chunk *chunk);

/* A reload: jobs that start from now on live by these. Running ones keep what they have. `settings`
 * must live until the next reload or jobs_close; the others are referenced. */
void jobs_reconfigure(struct jobs *jobs, const struct settings *settings, struct registry *registry,
                      struct policy *policy);

/* For the figures: a reload took effect, or was refused. */
void jobs_reloaded(struct jobs *jobs, bool good);

/* Sizes for the daemon's status line: how many run, how many wait. */
void jobs_figures(const struct jobs *jobs, unsigned *ret_running, uint64_t *ret_pending);

/* After `drained`: closes its handles, then frees; `closed` is called from the loop. */
void jobs_close(struct jobs *jobs, void (*closed)(void *arg), void *arg);

#endif
