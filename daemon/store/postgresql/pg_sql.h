/* The statements. In each, @ stands for the schema. A channel prepares each once a session, by the
 * name of its number, unless a pooler is between (pg_channel.c). */
#ifndef PENSTOCK_STORE_POSTGRESQL_SQL_H
#define PENSTOCK_STORE_POSTGRESQL_SQL_H

#include "base/error.h"

/* In a SELECT or RETURNING over members: the session shares the lock of the member, which says to
 * others that this one lives. For as long as it lasts: no pooler may hand it to somebody else. */
#define MEMBER_HOLD "pg_advisory_lock_shared(hashtext('@'),id::int)"

enum sql {
    SQL_BEGIN,
    SQL_COMMIT,
    SQL_ROLLBACK,
    SQL_FENCE,  /* ($1 member, $2 instance) fails if it is not ours any more */
    SQL_NUMBER, /* ($1 member, $2 batch) */
    SQL_IDS,    /* ($1 count): so many ids */
    SQL_RENEW,  /* ($1 member, $2 instance): nothing that was sent before can commit any more */
    SQL_COUNTS, /* ($1 member): its own counts and batch, and those of all others */
    SQL_SUBMIT,
    SQL_SUBMIT_KEYED,
    SQL_KEYS, /* ($1 uids, $2 keys, $3 marks): (place in the arrays, id, the same spec?) */
    SQL_CLAIM,
    SQL_CLAIM_ASK, /* did it stand? as its statement; so are the others of this name */
    SQL_FINISH,
    SQL_FINISH_ASK,
    /* Ends with records: pg_records.c. */
    SQL_FINISH_LOCK,  /* ($1 member, $2 ids, $3 attempts): the ids of those that run here */
    SQL_FINISH_STOOD, /* ($1 ids, $2 attempts): the ids of those that are done */
    SQL_STORED,       /* ($1 ids, $2 attempts): (id, bytes of its spool that stand already) */
    SQL_STORED_END,   /* ($1 ids, $2 attempts): their ends have all records */
    SQL_APPEND_LOCK,  /* ($1 member, $2 id, $3 attempt): a row, if that runs here */
    SQL_APPENDED,     /* ($1 id, $2 attempt, $3 schema, $4 table, $5 bytes) */
    SQL_DISCARD,      /* ($1 attempts at most): (how many have left nothing any more) */
    SQL_ALIVE,        /* ($1 member) fails if others have declared it dead */
    SQL_COPIED,       /* ($1 member, $2 number) */
    SQL_SYNC, /* ($1 member) changes nothing, and waits for a standby to have all before it */
    SQL_END_SESSION, /* ($1 its process, $2 its name): one that we have lost */
    SQL_POSTPONE,
    SQL_POSTPONE_ASK,
    SQL_LOOK,   /* ($1 ids): (id, state, attempt) of what a change was refused for */
    SQL_FORGET, /* ($1 member, $2 limit, $3 as many at any age, $4 at most) */
    SQL_OLDEST,
    SQL_GET,
    SQL_LIST,
    SQL_PROMOTE,
    SQL_WINDOW,
    SQL_WINDOW_PARKED, /* as SQL_WINDOW, of a guest: ($6 needs) */
    SQL_NEXT_DUE,
    SQL_HOSTS,
    SQL_ENDED,
    SQL_SCHEDULES, /* ($1 without specs, $2 after, $3 limit, $4 until) */
    SQL_SCHEDULES_FAILING,
    SQL_SCHEDULES_DUE, /* (…, $4 after_at) */
    SQL_SCHEDULES_NAMED,
    SQL_SCHEDULES_COUNT,
    SQL_SCHEDULE_LOCK, /* one adds some at a time: two would not see what the other adds */
    SQL_SCHEDULE_PUT,
    SQL_SCHEDULE_BUMP, /* something was removed: others see that they differ */
    SQL_SCHEDULE_PASS,
    SQL_SCHEDULE_RUN, /* makes the run's job as well, or neither */
    SQL_SCHEDULE_SKIP,
    SQL_SCHEDULE_LOOK,
    SQL_SCHEDULE_END,
    SQL_DEFINITIONS, /* ($1 ids, $2 member): (id, schedule …) of the runs among these jobs */

    /* --- of a fleet */
    SQL_RENEW_MEMBER, /* as SQL_RENEW; the pulse holds the lock of the member */
    SQL_GONE_BATCH,   /* ($1 member): the number of the last batch of one that is gone */
    SQL_TIMELINE,     /* on another timeline ids are raised, once: some may have been lost */
    SQL_HOLD,         /* ($1 member): MEMBER_HOLD */
    SQL_LONG_READ,    /* what this transaction asks for after it may last so long and no longer */
    SQL_HASTILY, /* ($1 as "250ms"): no statement behind it lasts longer, in this transaction */
    SQL_BRIEFLY, /* ($1 as "500ms"): waits no longer than that for a lock, in this transaction */
    SQL_BEAT,    /* ($1 member, $2 running, $3 workers): (n, now, timeline, commits are copied) */
    SQL_MEMBERS,
    SQL_SHARDS,
    SQL_DUE,       /* ($1 shards): what has fallen due may run; (host) */
    SQL_ELSEWHERE, /* ($1 member, $2 shards): (host, running) */
    SQL_CANCELS,   /* ($1 member, $2 shards): (id, why) */
    SQL_ANY_TORN,  /* ($1 shards) */
    SQL_VERSION,   /* of the schedules, all together */
    SQL_PAUSES_VERSION,
    SQL_HEALTH,  /* (a standby lags, µs that the oldest transaction lasts) */
    SQL_AWAITED, /* ($1 ids): (id) of those that have ended */
    SQL_TAKE,    /* ($1 member, $2 shards) */
    SQL_GIVE,
    SQL_DRAIN,   /* ($1 member) */
    SQL_LOCALLY, /* this transaction's commit waits for no standby */
    SQL_QUICK,   /* this transaction's commit need not be on the disk when it is answered */
    SQL_NOTIFY,
    SQL_END_SESSIONS, /* ($1 member) */
    SQL_LOCK_MEMBER,  /* ($1 member) */
    SQL_DECLARE,      /* ($1 member, $2 its beats, -1: any number): it is gone */
    SQL_FREE_SHARDS,  /* of those that are gone; so are the next two */
    SQL_KEEP_BATCHES,
    SQL_FOLD_COUNTS,
    SQL_TIDY,         /* rows of members and void attempts that nobody will ask for any more */
    SQL_LOCK_MEMBERS, /* one joins at a time */
    SQL_END_NAMESAKE, /* ($1 name, $2 machine): the sessions of an earlier run of ours … */
    SQL_BURY_NAMESAKE,
    /* ($1 name, $2 machine, $3 version, $4 config, $5 workers, $6 lease in ms):
     * (id, instance, now) */
    SQL_JOIN,
    SQL_TORN, /* ($1 shards, $2 limit) */
    SQL_CLOSE_TORN,
    SQL_CLOSE_TORN_ASK,
    SQL_CANCEL,      /* ($1 id, $2 why): (member) */
    SQL_CANCEL_LOOK, /* ($1 id): (state, it is to end) */
    SQL_PARK,        /* ($1 id, $2 attempt, $3 needs) */
    SQL_PARK_ASK,    /* ($1 id, $2 attempt) */
    SQL_UNPARK,      /* ($1 shards, $2 needs): those may run; (host) */
    SQL_KINDS,       /* ($1 limit): (needs) of parked jobs, each once */
    /* ($1 needs, $2 shard and $3 host after which, $4 not in these, $5 limit, $6 member):
     * (host, its owner has what may start, other guests run there) */
    SQL_GUESTS,
    /* ($1 shards, $2 kinds and $3 jobs of each at most): (needs, jobs, of them in the shards) */
    SQL_PARKED,
    SQL_PAUSE,       /* ($1 kind, $2 name, $3 uid, $4 the member's name) */
    SQL_RESUME,      /* the same; what was let go long ago is forgotten */
    SQL_PAUSES,      /* ($1 version, $2 limit): (kind, name, held, uid, at, member, version) */
    SQL_TOLD,        /* ($1 name, $2 jobs, $3 attempts) */
    SQL_VOIDED,      /* ($1 name, $2 limit): (job, attempt) */
    SQL_HOSTS_OWNED, /* ($1 after, $2 limit, $3 shards in their order, $4 that of `after`) */
    SQL_COUNT_
};

/* A copy in which each @ is the schema; NULL: out of memory. The caller's. */
char *sql_qualify(const char *sql, const char *schema);

/* All of them, for one schema. */
struct sqls {
    char *text[SQL_COUNT_];
};
int sqls_init(struct sqls *sqls, const char *schema); /* 0 or -ENOMEM */
void sqls_deinit(struct sqls *sqls);                  /* takes a zeroed one */

/* Is it a name that needs no quotes? 0; or -EINVAL with a message in *err. */
int sql_check_schema(const char *schema, struct error *err);

#endif
