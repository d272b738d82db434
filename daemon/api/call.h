/* What all operations share: the parts of the api, calls' parameters, their answers. Control
 * loop. */
#ifndef PENSTOCK_API_CALL_H
#define PENSTOCK_API_CALL_H

#include "api/api.h"
#include "api/turns.h"
#include "base/buf.h"
#include "base/slices.h"
#include "job/watch.h"
#include "store/store.h"

#include <jansson.h>

struct audit;
struct followers;
struct loops;
struct waits;

struct api {
    struct api_config config;
    struct jobs *jobs;
    struct schedules *schedules;
    struct job_watch watch;
    struct followers *followers;
    struct waits *waits;
    struct loops *loops;
    struct audit *audit;
    struct slices slices;        /* of calls that ask for much */
    struct list lists;           /* call_look.c: `list` calls that wait for others to end */
    unsigned listing;            /* and those that do not */
    struct turns turns;          /* of the calls that change schedules */
    struct store_backup *backup; /* that is under way, until its answer; NULL */
    unsigned owed;               /* answers, and what the store has been asked for besides */
    uint64_t max_jobs;           /* as the store was told at the start */
    uint64_t reloads, reloads_refused;
    int64_t started_us, reloaded_us; /* CLOCK_REALTIME; of the last config that took effect */
    bool draining, drained_told;
    void (*drained)(void *arg);
    void *drained_arg;
    struct mail last_mail;
    void (*closed)(void *arg);
    void *closed_arg;
};

/* The api owes one thing more, or less, before its drain is over. */
void api_owe(struct api *api);
void api_paid(struct api *api);

/* A call begins: it will be answered. */
void call_begin(struct api *api, struct api_call *call);

/* Answers, from the loop: exactly one of them, once a call. Takes ownership of `result`. */
void call_reply(struct api_call *call, json_t *result); /* NULL: out of memory */
/* The same with JSON text, which is taken out of the buffer. It `failed`: out of memory. */
void call_reply_text(struct api_call *call, struct buf *text);
void call_fail(struct api_call *call, int code, const char *field, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
void call_fail_store(struct api_call *call, const struct store_call *failed);

/* Is it a positive integer? */
bool call_is_id(const json_t *value);
/* A member that is an integer from 1 to `max`; without it (or null) *ret stays as it is. 0;
 * negative: the call has been answered. */
int call_number(struct api_call *call, const char *name, uint64_t max, uint64_t *ret);
/* {"ids":[…]} or {"id":N}: 1 and the ids (the caller's); 0: neither member is there; negative: the
 * call has been answered. */
int call_ids(struct api_call *call, uint64_t **ret_ids, size_t *ret_count);
/* SELECT members of params, `allowed` others beside them (NULL-ended). 0; negative: the call has
 * been answered. */
int call_select(struct api_call *call, const char *const *allowed, struct store_select *ret);

/* Permissions (terms/access.h). May the caller see this row? */
bool call_may_see(const struct api_call *call, const struct store_job *row);
/* Narrows to the rows that the caller may see. */
void call_limit(const struct api_call *call, struct store_select *select);

#endif
