/* The inside of the pulse: a thread that beats for this member, by a connection of its own, so that
 * no slow batch makes a lease lapse, and sees who else does. */
#ifndef PENSTOCK_STORE_POSTGRESQL_PG_HEART_H
#define PENSTOCK_STORE_POSTGRESQL_PG_HEART_H

#include "store/postgresql/pg_fleet.h"

#define PARKED_ALL 100000000 /* as good as all */
#define GUESTS_MAX 64        /* hosts with parked jobs that are told at once */

enum work {
    WORK_NONE,
    WORK_HELLO, /* a new connection: it listens */
    WORK_BEAT,
    WORK_MOVE,   /* shards are given and taken */
    WORK_DRAIN,  /* others are told that we go */
    WORK_REAP,   /* somebody is declared dead */
    WORK_TELL,   /* hints */
    WORK_COUNT,  /* of schedules */
    WORK_PARKED, /* … and of parked jobs */
    WORK_HEALTH, /* of the server */
    WORK_AWAIT,  /* have awaited jobs ended? */
};

struct elsewhere {
    struct store_elsewhere *list; /* by host */
    size_t count;
};

/* What one pipeline has been told. */
struct answer {
    bool failed; /* no memory for all of it */
    int64_t n, now, version, others[JOB_STATE_COUNT_ + 1], schedules[4];
    int64_t pauses; /* the version of the last change */
    bool torn, copied, has_schedules, standby_lags;
    uint64_t oldest_ns;
    char timeline[16];
    struct fleet_member *members;
    size_t member_count;
    int64_t owners[STORE_SHARDS];
    struct elsewhere elsewhere;
    uint64_t kinds; /* of parked jobs: a sum over what they need */
    size_t kind_count;
    struct store_event **events; /* to be posted if it stands */
    size_t event_count;
    bool declared; /* the one that was to be is */
};

struct pulse {
    struct pg *pg;
    struct fleet *f;
    struct target target;
    struct channel ch;
    struct args args;
    int64_t member;
    unsigned epoch;
    enum work work;
    bool greeted; /* the connection listens */
    bool joined_told, drain_told, beat_soon;
    uint64_t sent, looked_at, next_beat, next_await, next_walk, next_health; /* lease_clock */
    struct answer answer;

    int64_t n;              /* beats that were answered, as the row says */
    char timeline[16];      /* of the last one; "": there was none */
    bool copied;            /* the last one's server had its commits copied before it answered */
    int64_t version;        /* of the schedules; -1: not known */
    int64_t walked_version; /* what that was at the last walk */
    int64_t pauses;         /* … of the pauses, as the loop was told; -1: it was told nothing */
    bool schedules_told;    /* the loop is told at the next beat, whatever the version is */
    bool count_schedules;   /* they may be others than we know … */
    uint64_t next_count;    /* … and are counted, not before */
    uint64_t kinds;         /* as the loop was told; 0: it was told nothing */
    bool count_parked;
    uint64_t next_parked;
    int64_t parked_most;        /* of each kind so many are counted */
    char *guests_host;          /* the loop was told of parked jobs up to this host; NULL: of all */
    struct elsewhere elsewhere; /* as the loop was told */
    uint64_t *cancels;          /* that the loop was told of */
    size_t cancel_count;
    unsigned beats;
    size_t await_from;

    size_t wanted_of[STORE_SHARDS]; /* index among the members that take shards */
    uint64_t signature;             /* of the members that this was reckoned for */
    struct store_shards owned;      /* as the shards' rows say, and the loop was told */
    struct store_shards wanted;
    struct store_shards leaving; /* of those, which the loop was told to give up */
    struct store_shards give, take;
    bool move_due;
    bool held; /* what was refused waits for the next beat */

    int64_t dead, dead_n; /* to be declared; 0: nobody */
    char dead_name[64];
    struct store_evict *evict; /* who asked for that; NULL: its lease is over */
};

static inline bool shards_any(const struct store_shards *s)
{
    return (s->bits[0] | s->bits[1] | s->bits[2] | s->bits[3]) != 0;
}

static inline void shards_set(struct store_shards *s, unsigned shard)
{
    s->bits[shard / 64] |= UINT64_C(1) << shard % 64;
}

/* a and b; or a and not b */
static inline struct store_shards shards_and(struct store_shards a, struct store_shards b)
{
    for (size_t i = 0; i < STORE_SHARDS / 64; i++)
        a.bits[i] &= b.bits[i];
    return a;
}

static inline struct store_shards shards_less(struct store_shards a, struct store_shards b)
{
    for (size_t i = 0; i < STORE_SHARDS / 64; i++)
        a.bits[i] &= ~b.bits[i];
    return a;
}

static inline struct store_shards shards_or(struct store_shards a, struct store_shards b)
{
    for (size_t i = 0; i < STORE_SHARDS / 64; i++)
        a.bits[i] |= b.bits[i];
    return a;
}

#endif
