/* Followers: who gets which line of the log. Control loop, but for the one function that says
 * otherwise. */
#ifndef PENSTOCK_API_FOLLOWER_H
#define PENSTOCK_API_FOLLOWER_H

#include "base/error.h"
#include "base/list.h"
#include "record/kind.h"
#include "terms/access.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct api;
struct followers;
struct job;
struct sink_chunk;

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
    /* Private to follower.c: what it selects. */
    struct follow_filter *filter;
    struct api *api;
};

/* Subscribes to {"ids":[…]} or {SELECT…} or {} (all), "events":["record",…]. 0, or -EINVAL with a
 * message in *err. An id that has ended already gets its verdict's line all the same, from the
 * loop; one that is not known is told by `unknown`. A follower by ids gets exactly one verdict, or
 * `unknown`, for each. */
int follower_begin(struct api *api, struct follower *follower, const json_t *params,
                   struct error *err);
/* Takes a follower that was never subscribed, if zeroed. */
void follower_end(struct follower *follower);
/* One more id. `own`: it is known that the follower may see the job. */
bool follower_add_id(struct follower *follower, struct api *api, uint64_t id, bool own);

int followers_new(struct api *api, struct followers **ret_followers); /* 0 or -ENOMEM */
void followers_free(struct followers *followers);                     /* takes NULL */
/* A job's end stands in the store: followers by id that have not had its verdict get it. */
void followers_job_ended(struct api *api, const struct job *job);
/* A chunk that the sink has written, whose ownership it takes. The sink's thread. */
void followers_take_chunk(struct api *api, struct sink_chunk *chunk);

#endif
