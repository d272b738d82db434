/* What this daemon knows of the others that share its store: which hosts are its own, what others
 * run there, whether it may still act at all. It starts and stops nothing (membership.h does). A
 * daemon that has its store alone has none of it: jobs->fleet is NULL, every host is its own, and
 * nothing else here does anything. Control loop. */
#ifndef PENSTOCK_JOB_FLEET_H
#define PENSTOCK_JOB_FLEET_H

#include "job/job.h"
#include "store/shared.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fleet {
    const struct store_shared *shared;
    struct store *store;
    struct store_shards mine;         /* as the events had it */
    struct store_shards leaving;      /* lost, and not released yet */
    uint64_t gained_at[STORE_SHARDS]; /* clock_now */
    unsigned held[STORE_SHARDS];      /* claims, submissions and give-backs that are under way */
    struct tree elsewhere;            /* struct fleet_elsewhere, by name */
    struct wake_timer clock;
    unsigned orphans;   /* rows that nobody runs: being read to be cancelled, or being parked */
    unsigned torn_open; /* attempts of gone members that are being closed */
    bool torn_reading;  /* the store is asked for some */
    bool torn_more;     /* there may be others */
    bool void_reading;  /* the store is asked for attempts that do not count */
    uint64_t torn;      /* attempts of gone members that were closed here, since the start */
    uint64_t guests;    /* attempts that began here on hosts of others, since the start */
    uint64_t fences;    /* so often it was none, since the start */
    bool fenced;        /* we are no member */
    struct store_parked *parked; /* park.c's: what is parked, as the store has told */
    size_t parked_count;
    /* How long a guest waits for the owner to take its turn, which that sees at its next beat. */
    uint64_t guest_wait_ns;
    struct {
        uint64_t seen; /* the version of the last change that was read */
        bool unread;   /* not all is known that was paused, and nothing starts */
        bool whole;    /* the next reading begins before all of them */
        bool reading, again, due;
    } pauses;         /* pauses.c's */
    char *parking;    /* what the last job that was parked needs; NULL */
    uint64_t revoked; /* attempts whose lines do not count, since the start */
    char name[256];
};

/* How many attempts others run on a host of ours. */
struct fleet_elsewhere {
    struct tree_name entry;
    unsigned running;
    char name[];
};

/* 0 or -ENOMEM. NULL if the store is not shared. `name`: of this member; NULL: the machine's. */
int fleet_new(struct store *store, const char *name, struct fleet **ret_fleet);
void fleet_free(struct fleet *fleet); /* takes NULL */

/* May jobs of this host be started here? */
bool fleet_owns(const struct jobs *jobs, const char *host);
/* Who starts the jobs of a host that is not ours: a name (until the next turn of the loop); "":
 * nobody just now; NULL: we do. */
const char *fleet_owner(const struct jobs *jobs, const char *host);
/* This member's name; NULL: the store is not shared. */
static inline const char *fleet_name(const struct jobs *jobs)
{
    return jobs->fleet ? jobs->fleet->name : NULL;
}
unsigned fleet_shards(const struct jobs *jobs); /* how many are ours */
/* When this host became ours (clock_now); 0: it always was, or it is not. */
uint64_t fleet_gained_at(const struct jobs *jobs, const char *host);
unsigned fleet_running_elsewhere(const struct jobs *jobs, const char *host);

/* Is the job none of ours any more, so that neither a line of it nor its end may be told? */
bool fleet_has_lost(const struct job *job);
/* The attempts' lines that stand in our log do not count: says so, to the log and to followers. */
void fleet_revoke(struct jobs *jobs, uint64_t job, uint32_t attempt);
/* The line alone, also where there is no fleet. */
void fleet_post_revoke(struct jobs *jobs, uint64_t job, uint32_t attempt);

/* The attempt of a gone member is closed, by us or by another. */
void fleet_torn_closed(struct jobs *jobs);

/* Something that a claim of ours may come from is under way in the shard of this host, which is
 * released to its next owner only afterwards: fleet_let_go, with its number. */
void fleet_hold(struct jobs *jobs, const char *host);
unsigned fleet_held(const struct jobs *jobs, const char *host);
void fleet_let_go(struct jobs *jobs, unsigned shard);
/* They are not ours any more, and released once nothing is under way there. */
void fleet_leave(struct jobs *jobs, const struct store_shards *shards);
/* Others hold them; we have no claim there that counts. */
void fleet_forget_shards(struct jobs *jobs);

/* Somebody waits for the end of this job, wherever it runs, or does so no more. The news of an end
 * (EVENT_ENDED) ends all that wait for it. */
void fleet_await(struct jobs *jobs, uint64_t id, bool waits);

#endif
