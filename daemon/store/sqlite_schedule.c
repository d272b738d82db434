/* Schedules: their table, and what a run and its end change in it, within the job's own
 * transaction. */
#include "store/sqlite_schedule.h"

#include "store/schedule_row.h"
#include "store/sqlite_stmt.h"

#include <errno.h>
#include <stdlib.h>

static int put_row(struct sqlite *s, const struct store_schedule *row)
{
    sqlite3_stmt *stmt = s->stmts[STMT_SCHEDULE_PUT];
    int i = 1;
    stmt_bind_text(stmt, i++, row->name);
    stmt_bind_text(stmt, i++, row->spec);
    sqlite3_bind_int64(stmt, i++, row->uid);
    sqlite3_bind_int64(stmt, i++, row->gid);
    sqlite3_bind_int(stmt, i++, row->paused);
    sqlite3_bind_int64(stmt, i++, (sqlite3_int64)row->revision);
    sqlite3_bind_int64(stmt, i++, row->created);
    sqlite3_bind_int64(stmt, i++, row->next_at);
    return stmt_run(s, STMT_SCHEDULE_PUT);
}

int write_schedules(struct sqlite *s, struct store_schedule_put *call)
{
    int r = 0;
    call->call.result = 0;
    for (size_t i = 0; i < call->count && r == 0; i++)
        r = put_row(s, call->rows[i]);
    for (size_t i = 0; i < call->removed_count && r == 0; i++) {
        stmt_bind_text(s->stmts[STMT_SCHEDULE_REMOVE], 1, call->removed[i]);
        r = stmt_run(s, STMT_SCHEDULE_REMOVE);
    }
    return r;
}

int write_schedule_run(struct sqlite *s, const struct store_schedule_run *run, uint64_t job)
{
    sqlite3_stmt *stmt = s->stmts[STMT_SCHEDULE_RUN];
    stmt_bind_text(stmt, 1, run->name);
    sqlite3_bind_int64(stmt, 2, (sqlite3_int64)job);
    sqlite3_bind_int64(stmt, 3, run->at);
    sqlite3_bind_int64(stmt, 4, run->next_at);
    sqlite3_bind_int64(stmt, 5, (sqlite3_int64)run->skipped);
    return stmt_run(s, STMT_SCHEDULE_RUN);
}

int write_schedule_end(struct sqlite *s, const struct store_finish *call)
{
    const struct store_schedule_end *end = call->end;
    sqlite3_stmt *stmt = s->stmts[STMT_SCHEDULE_END];
    stmt_bind_text(stmt, 1, end->name);
    sqlite3_bind_int64(stmt, 2, (sqlite3_int64)call->id);
    sqlite3_bind_int(stmt, 3, call->state);
    sqlite3_bind_int(stmt, 4, call->error);
    sqlite3_bind_int64(stmt, 5, call->finished);
    int r = stmt_run(s, STMT_SCHEDULE_END);
    if (r < 0 || !end->whole)
        return r;
    stmt = s->stmts[STMT_SCHEDULE_WHOLE];
    stmt_bind_text(stmt, 1, end->name);
    sqlite3_bind_int64(stmt, 2, (sqlite3_int64)end->revision);
    stmt_bind_text(stmt, 3, end->etag);
    stmt_bind_text(stmt, 4, end->modified);
    stmt_bind_text(stmt, 5, end->validated);
    return stmt_run(s, STMT_SCHEDULE_WHOLE);
}

static char *text(sqlite3_stmt *stmt, int column)
{
    return (char *)(uintptr_t)sqlite3_column_text(stmt, column);
}

static void read_row(sqlite3_stmt *stmt, struct store_schedule *ret)
{
    int i = 0;
    ret->name = text(stmt, i++);
    ret->spec = text(stmt, i++);
    ret->uid = (uint32_t)sqlite3_column_int64(stmt, i++);
    ret->gid = (uint32_t)sqlite3_column_int64(stmt, i++);
    ret->paused = sqlite3_column_int(stmt, i++);
    ret->revision = (uint64_t)sqlite3_column_int64(stmt, i++);
    ret->created = sqlite3_column_int64(stmt, i++);
    ret->next_at = sqlite3_column_int64(stmt, i++);
    ret->job = (uint64_t)sqlite3_column_int64(stmt, i++);
    ret->last_job = (uint64_t)sqlite3_column_int64(stmt, i++);
    ret->runs = (uint64_t)sqlite3_column_int64(stmt, i++);
    ret->skipped = (uint64_t)sqlite3_column_int64(stmt, i++);
    ret->last_run = sqlite3_column_int64(stmt, i++);
    ret->last_state = (enum job_state)sqlite3_column_int(stmt, i++);
    ret->last_error = (enum error_kind)sqlite3_column_int(stmt, i++);
    ret->last_end = sqlite3_column_int64(stmt, i++);
    ret->last_done = sqlite3_column_int64(stmt, i++);
    ret->failures = (uint64_t)sqlite3_column_int64(stmt, i++);
    ret->etag = text(stmt, i++);
    ret->modified = text(stmt, i++);
    ret->validated = text(stmt, i++);
}

int read_schedules(struct sqlite *s, struct store_schedules *call)
{
    sqlite3_stmt *stmt = s->stmts[STMT_SCHEDULES];
    int r;
    call->rows = NULL;
    call->count = 0;
    call->call.result = 0;
    while ((r = stmt_step(s, STMT_SCHEDULES)) == 1) {
        struct store_schedule row;
        read_row(stmt, &row);
        r = row.name && row.spec ? store_schedules_add(&call->rows, &call->count, &row) : -ENOMEM;
        if (r < 0)
            break;
    }
    stmt_reset(s, STMT_SCHEDULES);
    if (r == 0)
        return 0;
    store_schedules_free(call->rows, call->count);
    call->rows = NULL;
    call->count = 0;
    if (r != -ENOMEM || s->fault_code != 0)
        return r;
    call->call.result = error_set(&call->call.error, r, "out of memory");
    return 0;
}
