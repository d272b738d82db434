/* What the control loop, the store's thread and the pulse (the thread that beats) share of a fleet:
 * who owns what, whether this member lives, and the events that tell the loop of it. A daemon that
 * is alone has none. */
#ifndef PENSTOCK_STORE_POSTGRESQL_PG_FLEET_H
#define PENSTOCK_STORE_POSTGRESQL_PG_FLEET_H

#include "store/postgresql/pg_await.h"
#include "store/postgresql/pg_hint.h"
#include "store/postgresql/pg_private.h"
#include "store/shared.h"

/* As of the last beat. The name is the fleet's, for good; the other texts are the row's. */
struct fleet_member {
    int64_t id, n, started;
    const char *name;
    char *machine, *version, *config;
    unsigned running, workers, shards;
    bool draining;
    uint64_t lease_ns; /* its own, as each config says: so long it may believe itself alive */
    uint64_t moved_at; /* lease_clock: its n was seen to have changed */
};

struct needs {
    char **list;
    size_t count;
};

struct fleet_door; /* what events find the store by, as long as it is there */

struct fleet {
    struct pg *pg;
    struct fleet_door *door;
    pthread_t thread;
    bool started;
    int wake_fd;
    char machine[1024];
    _Atomic uint64_t lease_until;  /* lease_clock; 0: it is fenced */
    _Atomic int64_t offset_us;     /* the server's clock less lease_clock */
    atomic_bool parked_here;       /* jobs were, since they were counted */
    _Atomic uint64_t change_since; /* clock_now: a change was sent that has no answer; 0: none */

    pthread_mutex_t lock; /* of all that follows, but for what is of one thread */
    bool stop, draining;
    bool fenced;        /* … and has not joined again */
    unsigned epoch;     /* how often it has joined again */
    int64_t member;     /* as who it has joined the last time */
    uint64_t joined_at; /* lease_clock: when that was asked for */
    struct error why;   /* it is fenced */
    struct fleet_member *members;
    size_t member_count;
    int64_t owners[STORE_SHARDS]; /* a member's id; 0: nobody's */
    /* lease_clock: when a job of a shard of another's was stored here the last time; 0: never */
    uint64_t told_at[STORE_SHARDS];
    struct store_shards mine;     /* … but for those that are being given up */
    struct store_shards released; /* what the loop lets go */
    unsigned running, workers;
    struct await awaited;
    struct store_health health; /* but for what follows from the members */
    struct list evicts;         /* calls */
    struct hints outbox;
    struct needs able; /* of jobs that this member can run */
    bool able_changed; /* … and the next beat is not waited for */
    char **names;      /* all that there ever were */
    size_t name_count;

    /* The store's thread's. */
    struct hints noted; /* of the transaction that is under way */

    /* The control loop's. */
    struct store_shards loop_mine;    /* by the events that it has been given … */
    struct store_shards loop_leaving; /* … and what it is to release */
    unsigned loop_epoch;              /* how many times it has been told that it is fenced */
};

/* 0 or -ENOMEM. `machine` says where this daemon's place is. */
int fleet_init(struct pg *pg);
/* Its thread has ended. */
void fleet_deinit(struct pg *pg);
void fleet_wake(struct fleet *f); /* the pulse */

/* --- any thread */

/* Not believed alive any more, or soon not: the loop is told, once, and the store's thread joins
 * anew. */
void fleet_end_lease(struct fleet *f, const struct error *why);
/* False: the lease is over, as it was before anybody asked: whoever sees that first ends it, and so
 * no late answer makes one believe what another does not. */
bool fleet_watch_lease(struct fleet *f);
/* By the answer to a beat of this member's that was sent at `sent` (lease_clock). False: too
 * late. */
bool fleet_extend_lease(struct fleet *f, int64_t member, uint64_t sent);
bool fleet_is_fenced(struct fleet *f, struct error *ret_why); /* ret_why may be NULL */
/* It has joined, as it asked for at `asked` (lease_clock), when the server's clock was `now`. */
void fleet_joined(struct fleet *f, int64_t member, uint64_t asked, int64_t now);
void fleet_set_clock(struct fleet *f, uint64_t at, int64_t now);
int64_t fleet_now(const struct fleet *f);
/* The time of day in µs: a daemon's own that is alone, else the server's. */
int64_t fleet_time(const struct pg *pg);
/* The lock is held: the name, to be kept as long as the store. NULL: no memory. */
const char *fleet_name(struct fleet *f, const char *name);
struct store_shards fleet_mine(struct fleet *f);

/* The same as one array, the next parameter. False: there is none. */
bool fleet_args_able(struct fleet *f, struct args *args);

/* An event to be filled in; NULL: out of memory, and a later beat says it again. */
struct store_event *fleet_event(struct fleet *f, enum store_event_kind kind);
/* Takes ownership of it. NULL is nothing. */
void fleet_post(struct fleet *f, struct store_event *event);

/* --- the control loop */

enum store_owner fleet_owner(struct fleet *f, const char *host, const char **ret_name);
int64_t fleet_lease_left(struct fleet *f);
void fleet_release(struct fleet *f, const struct store_shards *shards);
void fleet_drain(struct fleet *f);
void fleet_await(struct fleet *f, uint64_t id, bool waits);
void fleet_progress(struct fleet *f, unsigned running, unsigned workers);
/* What parked jobs may need to be run here (a copy). */
void fleet_set_able(struct fleet *f, const char *const *needs, size_t count);
void fleet_queue_evict(struct fleet *f, struct store_call *call);
int fleet_list_members(struct fleet *f, struct store_members *ret_members); /* 0 or -ENOMEM */

#endif
