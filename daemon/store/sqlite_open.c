/* Opening the database: clear sentences for whatever stands there instead of what is wanted. */
#include "store/sqlite_open.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "store/sqlite_place.h"
#include "store/sqlite_error.h"
#include "store/sqlite_schema.h"
#include "store/sqlite_stmt.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUSY_MS 1000 /* patience with another program that holds the database for a moment */

static int open_file(struct sqlite *s, bool *ret_new, struct error *err)
{
    const char *path = s->path;
    s->lock_fd = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY);
    *ret_new = s->lock_fd < 0 && errno == ENOENT;
    if (*ret_new)
        s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);
    if (s->lock_fd < 0) {
        int r = -errno;
        return error_set(err, r, "store.path: %s cannot be opened: %s%s", path, strerror(-r),
                         r == -ENOENT ? "; create its directory first"
                         : r == -EACCES || r == -EROFS
                             ? "; let the daemon's user write it and its directory"
                             : "");
    }
    struct stat st;
    if (fstat(s->lock_fd, &st) < 0 || !S_ISREG(st.st_mode))
        return error_set(err, -EINVAL, "store.path: %s is not a file", path);
    /* flock(2) and SQLite's fcntl(2) locks know nothing of each other on a local disk. This one is
     * for life; closing any descriptor of the file drops the others, so this is closed last. */
    if (flock(s->lock_fd, LOCK_EX | LOCK_NB) < 0)
        return errno == EWOULDBLOCK
                   ? error_set(err, -EBUSY,
                               "store.path: %s is in use by another penstockd; stop that one, or "
                               "set store.path to another file",
                               path)
                   : error_set(err, -errno, "store.path: %s cannot be locked: %s", path,
                               strerror(errno));
    return 0;
}

/* Bytes of PATH-NAME. */
static off_t size_of(const struct sqlite *s, const char *name)
{
    char *path = NULL;
    struct stat st;
    off_t size =
        asprintf(&path, "%s-%s", s->path, name) >= 0 && stat(path, &st) == 0 ? st.st_size : 0;
    free(path);
    return size;
}

/* SQLite takes an empty file for a new database, and removes the log beside it. (A journal beside
 * it is of a first start that was torn: the file has pages before there is a log.) */
static int judge_empty(struct sqlite *s, struct error *err)
{
    if (size_of(s, "wal") > 0)
        return error_set(
            err, -EPROTO,
            "store.path: %s is empty, but the log beside it is not: somebody has emptied "
            "it; put a copy back, or move both away to begin anew",
            s->path);
    log_warning("store.path: %s was empty; a new store is made of it", s->path);
    return 0;
}

/* Something else than a database is told before SQLite touches it. */
static int check_header(struct sqlite *s, bool new, struct error *err)
{
    static const char magic[16] = "SQLite format 3";
    char header[sizeof magic];
    ssize_t n = pread(s->lock_fd, header, sizeof header, 0);
    if (n < 0)
        return error_set(err, -errno, "store.path: %s cannot be read: %s", s->path,
                         strerror(errno));
    if (n == 0)
        return new ? 0 : judge_empty(s, err);
    if ((size_t)n == sizeof header && memcmp(header, magic, sizeof magic) == 0)
        return 0;
    bool hot =
        size_of(s, "journal") > 0; /* a first page that was torn by a crash: SQLite mends it */
    return hot ? 0
               : error_set(err, -EPROTO,
                           "store.path: %s is not a database; move it away, or set store.path to "
                           "another file",
                           s->path);
}

static int set_up(struct sqlite *s, struct error *err)
{
    sqlite3_extended_result_codes(s->db, 1);
    sqlite3_busy_timeout(s->db, BUSY_MS);
    int r = schema_bring(s->db, s->path, schema_steps, schema_step_count, err);
    if (r < 0)
        return r;
    /* The log of 16 MiB (and its index) is written into the file by the thread when nobody
     * waits. */
    int rc = sqlite3_exec(s->db,
                          "PRAGMA journal_mode=WAL;PRAGMA synchronous=FULL;"
                          "PRAGMA wal_autocheckpoint=0;PRAGMA journal_size_limit=67108864;"
                          "PRAGMA cache_size=-8192;PRAGMA temp_store=MEMORY;",
                          NULL, NULL, NULL);
    return rc == SQLITE_OK ? 0 : sqlite_error(s->db, rc, s->path, err);
}

static int read_number(struct sqlite *s, const char *sql, int64_t *ret, struct error *err)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(s->db, sql, -1, &stmt, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    *ret = rc == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : 0;
    int r = rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : sqlite_error(s->db, rc, s->path, err);
    sqlite3_finalize(stmt);
    return r;
}

static int read_figures(struct sqlite *s, struct error *err)
{
    int64_t n = 0;
    int r = 0;
    for (int i = 0; i < SQLITE_FIGURES && r == 0; i++) {
        char sql[64];
        snprintf(sql, sizeof sql, "SELECT jobs FROM counts WHERE state=%d", i);
        r = read_number(s, sql, &n, err);
        *sqlite_figure(&s->counts, i) = (uint64_t)n;
    }
    if (r == 0)
        r = read_number(s, "SELECT seq FROM sqlite_sequence WHERE name='jobs'", &n, err);
    s->counts.last_id = (uint64_t)n;
    if (r == 0)
        r = read_number(s, "SELECT seq FROM sqlite_sequence WHERE name='verdicts'", &n, err);
    s->counts.last_finish_seq = (uint64_t)n;
    if (r == 0)
        r = read_number(s, "SELECT finished FROM verdicts ORDER BY seq LIMIT 1", &s->oldest_end,
                        err);
    if (r == 0)
        r = read_number(s, "SELECT value FROM meta WHERE name='clean'", &n, err);
    s->was_clean = n == 1;
    return r;
}

static int read_users(struct sqlite *s, struct error *err)
{
    sqlite3_stmt *stmt = NULL;
    int rc =
        sqlite3_prepare_v2(s->db, "SELECT uid,pending FROM users WHERE pending>0", -1, &stmt, NULL);
    while (rc == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW) {
        struct user_count *user =
            user_counts_get(&s->users, (uint32_t)sqlite3_column_int64(stmt, 0));
        if (user)
            user->pending = user->committed = (uint64_t)sqlite3_column_int64(stmt, 1);
        else
            rc = SQLITE_NOMEM;
    }
    int end = sqlite3_finalize(stmt);
    rc = rc == SQLITE_OK ? end : rc;
    return rc == SQLITE_OK ? 0 : sqlite_error(s->db, rc, s->path, err);
}

/* From now on a stop that is not clean is seen. It is also the first write: what cannot be written
 * is told at the start. */
static int mark_open(struct sqlite *s, struct error *err)
{
    sqlite3_bind_int(s->stmts[STMT_SET_CLEAN], 1, 0);
    int r = stmt_run(s, STMT_SET_CLEAN);
    if (r < 0)
        return error_set(err, r, "store.path: %s", s->fault.text);
    return 0;
}

int sqlite_open(struct sqlite *s, struct error *err)
{
    bool new = false;
    int r = s->config.make_dir ? store_make_dir(s->path, err) : 0;
    if (r == 0)
        r = open_file(s, &new, err);
    if (r == 0)
        r = check_header(s, new, err);
    if (r < 0)
        return r;
    int rc = sqlite3_open_v2(s->path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
                             s->config.vfs);
    if (rc != SQLITE_OK)
        return sqlite_error(s->db, rc, s->path, err);
    r = set_up(s, err);
    if (r == 0)
        r = stmts_prepare(s, err);
    if (r == 0)
        r = read_figures(s, err);
    if (r == 0)
        r = read_users(s, err);
    if (r == 0)
        r = mark_open(s, err);
    if (r == 0)
        place_note(s);
    return r;
}

void sqlite_close(struct sqlite *s)
{
    stmts_finalize(s);
    sqlite3_close(s->db);
    s->db = NULL;
    fd_close(&s->lock_fd);
}
