/* The schema, in steps; all that are due are one transaction. `PRAGMA application_id` says that a
 * file is ours, `PRAGMA user_version` which step it has reached, meta.needs which penstock has
 * brought it there.
 *
 * jobs.place: where a row stands for the window: 0 nowhere (it runs or has ended), 1 it may run
 * (index jobs_ready, by user, then in the order to run), 2 it falls due later (index jobs_due).
 * Verdicts stand in a table of their own, so that an end appends and does not make the job's row
 * grow. */
#include "store/sqlite_schema.h"

#include "store/sqlite_error.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char version_1[] =
    "CREATE TABLE meta(name TEXT PRIMARY KEY, value) WITHOUT ROWID;"
    "CREATE TABLE counts(state INTEGER PRIMARY KEY, jobs INTEGER NOT NULL);"
    "CREATE TABLE jobs("
    " id INTEGER PRIMARY KEY AUTOINCREMENT, attempt INTEGER NOT NULL, state INTEGER NOT NULL,"
    " place INTEGER NOT NULL, priority INTEGER NOT NULL, rank INTEGER NOT NULL,"
    " uid INTEGER NOT NULL, gid INTEGER NOT NULL, created INTEGER NOT NULL, due INTEGER NOT NULL,"
    " finished INTEGER NOT NULL, retry_of INTEGER NOT NULL, finish_seq INTEGER NOT NULL,"
    " error INTEGER NOT NULL, host TEXT NOT NULL, parser TEXT NOT NULL, key TEXT, labels TEXT,"
    " spec TEXT NOT NULL);"
    "CREATE TABLE verdicts(seq INTEGER PRIMARY KEY AUTOINCREMENT, job INTEGER NOT NULL,"
    " finished INTEGER NOT NULL, line TEXT);"
    "CREATE INDEX jobs_ready ON jobs(host, rank) WHERE place=1;"
    "CREATE INDEX jobs_due ON jobs(host, due) WHERE place=2;"
    "CREATE INDEX jobs_rare ON jobs(state) WHERE state IN (1,2,4,5);"
    "CREATE UNIQUE INDEX jobs_key ON jobs(uid, key) WHERE key IS NOT NULL;"
    "INSERT INTO counts VALUES (0,0),(1,0),(2,0),(3,0),(4,0),(5,0);"
    "INSERT INTO meta VALUES ('clean',1);";

/* last_state, last_error: as of jobs. */
static const char version_2[] =
    "ALTER TABLE jobs ADD COLUMN schedule TEXT;"
    "CREATE INDEX jobs_schedule ON jobs(schedule) WHERE schedule IS NOT NULL;"
    "CREATE TABLE schedules("
    " name TEXT PRIMARY KEY, spec TEXT NOT NULL, uid INTEGER NOT NULL, gid INTEGER NOT NULL,"
    " paused INTEGER NOT NULL, revision INTEGER NOT NULL, created INTEGER NOT NULL,"
    " next_at INTEGER NOT NULL, job INTEGER NOT NULL DEFAULT 0,"
    " last_job INTEGER NOT NULL DEFAULT 0, runs INTEGER NOT NULL DEFAULT 0,"
    " skipped INTEGER NOT NULL DEFAULT 0, last_run INTEGER NOT NULL DEFAULT 0,"
    " last_state INTEGER NOT NULL DEFAULT 0, last_error INTEGER NOT NULL DEFAULT 0,"
    " last_end INTEGER NOT NULL DEFAULT 0, last_done INTEGER NOT NULL DEFAULT 0,"
    " failures INTEGER NOT NULL DEFAULT 0, etag TEXT, modified TEXT, validated TEXT"
    ") WITHOUT ROWID;";

/* The lines of a job's attempts that were not its last. */
static const char version_3[] = "ALTER TABLE jobs ADD COLUMN history TEXT;";

static const char version_4[] =
    "ALTER TABLE jobs ADD COLUMN interrupted INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE jobs ADD COLUMN torn INTEGER NOT NULL DEFAULT 0;";

/* counts, state 6 (none of a job's): how many bytes the specs of jobs have that have not ended. */
static const char version_5[] =
    "INSERT INTO counts SELECT 6,ifnull(sum(length(CAST(spec AS BLOB))),0) FROM jobs "
    "WHERE state<3;";

/* Schedules as rows of a table of its own kind (a row of one WITHOUT ROWID would stand in the upper
 * levels of its tree, which is high then), found by name, by time, and those that fail. All states
 * have an index. counts, state 7 to 11: how many schedules there are, fail, are paused; the last
 * version that was given to one; store_counts.seen. */
static const char version_6[] =
    "CREATE TABLE schedules_6("
    " name TEXT NOT NULL, uid INTEGER NOT NULL, gid INTEGER NOT NULL, paused INTEGER NOT NULL,"
    " revision INTEGER NOT NULL, version INTEGER NOT NULL, created INTEGER NOT NULL,"
    " next_at INTEGER NOT NULL, job INTEGER NOT NULL DEFAULT 0,"
    " forced INTEGER NOT NULL DEFAULT 0, last_job INTEGER NOT NULL DEFAULT 0,"
    " runs INTEGER NOT NULL DEFAULT 0, skipped INTEGER NOT NULL DEFAULT 0,"
    " left_out INTEGER NOT NULL DEFAULT 0, last_run INTEGER NOT NULL DEFAULT 0,"
    " last_state INTEGER NOT NULL DEFAULT 0, last_error INTEGER NOT NULL DEFAULT 0,"
    " last_end INTEGER NOT NULL DEFAULT 0, last_done INTEGER NOT NULL DEFAULT 0,"
    " failures INTEGER NOT NULL DEFAULT 0, problem TEXT, spec TEXT NOT NULL,"
    " etag TEXT, modified TEXT, validated TEXT);"
    "INSERT INTO schedules_6(name,uid,gid,paused,revision,version,created,next_at,job,last_job,"
    "runs,skipped,last_run,last_state,last_error,last_end,last_done,failures,spec,etag,modified,"
    "validated) SELECT name,uid,gid,paused,revision,row_number() OVER (),created,next_at,job,"
    "last_job,runs,skipped,last_run,last_state,last_error,last_end,last_done,failures,spec,etag,"
    "modified,validated FROM schedules;"
    "DROP TABLE schedules;"
    "ALTER TABLE schedules_6 RENAME TO schedules;"
    "CREATE UNIQUE INDEX schedules_name ON schedules(name);"
    "CREATE INDEX schedules_due ON schedules(next_at,name) WHERE paused=0;"
    "CREATE INDEX schedules_failing ON schedules(name) WHERE last_state=4 OR problem IS NOT NULL;"
    "INSERT OR REPLACE INTO counts "
    "SELECT 7,count(*) FROM schedules UNION ALL "
    "SELECT 8,count(*) FROM schedules WHERE last_state=4 UNION ALL "
    "SELECT 9,count(*) FROM schedules WHERE paused UNION ALL "
    "SELECT 10,count(*) FROM schedules UNION ALL "
    "SELECT 11,ifnull(max(last_run),0) FROM schedules;"
    "DROP INDEX jobs_rare;"
    "CREATE INDEX jobs_state ON jobs(state);";

/* How long its attempts ran, µs: what a job's times are made of. */
static const char version_7[] = "ALTER TABLE jobs ADD COLUMN ran INTEGER NOT NULL DEFAULT 0;";

/* How many jobs of each user have not ended. */
static const char version_8[] =
    "CREATE TABLE users(uid INTEGER PRIMARY KEY, pending INTEGER NOT NULL);"
    "INSERT INTO users SELECT uid,count(*) FROM jobs WHERE state<3 GROUP BY uid;";

/* By user as well, so that a window can leave out whose jobs may not run just now. */
static const char version_9[] = "DROP INDEX jobs_ready;"
                                "CREATE INDEX jobs_ready ON jobs(host, uid, rank) WHERE place=1;";

const struct schema_step schema_steps[] = {
    {1, version_1}, {2, version_2}, {3, version_3}, {4, version_4}, {5, version_5},
    {6, version_6}, {7, version_7}, {8, version_8}, {9, version_9},
};
const size_t schema_step_count = sizeof schema_steps / sizeof schema_steps[0];

static int number(sqlite3 *db, const char *sql, int64_t *ret)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        *ret = sqlite3_column_int64(stmt, 0);
    int end = sqlite3_finalize(stmt);
    return rc == SQLITE_ROW ? SQLITE_OK : rc == SQLITE_DONE ? SQLITE_CORRUPT : end ? end : rc;
}

/* The penstock that a newer schema needs, as it wrote it down; "" if it did not. */
static void read_needs(sqlite3 *db, char *ret, size_t size)
{
    sqlite3_stmt *stmt = NULL;
    ret[0] = '\0';
    if (sqlite3_prepare_v2(db, "SELECT value FROM meta WHERE name='needs'", -1, &stmt, NULL) ==
            SQLITE_OK &&
        sqlite3_step(stmt) == SQLITE_ROW && sqlite3_column_text(stmt, 0))
        snprintf(ret, size, "%s", (const char *)sqlite3_column_text(stmt, 0));
    sqlite3_finalize(stmt);
}

static int refuse_newer(sqlite3 *db, const char *path, int64_t version, int known,
                        struct error *err)
{
    char needs[64];
    read_needs(db, needs, sizeof needs);
    return error_set(err, -EPROTO,
                     "%s: its schema is version %lld, and this penstockd %s knows %d; install "
                     "penstock %s%s, or set store.path to another file",
                     path, (long long)version, PENSTOCK_VERSION, known,
                     needs[0] ? needs : "a newer", needs[0] ? " or later" : " version");
}

/* A copy of the file as it is, beside it: PATH.vN. An older copy of that name is replaced. */
static int copy_first(sqlite3 *db, const char *path, int64_t version, struct error *err)
{
    char *name = NULL;
    sqlite3 *copy = NULL;
    struct stat st;
    if (asprintf(&name, "%s.v%lld", path, (long long)version) < 0)
        return error_set(err, -ENOMEM, "%s: no memory for a copy", path);
    mode_t mode = stat(path, &st) == 0 ? st.st_mode & 0777 : 0600;
    (void)remove(name);
    int rc = sqlite3_open_v2(name, &copy, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
    (void)chmod(name, mode);
    sqlite3_backup *backup = rc == SQLITE_OK ? sqlite3_backup_init(copy, "main", db, "main") : NULL;
    if (backup) {
        sqlite3_backup_step(backup, -1);
        rc = sqlite3_backup_finish(backup);
    } else if (rc == SQLITE_OK) {
        rc = sqlite3_errcode(copy);
    }
    struct error why;
    int r = rc == SQLITE_OK ? 0 : sqlite_error(copy, rc, name, &why);
    if (sqlite3_close(copy) != SQLITE_OK && r == 0)
        r = error_set(&why, -EIO, "%s: the copy could not be closed", name);
    free(name);
    return r < 0 ? error_set(err, r, "%s: it must be copied before its schema is changed: %s", path,
                             why.text)
                 : 0;
}

/* The steps after `version`, all or none: a new file that a crash has left half made would be taken
 * for an old one. */
static int run_steps(sqlite3 *db, const char *path, int64_t version,
                     const struct schema_step *steps, size_t count, struct error *err)
{
    char tail[256];
    snprintf(tail, sizeof tail,
             "PRAGMA application_id=%d;PRAGMA user_version=%d;"
             "INSERT OR REPLACE INTO meta VALUES('needs','%s');COMMIT;",
             SQLITE_APPLICATION_ID, steps[count - 1].version, PENSTOCK_VERSION);
    int rc = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    for (size_t i = 0; i < count && rc == SQLITE_OK; i++)
        if (steps[i].version > version)
            rc = sqlite3_exec(db, steps[i].sql, NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(db, tail, NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        return 0;
    int r = sqlite_error(db, rc, path, err);
    (void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    return r;
}

int schema_bring(sqlite3 *db, const char *path, const struct schema_step *steps, size_t count,
                 struct error *err)
{
    int64_t id = 0, version = 0, objects = 0;
    int known = steps[count - 1].version;
    int rc = number(db, "PRAGMA application_id", &id);
    if (rc == SQLITE_OK)
        rc = number(db, "PRAGMA user_version", &version);
    if (rc == SQLITE_OK)
        rc = number(db, "SELECT count(*) FROM sqlite_schema", &objects);
    if (rc != SQLITE_OK)
        return sqlite_error(db, rc, path, err);
    bool empty = id == 0 && version == 0 && objects == 0;
    if (!empty && id != SQLITE_APPLICATION_ID)
        return error_set(err, -EPROTO,
                         "%s: this database is not penstock's; move it away, or set store.path to "
                         "another file",
                         path);
    if (version > known)
        return refuse_newer(db, path, version, known, err);
    int r = !empty && version < known ? copy_first(db, path, version, err) : 0;
    if (r == 0 && version < known)
        r = run_steps(db, path, version, steps, count, err);
    return r;
}
