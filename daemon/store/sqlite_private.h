/* The inside of the SQLite engine. One thread owns the database; the control loop hands it calls by
 * a queue.
 *
 *   sqlite.c         the engine: making, queueing, freeing
 *   sqlite_thread.c  the thread: what is due, and waiting
 *   sqlite_batch.c   one transaction, and what becomes of its calls when the disk fails
 *   sqlite_open.c    the file: whose it is, its lock, its schema
 *   sqlite_place.c   whether its files are still where they were
 *   sqlite_schema.c  the schema and its migrations
 *   sqlite_stmt.c    prepared statements, rows
 *   sqlite_write.c   submit, claim, finish, postpone, forgetting
 *   sqlite_read.c    get, list, window, hosts, ended
 *   sqlite_schedule.c  schedules: listing, changing, and what runs and their ends change
 *   sqlite_backup.c  a copy of the file while it is in use, by a thread of its own
 *   sqlite_check.c   the check after an unclean stop, on a thread of its own */
#ifndef PENSTOCK_STORE_SQLITE_PRIVATE_H
#define PENSTOCK_STORE_SQLITE_PRIVATE_H

#include "base/list.h"
#include "store/store.h"
#include "store/user_counts.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

enum op {
    OP_SUBMIT,
    OP_CLAIM,
    OP_SCHEDULE_PUT,
    OP_SCHEDULE_PASS,
    OP_FINISH,
    OP_POSTPONE,
    OP_GET,
    OP_LIST,
    OP_WINDOW,
    OP_HOSTS,
    OP_ENDED,
    OP_SCHEDULES,
    OP_SCHEDULE_GET,
};

enum stmt {
    STMT_BEGIN,
    STMT_BEGIN_WRITE,
    STMT_COMMIT,
    STMT_ROLLBACK,
    STMT_SET_CLEAN,
    STMT_SET_COUNT,
    STMT_SET_USER,
    STMT_KEY,
    STMT_INSERT,
    STMT_UNDO,
    STMT_STATE,
    STMT_BYTES,
    STMT_CLAIM,
    STMT_POSTPONE,
    STMT_FINISH,
    STMT_VERDICT,
    STMT_OLDEST,
    STMT_FORGET_VERDICT,
    STMT_FORGET_JOB,
    STMT_GET,
    STMT_GET_VERDICT,
    STMT_LIST,
    STMT_LIST_STATE,
    STMT_LIST_SCHEDULE,
    STMT_NEXT_DUE,
    STMT_PROMOTE,
    STMT_WINDOW,
    STMT_WINDOW_USER,
    STMT_WINDOW_ROW,
    STMT_HOST_READY,
    STMT_HOST_DUE,
    STMT_ENDED,
    STMT_SCHEDULES,
    STMT_SCHEDULES_FAILING,
    STMT_SCHEDULES_DUE,
    STMT_SCHEDULE_GET,
    STMT_SCHEDULE_LOOK,
    STMT_SCHEDULE_MAKE,
    STMT_SCHEDULE_CHANGE,
    STMT_SCHEDULE_REMOVE,
    STMT_SCHEDULE_RUN,
    STMT_SCHEDULE_SKIP,
    STMT_SCHEDULE_PASS,
    STMT_SCHEDULE_END,
    STMT_COUNT_
};

/* A file as it was when the store was opened; all 0: it is not known. */
struct place {
    dev_t dev;
    ino_t ino;
    off_t size;
};
enum { PLACE_FILES = 3 }; /* the database, SQLite's log, and that one's index */

/* A thread that reads the whole file, and its findings. */
struct check {
    char *path;
    pthread_t thread;
    bool started;
    atomic_bool stop, whole;
    atomic_bool told;    /* whoever found damage first sets `text`, … */
    atomic_bool damaged; /* … and then this */
    struct error text;
};

/* A copy of the file, and the thread that makes it: sqlite_backup.c. */
struct backup {
    struct store_backup *call; /* NULL: none is wanted; set and cleared under the lock */
    bool over;                 /* the copying thread has ended; under the lock */
    bool news;                 /* for the store's thread; under the lock */
    bool copying;              /* the store's thread's, as the two below */
    uint64_t begin_at;         /* clock_now: not before */
    uint64_t asked_at;         /* of the first try to begin; 0: there was none */
    atomic_bool crowded;       /* SQLite's log has grown too long meanwhile */
    pthread_t thread;
    int fd; /* of the file; borrowed */
    struct stat before;
};

struct sqlite {
    struct store store;
    struct store_config config; /* its strings are our own */
    char *path;
    int lock_fd; /* the database's file, flocked; closed after SQLite has closed it */
    sqlite3 *db;
    sqlite3_stmt *stmts[STMT_COUNT_];
    bool was_clean;

    pthread_t thread;
    bool started;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct list queue;           /* under the lock: calls, in order */
    bool stop, giving_up;        /* under the lock */
    bool gave_up;                /* the thread has seen it; under the lock */
    struct store_counts visible; /* under the lock: as last committed */
    struct histogram commits;    /* under the lock; the thread adds */
    atomic_bool failing;

    /* The thread's. */
    struct place places[PLACE_FILES];
    bool index_cut;             /* that of the log: it is to be made anew */
    struct store_counts counts; /* as in the transaction under way */
    struct user_counts users;   /* likewise */
    struct list held;           /* finish and postpone calls that could not be committed yet */
    struct list scans;          /* lists that go on in a later turn */
    struct error fault; /* why the transaction under way cannot go on; code in `fault_code` */
    int fault_code;
    struct error why; /* why the store fails; written under the lock */
    int why_code;
    uint64_t retry_at;      /* clock_now */
    int64_t oldest_end;     /* `finished` of the oldest end that is kept; 0: not known */
    int wal_frames;         /* pages in SQLite's log file */
    uint64_t checkpoint_at; /* not before: the last one failed */
    bool damage_told;
    struct check check;
    struct backup backup;
};

static inline struct sqlite *sqlite_of(struct store *s)
{
    return container_of(s, struct sqlite, store);
}

#endif
