#include "store/postgresql/pg_read.h"

#include "store/postgresql/pg_fleet.h"
#include "store/postgresql/pg_others.h"
#include "store/postgresql/pg_pause.h"
#include "store/postgresql/pg_row.h"
#include "store/postgresql/pg_schedule.h"
#include "store/schedule_row.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIST_ROWS 256 /* that a list looks at in one turn */

static void no_memory(struct store_call *call)
{
    call->result = error_set(&call->error, -ENOMEM, "out of memory");
}

/* All rows of a result, as copies. */
static void take_jobs(struct store_call *call, const PGresult *result, struct store_job ***jobs,
                      size_t *count)
{
    int r = 0;
    for (int i = 0; i < PQntuples(result) && r == 0; i++) {
        struct store_job row;
        row_read(result, i, &row);
        r = store_jobs_add(jobs, count, &row);
    }
    call->result = 0;
    if (r < 0)
        no_memory(call);
}

/* --- one job ---------------------------------------------------------------------------------- */

static void take_job(void *arg, const PGresult *result)
{
    struct store_get *call = arg;
    if (PQntuples(result) == 0) {
        call->call.result = error_set(&call->call.error, -ENOENT, "there is no job %llu",
                                      (unsigned long long)call->id);
        return;
    }
    struct store_job row;
    row_read(result, 0, &row);
    row.history = row_text(result, 0, ROW_COLUMNS);
    call->job = store_job_copy(&row);
    call->call.result = 0;
    if (!call->job)
        no_memory(&call->call);
}

static void read_get(struct pg *pg, struct store_get *call)
{
    args_reset(&pg->args);
    args_int(&pg->args, call->id > INT64_MAX ? 0 : (int64_t)call->id);
    channel_step(&pg->w, SQL_GET, &pg->args, take_job, call);
}

/* --- windows ---------------------------------------------------------------------------------- */

/* Without memory the host has fewer rows than it could have, and the caller comes again. */
static void take_window(void *arg, const PGresult *result)
{
    struct store_window_host *host = arg;
    struct store_call ignored;
    take_jobs(&ignored, result, &host->jobs, &host->count);
}

static void take_next_due(void *arg, const PGresult *result)
{
    struct store_window_host *host = arg;
    host->next_due = PQntuples(result) > 0 ? row_int(result, 0, 0) : 0;
}

static void window_args(struct pg *pg, const struct store_window_host *host)
{
    args_reset(&pg->args);
    args_int(&pg->args, store_shard(host->host));
    args_text(&pg->args, host->host);
}

static void window_args_skip(struct pg *pg, const struct store_window_host *host)
{
    window_args(pg, host);
    args_arrays(&pg->args, 1);
    for (size_t i = 0; i < host->skip_count; i++)
        array_int(&pg->args, 2, (int64_t)host->skip[i]);
    args_close(&pg->args);
}

static void window_args_limit(struct pg *pg, const struct store_window_host *host)
{
    args_int(&pg->args, (int64_t)host->limit);
    args_int(&pg->args, host->from_rank);
}

static void read_host(struct pg *pg, const struct store_window *call,
                      struct store_window_host *host)
{
    window_args(pg, host);
    args_int(&pg->args, call->now);
    channel_step(&pg->w, SQL_PROMOTE, &pg->args, NULL, NULL);
    window_args_skip(pg, host);
    channel_step(&pg->w, SQL_NEXT_DUE, &pg->args, take_next_due, host);
    window_args_limit(pg, host);
    channel_step(&pg->w, SQL_WINDOW, &pg->args, take_window, host);
}

static void read_parked(struct pg *pg, struct store_window_host *host)
{
    window_args_skip(pg, host);
    window_args_limit(pg, host);
    if (fleet_args_able(pg->fleet, &pg->args))
        channel_step(&pg->w, SQL_WINDOW_PARKED, &pg->args, take_window, host);
}

/* The rows of hosts that are another's are left alone, but for those that are parked. */
static void read_window(struct pg *pg, struct store_window *call)
{
    struct store_shards mine = {.bits = {0}};
    if (pg->fleet)
        mine = fleet_mine(pg->fleet);
    call->call.result = 0;
    for (size_t i = 0; i < call->count; i++) {
        struct store_window_host *host = &call->hosts[i];
        if (pg->fleet && host->guest)
            read_parked(pg, host);
        else if (!pg->fleet || store_shards_has(&mine, store_shard(host->host)))
            read_host(pg, call, host);
    }
}

/* --- ends ------------------------------------------------------------------------------------- */

static void take_ended(void *arg, const PGresult *result)
{
    struct store_ended *call = arg;
    take_jobs(&call->call, result, &call->jobs, &call->count);
    if (call->call.result == 0 && call->count > 0) {
        call->after.seq = call->jobs[call->count - 1]->finish_seq;
        call->after.xid = strtoull(row_text(result, (int)call->count - 1, ROW_COLUMNS), NULL, 10);
    }
}

static void read_ended(struct pg *pg, struct store_ended *call)
{
    args_reset(&pg->args);
    args_int(&pg->args, (int64_t)call->after.xid);
    args_int(&pg->args, (int64_t)call->after.seq);
    args_int(&pg->args, call->limit > INT32_MAX ? INT32_MAX : (int64_t)call->limit);
    channel_step(&pg->w, SQL_ENDED, &pg->args, take_ended, call);
}

void read_call(struct pg *pg, struct store_call *call)
{
    switch (call->op) {
    case OP_GET:
        read_get(pg, CALL_AS(store_get, call));
        return;
    case OP_WINDOW:
        read_window(pg, CALL_AS(store_window, call));
        return;
    case OP_ENDED:
        read_ended(pg, CALL_AS(store_ended, call));
        return;
    case OP_TORN:
        others_torn(pg, CALL_AS(store_torn, call));
        return;
    case OP_PAUSES:
        pause_read(pg, CALL_AS(store_pauses, call));
        return;
    case OP_SCHEDULES:
        schedule_list(pg, CALL_AS(store_schedules, call));
        return;
    default:
        schedule_get(pg, CALL_AS(store_schedule_get, call));
        return;
    }
}

/* --- hosts ------------------------------------------------------------------------------------ */

static void take_hosts(void *arg, const PGresult *result)
{
    struct store_hosts *call = arg;
    int r = 0;
    for (int i = 0; i < PQntuples(result) && r == 0; i++)
        r = store_hosts_add(call, row_text(result, i, 0));
    call->call.result = 0;
    if (r < 0) {
        store_hosts_free(call);
        no_memory(&call->call);
    }
}

static void read_hosts(struct pg *pg, struct store_hosts *call)
{
    args_reset(&pg->args);
    args_text(&pg->args, call->after ? call->after : "");
    args_int(&pg->args, call->limit > INT32_MAX ? INT32_MAX : (int64_t)call->limit);
    if (pg->fleet) {
        struct store_shards mine = fleet_mine(pg->fleet);
        unsigned from = call->after ? store_shard(call->after) : 0;
        others_args_shards(&pg->args, &mine, from);
        args_int(&pg->args, from);
    }
    channel_step(&pg->r, pg->fleet ? SQL_HOSTS_OWNED : SQL_HOSTS, &pg->args, take_hosts, call);
}

/* --- lists ------------------------------------------------------------------------------------ */

static unsigned list_rows(const struct store_list *call)
{
    /* Labels are text that the server does not look into: their rows are picked here. */
    if (call->select.label_key || call->limit >= LIST_ROWS)
        return LIST_ROWS;
    return (unsigned)call->limit + 1;
}

/* True if the call is done. */
static bool add_listed(struct store_list *call, const PGresult *result, int i)
{
    struct store_job row;
    if (store_list_full(call))
        return true;
    row_read(result, i, &row);
    call->next = row.id;
    if (!store_select_match(&call->select, &row))
        return false;
    if (store_jobs_add(&call->jobs, &call->count, &row) < 0) {
        no_memory(&call->call);
        return true;
    }
    store_list_count(call);
    return false;
}

static void take_list(void *arg, const PGresult *result)
{
    struct store_list *call = arg;
    bool done = false;
    call->call.result = 0;
    for (int i = 0; i < PQntuples(result) && !done; i++)
        done = add_listed(call, result, i);
    if (done)
        return;
    if ((unsigned)PQntuples(result) < list_rows(call))
        call->next = 0;
    else
        call->call.result = CALL_OPEN; /* there is another turn */
}

static void put_condition(struct args *args, struct buf *where, const char *what, const char *value)
{
    if (!value)
        return;
    args_text(args, value);
    buf_printf(where, " AND %s=$%d", what, args->count);
}

static void put_number(struct args *args, struct buf *where, const char *what, int64_t value)
{
    args_int(args, value);
    buf_printf(where, " AND %s$%d", what, args->count);
}

/* What both tables are asked for; `error` is of one alone. */
static void select_args(struct args *args, const struct store_select *select, struct buf *live,
                        struct buf *ended)
{
    put_condition(args, live, "schedule", select->schedule);
    put_condition(args, live, "host", select->host);
    put_condition(args, live, "parser", select->parser);
    if (select->state >= 0)
        put_number(args, live, "state=", select->state);
    if (select->by_uid)
        put_number(args, live, "uid=", select->uid);
    if (select->since > 0)
        put_number(args, live, "created>=", select->since);
    if (live->data)
        buf_put(ended, live->data, live->len);
    if (select->error > 0) {
        put_number(args, ended, "error=", select->error);
        buf_puts(live, " AND false");
    }
}

static void read_list(struct pg *pg, struct store_list *call)
{
    struct buf live = BUF_INIT, ended = BUF_INIT, text = BUF_INIT;
    args_reset(&pg->args);
    args_int(&pg->args, call->next > INT64_MAX ? INT64_MAX : (int64_t)call->next);
    select_args(&pg->args, &call->select, &live, &ended);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    buf_printf(&text, pg->sqls.text[SQL_LIST], live.data ? live.data : "",
               ended.data ? ended.data : "", list_rows(call));
#pragma GCC diagnostic pop
    bool failed = live.failed || ended.failed || text.failed;
    channel_step_text(&pg->r, failed ? NULL : text.data, &pg->args, take_list, call);
    buf_deinit(&live);
    buf_deinit(&ended);
    buf_deinit(&text);
}

void read_long(struct pg *pg, struct store_call *call)
{
    channel_step(&pg->r, SQL_LONG_READ, NULL, NULL, NULL);
    if (call->op == OP_HOSTS)
        read_hosts(pg, CALL_AS(store_hosts, call));
    else
        read_list(pg, CALL_AS(store_list, call));
}

bool read_goes_on(const struct store_call *call)
{
    return call->op == OP_LIST && call->result == CALL_OPEN;
}

/* --- taking back ------------------------------------------------------------------------------ */

static void drop_jobs(struct store_job ***jobs, size_t *count)
{
    store_jobs_free(*jobs, *count);
    *jobs = NULL;
    *count = 0;
}

void read_drop(struct store_call *call)
{
    switch (call->op) {
    case OP_GET:
        store_job_free(CALL_AS(store_get, call)->job);
        CALL_AS(store_get, call)->job = NULL;
        return;
    case OP_WINDOW:
        store_window_reset(CALL_AS(store_window, call));
        return;
    case OP_PAUSES:
        store_pauses_free(CALL_AS(store_pauses, call));
        return;
    case OP_ENDED:
        drop_jobs(&CALL_AS(store_ended, call)->jobs, &CALL_AS(store_ended, call)->count);
        return;
    case OP_LIST:
        drop_jobs(&CALL_AS(store_list, call)->jobs, &CALL_AS(store_list, call)->count);
        return;
    case OP_HOSTS:
        store_hosts_free(CALL_AS(store_hosts, call));
        return;
    case OP_SCHEDULES:
        store_schedules_free(CALL_AS(store_schedules, call)->rows,
                             CALL_AS(store_schedules, call)->count);
        CALL_AS(store_schedules, call)->rows = NULL;
        CALL_AS(store_schedules, call)->count = CALL_AS(store_schedules, call)->bytes = 0;
        CALL_AS(store_schedules, call)->more = false;
        return;
    case OP_SCHEDULE_GET:
        if (CALL_AS(store_schedule_get, call)->rows)
            store_schedules_free(CALL_AS(store_schedule_get, call)->rows,
                                 CALL_AS(store_schedule_get, call)->count);
        CALL_AS(store_schedule_get, call)->rows = NULL;
        return;
    case OP_TORN:
        others_drop_torn(CALL_AS(store_torn, call));
        return;
    case OP_VOIDED:
        others_drop_voided(CALL_AS(store_void, call));
        return;
    case OP_CLAIM:
        store_schedule_free(CALL_AS(store_claim, call)->definition);
        CALL_AS(store_claim, call)->definition = NULL;
        return;
    default:
        return;
    }
}
