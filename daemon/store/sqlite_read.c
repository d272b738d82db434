/* Questions. Each gives copies; what cannot be copied for want of memory fails that call alone. */
#include "store/sqlite_read.h"

#include "base/clock.h"
#include "store/sqlite_stmt.h"
#include "store/window_pick.h"

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

/* Only what failed has a kind of error. */
static int list_state(const struct store_select *select)
{
    return select->state < 0 && select->error > 0 ? JOB_FAILED : select->state;
}

/* By the index that leaves least to be looked at: queued and done are the bulk. */
static enum stmt list_stmt(const struct store_select *select)
{
    int state = list_state(select);
    if (select->schedule && (state < 0 || state == JOB_QUEUED || state == JOB_DONE))
        return STMT_LIST_SCHEDULE;
    return state < 0 ? STMT_LIST : STMT_LIST_STATE;
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
    enum stmt which = list_stmt(&call->select);
    uint64_t below = call->next > INT64_MAX ? INT64_MAX : call->next;
    sqlite3_bind_int64(s->stmts[which], 1, (sqlite3_int64)below);
    if (which == STMT_LIST_STATE)
        sqlite3_bind_int(s->stmts[which], 2, list_state(&call->select));
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

/* The first row of the host that falls due later. 1; 0: there is none; or a fault. */
static int first_due(struct sqlite *s, const char *host, int64_t *ret_due, uint64_t *ret_id)
{
    sqlite3_stmt *stmt = s->stmts[STMT_NEXT_DUE];
    sqlite3_bind_text(stmt, 1, host, -1, SQLITE_STATIC);
    int r = stmt_step(s, STMT_NEXT_DUE);
    if (r == 1) {
        *ret_due = sqlite3_column_int64(stmt, 0);
        *ret_id = (uint64_t)sqlite3_column_int64(stmt, 1);
        stmt_reset(s, STMT_NEXT_DUE);
    }
    return r;
}

/* Rows that have fallen due join those that may run, at most *left of them. 1 and the next one that
 * has not joined; 0: there is none; or a fault. */
static int promote(struct sqlite *s, const char *host, int64_t now, int *left, int64_t *ret_due,
                   uint64_t *ret_id)
{
    int r;
    while ((r = first_due(s, host, ret_due, ret_id)) == 1 && *ret_due <= now && *left > 0) {
        sqlite3_bind_int64(s->stmts[STMT_PROMOTE], 1, (sqlite3_int64)*ret_id);
        r = stmt_run(s, STMT_PROMOTE);
        if (r < 0)
            return r;
        --*left;
    }
    return r;
}

static int find_next_due(struct sqlite *s, struct store_window_host *wanted,
                         const struct skip *skip)
{
    sqlite3_stmt *stmt = s->stmts[STMT_NEXT_DUE];
    sqlite3_bind_text(stmt, 1, wanted->host, -1, SQLITE_STATIC);
    int r;
    while ((r = stmt_step(s, STMT_NEXT_DUE)) == 1) {
        if (skipped(skip, (uint64_t)sqlite3_column_int64(stmt, 1)))
            continue;
        wanted->next_due = sqlite3_column_int64(stmt, 0);
        stmt_reset(s, STMT_NEXT_DUE);
        return 0;
    }
    return r;
}

/* The first rows of one user, as many as are wanted of him; by the index alone. */
static int pick_user(struct sqlite *s, struct window_pick *pick, int64_t uid, size_t limit,
                     struct store_window_host *wanted, const struct skip *skip)
{
    sqlite3_stmt *stmt = s->stmts[STMT_WINDOW];
    size_t n = 0;
    int r;
    sqlite3_bind_text(stmt, 1, wanted->host, -1, SQLITE_STATIC);
    sqlite3_bind_int64(stmt, 2, uid);
    sqlite3_bind_int64(stmt, 3, wanted->from_rank);
    while ((r = stmt_step(s, STMT_WINDOW)) == 1) {
        uint64_t id = (uint64_t)sqlite3_column_int64(stmt, 0);
        int64_t rank = sqlite3_column_int64(stmt, 1);
        if (skipped(skip, id))
            continue;
        if (n == limit)
            r = store_window_leave(wanted, (uint32_t)uid);
        if (n++ == limit || !window_pick_wants(pick, rank, id))
            break;
        r = window_pick_add(pick, rank, id);
        if (r < 0)
            break;
    }
    stmt_reset(s, STMT_WINDOW);
    return r < 0 ? r : 0;
}

/* The first user behind this one who has rows of the host that may run. 1; 0: there is none; or a
 * fault. */
static int next_user(struct sqlite *s, const char *host, int64_t after, int64_t *ret_uid)
{
    sqlite3_stmt *stmt = s->stmts[STMT_WINDOW_USER];
    sqlite3_bind_text(stmt, 1, host, -1, SQLITE_STATIC);
    sqlite3_bind_int64(stmt, 2, after);
    int r = stmt_step(s, STMT_WINDOW_USER);
    if (r == 1) {
        *ret_uid = sqlite3_column_int64(stmt, 0);
        stmt_reset(s, STMT_WINDOW_USER);
    }
    return r;
}

static int pick_rows(struct sqlite *s, struct window_pick *pick, const struct store_window *call,
                     struct store_window_host *wanted, const struct skip *skip)
{
    int64_t uid = -1;
    int r;
    while ((r = next_user(s, wanted->host, uid, &uid)) == 1) {
        r = pick_user(s, pick, uid, store_window_limit(call, (uint32_t)uid), wanted, skip);
        if (r < 0)
            break;
        window_pick_merge(pick);
    }
    return r;
}

static int add_picked(struct sqlite *s, uint64_t id, struct store_window_host *wanted)
{
    struct store_job row;
    sqlite3_bind_int64(s->stmts[STMT_WINDOW_ROW], 1, (sqlite3_int64)id);
    int r = stmt_step(s, STMT_WINDOW_ROW);
    if (r != 1)
        return r;
    stmt_row(s->stmts[STMT_WINDOW_ROW], &row);
    r = add_row(s, &row, &wanted->jobs, &wanted->count);
    stmt_reset(s, STMT_WINDOW_ROW);
    return r;
}

static int fill_window(struct sqlite *s, const struct store_window *call,
                       struct store_window_host *wanted, const struct skip *skip)
{
    struct window_pick pick;
    window_pick_init(&pick, wanted->limit);
    int r = pick_rows(s, &pick, call, wanted, skip);
    for (size_t i = 0; i < pick.count && r >= 0; i++)
        r = add_picked(s, pick.rows[i].id, wanted);
    window_pick_deinit(&pick);
    return r < 0 ? r : 0;
}

static int read_host(struct sqlite *s, const struct store_window *call,
                     struct store_window_host *wanted, int *left)
{
    struct skip skip = {.count = wanted->skip_count};
    int64_t due;
    uint64_t id;
    if (skip.count > 0) {
        skip.ids = malloc(skip.count * sizeof *skip.ids);
        if (!skip.ids)
            return -ENOMEM;
        memcpy(skip.ids, wanted->skip, skip.count * sizeof *skip.ids);
        qsort(skip.ids, skip.count, sizeof *skip.ids, compare_ids);
    }
    int r = promote(s, wanted->host, call->now, left, &due, &id);
    if (r == 1 && skipped(&skip, id))
        r = find_next_due(s, wanted, &skip);
    else if (r == 1)
        wanted->next_due = due;
    if (r >= 0)
        r = fill_window(s, call, wanted, &skip);
    free(skip.ids);
    return r;
}

int read_window(struct sqlite *s, struct store_window *call, bool may_write)
{
    int left = may_write ? PROMOTE_ROWS : 0, r = 0;
    call->call.result = 0;
    for (size_t i = 0; i < call->count; i++) {
        call->hosts[i].jobs = NULL;
        call->hosts[i].count = 0;
        call->hosts[i].next_due = 0;
        call->hosts[i].left_out = NULL;
        call->hosts[i].left_count = 0;
    }
    for (size_t i = 0; i < call->count && r == 0; i++)
        r = read_host(s, call, &call->hosts[i], &left);
    if (r == 0)
        return 0;
    store_window_reset(call);
    if (r != -ENOMEM)
        return r;
    no_memory(&call->call);
    return 0;
}

/* --- hosts, ends ----------------------------------------------------------------------------- */

/* The first host behind this one that has rows of one kind. 1; 0: there is none; or a fault. */
static int next_host(struct sqlite *s, enum stmt which, const char *after, char **ret_name)
{
    sqlite3_bind_text(s->stmts[which], 1, after, -1, SQLITE_STATIC);
    free(*ret_name);
    *ret_name = NULL;
    int r = stmt_step(s, which);
    if (r != 1)
        return r;
    const char *name = (const char *)sqlite3_column_text(s->stmts[which], 0);
    *ret_name = name ? strdup(name) : NULL;
    stmt_reset(s, which);
    return *ret_name ? 1 : -ENOMEM;
}

/* One look into an index for each host and kind, however many rows it has. */
int read_hosts(struct sqlite *s, struct store_hosts *call)
{
    char *ready = NULL, *due = NULL;
    const char *after = call->after ? call->after : "";
    call->hosts = NULL;
    call->count = 0;
    call->call.result = 0;
    int r = next_host(s, STMT_HOST_READY, after, &ready);
    if (r >= 0)
        r = next_host(s, STMT_HOST_DUE, after, &due);
    while (r >= 0 && call->count < call->limit && (ready || due)) {
        int order = !ready ? 1 : !due ? -1 : strcmp(ready, due);
        r = store_hosts_add(call, order <= 0 ? ready : due);
        if (r < 0)
            break;
        after = call->hosts[call->count - 1];
        if (order <= 0)
            r = next_host(s, STMT_HOST_READY, after, &ready);
        if (order >= 0 && r >= 0)
            r = next_host(s, STMT_HOST_DUE, after, &due);
    }
    free(ready);
    free(due);
    if (r >= 0)
        return 0;
    store_hosts_free(call);
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
    sqlite3_bind_int64(stmt, 1, (sqlite3_int64)call->after.seq);
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
    if (r == 0 && call->count > 0)
        call->after.seq = call->jobs[call->count - 1]->finish_seq;
    return jobs_result(&call->call, r, &call->jobs, &call->count);
}
