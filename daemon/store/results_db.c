/* Tables: `results` has a row for each result that is whole, `pieces` its lines, some 64 KiB a row,
 * under keys that begin with the result's id. So a result is sealed by the row in `results`, which
 * its last transaction inserts; pieces without one are what a crash, a full disk or forgetting has
 * left, and go bit by bit. Each transaction is small: a large result shares the thread with
 * others. */
#include "store/results_db.h"

#include "base/clock.h"
#include "base/fd.h"
#include "record/spool.h"
#include "store/sqlite_error.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define APPLICATION_ID 0x50535452 /* "PSTR" */
#define VERSION        1
#define BATCH_BYTES    ((size_t)4 << 20) /* of lines in one transaction */
#define BATCH_PUTS     256
#define FORGET_PIECES  256
#define RESULT_BYTES   256 /* what a result counts beside its lines */
#define PIECE_BITS     24  /* of a key: 16 million pieces in a result */

static const char schema[] =
    "CREATE TABLE results(id INTEGER PRIMARY KEY AUTOINCREMENT, job INTEGER NOT NULL UNIQUE,"
    " attempt INTEGER NOT NULL, pieces INTEGER NOT NULL, lines INTEGER NOT NULL,"
    " bytes INTEGER NOT NULL, at INTEGER NOT NULL);"
    "CREATE TABLE pieces(key INTEGER PRIMARY KEY, text BLOB NOT NULL);"
    "CREATE TABLE leftovers(id INTEGER PRIMARY KEY);";

enum statement {
    BEGIN_WRITE,
    COMMIT,
    ROLLBACK,
    LAST,
    LAST_PIECE,
    TOTAL,
    ORPHANS,
    ADD_PIECE,
    SEAL,
    OF_JOB,
    PIECE,
    OLDEST,
    UNSEAL,
    LEFT_ADD,
    LEFT,
    LEFT_PIECES,
    LEFT_OVER,
    STATEMENT_COUNT
};
static const char *const sql[STATEMENT_COUNT] = {
    [BEGIN_WRITE] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [ROLLBACK] = "ROLLBACK",
    [LAST] = "SELECT ifnull(max(seq),0) FROM sqlite_sequence WHERE name='results'",
    [LAST_PIECE] = "SELECT ifnull(max(key)>>24,0) FROM pieces",
    [TOTAL] = "SELECT ifnull(sum(bytes+256),0) FROM results",
    /* Those after the last that was sealed, and within: ids of a torn put. */
    [ORPHANS] = "INSERT OR IGNORE INTO leftovers SELECT DISTINCT key>>24 FROM pieces "
                "WHERE key>>24 NOT IN (SELECT id FROM results)",
    [ADD_PIECE] = "INSERT INTO pieces VALUES(?1,?2)",
    [SEAL] = "INSERT INTO results VALUES(?1,?2,?3,?4,?5,?6,?7)",
    [OF_JOB] = "SELECT id,attempt,pieces,lines,bytes FROM results WHERE job=?1",
    [PIECE] = "SELECT text FROM pieces WHERE key=?1",
    [OLDEST] = "SELECT id,bytes,at FROM results ORDER BY id LIMIT 1",
    [UNSEAL] = "DELETE FROM results WHERE id=?1",
    [LEFT_ADD] = "INSERT OR IGNORE INTO leftovers VALUES(?1)",
    [LEFT] = "SELECT id FROM leftovers LIMIT 1",
    [LEFT_PIECES] = "DELETE FROM pieces WHERE key IN (SELECT key FROM pieces WHERE key>=?1<<24 "
                    "AND key<(?1+1)<<24 LIMIT ?2)",
    [LEFT_OVER] = "DELETE FROM leftovers WHERE id=?1",
};

struct results_db {
    char *path; /* for messages */
    int lock_fd;
    sqlite3 *db;
    sqlite3_stmt *stmts[STATEMENT_COUNT];
    uint64_t last_id; /* given to a put */
    uint64_t bytes;   /* of all results, as RESULT_BYTES says */
    bool leftovers;   /* there may be some */
    char *piece;
    size_t piece_size;
};

static int fault(struct results_db *db, int rc, struct error *err)
{
    return sqlite_error(db->db, rc, db->path, err);
}

/* 1: a row; 0: no further one; negative with a message in *err. */
static int take_step(struct results_db *db, enum statement which, struct error *err)
{
    int rc = sqlite3_step(db->stmts[which]);
    if (rc == SQLITE_ROW)
        return 1;
    int r = rc == SQLITE_DONE ? 0 : fault(db, rc, err);
    sqlite3_reset(db->stmts[which]);
    return r;
}

static int run(struct results_db *db, enum statement which, struct error *err)
{
    int r = take_step(db, which, err);
    sqlite3_reset(db->stmts[which]);
    return r < 0 ? r : 0;
}

static int number(struct results_db *db, enum statement which, uint64_t *ret, struct error *err)
{
    int r = take_step(db, which, err);
    if (r == 1)
        *ret = (uint64_t)sqlite3_column_int64(db->stmts[which], 0);
    sqlite3_reset(db->stmts[which]);
    return r < 0 ? r : 0;
}

static void bind_number(struct results_db *db, enum statement which, int at, uint64_t value)
{
    sqlite3_bind_int64(db->stmts[which], at, (sqlite3_int64)value);
}

/* --- opening ---------------------------------------------------------------------------------- */

bool results_db_exists(const char *path)
{
    struct stat st;
    return path && stat(path, &st) == 0 && st.st_size > 0;
}

/* As with the store: for life, and closed after SQLite has closed the file. */
static int lock_file(struct results_db *db, const char *path, struct error *err)
{
    db->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW, 0600);
    if (db->lock_fd < 0)
        return error_set(err, -errno, "results.path: %s cannot be opened: %s", path,
                         strerrordesc_np(errno));
    if (flock(db->lock_fd, LOCK_EX | LOCK_NB) == 0)
        return 0;
    return errno == EWOULDBLOCK
               ? error_set(err, -EBUSY, "results.path: %s is in use by another penstockd", path)
               : error_set(err, -errno, "results.path: %s cannot be locked: %s", path,
                           strerrordesc_np(errno));
}

static int pragma(struct results_db *db, const char *text, int *ret, struct error *err)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(db->db, text, -1, &stmt, NULL);
    if (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW)
        *ret = sqlite3_column_int(stmt, 0);
    sqlite3_finalize(stmt);
    return rc == SQLITE_ROW ? 0 : fault(db, rc, err);
}

static int make_tables(struct results_db *db, struct error *err)
{
    char text[1024];
    int id = 0, version = 0, tables = 0;
    int r = pragma(db, "PRAGMA application_id", &id, err);
    if (r == 0)
        r = pragma(db, "PRAGMA user_version", &version, err);
    if (r == 0)
        r = pragma(db, "SELECT count(*) FROM sqlite_schema", &tables, err);
    if (r < 0)
        return r;
    if (id == APPLICATION_ID && version == VERSION)
        return 0;
    if (id != 0 || version != 0 || tables != 0)
        return error_set(err, -EPROTO,
                         "results.path: %s is no database of this penstock's results; move it "
                         "away, or set another file",
                         db->path);
    snprintf(text, sizeof text,
             "BEGIN IMMEDIATE;%sPRAGMA application_id=%d;PRAGMA user_version=%d;COMMIT", schema,
             APPLICATION_ID, VERSION);
    int rc = sqlite3_exec(db->db, text, NULL, NULL, NULL);
    return rc == SQLITE_OK ? 0 : fault(db, rc, err);
}

/* A result is worth less than an end: with synchronous=NORMAL a loss of power may cost the last
 * ones, whole, and who asks for them is told. */
static int set_up(struct results_db *db, struct error *err)
{
    sqlite3_extended_result_codes(db->db, 1);
    sqlite3_busy_timeout(db->db, 1000);
    int rc = sqlite3_exec(db->db,
                          "PRAGMA page_size=16384;PRAGMA journal_mode=WAL;"
                          "PRAGMA synchronous=NORMAL;PRAGMA journal_size_limit=16777216;"
                          "PRAGMA cache_size=-4096",
                          NULL, NULL, NULL);
    int r = rc == SQLITE_OK ? make_tables(db, err) : fault(db, rc, err);
    for (int i = 0; r == 0 && i < STATEMENT_COUNT; i++) {
        rc = sqlite3_prepare_v3(db->db, sql[i], -1, SQLITE_PREPARE_PERSISTENT, &db->stmts[i], NULL);
        r = rc == SQLITE_OK ? 0 : fault(db, rc, err);
    }
    uint64_t piece = 0;
    if (r == 0)
        r = number(db, LAST, &db->last_id, err);
    if (r == 0)
        r = number(db, LAST_PIECE, &piece, err);
    if (r == 0)
        r = number(db, TOTAL, &db->bytes, err);
    if (r == 0)
        r = run(db, ORPHANS, err);
    if (piece > db->last_id)
        db->last_id = piece;
    return r;
}

int results_db_open(const char *path, struct results_db **ret_db, struct error *err)
{
    struct results_db *db = calloc(1, sizeof *db);
    if (!db)
        return error_set(err, -ENOMEM, "results: out of memory");
    db->lock_fd = -1;
    db->leftovers = true;
    db->path = strdup(path ? path : "the results' file");
    int r = db->path ? 0 : error_set(err, -ENOMEM, "results: out of memory");
    if (r == 0 && path)
        r = lock_file(db, path, err);
    if (r == 0) {
        int rc =
            sqlite3_open_v2(path ? path : "", &db->db,
                            SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
        r = rc == SQLITE_OK ? set_up(db, err) : fault(db, rc, err);
    }
    if (r < 0)
        results_db_close(db);
    else
        *ret_db = db;
    return r;
}

void results_db_close(struct results_db *db)
{
    if (!db)
        return;
    for (int i = 0; i < STATEMENT_COUNT; i++)
        sqlite3_finalize(db->stmts[i]);
    sqlite3_close(db->db);
    fd_close(&db->lock_fd);
    free(db->piece);
    free(db->path);
    free(db);
}

/* --- putting ---------------------------------------------------------------------------------- */

static int unreadable(struct error *err, int code)
{
    return error_set(err, code, "the records that were held back cannot be read: %s",
                     strerrordesc_np(-code));
}

static int grow(struct results_db *db, size_t size, struct error *err)
{
    if (size <= db->piece_size)
        return 0;
    char *piece = realloc(db->piece, size);
    if (!piece)
        return error_set(err, -ENOMEM, "results: out of memory");
    db->piece = piece;
    db->piece_size = size;
    return 0;
}

static int read_at(int fd, char *data, size_t len, uint64_t offset)
{
    for (size_t n = 0; n < len;) {
        ssize_t got = pread(fd, data + n, len - n, (off_t)(offset + n));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got < 0 ? -errno : -EIO;
        n += (size_t)got;
    }
    return 0;
}

/* The whole lines that come next: RESULTS_PIECE bytes at most, or one longer line. */
static int next_piece(struct results_db *db, const struct results_put *put, size_t *ret_len,
                      struct error *err)
{
    const struct spool *spool = put->spool;
    for (size_t want = RESULTS_PIECE;; want *= 2) {
        uint64_t left = spool->size - put->offset;
        size_t len = left < want ? (size_t)left : want;
        int r = grow(db, len, err);
        if (r < 0)
            return r;
        r = read_at(spool->fd, db->piece, len, put->offset);
        const char *end = r < 0 ? NULL : memrchr(db->piece, '\n', len);
        if (r < 0 || (!end && len == left))
            return unreadable(err, r < 0 ? r : -EIO);
        if (!end)
            continue;
        *ret_len = (size_t)(end - db->piece) + 1;
        return 0;
    }
}

static int add_piece(struct results_db *db, struct results_put *put, size_t *bytes,
                     struct error *err)
{
    size_t len = 0;
    int r = next_piece(db, put, &len, err);
    if (r < 0)
        return r;
    bind_number(db, ADD_PIECE, 1, put->id << PIECE_BITS | put->pieces);
    sqlite3_bind_blob64(db->stmts[ADD_PIECE], 2, db->piece, len, SQLITE_STATIC);
    r = run(db, ADD_PIECE, err);
    sqlite3_bind_null(db->stmts[ADD_PIECE], 2);
    put->offset += len;
    put->pieces++;
    *bytes += len;
    return r;
}

/* From here on its pieces are leftovers. */
static int unseal(struct results_db *db, uint64_t id, uint64_t bytes, struct error *err)
{
    bind_number(db, UNSEAL, 1, id);
    bind_number(db, LEFT_ADD, 1, id);
    int r = run(db, UNSEAL, err);
    if (r == 0)
        r = run(db, LEFT_ADD, err);
    if (r == 0)
        db->bytes -= bytes + RESULT_BYTES < db->bytes ? bytes + RESULT_BYTES : db->bytes;
    db->leftovers = true;
    return r;
}

static int replace(struct results_db *db, uint64_t job, struct error *err)
{
    bind_number(db, OF_JOB, 1, job);
    int r = take_step(db, OF_JOB, err);
    if (r <= 0)
        return r;
    uint64_t id = (uint64_t)sqlite3_column_int64(db->stmts[OF_JOB], 0);
    uint64_t bytes = (uint64_t)sqlite3_column_int64(db->stmts[OF_JOB], 4);
    sqlite3_reset(db->stmts[OF_JOB]);
    return unseal(db, id, bytes, err);
}

static int seal(struct results_db *db, const struct results_put *put, struct error *err)
{
    uint64_t size = put->spool ? put->spool->size : 0;
    int r = replace(db, put->job, err);
    if (r < 0)
        return r;
    bind_number(db, SEAL, 1, put->id);
    bind_number(db, SEAL, 2, put->job);
    bind_number(db, SEAL, 3, put->attempt);
    bind_number(db, SEAL, 4, put->pieces);
    bind_number(db, SEAL, 5, put->spool ? put->spool->lines : 0);
    bind_number(db, SEAL, 6, size);
    bind_number(db, SEAL, 7, (uint64_t)clock_real_us());
    r = run(db, SEAL, err);
    if (r == 0)
        db->bytes += size + RESULT_BYTES;
    return r;
}

static bool is_read(const struct results_put *put)
{
    return !put->spool || put->offset == put->spool->size;
}

/* The puts' steps within a transaction. */
static int put_some(struct results_db *db, struct list *puts, struct list *sealed,
                    struct error *err)
{
    size_t bytes = 0;
    int r = 0;
    for (unsigned n = 0; r == 0 && n < BATCH_PUTS && bytes < BATCH_BYTES && !list_empty(puts);
         n++) {
        struct results_put *put = container_of(puts->next, struct results_put, link);
        if (!put->id)
            put->id = ++db->last_id;
        while (r == 0 && !is_read(put) && bytes < BATCH_BYTES)
            r = add_piece(db, put, &bytes, err);
        if (r < 0 || !is_read(put))
            break;
        r = seal(db, put, err);
        list_del(&put->link);
        list_add_tail(sealed, &put->link);
    }
    return r;
}

static void fail(struct results_db *db, struct list *puts, struct list *over, int code,
                 const struct error *err)
{
    for (struct list *e; (e = list_pop(puts));) {
        struct results_put *put = container_of(e, struct results_put, link);
        struct error ignored;
        put->result = code;
        put->error = *err;
        bind_number(db, LEFT_ADD, 1, put->id);
        if (put->id)
            (void)run(db, LEFT_ADD, &ignored); /* else the next start finds them */
        list_add_tail(over, e);
    }
    db->leftovers = true;
}

void results_db_put(struct results_db *db, struct list *puts, struct list *over)
{
    struct list sealed;
    struct error err = {""}, ignored;
    uint64_t bytes = db->bytes;
    list_init(&sealed);
    int r = run(db, BEGIN_WRITE, &err);
    if (r == 0)
        r = put_some(db, puts, &sealed, &err);
    if (r == 0)
        r = run(db, COMMIT, &err);
    if (r < 0) {
        if (!sqlite3_get_autocommit(db->db))
            (void)run(db, ROLLBACK, &ignored);
        db->bytes = bytes;
        fail(db, &sealed, over, r, &err);
        fail(db, puts, over, r, &err);
        return;
    }
    for (struct list *e; (e = list_pop(&sealed));) {
        container_of(e, struct results_put, link)->result = 0;
        list_add_tail(over, e);
    }
}

/* --- getting ---------------------------------------------------------------------------------- */

static int copy_text(struct results_db *db, struct results_get *get)
{
    size_t len = (size_t)sqlite3_column_bytes(db->stmts[PIECE], 0);
    const void *text = sqlite3_column_blob(db->stmts[PIECE], 0);
    get->text = malloc(len + 1);
    if (!get->text || !text)
        return error_set(&get->error, -ENOMEM, "no memory for the records");
    memcpy(get->text, text, len);
    get->text[len] = '\0';
    get->len = len;
    return 0;
}

void results_db_get(struct results_db *db, struct results_get *get)
{
    sqlite3_stmt *row = db->stmts[OF_JOB];
    bind_number(db, OF_JOB, 1, get->job);
    get->result = take_step(db, OF_JOB, &get->error);
    if (get->result < 0)
        return;
    bool found = get->result == 1;
    uint64_t id = found ? (uint64_t)sqlite3_column_int64(row, 0) : 0;
    found = found && (uint32_t)sqlite3_column_int64(row, 1) == get->attempt;
    if (found) {
        get->page_count = (uint32_t)sqlite3_column_int64(row, 2);
        get->lines = (uint64_t)sqlite3_column_int64(row, 3);
    }
    sqlite3_reset(row);
    get->result = found ? 0 : -ENOENT;
    if (!found || (get->page_count == 0 && get->page == 0))
        return;
    bind_number(db, PIECE, 1, id << PIECE_BITS | get->page);
    int r = get->page < get->page_count ? take_step(db, PIECE, &get->error) : 0;
    get->result = r < 0 ? r : r == 0 ? -ENOENT : copy_text(db, get);
    sqlite3_reset(db->stmts[PIECE]);
}

/* --- forgetting ------------------------------------------------------------------------------- */

static int forget_pieces(struct results_db *db, struct error *err)
{
    uint64_t id = 0;
    int r = number(db, LEFT, &id, err);
    if (r < 0 || id == 0) {
        db->leftovers = r < 0;
        return r;
    }
    bind_number(db, LEFT_PIECES, 1, id);
    bind_number(db, LEFT_PIECES, 2, FORGET_PIECES);
    bind_number(db, LEFT_OVER, 1, id);
    r = run(db, LEFT_PIECES, err);
    if (r == 0 && sqlite3_changes(db->db) < FORGET_PIECES)
        r = run(db, LEFT_OVER, err);
    return r;
}

/* 1: the oldest has been unsealed; 0: it may stay. */
static int forget_oldest(struct results_db *db, int64_t now_us, int64_t keep_us, uint64_t max_bytes,
                         struct error *err)
{
    sqlite3_stmt *row = db->stmts[OLDEST];
    int r = take_step(db, OLDEST, err);
    if (r <= 0)
        return r;
    uint64_t id = (uint64_t)sqlite3_column_int64(row, 0);
    uint64_t bytes = (uint64_t)sqlite3_column_int64(row, 1);
    int64_t at = sqlite3_column_int64(row, 2);
    sqlite3_reset(row);
    if (db->bytes <= max_bytes && at > now_us - keep_us)
        return 0;
    r = unseal(db, id, bytes, err);
    return r < 0 ? r : 1;
}

bool results_db_forget(struct results_db *db, int64_t now_us, int64_t keep_us, uint64_t max_bytes)
{
    struct error err = {""}, ignored;
    int oldest = 0;
    int r = run(db, BEGIN_WRITE, &err);
    if (r == 0)
        r = oldest = forget_oldest(db, now_us, keep_us, max_bytes, &err);
    if (r >= 0 && db->leftovers)
        r = forget_pieces(db, &err);
    if (r >= 0)
        r = run(db, COMMIT, &err);
    if (r < 0 && !sqlite3_get_autocommit(db->db))
        (void)run(db, ROLLBACK, &ignored);
    return r >= 0 && (oldest == 1 || db->leftovers);
}
