/* The inside of the PostgreSQL engine. One thread owns its connections; the control loop hands it
 * calls by a queue.
 *
 *   postgresql.c     the engine: making, queueing, freeing
 *   pg_member.c      joining and leaving: whose rows are whose
 *   pg_thread.c      the thread: what is due, and poll(2)
 *   pg_batch.c       calls that are one transaction, and its way through the stages
 *   pg_outcome.c     it stands, or was refused: what its calls are told
 *   pg_calls.c       calls, counts, and whether the store fails
 *   pg_plan.c        in what order their statements go
 *   pg_write.c       submit, claim, finish, postpone, forgetting
 *   pg_records.c     ends that bring records, by a connection of their own
 *   pg_append.c      records that come before them, by another one
 *   pg_copy.c        COPY     pg_feed.c  what it takes     pg_table.c  where that goes
 *   pg_read.c        get, list, window, hosts, ended
 *   pg_schedule.c    schedules: listing, changing, and what runs and their ends change
 *   pg_row.c         rows as structs
 *   pg_channel.c     a connection in pipeline mode    pg_session.c  one that is waited for
 *   pg_args.c, pg_sql.c, pg_schema.c
 *
 * Of several daemons that share it:
 *
 *   pg_front.c       what the control loop is offered besides
 *   pg_fleet.c       what the threads share of it; events
 *   pg_pulse.c       a thread that beats, by a connection of its own, and sees who else does
 *   pg_beat.c        what it asks at each beat      pg_moves.c  shards that come and go
 *   pg_assign.c      who should own which shard     pg_lease.c  the clock of leases
 *   pg_rejoin.c      the store's thread joins anew, if we were believed dead
 *   pg_others.c      what others run, or have left behind
 *   pg_park.c        jobs that their owner cannot run    pg_pause.c  what operators hold back
 *   pg_health.c      what is measured of it
 *   pg_hint.c, pg_tell.c, pg_await.c
 *
 * A transaction whose answer did not come may stand or not. Each batch that changes anything writes
 * its number into our row of `counts`, so that one look at that row says which. Before the look,
 * our row of `members` gets a new instance: each batch begins with a fence that names the instance,
 * so whatever the lost connection still has in its buffers cannot commit afterwards. */
#ifndef PENSTOCK_STORE_POSTGRESQL_PRIVATE_H
#define PENSTOCK_STORE_POSTGRESQL_PRIVATE_H

#include "base/list.h"
#include "store/postgresql/pg_channel.h"
#include "store/postgresql/pg_table.h"
#include "store/store.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <unistd.h>

#define BATCH_CALLS 1024              /* in one transaction at most, and so many … */
#define BATCH_JOBS  2048              /* … jobs submitted, … */
#define BATCH_BYTES (4 * 1024 * 1024) /* … and bytes of them */
#define IDS_MAX     (2 * BATCH_JOBS)

#define FLEET_ID_SIZE 16

enum op {
    OP_SUBMIT,
    OP_CLAIM,
    OP_FINISH,
    OP_POSTPONE,
    OP_CLOSE_TORN,
    OP_CANCEL,
    OP_PARK,
    OP_VOIDED,
    OP_PAUSE,
    OP_SCHEDULE_PUT,
    OP_SCHEDULE_PASS,
    OP_GET,
    OP_WINDOW,
    OP_ENDED,
    OP_SCHEDULES,
    OP_SCHEDULE_GET,
    OP_TORN,
    OP_PAUSES,
    /* By the connection for long reads. */
    OP_LIST,
    OP_HOSTS,
    /* By that for records that come early. */
    OP_APPEND,
};

/* A change of one job by its id, whose refusal is looked into. */
static inline bool op_is_settled_by_id(int op)
{
    return op >= OP_CLAIM && op <= OP_CLOSE_TORN;
}

static inline bool op_writes(int op)
{
    return op <= OP_SCHEDULE_PASS;
}

#define CALL_AS(type, c) container_of(c, struct type, call)

/* A change that no statement has confirmed: what becomes of it is to be looked up. */
#define CALL_OPEN 1

/* What a batch changes in the counts of this member. */
struct delta {
    int64_t by_state[JOB_STATE_COUNT_], bytes;
    int64_t schedules, failing, paused;
    int64_t seen; /* store_counts.seen is to be this; 0: as it is */
};

enum stage {
    STAGE_NONE,
    STAGE_IDS,    /* ids are fetched for its jobs */
    STAGE_KEYS,   /* the queue is nearly full: which of its keys are known? */
    STAGE_RUN,    /* its transaction */
    STAGE_UNDO,   /* has failed, and is rolled back */
    STAGE_LOOK,   /* it stands; why were some changes refused? */
    STAGE_RENEW,  /* a new connection: did it stand? */
    STAGE_ASK,    /* it did: what came of its changes? */
    STAGE_FORGET, /* no batch: old ends go */
    STAGE_JOIN,   /* no batch: we join the fleet anew */
};

struct group {
    int op;
    size_t first, count; /* in batch->order */
    size_t hint;         /* where the next result is likely to belong */
    bool skipped;        /* a run's: its time was passed over */
    size_t keyed;        /* submit: its first in batch->keyed */
    struct pg *pg;
    struct batch *batch;
};

struct batch {
    struct channel *channel;
    struct list calls; /* in the order in which they came */
    size_t count, jobs, bytes;
    bool writes;
    bool sent; /* its transaction has been sent, and no answer has come */
    uint64_t number;
    struct store_call *order[BATCH_CALLS]; /* as their statements go */
    struct group groups[BATCH_CALLS];
    size_t group_count;
    struct store_submit_item *keyed[BATCH_JOBS]; /* items that have a key, as they were sent */
    size_t keyed_count;
    struct delta delta;
    uint64_t since; /* clock_now: sent */
};

struct fleet;

struct pg {
    struct store store;
    struct fleet *fleet;        /* NULL: this daemon is alone */
    struct store_config config; /* its strings are our own */
    struct target target;
    struct sqls sqls;
    char *schema, *name;
    char fleet_id[FLEET_ID_SIZE]; /* of all who share the schema; no other schema has it */
    char application[64];         /* what the server lists our connections as */
    int lock_fd;                  /* of this daemon's place: no two of one name and place */
    int64_t member, instance;
    struct {
        int64_t member, instance, now;
    } joined;       /* the thread's: what STAGE_JOIN has come to */
    bool gone;      /* the thread's: the fleet has declared us dead */
    unsigned epoch; /* the thread's: how often we have joined anew */
    uint64_t asked; /* lease_clock; the thread's: when that was asked for */
    bool fenced;    /* the thread's: it has seen that the lease is over, or said so */

    pthread_t thread;
    bool started;
    int wake_fd; /* an eventfd */
    pthread_mutex_t lock;
    struct list queue;             /* under the lock: calls, in order */
    struct table_name into;        /* under the lock: where records go, … */
    char copy_sql[TABLE_SQL_SIZE]; /* … and what copies them there */
    bool stop, giving_up;          /* under the lock */
    struct store_counts visible;   /* under the lock */
    /* Under the lock: `others` and the four of schedules, as a beat has seen them. */
    int64_t news[JOB_STATE_COUNT_ + 1], schedule_news[4];
    bool has_news, has_schedule_news;
    struct histogram commits; /* under the lock; the thread adds */
    struct error why;         /* why it fails; written under the lock */
    atomic_bool failing;

    /* The thread's. */
    struct channel w;        /* all that must keep its order */
    struct channel r;        /* long reads */
    struct records *records; /* ends that have records: pg_records.c */
    struct appends *appends; /* records before their end: pg_append.c */
    bool records_failing;    /* … cannot be stored just now */
    bool recount;            /* the counts may be others than we know: they are read again */
    struct args args;
    struct list waiting; /* calls, in order; while the store fails these are held */
    struct list reading; /* the same for r; the first is under way while r is busy */
    enum stage stage;
    struct batch batch;
    bool renewed;         /* by a new connection: we are still a member … */
    int64_t number_there; /* … and this batch is the last that stands; -1: not known */
    int64_t copied_there; /* so many batches with records are in the counts that we have read */
    unsigned single;      /* so many batches are of one call: one of a batch was bad */
    uint64_t batches;
    uint64_t retry_at; /* clock_now: the server refuses to write, and is asked again then */
    bool gave_up;
    uint64_t ids[IDS_MAX]; /* reserved */
    size_t id_count;       /* unused: so many, behind … */
    size_t ids_used;       /* … these */
    uint64_t ids_at;       /* clock_now: they came */
    int64_t mine[JOB_STATE_COUNT_ + 1], others[JOB_STATE_COUNT_ + 1]; /* the last: bytes */
    int64_t schedules, schedules_failing, schedules_paused, seen;
    uint64_t last_id;
    int64_t oldest_end; /* `finished` of the oldest end that is kept; 0: not known */
    bool forget_more, forgot;
    uint64_t forget_at; /* clock_now: not before */
};

/* Wakes who polls an eventfd. It can only be full, and then that one is awake. */
static inline void wake_by(int fd)
{
    uint64_t one = 1;
    ssize_t n = write(fd, &one, sizeof one);
    (void)n;
}

static inline struct pg *pg_of(struct store *s)
{
    return container_of(s, struct pg, store);
}

#endif
