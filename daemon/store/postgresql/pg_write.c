#include "store/postgresql/pg_write.h"

#include "base/clock.h"
#include "store/postgresql/pg_fleet.h"
#include "store/postgresql/pg_others.h"
#include "store/postgresql/pg_park.h"
#include "store/postgresql/pg_pause.h"
#include "store/postgresql/pg_row.h"
#include "store/postgresql/pg_schedule.h"
#include "store/postgresql/pg_tell.h"
#include "store/schedule_row.h"

#include <assert.h>
#include <errno.h>
#include <openssl/sha.h>
#include <string.h>

#define FORGET_ROWS 512 /* in one transaction */

static struct batch *batch_of(struct group *group)
{
    return group->batch;
}

static uint64_t call_id(const struct store_call *call)
{
    switch (call->op) {
    case OP_CLAIM:
        return CALL_AS(store_claim, call)->id;
    case OP_FINISH:
        return CALL_AS(store_finish, call)->id;
    default:
        return CALL_AS(store_postpone, call)->id;
    }
}

/* The call of a group that names this id; there is one. Results come in about the same order. */
static struct store_call *find(struct group *group, uint64_t id)
{
    struct store_call **calls = &batch_of(group)->order[group->first];
    for (size_t i = 0; i < group->count; i++) {
        size_t at = (group->hint + i) % group->count;
        if (call_id(calls[at]) == id) {
            group->hint = at + 1;
            return calls[at];
        }
    }
    return NULL;
}

/* --- submit ----------------------------------------------------------------------------------- */

void write_undo_submit(struct store_submit *call)
{
    for (size_t i = 0; i < call->count; i++) {
        call->items[i].existing = false;
        call->items[i].result = 0;
        call->items[i].job->id = 0;
        store_schedule_free(call->items[i].job->definition);
        call->items[i].job->definition = NULL;
        store_submit_unclaim(&call->items[i]);
    }
}

void write_number_jobs(struct pg *pg, struct store_submit *call)
{
    for (size_t i = 0; i < call->count; i++) {
        struct store_submit_item *item = &call->items[i];
        if (item->result != CALL_OPEN)
            continue;
        assert(pg->id_count > 0);
        item->job->id = pg->ids[pg->ids_used++];
        item->job->rank = store_rank(item->job);
        pg->id_count--;
    }
}

/* Two specs are one if they have the same mark. */
static const char *mark_of(const char *spec, char ret[2 * SHA256_DIGEST_LENGTH + 1])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char digest[SHA256_DIGEST_LENGTH];
    SHA256((const unsigned char *)spec, strlen(spec), digest);
    for (size_t i = 0; i < sizeof digest; i++) {
        ret[2 * i] = digits[digest[i] >> 4];
        ret[2 * i + 1] = digits[digest[i] & 15];
    }
    ret[2 * sizeof digest] = '\0';
    return ret;
}

static void add_item(struct args *args, const struct store_submit_item *item)
{
    char mark[2 * SHA256_DIGEST_LENGTH + 1];
    const struct store_job *job = item->job;
    int i = 1;
    array_int(args, i++, (int64_t)job->id);
    array_bool(args, i++, item->claim);
    array_int(args, i++, store_shard(job->host));
    array_int(args, i++, job->priority);
    array_int(args, i++, job->rank);
    array_int(args, i++, job->uid);
    array_int(args, i++, job->gid);
    array_int(args, i++, job->created);
    array_int(args, i++, job->due);
    array_int(args, i++, (int64_t)job->retry_of);
    array_text(args, i++, job->host);
    array_text(args, i++, job->parser);
    array_text(args, i++, job->key);
    array_text(args, i++, job->labels);
    array_text(args, i++, job->spec);
    array_text(args, i++, job->schedule);
    array_text(args, i++, job->key ? mark_of(job->spec, mark) : NULL);
}

static void take_inserted(void *arg, const PGresult *result)
{
    struct delta *delta = &batch_of(arg)->delta;
    if (PQntuples(result) == 0)
        return;
    delta->by_state[JOB_QUEUED] += row_int(result, 0, 0);
    delta->by_state[JOB_RUNNING] += row_int(result, 0, 1);
    delta->bytes += row_int(result, 0, 2);
}

static void settle(struct store_submit_item *item)
{
    item->result = 0;
    item->existing = false;
    if (item->claim) {
        item->job->state = JOB_RUNNING;
        item->job->attempt = 1;
    }
}

/* The keys as they stand now. One that is not there has been forgotten since it was refused: its
 * item stays open, and is submitted again. */
static void take_keys(void *arg, const PGresult *result)
{
    struct group *group = arg;
    struct store_submit_item **keyed = &batch_of(group)->keyed[group->keyed];
    for (int i = 0; i < PQntuples(result); i++) {
        struct store_submit_item *item = keyed[row_int(result, i, 0) - 1];
        uint64_t id = (uint64_t)row_int(result, i, 1);
        if (id == item->job->id) {
            settle(item);
            continue;
        }
        item->existing = row_text(result, i, 2)[0] == 't';
        item->result = item->existing ? 0 : -EEXIST;
        item->job->id = id;
        store_submit_unclaim(item);
    }
}

static void add_key(struct args *args, const struct store_job *job)
{
    char mark[2 * SHA256_DIGEST_LENGTH + 1];
    array_int(args, 0, job->uid);
    array_text(args, 1, job->key);
    array_text(args, 2, mark_of(job->spec, mark));
}

/* Asks for the keys that are noted for the group. */
static void ask_keys(struct pg *pg, struct group *group)
{
    struct batch *b = &pg->batch;
    args_reset(&pg->args);
    args_arrays(&pg->args, 3);
    for (size_t k = group->keyed; k < b->keyed_count; k++)
        add_key(&pg->args, b->keyed[k]->job);
    args_close(&pg->args);
    channel_step(&pg->w, SQL_KEYS, &pg->args, take_keys, group);
}

void write_ask_known(struct pg *pg, struct store_submit *call)
{
    struct batch *b = &pg->batch;
    struct group *group = &b->groups[0];
    *group = (struct group){.op = OP_SUBMIT, .pg = pg, .batch = b};
    b->keyed_count = 0;
    for (size_t i = 0; i < call->count; i++)
        if (call->items[i].job->key)
            b->keyed[b->keyed_count++] = &call->items[i];
    ask_keys(pg, group);
}

/* Fills in the statement's arrays, and what has a key is noted. What has none needs no answer: if
 * the transaction stands, so does it. */
static size_t gather(struct pg *pg, struct group *group, struct store_submit *call)
{
    struct batch *b = &pg->batch;
    size_t count = 0;
    for (size_t i = 0; i < call->count; i++) {
        struct store_submit_item *item = &call->items[i];
        if (item->result != CALL_OPEN)
            continue;
        count++;
        add_item(&pg->args, item);
        if (item->job->key)
            b->keyed[b->keyed_count++] = item;
    }
    return count;
}

static void send_submits(struct pg *pg, struct group *group, bool stood)
{
    struct batch *b = &pg->batch;
    size_t jobs = 0;
    if (CALL_AS(store_submit, b->order[group->first])->run) {
        schedule_run(pg, group, stood); /* pg_plan.c has let it stand alone */
        return;
    }
    group->keyed = b->keyed_count;
    args_reset(&pg->args);
    args_int(&pg->args, pg->member);
    args_arrays(&pg->args, 17);
    for (size_t i = 0; i < group->count; i++)
        jobs += gather(pg, group, CALL_AS(store_submit, b->order[group->first + i]));
    args_close(&pg->args);
    bool keyed = b->keyed_count > group->keyed;
    if (!stood && jobs > 0)
        channel_step(&pg->w, keyed ? SQL_SUBMIT_KEYED : SQL_SUBMIT, &pg->args, take_inserted,
                     group);
    if (keyed)
        ask_keys(pg, group);
}

/* --- a job's way ------------------------------------------------------------------------------ */

static void take_claimed(void *arg, const PGresult *result)
{
    struct group *group = arg;
    struct delta *delta = &batch_of(group)->delta;
    for (int i = 0; i < PQntuples(result); i++) {
        struct store_call *call = find(group, (uint64_t)row_int(result, i, 0));
        if (!call)
            continue;
        call->result = 0;
        delta->by_state[row_int(result, i, 1)]--;
        delta->by_state[JOB_RUNNING]++;
    }
}

static void take_definitions(void *arg, const PGresult *result)
{
    struct group *group = arg;
    for (int i = 0; i < PQntuples(result); i++) {
        struct store_call *call = find(group, (uint64_t)row_int(result, i, SCHEDULE_COLUMNS));
        struct store_schedule row;
        if (!call || call->result != 0)
            continue;
        row_read_schedule(result, i, &row);
        CALL_AS(store_claim, call)->definition = store_schedule_copy(&row);
    }
}

static void send_claims(struct pg *pg, struct group *group, bool stood)
{
    uint64_t ids[BATCH_CALLS];
    args_reset(&pg->args);
    args_int(&pg->args, pg->member);
    args_arrays(&pg->args, 2);
    for (size_t i = 0; i < group->count; i++) {
        const struct store_claim *call = CALL_AS(store_claim, pg->batch.order[group->first + i]);
        ids[i] = call->id;
        array_int(&pg->args, 1, (int64_t)call->id);
        array_int(&pg->args, 2, call->attempt);
    }
    args_close(&pg->args);
    channel_step(&pg->w, stood ? SQL_CLAIM_ASK : SQL_CLAIM, &pg->args, take_claimed, group);
    schedule_definitions(pg, ids, group->count, take_definitions, group);
}

static void take_finished(void *arg, const PGresult *result)
{
    struct group *group = arg;
    struct delta *delta = &batch_of(group)->delta;
    for (int i = 0; i < PQntuples(result); i++) {
        struct store_call *call = find(group, (uint64_t)row_int(result, i, 0));
        if (!call)
            continue;
        call->result = 0;
        delta->by_state[row_int(result, i, 1)]--;
        delta->by_state[row_int(result, i, 2)]++;
        delta->bytes -= row_int(result, i, 3);
    }
}

static void send_finishes(struct pg *pg, struct group *group, bool stood)
{
    struct store_call **calls = &group->batch->order[group->first];
    args_reset(&pg->args);
    args_int(&pg->args, pg->member);
    args_arrays(&pg->args, 7);
    for (size_t i = 0; i < group->count; i++) {
        const struct store_finish *call = CALL_AS(store_finish, calls[i]);
        array_int(&pg->args, 1, (int64_t)call->id);
        array_int(&pg->args, 2, call->attempt);
        array_bool(&pg->args, 3, call->running);
        array_int(&pg->args, 4, call->state);
        array_int(&pg->args, 5, call->error);
        array_int(&pg->args, 6, call->finished);
        array_text(&pg->args, 7, call->verdict);
    }
    args_close(&pg->args);
    channel_step(group->batch->channel, stood ? SQL_FINISH_ASK : SQL_FINISH, &pg->args,
                 take_finished, group);
    for (size_t i = 0; i < group->count && !stood; i++)
        if (CALL_AS(store_finish, calls[i])->end)
            schedule_end(group, CALL_AS(store_finish, calls[i]));
}

static void take_postponed(void *arg, const PGresult *result)
{
    struct group *group = arg;
    struct delta *delta = &batch_of(group)->delta;
    for (int i = 0; i < PQntuples(result); i++) {
        struct store_call *call = find(group, (uint64_t)row_int(result, i, 0));
        if (!call)
            continue;
        call->result = 0;
        delta->by_state[row_int(result, i, 1)]++;
        delta->by_state[JOB_RUNNING]--;
        tell_host(group->pg, row_text(result, i, 2));
    }
}

static void send_postpones(struct pg *pg, struct group *group, bool stood)
{
    args_reset(&pg->args);
    args_int(&pg->args, pg->member);
    args_arrays(&pg->args, 7);
    for (size_t i = 0; i < group->count; i++) {
        const struct store_postpone *call =
            CALL_AS(store_postpone, pg->batch.order[group->first + i]);
        array_int(&pg->args, 1, (int64_t)call->id);
        array_int(&pg->args, 2, call->attempt);
        array_int(&pg->args, 3, call->due);
        array_text(&pg->args, 4, call->line);
        array_int(&pg->args, 5, call->interrupted);
        array_int(&pg->args, 6, call->torn);
        array_int(&pg->args, 7, call->ran);
    }
    args_close(&pg->args);
    if (!stood)
        args_int(&pg->args, STORE_HISTORY_MAX);
    channel_step(&pg->w, stood ? SQL_POSTPONE_ASK : SQL_POSTPONE, &pg->args, take_postponed, group);
}

void write_group(struct pg *pg, struct group *group, bool stood)
{
    switch (group->op) {
    case OP_SUBMIT:
        send_submits(pg, group, stood);
        return;
    case OP_CLAIM:
        send_claims(pg, group, stood);
        return;
    case OP_FINISH:
        send_finishes(pg, group, stood);
        return;
    case OP_POSTPONE:
        send_postpones(pg, group, stood);
        return;
    case OP_CLOSE_TORN:
        others_close(pg, group, stood);
        return;
    case OP_CANCEL:
        others_cancel(pg, group, stood);
        return;
    case OP_PARK:
        park_send(pg, group, stood);
        return;
    case OP_VOIDED:
        others_voided(pg, group, stood);
        return;
    case OP_PAUSE:
        pause_send(pg, group, stood);
        return;
    case OP_SCHEDULE_PUT:
        tell_schedules(pg);
        schedule_put(pg, group, CALL_AS(store_schedule_put, pg->batch.order[group->first]), stood);
        return;
    default:
        schedule_pass(pg, group, CALL_AS(store_schedule_pass, pg->batch.order[group->first]),
                      stood);
        return;
    }
}

void write_look(struct pg *pg, const uint64_t *ids, size_t count, step_taker *take, void *arg)
{
    args_reset(&pg->args);
    args_arrays(&pg->args, 1);
    for (size_t i = 0; i < count; i++)
        array_int(&pg->args, 0, (int64_t)ids[i]);
    args_close(&pg->args);
    channel_step(&pg->w, SQL_LOOK, &pg->args, take, arg);
}

/* --- forgetting ------------------------------------------------------------------------------- */

static uint64_t ended(const struct pg *pg)
{
    int64_t n = 0;
    for (int i = JOB_DONE; i < JOB_STATE_COUNT_; i++)
        n += pg->mine[i] + pg->others[i];
    return n > 0 ? (uint64_t)n : 0;
}

bool write_forget_due(const struct pg *pg)
{
    if (ended(pg) == 0 || clock_now() < pg->forget_at)
        return false;
    return ended(pg) > pg->config.keep_finished_count ||
           pg->oldest_end < fleet_time(pg) - pg->config.keep_finished_us;
}

static void take_forgotten(void *arg, const PGresult *result)
{
    struct pg *pg = arg;
    int64_t gone = 0;
    if (PQntuples(result) == 0)
        return;
    for (int i = 0; i < 3; i++) {
        int64_t n = row_int(result, 0, i);
        pg->batch.delta.by_state[JOB_DONE + i] -= n;
        gone += n;
    }
    pg->forget_more = gone == FORGET_ROWS;
    pg->forgot = gone > 0;
}

static void take_oldest(void *arg, const PGresult *result)
{
    struct pg *pg = arg;
    pg->oldest_end = PQntuples(result) > 0 ? row_int(result, 0, 0) : 0;
    if (!pg->forgot && write_forget_due(pg)) /* others were quicker: our counts of theirs are old */
        pg->forget_at = clock_now() + NS_PER_SEC;
}

void write_forget(struct pg *pg)
{
    uint64_t count = ended(pg), keep = pg->config.keep_finished_count;
    args_reset(&pg->args);
    args_int(&pg->args, pg->member);
    args_int(&pg->args, fleet_time(pg) - pg->config.keep_finished_us);
    args_int(&pg->args, count > keep ? (int64_t)(count - keep) : 0);
    args_int(&pg->args, FORGET_ROWS);
    channel_step(&pg->w, SQL_FORGET, &pg->args, take_forgotten, pg);
    channel_step(&pg->w, SQL_OLDEST, NULL, take_oldest, pg);
}
