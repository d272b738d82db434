/* Questions. Each gives copies; what cannot be copied for want of memory fails that call alone. */
#include "store/sqlite_read.h"

#include "base/clock.h"
#include "store/sqlite_stmt.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SCAN_ROWS 4000 /* rows that a list looks at in one turn */
#define PROMOTE_ROWS \
    1000 /* rows that fall due in one window call: the caller comes again for the others */

static void no_memory(struct store_call *call)
{
    call->result = error_set(&call->error, -ENOMEM, "out of memory");
}

static int jobs_result(struct store_call *call, int r, struct store_job ***jobs, size_t *count)
{
    call->result = 0;
    if (r == 0)
        return 0;
    store_jobs_free(*jobs, *count);
    *jobs = NULL;
    *count = 0;
    if (r != -ENOMEM)
        return r;
    no_memory(call);
    return 0;
}

/* The row of a statement that stands on one. 0, -ENOMEM, or a fault. */
static int add_row(struct sqlite *s, struct store_job *job, struct store_job ***jobs, size_t *count)
{
    sqlite3_stmt *verdict = s->stmts[STMT_GET_VERDICT];
    bool asked = job->finish_seq && !job->verdict;
    int r = 0;
    if (!job->host || !job->parser || !job->spec)
        return -ENOMEM; /* the columns are never NULL */
    if (asked) {
        sqlite3_bind_int64(verdict, 1, (sqlite3_int64)job->finish_seq);
        r = stmt_step(s, STMT_GET_VERDICT);
        if (r == 1)
            job->verdict = (char *)(uintptr_t)sqlite3_column_text(verdict, 0);
    }
    if (r >= 0)
        r = store_jobs_add(jobs, count, job);
    if (asked)
        stmt_reset(s, STMT_GET_VERDICT);
    return r;
}

int read_get(struct sqlite *s, struct store_get *call)
{
    struct store_job **jobs = NULL, row;
    size_t count = 0;
    call->job = NULL;
    sqlite3_bind_int64(s->stmts[STMT_GET], 1, (sqlite3_int64)call->id);
    int r = stmt_step(s, STMT_GET);
    if (r == 1) {
        stmt_row(s->stmts[STMT_GET], &row);
        row.history = (char *)(uintptr_t)sqlite3_column_text(s->stmts[STMT_GET], ROW_COLUMN_COUNT);
        r = add_row(s, &row, &jobs, &count);
        stmt_reset(s, STMT_GET);
        r = jobs_result(&call->call, r, &jobs, &count);
        call->job = count ? jobs[0] : NULL;
        free(jobs);
    } else if (r == 0) {
        call->call.result = error_set(&call->call.error, -ENOENT, "there is no job %llu",
                                      (unsigned long long)call->id);
    }
    return r;
}

/* --- lists ----------------------------------------------------------------------------------- */

void read_list_begin(struct sqlite *s, struct store_list *call)
{
    call->jobs = NULL;
    call->count = call->bytes = 0;
    call->next = call->before ? call->before : s->counts.last_id + 1;
}

static enum stmt list_stmt(const struct store_list *call)
{
    switch (call->select.state) {
    case JOB_RUNNING:
    case JOB_WAITING:
    case JOB_FAILED:
    case JOB_CANCELLED:
        return STMT_LIST_RARE;
    default:
        return call->select.schedule ? STMT_LIST_SCHEDULE : STMT_LIST;
    }
}

/* 1: there may be more to find; 0: done; or why not. */
static int scan(struct sqlite *s, struct store_list *call, enum stmt which)
{
    for (int i = 0; i < SCAN_ROWS; i++) {
        struct store_job row;
        int r = stmt_step(s, which);
        if (r != 1) {
            call->next = 0;
            return r;
        }
        if (store_list_full(call))
            return 0;
        stmt_row(s->stmts[which], &row);
        bool wanted = store_select_match(&call->select, &row);
        if (wanted)
            r = add_row(s, &row, &call->jobs, &call->count);
        if (r < 0)
            return r;
        if (wanted)
            store_list_count(call);
        call->next = row.id;
    }
    return 1;
}

int read_list(struct sqlite *s, struct store_list *call)
{
    enum stmt which = list_stmt(call);
    uint64_t below = call->next > INT64_MAX ? INT64_MAX : call->next;
    sqlite3_bind_int64(s->stmts[which], 1, (sqlite3_int64)below);
    if (which == STMT_LIST_RARE)
        sqlite3_bind_int(s->stmts[which], 2, call->select.state);
    if (which == STMT_LIST_SCHEDULE)
        stmt_bind_text(s->stmts[which], 2, call->select.schedule);
    int r = scan(s, call, which);
    stmt_reset(s, which);
    return r == 1 ? 1 : jobs_result(&call->call, r, &call->jobs, &call->count);
}

/* --- windows --------------------------------------------------------------------------------- */

static int compare_ids(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

struct skip {
    uint64_t *ids;
    size_t count;
};

static bool skipped(const struct skip *skip, uint64_t id)
{
    return skip->count > 0 && bsearch(&id, skip->ids, skip->count, sizeof id, compare_ids);
}

/* Rows that have fallen due join those that may run. */
static int promote(struct sqlite *s, const struct store_window *call)
{
    sqlite3_stmt *stmt = s->stmts[STMT_NEXT_DUE];
    int r = 1;
    for (int i = 0; i < PROMOTE_ROWS && r == 1; i++) {
        sqlite3_bind_text(stmt, 1, call->host, -1, SQLITE_STATIC);
        r = stmt_step(s, STMT_NEXT_DUE);
        if (r != 1)
            return r;
        bool due = sqlite3_column_int64(stmt, 0) <= call->now;
        sqlite3_int64 id = sqlite3_column_int64(stmt, 1);
        stmt_reset(s, STMT_NEXT_DUE);
        if (!due)
            return 0;
        sqlite3_bind_int64(s->stmts[STMT_PROMOTE], 1, id);
        r = stmt_run(s, STMT_PROMOTE) < 0 ? s->fault_code : 1;
    }
    return r < 0 ? r : 0;
}

static int find_next_due(struct sqlite *s, struct store_window *call, const struct skip *skip)
{
    sqlite3_stmt *stmt = s->stmts[STMT_NEXT_DUE];
    sqlite3_bind_text(stmt, 1, call->host, -1, SQLITE_STATIC);
    int r;
    while ((r = stmt_step(s, STMT_NEXT_DUE)) == 1) {
        if (skipped(skip, (uint64_t)sqlite3_column_int64(stmt, 1)))
            continue;
        call->next_due = sqlite3_column_int64(stmt, 0);
        stmt_reset(s, STMT_NEXT_DUE);
        return 0;
    }
    return r;
}

static int fill_window(struct sqlite *s, struct store_window *call, const struct skip *skip)
{
    sqlite3_stmt *stmt = s->stmts[STMT_WINDOW];
    int r = 0;
    sqlite3_bind_text(stmt, 1, call->host, -1, SQLITE_STATIC);
    while (call->count < call->limit && (r = stmt_step(s, STMT_WINDOW)) == 1) {
        struct store_job row;
        stmt_row(stmt, &row);
        if (skipped(skip, row.id))
            continue;
        r = add_row(s, &row, &call->jobs, &call->count);
        if (r < 0)
            break;
    }
    stmt_reset(s, STMT_WINDOW);
    return r < 0 ? r : 0;
}

int read_window(struct sqlite *s, struct store_window *call, bool may_write)
{
    struct skip skip = {.count = call->skip_count};
    call->jobs = NULL;
    call->count = 0;
    call->next_due = 0;
    if (skip.count > 0) {
        skip.ids = malloc(skip.count * sizeof *skip.ids);
        if (!skip.ids) {
            no_memory(&call->call);
            return 0;
        }
        memcpy(skip.ids, call->skip, skip.count * sizeof *skip.ids);
        qsort(skip.ids, skip.count, sizeof *skip.ids, compare_ids);
    }
    int r = may_write ? promote(s, call) : 0;
    if (r == 0)
        r = fill_window(s, call, &skip);
    if (r == 0)
        r = find_next_due(s, call, &skip);
    free(skip.ids);
    return jobs_result(&call->call, r, &call->jobs, &call->count);
}

/* --- hosts, ends ----------------------------------------------------------------------------- */

static int add_host(struct store_hosts *call, const char *name, uint64_t pending)
{
    size_t n = call->count;
    if ((n & (n - 1)) == 0) { /* the array's size is the next power of two */
        struct store_host *more = realloc(call->hosts, (n ? 2 * n : 1) * sizeof *more);
        if (!more)
            return -ENOMEM;
        call->hosts = more;
    }
    char *copy = name ? strdup(name) : NULL;
    if (!copy)
        return -ENOMEM;
    call->hosts[call->count++] = (struct store_host){.host = copy, .pending = pending};
    return 0;
}

int read_hosts(struct sqlite *s, struct store_hosts *call)
{
    sqlite3_stmt *stmt = s->stmts[STMT_HOSTS];
    int r;
    call->hosts = NULL;
    call->count = 0;
    call->call.result = 0;
    while ((r = stmt_step(s, STMT_HOSTS)) == 1) {
        r = add_host(call, (const char *)sqlite3_column_text(stmt, 0),
                     (uint64_t)sqlite3_column_int64(stmt, 1));
        if (r < 0)
            break;
    }
    stmt_reset(s, STMT_HOSTS);
    if (r == 0)
        return 0;
    while (call->count > 0)
        free(call->hosts[--call->count].host);
    free(call->hosts);
    call->hosts = NULL;
    if (r != -ENOMEM)
        return r;
    no_memory(&call->call);
    return 0;
}

int read_ended(struct sqlite *s, struct store_ended *call)
{
    sqlite3_stmt *stmt = s->stmts[STMT_ENDED];
    int r;
    call->jobs = NULL;
    call->count = 0;
    sqlite3_bind_int64(stmt, 1, (sqlite3_int64)call->after);
    sqlite3_bind_int64(stmt, 2, call->limit > INT32_MAX ? INT32_MAX : (sqlite3_int64)call->limit);
    while ((r = stmt_step(s, STMT_ENDED)) == 1) {
        struct store_job row;
        stmt_row(stmt, &row);
        row.verdict = (char *)(uintptr_t)sqlite3_column_text(stmt, ROW_COLUMN_COUNT);
        r = add_row(s, &row, &call->jobs, &call->count);
        if (r < 0)
            break;
    }
    stmt_reset(s, STMT_ENDED);
    return jobs_result(&call->call, r, &call->jobs, &call->count);
}
