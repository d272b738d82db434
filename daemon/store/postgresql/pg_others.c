#include "store/postgresql/pg_others.h"

#include "store/postgresql/pg_fleet.h"
#include "store/postgresql/pg_row.h"
#include "store/postgresql/pg_tell.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct store_call *only_call(const struct group *group)
{
    return group->pg->batch.order[group->first];
}

void others_args_shards(struct args *args, const struct store_shards *shards, unsigned from)
{
    int at = args->count;
    args_arrays(args, 1);
    for (unsigned shard = from; shard < STORE_SHARDS; shard++)
        if (store_shards_has(shards, shard))
            array_int(args, at, shard);
    args_close(args);
}

/* --- torn attempts ---------------------------------------------------------------------------- */

void others_drop_torn(struct store_torn *call)
{
    for (size_t i = 0; call->members && i < call->count; i++)
        free(call->members[i]);
    free(call->members);
    store_jobs_free(call->jobs, call->count);
    call->members = NULL;
    call->jobs = NULL;
    call->count = 0;
}

static int add_torn(struct store_torn *call, const PGresult *result, int i)
{
    struct store_job row;
    const char *name = row_text(result, i, ROW_COLUMNS);
    row_read(result, i, &row);
    call->members[call->count] = strdup(name ? name : "?");
    if (!call->members[call->count])
        return -ENOMEM;
    int r = store_jobs_add(&call->jobs, &call->count, &row);
    if (r < 0)
        free(call->members[call->count]);
    return r;
}

static void take_torn(void *arg, const PGresult *result)
{
    struct store_torn *call = arg;
    int r = 0;
    call->members = calloc((size_t)PQntuples(result) + 1, sizeof *call->members);
    if (!call->members)
        r = -ENOMEM;
    for (int i = 0; i < PQntuples(result) && r == 0; i++)
        r = add_torn(call, result, i);
    call->call.result = r < 0 ? error_set(&call->call.error, r, "out of memory") : 0;
    if (r < 0)
        others_drop_torn(call);
}

void others_torn(struct pg *pg, struct store_torn *call)
{
    struct store_shards mine = fleet_mine(pg->fleet);
    args_reset(&pg->args);
    others_args_shards(&pg->args, &mine, 0);
    args_int(&pg->args, call->limit > INT32_MAX ? INT32_MAX : (int64_t)call->limit);
    channel_step(&pg->w, SQL_TORN, &pg->args, take_torn, call);
}

static void take_closed(void *arg, const PGresult *result)
{
    struct group *group = arg;
    if (PQntuples(result) == 0)
        return;
    only_call(group)->result = 0;
    group->pg->batch.delta.by_state[JOB_RUNNING]--;
    group->pg->batch.delta.by_state[JOB_QUEUED]++;
}

void others_close(struct pg *pg, struct group *group, bool stood)
{
    const struct store_close_torn *call = CALL_AS(store_close_torn, only_call(group));
    args_reset(&pg->args);
    args_int(&pg->args, pg->member);
    args_int(&pg->args, (int64_t)call->id);
    args_int(&pg->args, call->attempt);
    if (!stood) {
        args_int(&pg->args, call->ran);
        args_text(&pg->args, call->line);
        args_int(&pg->args, STORE_HISTORY_MAX);
    }
    channel_step(&pg->w, stood ? SQL_CLOSE_TORN_ASK : SQL_CLOSE_TORN, &pg->args, take_closed,
                 group);
}

/* --- cancels ---------------------------------------------------------------------------------- */

static void take_cancelled(void *arg, const PGresult *result)
{
    struct group *group = arg;
    struct store_cancel *call = CALL_AS(store_cancel, only_call(group));
    if (PQntuples(result) == 0)
        return;
    call->call.result = 0;
    tell_cancel(group->pg, row_int(result, 0, 0), call->id);
}

static int judge(struct store_cancel *call, enum job_state state, bool cancelled)
{
    unsigned long long id = call->id;
    if (state == JOB_RUNNING && cancelled)
        return 0;
    if (job_state_final(state))
        return error_set(&call->call.error, -ESTALE, "job %llu has ended: it is %s", id,
                         job_state_name(state));
    return error_set(&call->call.error, -EAGAIN, "job %llu runs nowhere: it is %s", id,
                     job_state_name(state));
}

static void take_cancel_look(void *arg, const PGresult *result)
{
    struct store_cancel *call = CALL_AS(store_cancel, only_call(arg));
    if (call->call.result != CALL_OPEN)
        return;
    if (PQntuples(result) == 0)
        call->call.result = error_set(&call->call.error, -ENOENT, "there is no job %llu",
                                      (unsigned long long)call->id);
    else
        call->call.result =
            judge(call, (enum job_state)row_int(result, 0, 0), row_text(result, 0, 1)[0] == 't');
}

void others_cancel(struct pg *pg, struct group *group, bool stood)
{
    const struct store_cancel *call = CALL_AS(store_cancel, only_call(group));
    args_reset(&pg->args);
    args_int(&pg->args, call->id > INT64_MAX ? 0 : (int64_t)call->id);
    if (!stood) {
        args_text(&pg->args, call->why);
        channel_step(&pg->w, SQL_CANCEL, &pg->args, take_cancelled, group);
        args_reset(&pg->args);
        args_int(&pg->args, call->id > INT64_MAX ? 0 : (int64_t)call->id);
    }
    channel_step(&pg->w, SQL_CANCEL_LOOK, &pg->args, take_cancel_look, group);
}

/* --- what others have closed of ours ---------------------------------------------------------- */

void others_drop_voided(struct store_void *call)
{
    free(call->attempts);
    call->attempts = NULL;
    call->count = 0;
}

static void take_voided(void *arg, const PGresult *result)
{
    struct store_void *call = CALL_AS(store_void, only_call(arg));
    size_t count = (size_t)PQntuples(result);
    call->attempts = calloc(count + 1, sizeof *call->attempts);
    if (!call->attempts) {
        call->call.result = error_set(&call->call.error, -ENOMEM, "out of memory");
        return;
    }
    for (size_t i = 0; i < count; i++)
        call->attempts[i] =
            (struct store_void_attempt){.job = (uint64_t)row_int(result, (int)i, 0),
                                        .attempt = (uint32_t)row_int(result, (int)i, 1)};
    call->count = count;
    call->call.result = 0;
}

void others_voided(struct pg *pg, struct group *group, bool stood)
{
    const struct store_void *call = CALL_AS(store_void, only_call(group));
    args_reset(&pg->args);
    args_text(&pg->args, pg->name);
    args_arrays(&pg->args, 2);
    for (size_t i = 0; i < call->told_count; i++) {
        array_int(&pg->args, 1, (int64_t)call->told[i].job);
        array_int(&pg->args, 2, call->told[i].attempt);
    }
    args_close(&pg->args);
    if (call->told_count > 0 && !stood)
        channel_step(&pg->w, SQL_TOLD, &pg->args, NULL, NULL);
    args_reset(&pg->args);
    args_text(&pg->args, pg->name);
    args_int(&pg->args, call->limit > INT32_MAX ? INT32_MAX : (int64_t)call->limit);
    channel_step(&pg->w, SQL_VOIDED, &pg->args, take_voided, group);
}
