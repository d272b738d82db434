/* The inside of the SQLite engine. One thread owns the database; the control loop hands it calls by a queue.
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
 *   sqlite_check.c   the check after an unclean stop, on a thread of its own */
#ifndef PENSTOCK_STORE_SQLITE_PRIVATE_H
#define PENSTOCK_STORE_SQLITE_PRIVATE_H

#include "base/list.h"
#include "store/store.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

enum op {
    OP_SUBMIT,
    OP_CLAIM,
    OP_SCHEDULE_PUT,
    OP_FINISH,
    OP_POSTPONE,
    OP_GET,
    OP_LIST,
    OP_WINDOW,
    OP_HOSTS,
    OP_ENDED,
    OP_SCHEDULES,
};

enum stmt {
    STMT_BEGIN,
    STMT_BEGIN_WRITE,
    STMT_COMMIT,
    STMT_ROLLBACK,
    STMT_SET_CLEAN,
    STMT_SET_COUNT,
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
    STMT_LIST_RARE,
    STMT_LIST_SCHEDULE,
    STMT_NEXT_DUE,
    STMT_PROMOTE,
    STMT_WINDOW,
    STMT_HOSTS,
    STMT_ENDED,
    STMT_SCHEDULES,
    STMT_SCHEDULE_PUT,
    STMT_SCHEDULE_REMOVE,
    STMT_SCHEDULE_RUN,
    STMT_SCHEDULE_END,
    STMT_SCHEDULE_WHOLE,
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
};

static inline struct sqlite *sqlite_of(struct store *s)
{
    return container_of(s, struct sqlite, store);
}

/* --- sqlite_open.c: on the thread that makes the store ----------------------------------------- */
int sqlite_open(struct sqlite *s, struct error *err);
void sqlite_close(struct sqlite *s); /* takes a half-open one */

/* --- sqlite_error.c ----------------------------------------------------------------------------- */
/* What SQLite says as a negative errno and a sentence about the file. */
int sqlite_error(sqlite3 *db, int rc, const char *path, struct error *err);

/* --- sqlite_schema.c ---------------------------------------------------------------------------- */
#define SQLITE_APPLICATION_ID 0x50535443 /* "PSTC" */

/* One step: from the version before to `version`. */
struct schema_step {
    int version;
    const char *sql;
};
extern const struct schema_step schema_steps[];
extern const size_t schema_step_count;

/* Brings the database to the last step's version: a new one from nothing, an old one after copying it to
 * PATH.vN (N: the version it has). Refuses what is not ours or newer. */
int schema_bring(sqlite3 *db, const char *path, const struct schema_step *steps, size_t count,
                 struct error *err);

/* --- sqlite_stmt.c ------------------------------------------------------------------------------ */
int stmts_prepare(struct sqlite *s, struct error *err);
void stmts_finalize(struct sqlite *s);

/* Runs a statement that has its values bound and gives no rows, and resets it. 0, or the transaction is at
 * fault: a negative errno. */
int stmt_run(struct sqlite *s, enum stmt which);
/* One step: 1 a row, 0 none (it is reset), or a negative errno (reset, too). */
int stmt_step(struct sqlite *s, enum stmt which);
void stmt_reset(struct sqlite *s, enum stmt which);
/* Notes why the transaction cannot go on. The errno. */
int sqlite_fault(struct sqlite *s, int rc);

/* The columns that each row statement begins with, and the row in them; strings are SQLite's, until the
 * statement is stepped or reset. The verdict is not among them. */
#define SQLITE_PENDING_BYTES 6 /* the row of `counts` that has them, behind those of the states */

#define ROW_COLUMNS                                                                     \
    "j.id,j.attempt,j.state,j.priority,j.rank,j.uid,j.gid,j.created,j.due,j.finished,"  \
    "j.retry_of,j.finish_seq,j.error,j.host,j.parser,j.key,j.labels,j.spec,j.schedule," \
    "j.interrupted,j.torn"
enum { ROW_COLUMN_COUNT = 21 };
void stmt_row(sqlite3_stmt *stmt, struct store_job *ret_job);
/* A text, or NULL, that lives until the statement has run. */
int stmt_bind_text(sqlite3_stmt *stmt, int at, const char *value);

/* --- sqlite_write.c: within a transaction. 0 and call->result, or the transaction's fault ------- */
int write_submit(struct sqlite *s, struct store_submit *call);
int write_claim(struct sqlite *s, struct store_claim *call);
int write_finish(struct sqlite *s, struct store_finish *call);
int write_postpone(struct sqlite *s, struct store_postpone *call);
int write_counts(struct sqlite *s, bool always);
/* Forgets up to `max` ended rows that are too old or too many. 1 if it forgot that many. */
int write_forget(struct sqlite *s, int max);
bool forget_due(const struct sqlite *s);
/* The call as if it had not been tried. */
void write_undo_submit(struct store_submit *call);

/* --- sqlite_read.c: 0 and call->result, or a fault of the database ------------------------------ */
int read_get(struct sqlite *s, struct store_get *call);
int read_window(struct sqlite *s, struct store_window *call, bool may_write);
int read_hosts(struct sqlite *s, struct store_hosts *call);
int read_ended(struct sqlite *s, struct store_ended *call);
void read_list_begin(struct sqlite *s, struct store_list *call);
int read_list(struct sqlite *s, struct store_list *call); /* 1: it goes on later */

/* --- sqlite_schedule.c: as the other writes and reads --------------------------------------------- */
int write_schedules(struct sqlite *s, struct store_schedule_put *call);
int write_schedule_run(struct sqlite *s, const struct store_schedule_run *run, uint64_t job);
int write_schedule_end(struct sqlite *s, const struct store_finish *call);
int read_schedules(struct sqlite *s, struct store_schedules *call);

/* --- sqlite_thread.c ---------------------------------------------------------------------------- */
void *sqlite_thread(void *arg);
int sqlite_on_wal(void *arg, sqlite3 *db, const char *name, int frames); /* SQLite's hook */

/* --- sqlite_check.c ----------------------------------------------------------------------------- */
void check_start(struct check *check, const char *path);
/* The file was found damaged, by the check or by the work. Any thread. */
void check_damage(struct check *check, const char *path, const char *what);
void check_stop(struct check *check); /* its findings stay */

#endif
