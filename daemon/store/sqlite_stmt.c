/* Prepared statements. They are kept for the store's life, so none names its text at run time. */
#include "store/sqlite_stmt.h"

#include "store/sqlite_error.h"
#include "store/sqlite_check.h"

#include <errno.h>

#define SCHEDULE_COLUMNS_WITH(spec)                                                             \
    "name," spec ",uid,gid,paused,revision,version,created,next_at,job,forced,last_job,runs,"   \
    "skipped,left_out,last_run,problem,last_state,last_error,last_end,last_done,failures,etag," \
    "modified,validated"
#define SCHEDULE_COLUMNS SCHEDULE_COLUMNS_WITH("spec")
#define PAGE_COLUMNS     SCHEDULE_COLUMNS_WITH("CASE WHEN ?3 THEN '' ELSE spec END")

static const char *const sql[STMT_COUNT_] = {
    [STMT_BEGIN] = "BEGIN",
    [STMT_BEGIN_WRITE] = "BEGIN IMMEDIATE",
    [STMT_COMMIT] = "COMMIT",
    [STMT_ROLLBACK] = "ROLLBACK",
    [STMT_SET_CLEAN] = "INSERT OR REPLACE INTO meta VALUES('clean',?1)",
    [STMT_SET_COUNT] = "UPDATE counts SET jobs=?2 WHERE state=?1",
    [STMT_SET_USER] = "INSERT OR REPLACE INTO users VALUES(?1,?2)",
    [STMT_KEY] = "SELECT id,spec FROM jobs WHERE uid=?1 AND key=?2",
    [STMT_INSERT] =
        "INSERT INTO jobs(id,attempt,state,place,priority,rank,uid,gid,created,due,finished,"
        "retry_of,finish_seq,error,host,parser,key,labels,spec,schedule) "
        "VALUES(?1,?2,?2,?3,?4,?5,?6,?7,?8,?9,0,?10,0,0,?11,?12,?13,?14,?15,?16)",
    [STMT_UNDO] = "DELETE FROM jobs WHERE id>?1",
    [STMT_STATE] = "SELECT state,attempt,schedule FROM jobs WHERE id=?1",
    [STMT_BYTES] = "SELECT length(CAST(spec AS BLOB)),uid FROM jobs WHERE id=?1",
    [STMT_CLAIM] = "UPDATE jobs SET state=1,place=0,due=0,attempt=?2 WHERE id=?1",
    [STMT_POSTPONE] = "UPDATE jobs SET state=?2,place=?3,due=?4,"
                      "history=CASE WHEN ?5 IS NULL OR length(history)+length(?5)>=?6 THEN history "
                      "ELSE ifnull(history||',','')||?5 END,interrupted=interrupted+?7,"
                      "torn=torn+?8,ran=?9 WHERE id=?1",
    [STMT_FINISH] = "UPDATE jobs SET state=?2,place=0,due=0,finished=?3,finish_seq=?4,error=?5 "
                    "WHERE id=?1",
    [STMT_VERDICT] = "INSERT INTO verdicts(seq,job,finished,line) VALUES(?1,?2,?3,?4)",
    [STMT_OLDEST] = "SELECT seq,job,finished FROM verdicts ORDER BY seq LIMIT 1",
    [STMT_FORGET_VERDICT] = "DELETE FROM verdicts WHERE seq=?1",
    [STMT_FORGET_JOB] = "DELETE FROM jobs WHERE id=?1",
    [STMT_GET] = "SELECT " ROW_COLUMNS ",j.history FROM jobs j WHERE j.id=?1",
    [STMT_GET_VERDICT] = "SELECT line FROM verdicts WHERE seq=?1",
    [STMT_LIST] = "SELECT " ROW_COLUMNS " FROM jobs j WHERE j.id<?1 ORDER BY j.id DESC",
    [STMT_LIST_STATE] = "SELECT " ROW_COLUMNS " FROM jobs j WHERE j.state=?2 "
                        "AND j.id<?1 ORDER BY j.id DESC",
    [STMT_LIST_SCHEDULE] = "SELECT " ROW_COLUMNS " FROM jobs j WHERE j.schedule=?2 "
                           "AND j.id<?1 ORDER BY j.id DESC",
    [STMT_NEXT_DUE] = "SELECT due,id FROM jobs WHERE place=2 AND host=?1 ORDER BY due",
    [STMT_PROMOTE] = "UPDATE jobs SET place=1 WHERE id=?1",
    [STMT_WINDOW] = "SELECT id,rank FROM jobs WHERE place=1 AND host=?1 AND uid=?2 AND rank>=?3 "
                    "ORDER BY rank,id",
    [STMT_WINDOW_USER] = "SELECT uid FROM jobs WHERE place=1 AND host=?1 AND uid>?2 "
                         "ORDER BY uid LIMIT 1",
    [STMT_WINDOW_ROW] = "SELECT " ROW_COLUMNS " FROM jobs j WHERE j.id=?1",
    [STMT_HOST_READY] = "SELECT host FROM jobs WHERE place=1 AND host>?1 ORDER BY host LIMIT 1",
    [STMT_HOST_DUE] = "SELECT host FROM jobs WHERE place=2 AND host>?1 ORDER BY host LIMIT 1",
    [STMT_ENDED] = "SELECT " ROW_COLUMNS ",v.line FROM verdicts v JOIN jobs j ON j.id=v.job "
                   "WHERE v.seq>?1 ORDER BY v.seq LIMIT ?2",
    [STMT_SCHEDULES] = "SELECT " PAGE_COLUMNS " FROM schedules WHERE name>?1 ORDER BY name",
    [STMT_SCHEDULES_FAILING] = "SELECT " PAGE_COLUMNS " FROM schedules "
                               "WHERE (last_state=4 OR problem IS NOT NULL) AND name>?1 "
                               "ORDER BY name",
    [STMT_SCHEDULES_DUE] = "SELECT " PAGE_COLUMNS " FROM schedules "
                           "WHERE paused=0 AND (next_at,name)>(?2,?1) ORDER BY next_at,name",
    [STMT_SCHEDULE_GET] = "SELECT " SCHEDULE_COLUMNS " FROM schedules WHERE name=?1",
    [STMT_SCHEDULE_LOOK] = "SELECT rowid,version,next_at,paused,job,left_out,last_state,"
                           "problem IS NOT NULL,CASE WHEN ?2 IS NULL THEN 1 ELSE spec=?2 END "
                           "FROM schedules WHERE name=?1",
    [STMT_SCHEDULE_MAKE] =
        "INSERT INTO schedules(name,spec,uid,gid,paused,revision,created,next_at,version) "
        "VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9)",
    [STMT_SCHEDULE_CHANGE] = "UPDATE schedules SET "
                             "etag=CASE WHEN revision=?6 THEN etag END,"
                             "modified=CASE WHEN revision=?6 THEN modified END,"
                             "validated=CASE WHEN revision=?6 THEN validated END,"
                             "problem=CASE WHEN spec=?2 THEN problem END,"
                             "spec=?2,uid=?3,gid=?4,paused=?5,revision=?6,created=?7,"
                             "next_at=CASE WHEN ?8=0 THEN next_at ELSE ?8 END,version=?9 "
                             "WHERE rowid=?1",
    [STMT_SCHEDULE_REMOVE] = "DELETE FROM schedules WHERE rowid=?1",
    [STMT_SCHEDULE_RUN] = "UPDATE schedules SET job=?2,last_job=?2,runs=runs+1,left_out=0,"
                          "last_run=?3,next_at=?4,forced=?5,problem=NULL WHERE rowid=?1",
    [STMT_SCHEDULE_SKIP] = "UPDATE schedules SET skipped=skipped+1,left_out=left_out+1,next_at=?2 "
                           "WHERE rowid=?1",
    [STMT_SCHEDULE_PASS] = "UPDATE schedules SET next_at=?2,problem=?3 WHERE rowid=?1",
    [STMT_SCHEDULE_END] =
        "UPDATE schedules SET job=CASE WHEN job=?2 THEN 0 ELSE job END,last_state=?3,last_error=?4,"
        "last_end=?5,last_done=CASE WHEN ?3=3 THEN ?5 ELSE last_done END,"
        "failures=CASE ?3 WHEN 3 THEN 0 WHEN 4 THEN failures+1 ELSE failures END,"
        "etag=CASE WHEN ?6 AND revision=?7 THEN ?8 ELSE etag END,"
        "modified=CASE WHEN ?6 AND revision=?7 THEN ?9 ELSE modified END,"
        "validated=CASE WHEN ?6 AND revision=?7 THEN ?10 ELSE validated END WHERE rowid=?1",
};

int stmts_prepare(struct sqlite *s, struct error *err)
{
    for (int i = 0; i < STMT_COUNT_; i++) {
        int rc =
            sqlite3_prepare_v3(s->db, sql[i], -1, SQLITE_PREPARE_PERSISTENT, &s->stmts[i], NULL);
        if (rc == SQLITE_ERROR)
            return error_set(err, -EPROTO,
                             "%s: its tables are not as penstock makes them (%s); move it away, or "
                             "put a copy in its place",
                             s->path, sqlite3_errmsg(s->db));
        if (rc != SQLITE_OK)
            return sqlite_error(s->db, rc, s->path, err);
    }
    return 0;
}

uint64_t *sqlite_figure(struct store_counts *counts, int which)
{
    switch (which) {
    case SQLITE_PENDING_BYTES:
        return &counts->pending_bytes;
    case SQLITE_SCHEDULES:
        return &counts->schedules;
    case SQLITE_SCHEDULES_FAILING:
        return &counts->schedules_failing;
    case SQLITE_SCHEDULES_PAUSED:
        return &counts->schedules_paused;
    case SQLITE_SCHEDULE_VERSION:
        return &counts->schedule_version;
    case SQLITE_SEEN:
        return &counts->seen;
    default:
        return &counts->by_state[which];
    }
}

void stmts_finalize(struct sqlite *s)
{
    for (int i = 0; i < STMT_COUNT_; i++) {
        sqlite3_finalize(s->stmts[i]);
        s->stmts[i] = NULL;
    }
}

int sqlite_fault(struct sqlite *s, int rc)
{
    if ((rc & 0xff) == SQLITE_CORRUPT || (rc & 0xff) == SQLITE_NOTADB)
        check_damage(&s->check, s->path, sqlite3_errmsg(s->db));
    if (s->fault_code == 0)
        s->fault_code = sqlite_error(s->db, rc, s->path, &s->fault);
    return s->fault_code;
}

int stmt_step(struct sqlite *s, enum stmt which)
{
    int rc = sqlite3_step(s->stmts[which]);
    if (rc == SQLITE_ROW)
        return 1;
    int r = rc == SQLITE_DONE ? 0 : sqlite_fault(s, rc);
    sqlite3_reset(s->stmts[which]);
    return r;
}

int stmt_run(struct sqlite *s, enum stmt which)
{
    int r = stmt_step(s, which);
    if (r == 1)
        sqlite3_reset(s->stmts[which]);
    return r < 0 ? r : 0;
}

void stmt_reset(struct sqlite *s, enum stmt which)
{
    sqlite3_reset(s->stmts[which]);
}

int stmt_bind_text(sqlite3_stmt *stmt, int at, const char *value)
{
    return value ? sqlite3_bind_text(stmt, at, value, -1, SQLITE_STATIC)
                 : sqlite3_bind_null(stmt, at);
}

static char *text(sqlite3_stmt *stmt, int column)
{
    return (char *)(uintptr_t)sqlite3_column_text(stmt, column);
}

void stmt_row(sqlite3_stmt *stmt, struct store_job *ret_job)
{
    int i = 0;
    ret_job->id = (uint64_t)sqlite3_column_int64(stmt, i++);
    ret_job->attempt = (uint32_t)sqlite3_column_int64(stmt, i++);
    ret_job->state = (enum job_state)sqlite3_column_int(stmt, i++);
    ret_job->priority = sqlite3_column_int(stmt, i++);
    ret_job->rank = sqlite3_column_int64(stmt, i++);
    ret_job->uid = (uint32_t)sqlite3_column_int64(stmt, i++);
    ret_job->gid = (uint32_t)sqlite3_column_int64(stmt, i++);
    ret_job->created = sqlite3_column_int64(stmt, i++);
    ret_job->due = sqlite3_column_int64(stmt, i++);
    ret_job->finished = sqlite3_column_int64(stmt, i++);
    ret_job->retry_of = (uint64_t)sqlite3_column_int64(stmt, i++);
    ret_job->finish_seq = (uint64_t)sqlite3_column_int64(stmt, i++);
    ret_job->error = (enum error_kind)sqlite3_column_int(stmt, i++);
    ret_job->host = text(stmt, i++);
    ret_job->parser = text(stmt, i++);
    ret_job->key = text(stmt, i++);
    ret_job->labels = text(stmt, i++);
    ret_job->spec = text(stmt, i++);
    ret_job->schedule = text(stmt, i++);
    ret_job->interrupted = (uint32_t)sqlite3_column_int64(stmt, i++);
    ret_job->torn = (uint32_t)sqlite3_column_int64(stmt, i++);
    ret_job->ran = sqlite3_column_int64(stmt, i++);
    ret_job->verdict = ret_job->history = ret_job->needs = NULL;
}
