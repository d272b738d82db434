/* The operations, as the control protocol sees them: every one takes JSON parameters and answers
 * with JSON. This is all of the daemon's trade that control/ knows. Everything here runs on the
 * control loop.
 *
 * An operation is a struct api_call of the caller's. It is answered exactly once, never from
 * within the call that makes it, either with a result or with an error. While it is under way its
 * memory must stay; a caller whose client has gone calls api_call_abandon (only `wait` ends early
 * by it; the others run their course) and frees it in `answer` as ever. */
#ifndef PENSTOCK_API_API_H
#define PENSTOCK_API_API_H

#include "base/buf.h"
#include "base/error.h"
#include "base/list.h"
#include "base/mailbox.h"
#include "job/remote.h"
#include "terms/access.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct api;
struct follower;
struct jobs;
struct schedules;

/* Error codes of the protocol besides JSON-RPC 2.0's own (-32700 … -32600). */
enum api_error {
    API_INVALID_PARAMS = -32602,
    API_INTERNAL = -32603,
    API_NOT_FOUND = -32001, /* no such job */
    API_CONFLICT =
        -32002, /* the key belongs to a job with other parameters; or its state forbids it */
    API_DRAINING = -32003,    /* the daemon is stopping and accepts nothing new */
    API_QUEUE_FULL = -32004,  /* queue.max_jobs */
    API_FORBIDDEN = -32005,   /* not this peer's to do */
    API_UNAVAILABLE = -32006, /* the store refuses: full disk, … */
    API_BAD_CONFIG = -32007,  /* a reload found something wrong: nothing has changed */
};

enum api_method {
    API_SUBMIT, /* {job} -> {"id":N} | [{job}…] -> [{"id":N} | {"error":{…}} …]; "existing":true
                    for a known key */
    API_SHOW,   /* {"id":N} -> {job object} */
    /* {"id":N,"attempt":N,"page":N} ->
       {"id":N,"attempt":N,"records":N,"lines":TEXT,"next":PAGE|null} */
    API_RECORDS,
    API_LIST,    /* {SELECT…, "limit":N, "before":ID} -> {"jobs":[…],"next":ID|null} */
    API_CANCEL,  /* {"id":N} | {"ids":[…]} | {SELECT…} ->
                     {"cancelled":[…],"ended":[…],"missing":[…]}; "more":true if the rest was left
                     as it was, and then "message", why, but for the bound of an answer */
    API_RETRY,   /* the same -> {"retried":[{"id":NEW,"retry_of":OLD}…],"missing":[…]} */
    API_WAIT,    /* {"ids":[…]} -> {"jobs":[{job object}…]} once all have ended */
    API_STATS,   /* {} -> {…} */
    API_LOOPS,   /* {} -> {"loops":N,"late":[I…]}: download loops, and those that do not answer */
    API_TOP,     /* {"limit":N} -> {…,"running":[…],"hosts":[…]} */
    API_METRICS, /* {"format":"openmetrics"|"prometheus"} -> the text, a string */
    API_RUN,     /* {job} with call->fd and call->runner -> {"id":N} */
    API_HEAD,    /* {job} with call->runner, as long as that lives -> {"id":N} */
    API_EXITED,  /* {"id":N,"status":N}, from the runner's connection -> {} */
    API_PAUSE,   /* {} or {"all":true} | {"host":NAME} | {"parser":NAME} |
                     {"schedule":NAME} -> {"paused":true} */
    API_RESUME,  /* the same -> {"paused":false} */
    API_RELOAD,  /* {} -> {"reloaded":true,"restart":["SECTION.KEY"…]}; {"dry_run":true} ->
                     {"reloaded":false,"restart":[…],"changes":[{"key","from","to"}…],"more":N} */
    API_SCHEDULE_APPLY,  /* {"schedules":[…],"prune":B,"keep":[NAME…],"dry_run":B} ->
                            {"changes":[{"name","change"}…]} */
    API_SCHEDULE_ADD,    /* {schedule} -> the same */
    API_SCHEDULE_LIST,   /* {"failing":B,"limit":N,"after":NAME} ->
                             {"schedules":[…],"next":NAME|null} */
    API_SCHEDULE_RUN,    /* {"name":NAME} -> {"id":N} */
    API_SCHEDULE_REMOVE, /* {"name":NAME} -> {"removed":true} */
    /* {} -> {"parsers":[{"name","summary","type","options":[{"name","default","help"}]}]} */
    API_PARSERS,
    /* {} with call->fd, a socket that gets a copy of the store -> {"bytes":N} */
    API_BACKUP,
    API_FLEET,       /* {} -> {"self":NAME,"members":[{"name","shards",…}…],…} */
    API_FLEET_EVICT, /* {"name":NAME} -> {"evicted":true} */
    API_CHECK_URL,   /* {"job":{job},"addresses":["192.0.2.1"…]} -> what would become of it */
};

struct api_call {
    enum api_method method;
    const json_t *params; /* a reference of the caller's, until the answer; NULL: none were given */
    struct peer peer;
    /* API_SUBMIT: subscribe this follower to each job it makes, before the job is queued. Or
     * NULL. */
    struct follower *follower;
    /* API_RUN, API_BACKUP: the write end that came with the request, whose ownership the call
     * takes; else -1. API_RUN, API_EXITED, API_HEAD: whose it is. */
    int fd;
    struct runner *runner;
    /* Exactly one is set: result (a new reference, the callee's to keep); call->text, the result as
     * JSON text (show, list, wait); or code != 0. `error` names the field and the remedy; `field`
     * (NULL or a literal path as "jobs[3].url") goes into error.data. */
    void (*answer)(struct api_call *call, json_t *result, int code, const struct error *error,
                   const char *field);
    struct buf text; /* the callee's to free from the answer on */
    /* Private to the api. */
    struct api *api;
    struct mail mail;
    json_t *result;
    int code;
    struct error error;
    char field[64];
    bool abandoned;
    bool defers; /* the drain of the jobs waits for its answer */
    void *wait;  /* call_wait.c's */
};

void api_call(struct api *api, struct api_call *call);
void api_call_abandon(struct api_call *call);

/* The connection has gone: the jobs whose commands it ran, or heads it asked for, are cancelled.
 * Takes one that never did anything. */
void api_runner_gone(struct runner *runner);

/* Somebody wants the config to be read again. Belongs to who asks, until `done`. */
struct api_reload {
    struct list link;
    bool dry_run; /* it is not to take effect */
    /* 0 and what was found (borrowed; NULL: no memory for it): {"restart":[what only a restart
     * changes],"changes":[{"key","from","to"}…],"more":N}, the changes for a dry run;
     * -ESHUTDOWN, the daemon stops; or another negative errno with a message in *err. */
    void (*done)(struct api_reload *request, int result, const json_t *found,
                 const struct error *err);
};

struct api_config {
    struct mailbox *mailbox; /* the control loop's */
    struct jobs *jobs;
    struct schedules *schedules;
    const char *instance; /* random id of this start, for logs */
    /* Reads the config again, all or nothing, and tells request->done. NULL: that cannot be
     * done. */
    void (*reload)(void *arg, struct api_reload *request);
    void *arg;
};

int api_new(const struct api_config *config, struct api **ret_api, struct error *err);

/* For the figures: a reload took effect, or was refused. */
void api_reloaded(struct api *api, bool good);

/* For the audit: this signal says that the config is to be read again. */
void api_signalled(struct api *api, const char *name);

/* After the drain of the jobs: what still waits for one of them is refused, and `drained` is called
 * once every call has its answer. Calls that are made later are refused. */
void api_drain(struct api *api, void (*drained)(void *arg), void *arg);

/* After `drained`: frees it; `closed` is called from the loop. */
void api_close(struct api *api, void (*closed)(void *arg), void *arg);

#endif
