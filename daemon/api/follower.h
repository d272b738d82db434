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
struct sink_credit;

/* A follower gets the lines of the jobs it asked for. The owner embeds it. */
struct follower {
    struct list link;
    /* A line of the log, as it stands there with its newline; event and job as in its text.
     * Verdicts come after the sink has them, and after all records of their job. Must not block;
     * copies what it keeps. `owed`: a record of a job that this follower presses on; it must not be
     * dropped, and its length is to be given back by follower_taken once it was read. */
    void (*line)(struct follower *f, enum event event, uint64_t job, const char *text, size_t len,
                 bool owed);
    /* Lines were dropped before they could be told apart (records only, never verdicts). May be
     * NULL. */
    void (*missed)(struct follower *f, uint64_t lines);
    /* One of the ids that were to be followed is unknown: nothing will come of it. May be NULL. */
    void (*unknown)(struct follower *f, uint64_t id);
    /* In a fleet: this member starts the job, and its lines but for the verdict are in that one's
     * log alone. May be NULL. */
    void (*elsewhere)(struct follower *f, uint64_t id, const char *member);
    unsigned events;  /* mask; EVENT_ALL */
    struct peer peer; /* who follows: gets the lines of jobs that it may see */
    /* Private to follower.c: what it selects. */
    struct follow_filter *filter;
    struct sink_credit *credit; /* NULL: it presses on nothing */
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

enum follow_as {
    FOLLOW_OTHERS, /* whether the follower may see the job is to be looked up */
    FOLLOW_OWN,    /* it may */
    FOLLOW_NEW,    /* it has just submitted it: presses on it if follower_press was called */
};
/* One more id. False: out of memory. */
bool follower_add_id(struct follower *follower, struct api *api, uint64_t id, enum follow_as as);

/* Presses on the jobs that it submits from now on: their parsers wait while more than `max` bytes
 * of their records are on their way to it, and none of these is dropped. A no-op if it does so
 * already. 0 or -ENOMEM. */
int follower_press(struct follower *follower, struct api *api, size_t max);
/* So many bytes of owed records were read; `max` from now on, 0: as before. A no-op once it has let
 * go. */
void follower_taken(struct follower *follower, size_t bytes, size_t max);
/* Does a job of its wait for it, with a worker or a slot for which others wait? May look at all
 * jobs that it follows: to be asked now and then only. */
bool follower_holds_up(const struct follower *follower);
/* Nobody reads any more: its jobs go on as if nobody followed. Takes one that does not press. */
void follower_let_go(struct follower *follower);

int followers_new(struct api *api, struct followers **ret_followers); /* 0 or -ENOMEM */
void followers_free(struct followers *followers);                     /* takes NULL */
/* After a reload: who may see others' jobs may be another. */
void followers_access_changed(struct api *api);
/* For tests: how many followers lines were brought to, ever. */
uint64_t followers_looks(const struct api *api);
/* A job's end stands in the store: followers by id that have not had its verdict get it. */
/* In a fleet: the job has ended at another member, and its row has the verdict. */
void followers_ended_elsewhere(struct api *api, uint64_t id);
void followers_job_ended(struct api *api, const struct job *job);
/* A chunk that the sink has written, whose ownership it takes. The sink's thread. */
void followers_take_chunk(struct api *api, struct sink_chunk *chunk);

#endif
