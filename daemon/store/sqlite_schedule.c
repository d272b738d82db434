/* Schedules: their table, and what a run and its end change in it, within the job's own
 * transaction. */
#include "store/sqlite_schedule.h"

#include "store/schedule_row.h"
#include "store/sqlite_stmt.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- figures ---------------------------------------------------------------------------------- */

static bool is_failing(const struct schedule_look *look)
{
    return look->has_problem || look->last_state == JOB_FAILED;
}

static void count_failing(struct sqlite *s, bool before, bool after)
{
    s->counts.schedules_failing += (uint64_t)after - (uint64_t)before;
}

/* --- looking ---------------------------------------------------------------------------------- */

/* 0 also if there is none: rowid is 0 then. `spec` may be NULL. */
static int look_at(struct sqlite *s, const char *name, const char *spec, struct schedule_look *ret)
{
    sqlite3_stmt *stmt = s->stmts[STMT_SCHEDULE_LOOK];
    int i = 0;
    *ret = (struct schedule_look){.rowid = 0};
    stmt_bind_text(stmt, 1, name);
    stmt_bind_text(stmt, 2, spec);
    int r = stmt_step(s, STMT_SCHEDULE_LOOK);
    if (r != 1)
        return r;
    ret->rowid = sqlite3_column_int64(stmt, i++);
    ret->version = (uint64_t)sqlite3_column_int64(stmt, i++);
    ret->next_at = sqlite3_column_int64(stmt, i++);
    ret->paused = sqlite3_column_int(stmt, i++);
    ret->job = (uint64_t)sqlite3_column_int64(stmt, i++);
    ret->left_out = (uint64_t)sqlite3_column_int64(stmt, i++);
    ret->last_state = (enum job_state)sqlite3_column_int(stmt, i++);
    ret->has_problem = sqlite3_column_int(stmt, i++);
    ret->same = sqlite3_column_int(stmt, i++);
    stmt_reset(s, STMT_SCHEDULE_LOOK);
    return 0;
}

/* --- changes ---------------------------------------------------------------------------------- */

/* Are they all as the caller has seen them? If not, the call says so. */
static int put_check(struct sqlite *s, struct store_schedule_put *call)
{
    struct schedule_look look;
    for (size_t i = 0; i < call->count; i++) {
        int r = look_at(s, call->rows[i]->name, NULL, &look);
        if (r < 0)
            return r;
        if (look.version == call->rows[i]->version)
            continue;
        call->call.result = store_run_changed(&call->call.error, call->rows[i]->name);
        return 0;
    }
    return 0;
}

static int put_row(struct sqlite *s, struct store_schedule *row)
{
    struct schedule_look look;
    int r = look_at(s, row->name, row->spec, &look), i = 1;
    if (r < 0)
        return r;
    enum stmt which = look.rowid ? STMT_SCHEDULE_CHANGE : STMT_SCHEDULE_MAKE;
    sqlite3_stmt *stmt = s->stmts[which];
    if (look.rowid)
        sqlite3_bind_int64(stmt, i++, look.rowid);
    else
        stmt_bind_text(stmt, i++, row->name);
    stmt_bind_text(stmt, i++, row->spec);
    sqlite3_bind_int64(stmt, i++, row->uid);
    sqlite3_bind_int64(stmt, i++, row->gid);
    sqlite3_bind_int(stmt, i++, row->paused);
    sqlite3_bind_int64(stmt, i++, (sqlite3_int64)row->revision);
    sqlite3_bind_int64(stmt, i++, row->created);
    sqlite3_bind_int64(stmt, i++, row->next_at);
    sqlite3_bind_int64(stmt, i++, (sqlite3_int64)s->counts.schedule_version + 1);
    r = stmt_run(s, which);
    if (r < 0)
        return r;
    row->version = ++s->counts.schedule_version;
    s->counts.schedules += look.rowid == 0;
    s->counts.schedules_paused += (uint64_t)row->paused - (uint64_t)look.paused;
    bool before = is_failing(&look);
    look.has_problem = look.has_problem && look.same;
    count_failing(s, before, is_failing(&look));
    return 0;
}

static int remove_row(struct sqlite *s, const char *name)
{
    struct schedule_look look;
    int r = look_at(s, name, NULL, &look);
    if (r < 0 || look.rowid == 0)
        return r;
    sqlite3_bind_int64(s->stmts[STMT_SCHEDULE_REMOVE], 1, look.rowid);
    r = stmt_run(s, STMT_SCHEDULE_REMOVE);
    if (r < 0)
        return r;
    s->counts.schedules--;
    s->counts.schedules_paused -= look.paused;
    count_failing(s, is_failing(&look), false);
    return 0;
}

int write_schedules(struct sqlite *s, struct store_schedule_put *call)
{
    call->call.result = 0;
    int r = put_check(s, call);
    if (r < 0 || call->call.result < 0)
        return r;
    for (size_t i = 0; i < call->count && r == 0; i++)
        r = put_row(s, call->rows[i]);
    for (size_t i = 0; i < call->removed_count && r == 0; i++)
        r = remove_row(s, call->removed[i]);
    return r;
}

int write_pass(struct sqlite *s, struct store_schedule_pass *call)
{
    struct schedule_look look;
    sqlite3_stmt *stmt = s->stmts[STMT_SCHEDULE_PASS];
    call->call.result = 0;
    int r = look_at(s, call->name, NULL, &look);
    if (r < 0)
        return r;
    if (!look.rowid || look.version != call->version || look.next_at != call->expected) {
        call->call.result = store_run_changed(&call->call.error, call->name);
        return 0;
    }
    sqlite3_bind_int64(stmt, 1, look.rowid);
    sqlite3_bind_int64(stmt, 2, call->next_at);
    stmt_bind_text(stmt, 3, call->problem);
    r = stmt_run(s, STMT_SCHEDULE_PASS);
    bool before = is_failing(&look);
    look.has_problem = call->problem;
    count_failing(s, before, is_failing(&look));
    return r;
}

/* --- runs and their ends ---------------------------------------------------------------------- */

int check_schedule_run(struct sqlite *s, struct store_submit *call, struct schedule_look *look)
{
    struct store_schedule_run *run = call->run;
    int r = look_at(s, run->name, NULL, look);
    if (r < 0)
        return r;
    if (!look->rowid || look->version != run->version || look->next_at != run->expected ||
        (look->paused && !run->asked)) {
        call->call.result = store_run_changed(&call->call.error, run->name);
        return 0;
    }
    if (!look->job)
        return 0;
    const struct store_schedule row = {.job = look->job, .left_out = look->left_out};
    call->call.result = store_run_busy(&call->call.error, run, &row);
    if (run->asked)
        return 0;
    sqlite3_bind_int64(s->stmts[STMT_SCHEDULE_SKIP], 1, look->rowid);
    sqlite3_bind_int64(s->stmts[STMT_SCHEDULE_SKIP], 2, run->next_at);
    return stmt_run(s, STMT_SCHEDULE_SKIP);
}

int write_schedule_run(struct sqlite *s, struct store_submit *call,
                       const struct schedule_look *look)
{
    const struct store_schedule_run *run = call->run;
    struct store_job *job = call->items[0].job;
    sqlite3_stmt *stmt = s->stmts[STMT_SCHEDULE_RUN];
    sqlite3_bind_int64(stmt, 1, look->rowid);
    sqlite3_bind_int64(stmt, 2, (sqlite3_int64)job->id);
    sqlite3_bind_int64(stmt, 3, run->at);
    sqlite3_bind_int64(stmt, 4, run->next_at);
    sqlite3_bind_int64(stmt, 5, run->forced ? (sqlite3_int64)job->id : 0);
    int r = stmt_run(s, STMT_SCHEDULE_RUN);
    if (r < 0)
        return r;
    count_failing(s, is_failing(look), look->last_state == JOB_FAILED);
    if (llabs(run->at - (int64_t)s->counts.seen) > STORE_SEEN_US)
        s->counts.seen = (uint64_t)run->at;
    return call->items[0].claim ? read_schedule(s, run->name, &job->definition) : 0;
}

int write_schedule_end(struct sqlite *s, const struct store_finish *call)
{
    const struct store_schedule_end *end = call->end;
    sqlite3_stmt *stmt = s->stmts[STMT_SCHEDULE_END];
    struct schedule_look look;
    int r = look_at(s, end->name, NULL, &look);
    if (r < 0 || look.rowid == 0)
        return r;
    sqlite3_bind_int64(stmt, 1, look.rowid);
    sqlite3_bind_int64(stmt, 2, (sqlite3_int64)call->id);
    sqlite3_bind_int(stmt, 3, call->state);
    sqlite3_bind_int(stmt, 4, call->error);
    sqlite3_bind_int64(stmt, 5, call->finished);
    sqlite3_bind_int(stmt, 6, end->whole);
    sqlite3_bind_int64(stmt, 7, (sqlite3_int64)end->revision);
    stmt_bind_text(stmt, 8, end->etag);
    stmt_bind_text(stmt, 9, end->modified);
    stmt_bind_text(stmt, 10, end->validated);
    r = stmt_run(s, STMT_SCHEDULE_END);
    count_failing(s, is_failing(&look), look.has_problem || call->state == JOB_FAILED);
    return r;
}

/* --- questions -------------------------------------------------------------------------------- */

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
    ret->version = (uint64_t)sqlite3_column_int64(stmt, i++);
    ret->created = sqlite3_column_int64(stmt, i++);
    ret->next_at = sqlite3_column_int64(stmt, i++);
    ret->job = (uint64_t)sqlite3_column_int64(stmt, i++);
    ret->forced = (uint64_t)sqlite3_column_int64(stmt, i++);
    ret->last_job = (uint64_t)sqlite3_column_int64(stmt, i++);
    ret->runs = (uint64_t)sqlite3_column_int64(stmt, i++);
    ret->skipped = (uint64_t)sqlite3_column_int64(stmt, i++);
    ret->left_out = (uint64_t)sqlite3_column_int64(stmt, i++);
    ret->last_run = sqlite3_column_int64(stmt, i++);
    ret->problem = text(stmt, i++);
    ret->last_state = (enum job_state)sqlite3_column_int(stmt, i++);
    ret->last_error = (enum error_kind)sqlite3_column_int(stmt, i++);
    ret->last_end = sqlite3_column_int64(stmt, i++);
    ret->last_done = sqlite3_column_int64(stmt, i++);
    ret->failures = (uint64_t)sqlite3_column_int64(stmt, i++);
    ret->etag = text(stmt, i++);
    ret->modified = text(stmt, i++);
    ret->validated = text(stmt, i++);
}

/* NULL: the columns are never NULL, so there was no memory for them or for the copy. */
static struct store_schedule *copy_row(sqlite3_stmt *stmt)
{
    struct store_schedule row;
    read_row(stmt, &row);
    return row.name && row.spec ? store_schedule_copy(&row) : NULL;
}

int read_schedule(struct sqlite *s, const char *name, struct store_schedule **ret_row)
{
    sqlite3_stmt *stmt = s->stmts[STMT_SCHEDULE_GET];
    stmt_bind_text(stmt, 1, name);
    int r = stmt_step(s, STMT_SCHEDULE_GET);
    if (r != 1)
        return r;
    *ret_row = copy_row(stmt);
    stmt_reset(s, STMT_SCHEDULE_GET);
    return 0;
}

static enum stmt page_stmt(const struct store_schedules *call)
{
    if (call->due)
        return STMT_SCHEDULES_DUE;
    return call->failing ? STMT_SCHEDULES_FAILING : STMT_SCHEDULES;
}

/* 0, -ENOMEM or a fault. */
static int fill_page(struct sqlite *s, struct store_schedules *call, enum stmt which)
{
    sqlite3_stmt *stmt = s->stmts[which];
    int r;
    while ((r = stmt_step(s, which)) == 1) {
        struct store_schedule row;
        read_row(stmt, &row);
        if (!row.name || !row.spec)
            return -ENOMEM;
        if (call->until && strcmp(row.name, call->until) > 0)
            return 0;
        if (store_schedules_full(call)) {
            call->more = true;
            return 0;
        }
        r = store_schedules_add(&call->rows, &call->count, &row);
        if (r < 0)
            return r;
        store_schedules_count(call);
    }
    return r;
}

static void no_memory(struct store_call *call)
{
    call->result = error_set(&call->error, -ENOMEM, "out of memory");
}

int read_schedules(struct sqlite *s, struct store_schedules *call)
{
    enum stmt which = page_stmt(call);
    call->rows = NULL;
    call->count = call->bytes = 0;
    call->more = false;
    call->call.result = 0;
    stmt_bind_text(s->stmts[which], 1, call->after ? call->after : "");
    if (call->due)
        sqlite3_bind_int64(s->stmts[which], 2, call->after ? call->after_at : INT64_MIN);
    sqlite3_bind_int(s->stmts[which], 3, call->brief);
    int r = fill_page(s, call, which);
    stmt_reset(s, which);
    if (r == 0)
        return 0;
    store_schedules_free(call->rows, call->count);
    call->rows = NULL;
    call->count = 0;
    if (r != -ENOMEM || s->fault_code != 0)
        return r;
    no_memory(&call->call);
    return 0;
}

int read_schedules_named(struct sqlite *s, struct store_schedule_get *call)
{
    sqlite3_stmt *stmt = s->stmts[STMT_SCHEDULE_GET];
    int r = 0;
    call->call.result = 0;
    call->rows = calloc(call->count + 1, sizeof *call->rows);
    if (!call->rows)
        no_memory(&call->call);
    for (size_t i = 0; call->rows && i < call->count; i++) {
        stmt_bind_text(stmt, 1, call->names[i]);
        r = stmt_step(s, STMT_SCHEDULE_GET);
        if (r == 0)
            continue;
        bool whole = r == 1 && (call->rows[i] = copy_row(stmt));
        if (r == 1)
            stmt_reset(s, STMT_SCHEDULE_GET);
        if (whole)
            continue;
        if (r == 1)
            no_memory(&call->call);
        store_schedules_free(call->rows, i);
        call->rows = NULL;
    }
    return r < 0 ? r : 0;
}
