#include "store/postgresql/pg_schedule.h"

#include "store/postgresql/pg_row.h"
#include "store/schedule_row.h"
#include "store/shared.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_ROWS 256 /* at most in one page, whatever is asked for */

static struct delta *delta_of(struct group *group)
{
    return &group->pg->batch.delta;
}

static struct store_call *only_call(struct group *group)
{
    return group->pg->batch.order[group->first];
}

void schedule_take_counts(void *arg, const PGresult *result)
{
    struct pg *pg = arg;
    pg->schedules = row_int(result, 0, 0);
    pg->schedules_failing = row_int(result, 0, 1);
    pg->schedules_paused = row_int(result, 0, 2);
    pg->seen = row_int(result, 0, 3);
}

/* --- changes ---------------------------------------------------------------------------------- */

/* The rows come in about the order of the call: the search for each begins behind the last. */
static void set_version(struct store_schedule_put *call, size_t *from, const char *name,
                        uint64_t version)
{
    for (size_t n = 0; n < call->count; n++) {
        size_t i = (*from + n) % call->count;
        if (strcmp(call->rows[i]->name, name) != 0)
            continue;
        call->rows[i]->version = version;
        *from = i + 1;
        return;
    }
}

static void take_put(void *arg, const PGresult *result)
{
    struct group *group = arg;
    struct store_schedule_put *call = CALL_AS(store_schedule_put, only_call(group));
    const char *other = row_text(result, 0, 0);
    if (other) {
        call->call.result = store_run_changed(&call->call.error, other);
        return;
    }
    call->call.result = 0;
    delta_of(group)->schedules += row_int(result, 0, 2);
    delta_of(group)->failing += row_int(result, 0, 3);
    delta_of(group)->paused += row_int(result, 0, 4);
    size_t from = 0;
    for (int i = 1; i < PQntuples(result); i++)
        set_version(call, &from, row_text(result, i, 0), (uint64_t)row_int(result, i, 1));
}

/* The row of that name, looked for behind the last one that was found; -1: there is none. */
static int find_row(const PGresult *result, int *from, const char *name)
{
    int count = PQntuples(result);
    for (int n = 0; n < count; n++) {
        int i = (*from + n) % count;
        if (strcmp(row_text(result, i, 0), name) != 0)
            continue;
        *from = i + 1;
        return i;
    }
    return -1;
}

/* What is put as well is not removed. */
static bool is_put(const struct store_schedule_put *call, const char *name)
{
    for (size_t i = 0; i < call->count; i++)
        if (strcmp(call->rows[i]->name, name) == 0)
            return true;
    return false;
}

/* What its runs change is no matter. */
static bool is_as_asked(const struct store_schedule *asked, const struct store_schedule *row)
{
    return strcmp(asked->spec, row->spec) == 0 && asked->uid == row->uid &&
           asked->gid == row->gid && asked->paused == row->paused &&
           asked->revision == row->revision;
}

/* A transaction that stands may have changed nothing, as somebody else was quicker: whoever asked
 * is told that all is well only if the rows are as he wants them. */
static void take_put_again(void *arg, const PGresult *result)
{
    struct store_schedule_put *call = CALL_AS(store_schedule_put, only_call(arg));
    const char *other = NULL;
    int from = 0;
    for (size_t i = 0; i < call->count && !other; i++) {
        struct store_schedule row;
        int at = find_row(result, &from, call->rows[i]->name);
        if (at >= 0)
            row_read_schedule(result, at, &row);
        if (at >= 0 && is_as_asked(call->rows[i], &row))
            call->rows[i]->version = row.version;
        else
            other = call->rows[i]->name;
    }
    for (size_t i = 0; i < call->removed_count && !other; i++)
        if (!is_put(call, call->removed[i]) && find_row(result, &from, call->removed[i]) >= 0)
            other = call->removed[i];
    call->call.result = other ? store_run_changed(&call->call.error, other) : 0;
}

static void put_args(struct args *args, const struct store_schedule_put *call)
{
    args_reset(args);
    args_arrays(args, 10);
    for (size_t i = 0; i < call->count; i++) {
        const struct store_schedule *row = call->rows[i];
        array_text(args, 0, row->name);
        array_text(args, 1, row->spec);
        array_int(args, 2, row->uid);
        array_int(args, 3, row->gid);
        array_bool(args, 4, row->paused);
        array_int(args, 5, (int64_t)row->revision);
        array_int(args, 6, row->created);
        array_int(args, 7, row->next_at);
        array_int(args, 8, (int64_t)row->version);
    }
    for (size_t i = 0; i < call->removed_count; i++)
        array_text(args, 9, call->removed[i]);
    args_close(args);
}

static void names_args(struct args *args, const char *const *names, size_t count)
{
    args_reset(args);
    args_arrays(args, 1);
    for (size_t i = 0; i < count; i++)
        array_text(args, 0, names[i]);
    args_close(args);
}

static bool makes_some(const struct store_schedule_put *call)
{
    for (size_t i = 0; i < call->count; i++)
        if (call->rows[i]->version == 0)
            return true;
    return false;
}

void schedule_put(struct pg *pg, struct group *group, struct store_schedule_put *call, bool stood)
{
    if (!stood) {
        if (makes_some(call))
            channel_step(&pg->w, SQL_SCHEDULE_LOCK, NULL, NULL, NULL);
        put_args(&pg->args, call);
        channel_step(&pg->w, SQL_SCHEDULE_PUT, &pg->args, take_put, group);
        if (call->removed_count > 0 && pg->fleet)
            channel_step(&pg->w, SQL_SCHEDULE_BUMP, NULL, NULL, NULL);
        return;
    }
    args_reset(&pg->args);
    args_arrays(&pg->args, 1);
    for (size_t i = 0; i < call->count; i++)
        array_text(&pg->args, 0, call->rows[i]->name);
    for (size_t i = 0; i < call->removed_count; i++)
        array_text(&pg->args, 0, call->removed[i]);
    args_close(&pg->args);
    channel_step(&pg->w, SQL_SCHEDULES_NAMED, &pg->args, take_put_again, group);
}

static void take_pass(void *arg, const PGresult *result)
{
    struct group *group = arg;
    struct store_schedule_pass *call = CALL_AS(store_schedule_pass, only_call(group));
    if (PQntuples(result) == 0) {
        call->call.result = store_run_changed(&call->call.error, call->name);
        return;
    }
    call->call.result = 0;
    delta_of(group)->failing += row_int(result, 0, 0);
}

/* As of a put. */
static void take_pass_again(void *arg, const PGresult *result)
{
    struct store_schedule_pass *call = CALL_AS(store_schedule_pass, only_call(arg));
    struct store_schedule row = {.problem = NULL};
    if (PQntuples(result) > 0)
        row_read_schedule(result, 0, &row);
    bool same = row.problem && call->problem ? strcmp(row.problem, call->problem) == 0
                                             : row.problem == call->problem;
    call->call.result = PQntuples(result) > 0 && same && row.next_at == call->next_at
                            ? 0
                            : store_run_changed(&call->call.error, call->name);
}

void schedule_pass(struct pg *pg, struct group *group, struct store_schedule_pass *call, bool stood)
{
    if (stood) {
        names_args(&pg->args, &call->name, 1);
        channel_step(&pg->w, SQL_SCHEDULES_NAMED, &pg->args, take_pass_again, group);
        return;
    }
    args_reset(&pg->args);
    args_text(&pg->args, call->name);
    args_int(&pg->args, (int64_t)call->version);
    args_int(&pg->args, call->expected);
    args_int(&pg->args, call->next_at);
    args_text(&pg->args, call->problem);
    channel_step(&pg->w, SQL_SCHEDULE_PASS, &pg->args, take_pass, group);
}

/* --- runs and their ends ---------------------------------------------------------------------- */

static void settle_run(struct store_submit *call)
{
    struct store_submit_item *item = &call->items[0];
    call->call.result = item->result = 0;
    item->existing = false;
    if (item->claim) {
        item->job->state = JOB_RUNNING;
        item->job->attempt = 1;
    }
}

static void take_run(void *arg, const PGresult *result)
{
    struct group *group = arg;
    struct delta *delta = delta_of(group);
    struct store_submit *call = CALL_AS(store_submit, only_call(group));
    if (PQntuples(result) == 0)
        return; /* what follows says why */
    settle_run(call);
    delta->by_state[row_int(result, 0, 0)]++;
    delta->bytes += row_int(result, 0, 1);
    delta->failing -= row_int(result, 0, 2);
    delta->seen = call->run->at;
}

static void take_skip(void *arg, const PGresult *result)
{
    struct group *group = arg;
    group->skipped = strcmp(PQcmdTuples((PGresult *)(uintptr_t)result), "1") == 0;
}

/* Nothing of the job stays. */
static void refuse_run(struct store_submit *call)
{
    struct store_submit_item *item = &call->items[0];
    item->result = 0;
    item->job->id = 0;
    store_submit_unclaim(item);
}

static void take_run_look(void *arg, const PGresult *result)
{
    struct group *group = arg;
    struct store_submit *call = CALL_AS(store_submit, only_call(group));
    struct store_schedule_run *run = call->run;
    if (call->call.result != CALL_OPEN)
        return;
    refuse_run(call);
    bool same = PQntuples(result) > 0 && (uint64_t)row_int(result, 0, 2) == run->version &&
                row_int(result, 0, 3) == run->expected && row_int(result, 0, 0) != 0;
    if (!group->skipped && !(run->asked && same)) {
        call->call.result = store_run_changed(&call->call.error, run->name);
        return;
    }
    const struct store_schedule row = {.job = (uint64_t)row_int(result, 0, 0),
                                       .left_out =
                                           (uint64_t)row_int(result, 0, 1) - group->skipped};
    call->call.result = store_run_busy(&call->call.error, run, &row);
}

static void take_run_again(void *arg, const PGresult *result)
{
    struct store_submit *call = CALL_AS(store_submit, only_call(arg));
    if (PQntuples(result) > 0) {
        settle_run(call);
        return;
    }
    refuse_run(call);
    call->call.result = store_run_changed(&call->call.error, call->run->name);
}

static void take_run_definition(void *arg, const PGresult *result)
{
    struct store_submit *call = CALL_AS(store_submit, only_call(arg));
    struct store_schedule row;
    if (PQntuples(result) == 0 || call->call.result != 0)
        return;
    row_read_schedule(result, 0, &row);
    call->items[0].job->definition = store_schedule_copy(&row);
}

static void run_args(struct pg *pg, const struct store_submit *call)
{
    struct args *args = &pg->args;
    const struct store_schedule_run *run = call->run;
    const struct store_job *job = call->items[0].job;
    args_reset(args);
    args_int(args, pg->member);
    args_int(args, (int64_t)job->id);
    args_bool(args, call->items[0].claim);
    args_int(args, store_shard(job->host));
    args_int(args, job->priority);
    args_int(args, job->rank);
    args_int(args, job->uid);
    args_int(args, job->gid);
    args_int(args, job->due);
    args_int(args, (int64_t)job->retry_of);
    args_text(args, job->host);
    args_text(args, job->parser);
    args_text(args, job->labels);
    args_text(args, job->spec);
    args_text(args, run->name);
    args_int(args, (int64_t)run->version);
    args_int(args, run->expected);
    args_int(args, run->at);
    args_int(args, run->next_at);
    args_bool(args, run->asked);
    args_bool(args, run->forced);
    args_int(args, job->created);
}

static void skip_args(struct pg *pg, const struct store_submit *call)
{
    const struct store_schedule_run *run = call->run;
    args_reset(&pg->args);
    args_text(&pg->args, run->name);
    args_int(&pg->args, (int64_t)run->version);
    args_int(&pg->args, run->expected);
    args_int(&pg->args, run->next_at);
    args_int(&pg->args, (int64_t)call->items[0].job->id);
    args_bool(&pg->args, run->asked);
}

void schedule_run(struct pg *pg, struct group *group, bool stood)
{
    struct store_submit *call = CALL_AS(store_submit, only_call(group));
    uint64_t id = call->items[0].job->id;
    if (stood) {
        args_reset(&pg->args);
        args_arrays(&pg->args, 1);
        array_int(&pg->args, 0, (int64_t)id);
        args_close(&pg->args);
        channel_step(&pg->w, SQL_LOOK, &pg->args, take_run_again, group);
    } else {
        group->skipped = false;
        run_args(pg, call);
        channel_step(&pg->w, SQL_SCHEDULE_RUN, &pg->args, take_run, group);
        skip_args(pg, call);
        channel_step(&pg->w, SQL_SCHEDULE_SKIP, &pg->args, take_skip, group);
        args_reset(&pg->args);
        args_text(&pg->args, call->run->name);
        channel_step(&pg->w, SQL_SCHEDULE_LOOK, &pg->args, take_run_look, group);
    }
    if (call->items[0].claim)
        schedule_definitions(pg, &id, 1, take_run_definition, group);
}

static void take_end(void *arg, const PGresult *result)
{
    struct delta *delta = arg;
    if (PQntuples(result) > 0)
        delta->failing += row_int(result, 0, 0);
}

void schedule_end(struct group *group, const struct store_finish *call)
{
    struct pg *pg = group->pg;
    struct batch *b = group->batch;
    const struct store_schedule_end *end = call->end;
    args_reset(&pg->args);
    args_text(&pg->args, end->name);
    args_int(&pg->args, (int64_t)call->id);
    args_int(&pg->args, call->state);
    args_int(&pg->args, call->error);
    args_int(&pg->args, call->finished);
    args_bool(&pg->args, end->whole);
    args_int(&pg->args, (int64_t)end->revision);
    args_text(&pg->args, end->etag);
    args_text(&pg->args, end->modified);
    args_text(&pg->args, end->validated);
    channel_step(b->channel, SQL_SCHEDULE_END, &pg->args, take_end, &b->delta);
}

void schedule_definitions(struct pg *pg, const uint64_t *ids, size_t count, step_taker *take,
                          void *arg)
{
    args_reset(&pg->args);
    args_arrays(&pg->args, 1);
    for (size_t i = 0; i < count; i++)
        array_int(&pg->args, 0, (int64_t)ids[i]);
    args_close(&pg->args);
    args_int(&pg->args, pg->member);
    channel_step(&pg->w, SQL_DEFINITIONS, &pg->args, take, arg);
}

/* --- questions -------------------------------------------------------------------------------- */

static void take_page(void *arg, const PGresult *result)
{
    struct store_schedules *call = arg;
    int r = 0;
    for (int i = 0; i < PQntuples(result) && r == 0 && !call->more; i++) {
        struct store_schedule row;
        call->more = i == PAGE_ROWS || store_schedules_full(call);
        row_read_schedule(result, i, &row);
        r = call->more ? 0 : store_schedules_add(&call->rows, &call->count, &row);
        if (r == 0 && !call->more)
            store_schedules_count(call);
    }
    call->call.result = r < 0 ? error_set(&call->call.error, r, "out of memory") : 0;
}

void schedule_list(struct pg *pg, struct store_schedules *call)
{
    enum sql which = call->due       ? SQL_SCHEDULES_DUE
                     : call->failing ? SQL_SCHEDULES_FAILING
                                     : SQL_SCHEDULES;
    args_reset(&pg->args);
    args_bool(&pg->args, call->brief);
    args_text(&pg->args, call->after ? call->after : "");
    args_int(&pg->args, call->limit < PAGE_ROWS ? (int64_t)call->limit + 1 : PAGE_ROWS + 1);
    if (call->due)
        args_int(&pg->args, call->after || call->after_at ? call->after_at : INT64_MIN);
    else
        args_text(&pg->args, call->until);
    channel_step(&pg->w, which, &pg->args, take_page, call);
}

static int place_named(struct store_schedule_get *call, const struct store_schedule *row)
{
    for (size_t i = 0; i < call->count; i++) {
        if (strcmp(call->names[i], row->name) != 0)
            continue;
        call->rows[i] = store_schedule_copy(row);
        if (!call->rows[i])
            return -ENOMEM;
    }
    return 0;
}

static void take_named(void *arg, const PGresult *result)
{
    struct store_schedule_get *call = arg;
    int r = call->rows ? 0 : -ENOMEM;
    for (int i = 0; i < PQntuples(result) && r == 0; i++) {
        struct store_schedule row;
        row_read_schedule(result, i, &row);
        r = place_named(call, &row);
    }
    call->call.result = r < 0 ? error_set(&call->call.error, r, "out of memory") : 0;
}

void schedule_get(struct pg *pg, struct store_schedule_get *call)
{
    call->rows = calloc(call->count + 1, sizeof *call->rows);
    names_args(&pg->args, call->names, call->count);
    channel_step(&pg->w, SQL_SCHEDULES_NAMED, &pg->args, take_named, call);
}
