#include "store/postgresql/pg_batch.h"

#include "base/clock.h"
#include "base/log.h"
#include "store/postgresql/pg_calls.h"
#include "store/postgresql/pg_health.h"
#include "store/postgresql/pg_outcome.h"
#include "store/postgresql/pg_plan.h"
#include "store/postgresql/pg_read.h"
#include "store/postgresql/pg_records.h"
#include "store/postgresql/pg_rejoin.h"
#include "store/postgresql/pg_row.h"
#include "store/postgresql/pg_schedule.h"
#include "store/postgresql/pg_write.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define IDS_FRESH NS_PER_SEC /* ids that are older are dropped: theirs would be an old place */

/* --- the queue's room ------------------------------------------------------------------------- */

/* Would all of the call's open items find room behind what the batch has already? */
static int check_room(struct pg *pg, struct store_submit *call)
{
    struct store_counts counts = {.pending_bytes =
                                      calls_count(pg, JOB_STATE_COUNT_) + pg->batch.bytes};
    int r = 0;
    for (int i = 0; i < JOB_STATE_COUNT_; i++)
        counts.by_state[i] = calls_count(pg, i);
    counts.by_state[JOB_QUEUED] += pg->batch.jobs;
    for (size_t i = 0; i < call->count && r == 0; i++) {
        const struct store_job *job = call->items[i].job;
        if (call->items[i].result != CALL_OPEN)
            continue;
        r = store_check_room(&pg->config, &counts, job, &call->call.error);
        counts.by_state[JOB_QUEUED]++;
        counts.pending_bytes += strlen(job->spec);
    }
    return r;
}

static bool has_keys(const struct store_submit *call)
{
    for (size_t i = 0; i < call->count; i++)
        if (call->items[i].job->key)
            return true;
    return false;
}

static void refuse_full(struct store_submit *call, int code)
{
    write_undo_submit(call);
    call->call.result = code;
}

static void count_submit(struct batch *b, const struct store_submit *call)
{
    for (size_t i = 0; i < call->count; i++) {
        if (call->items[i].result != CALL_OPEN)
            continue;
        b->jobs++;
        b->bytes += strlen(call->items[i].job->spec);
    }
}

/* --- taking calls ----------------------------------------------------------------------------- */

enum taken { TAKEN, TAKEN_ALONE, TAKEN_LATER };

/* A known key takes no room; so where there is little, it is asked for keys first. */
static enum taken take_submit(struct pg *pg, struct store_submit *call)
{
    struct batch *b = &pg->batch;
    if (b->count > 0 && (b->jobs + call->count > BATCH_JOBS || b->bytes > BATCH_BYTES))
        return TAKEN_LATER;
    int r = check_room(pg, call);
    if (r < 0 && has_keys(call))
        return b->count > 0 ? TAKEN_LATER : TAKEN_ALONE;
    if (r < 0)
        refuse_full(call, r);
    else
        count_submit(b, call);
    return TAKEN;
}

static enum taken take(struct pg *pg, struct store_call *call)
{
    if (pg->fleet && call->result == CALL_OPEN)
        rejoin_screen(pg, call);
    if (call->result != CALL_OPEN)
        return TAKEN; /* it is refused already, and keeps its place */
    return call->op == OP_SUBMIT ? take_submit(pg, CALL_AS(store_submit, call)) : TAKEN;
}

/* True if the one call that it has is to be asked about first. */
static bool take_calls(struct pg *pg)
{
    struct batch *b = &pg->batch;
    size_t limit = pg->single > 0 ? 1 : BATCH_CALLS;
    enum taken taken = TAKEN;
    while (!list_empty(&pg->waiting) && b->count < limit && taken == TAKEN) {
        struct store_call *call = container_of(pg->waiting.next, struct store_call, link);
        taken = take(pg, call);
        if (taken == TAKEN_LATER)
            break;
        list_del(&call->link);
        list_add_tail(&b->calls, &call->link);
        b->count++;
        b->writes |= op_writes(call->op) && call->result == CALL_OPEN;
    }
    if (pg->single > 0)
        pg->single--;
    return taken == TAKEN_ALONE;
}

/* --- its transaction -------------------------------------------------------------------------- */

static void send_guard(struct pg *pg)
{
    channel_step(&pg->w, SQL_BEGIN, NULL, NULL, NULL);
    args_reset(&pg->args);
    args_int(&pg->args, pg->member);
    args_int(&pg->args, pg->instance);
    channel_step(&pg->w, SQL_FENCE, &pg->args, NULL, NULL);
    args_reset(&pg->args);
    args_int(&pg->args, pg->member);
    args_int(&pg->args, (int64_t)pg->batch.number);
    channel_step(&pg->w, SQL_NUMBER, &pg->args, NULL, NULL);
}

static void send_groups(struct pg *pg, bool stood)
{
    struct batch *b = &pg->batch;
    for (size_t i = 0; i < b->group_count; i++) {
        struct group *group = &b->groups[i];
        if (op_writes(group->op))
            write_group(pg, group, stood);
        for (size_t k = 0; k < group->count && !op_writes(group->op); k++)
            read_call(pg, b->order[group->first + k]);
    }
}

static void run(struct pg *pg)
{
    struct batch *b = &pg->batch;
    list_for_each(e, &b->calls)
    {
        struct store_call *call = container_of(e, struct store_call, link);
        if (call->op == OP_SUBMIT && call->result == CALL_OPEN)
            write_number_jobs(pg, CALL_AS(store_submit, call));
    }
    b->delta = (struct delta){.bytes = 0};
    b->number = b->writes ? ++pg->batches : 0;
    b->since = clock_now();
    plan_make(pg);
    if (b->group_count == 0) {
        calls_deliver(pg);
        return;
    }
    pg->stage = STAGE_RUN;
    b->sent = b->writes;
    if (b->writes) {
        health_change_sent(pg, b->since);
        send_guard(pg);
    }
    send_groups(pg, false);
    if (b->writes)
        channel_step(&pg->w, SQL_COMMIT, NULL, NULL, NULL);
    channel_sync(&pg->w);
}

static void take_ids(void *arg, const PGresult *result)
{
    struct pg *pg = arg;
    pg->id_count = pg->ids_used = 0;
    for (int i = 0; i < PQntuples(result) && pg->id_count < IDS_MAX; i++)
        pg->ids[pg->id_count++] = (uint64_t)row_int(result, i, 0);
    pg->ids_at = clock_now();
    if (pg->id_count > 0)
        pg->last_id = pg->ids[pg->id_count - 1];
}

/* Ids are known before anything is sent, so that jobs can be asked after by them. */
static void number(struct pg *pg)
{
    size_t need = 0;
    list_for_each(e, &pg->batch.calls)
    {
        struct store_call *call = container_of(e, struct store_call, link);
        if (call->op == OP_SUBMIT && call->result == CALL_OPEN)
            need += calls_open_items(CALL_AS(store_submit, call));
    }
    bool stale = clock_now() - pg->ids_at > IDS_FRESH;
    if (need == 0 || (need <= pg->id_count && !stale)) {
        run(pg);
        return;
    }
    size_t more = need < 8 ? need : need + BATCH_JOBS / 4;
    pg->stage = STAGE_IDS;
    args_reset(&pg->args);
    args_int(&pg->args, (int64_t)(more > IDS_MAX ? IDS_MAX : more));
    channel_step(&pg->w, SQL_IDS, &pg->args, take_ids, pg);
    channel_sync(&pg->w);
}

static void forget(struct pg *pg)
{
    struct batch *b = &pg->batch;
    b->delta = (struct delta){.bytes = 0};
    b->number = ++pg->batches;
    b->since = clock_now();
    pg->forget_more = false;
    pg->stage = STAGE_FORGET;
    send_guard(pg);
    write_forget(pg);
    channel_step(&pg->w, SQL_COMMIT, NULL, NULL, NULL);
    channel_sync(&pg->w);
}

void batch_begin(struct pg *pg)
{
    assert(pg->stage == STAGE_NONE && pg->w.state == CHANNEL_IDLE);
    if (pg->fleet && rejoin_due(pg)) {
        rejoin_begin(pg);
        return;
    }
    if (!atomic_load(&pg->failing) && (pg->forget_more || write_forget_due(pg))) {
        forget(pg);
        return;
    }
    if (list_empty(&pg->waiting)) {
        if (atomic_load(&pg->failing))
            forget(pg); /* does it take changes again? */
        return;
    }
    if (!take_calls(pg)) {
        number(pg);
        return;
    }
    pg->stage = STAGE_KEYS;
    write_ask_known(
        pg, CALL_AS(store_submit, container_of(pg->batch.calls.next, struct store_call, link)));
    channel_sync(&pg->w);
}

/* --- what came of it -------------------------------------------------------------------------- */

/* The keys that are known are settled: is there room for the others? */
static void keys_known(struct pg *pg)
{
    struct store_submit *call =
        CALL_AS(store_submit, container_of(pg->batch.calls.next, struct store_call, link));
    int r = check_room(pg, call);
    if (r < 0)
        refuse_full(call, r);
    else if (calls_open_items(call) == 0)
        call->call.result = 0;
    if (call->call.result == CALL_OPEN)
        number(pg);
    else
        calls_deliver(pg);
}

/* --- connections ------------------------------------------------------------------------------ */

static void take_renewed(void *arg, const PGresult *result)
{
    struct pg *pg = arg;
    if (strcmp(PQcmdTuples((PGresult *)(uintptr_t)result), "1") == 0)
        pg->renewed = true;
}

static void take_counts(void *arg, const PGresult *result)
{
    struct pg *pg = arg;
    pg->number_there = calls_read_counts(pg, result);
}

/* One that was declared dead has no counts any more, but that number is kept. */
static void take_gone_batch(void *arg, const PGresult *result)
{
    struct pg *pg = arg;
    if (PQntuples(result) > 0)
        pg->number_there = row_int(result, 0, 0);
}

static void take_timeline(void *arg, const PGresult *result)
{
    if (PQntuples(result) > 0)
        log_warning("store: the server is another one, which may have lost some jobs of the last "
                    "moments: ids go on from %s",
                    row_text(result, 0, 0));
}

void batch_connected(struct pg *pg)
{
    pg->stage = STAGE_RENEW;
    pg->instance++;
    pg->renewed = false;
    pg->number_there = -1;
    channel_end_lost(&pg->w, &pg->args, pg->application);
    args_reset(&pg->args);
    args_int(&pg->args, pg->member);
    args_int(&pg->args, pg->instance);
    channel_step(&pg->w, pg->fleet ? SQL_RENEW_MEMBER : SQL_RENEW, &pg->args, take_renewed, pg);
    channel_step(&pg->w, SQL_SCHEDULES_COUNT, NULL, schedule_take_counts, pg);
    args_reset(&pg->args);
    args_int(&pg->args, pg->member);
    channel_step(&pg->w, SQL_COUNTS, &pg->args, take_counts, pg);
    if (pg->fleet) {
        channel_step(&pg->w, SQL_GONE_BATCH, &pg->args, take_gone_batch, pg);
        channel_step(&pg->w, SQL_TIMELINE, NULL, take_timeline, pg);
    }
    channel_sync(&pg->w);
}

static void ask(struct pg *pg)
{
    pg->stage = STAGE_ASK;
    pg->batch.delta = (struct delta){.bytes = 0};
    plan_make(pg);
    send_groups(pg, true);
    channel_sync(&pg->w);
}

static void renewed(struct pg *pg)
{
    int64_t number = pg->number_there;
    struct error why;
    if (!pg->renewed && pg->fleet) {
        error_set(&why, -EIO, "the fleet has declared this member, %s, dead", pg->name);
        rejoin_told(pg, &why);
    } else if (!pg->renewed) {
        error_set(&why, -EIO,
                  "the fleet has declared this member, %s, dead: it must be started anew",
                  pg->name);
        calls_set_failing(pg, &why);
        batch_give_up(pg);
        return;
    }
    calls_set_working(pg);
    if (pg->batch.sent && number >= 0 && (uint64_t)number >= pg->batch.number) {
        log_info("store: the transaction that was not answered stands");
        health_settled(pg, true);
        ask(pg);
        return;
    }
    if (pg->batch.sent) {
        log_info("store: the transaction that was not answered does not stand, and is said again");
        health_settled(pg, false);
    }
    calls_put_back(pg);
}

/* Its changes wait to be asked after; its questions need not. */
static void keep_changes(struct pg *pg)
{
    list_for_each(e, &pg->batch.calls)
    {
        struct store_call *call = container_of(e, struct store_call, link);
        if (!op_writes(call->op)) {
            list_del(e);
            calls_refuse(pg, call, -EIO);
        } else if (call->result == 0 && call->op != OP_SUBMIT) {
            read_drop(call);
            call->result = CALL_OPEN;
        }
    }
    pg->stage = STAGE_RENEW;
}

void batch_lost(struct pg *pg)
{
    calls_set_failing(pg, &pg->w.fault);
    pg->w.retry_at = pg->retry_at;
    pg->id_count = 0;
    if (pg->batch.sent)
        keep_changes(pg);
    else
        calls_put_back(pg);
    calls_refuse_waiting(pg);
}

void batch_give_up(struct pg *pg)
{
    pg->gave_up = true;
    records_give_up(pg);
    for (struct store_call *call; (call = calls_pop(&pg->batch.calls));)
        calls_refuse(pg, call, -EIO);
    calls_clear(pg);
    calls_refuse_waiting(pg);
}

/* What was refused while the batch may stand already is asked again, by a new connection: nothing
 * of it may be carried out twice. */
static void failed(struct pg *pg)
{
    if (pg->stage != STAGE_RENEW && pg->stage != STAGE_ASK && pg->stage != STAGE_LOOK) {
        outcome_failed(pg);
        return;
    }
    channel_close(&pg->w);
    batch_lost(pg);
}

void batch_done(struct pg *pg)
{
    enum stage stage = pg->stage;
    if (stage == STAGE_UNDO) {
        outcome_undone(pg);
        return;
    }
    if (stage == STAGE_JOIN && pg->w.fault_code != 0) {
        rejoin_failed(pg);
        return;
    }
    if (pg->w.fault_code != 0) {
        failed(pg);
        return;
    }
    switch (stage) {
    case STAGE_IDS:
        run(pg);
        return;
    case STAGE_KEYS:
        keys_known(pg);
        return;
    case STAGE_LOOK:
        outcome_look_over(pg);
        return;
    case STAGE_RENEW:
        renewed(pg);
        return;
    case STAGE_ASK:
        outcome_stands(pg);
        return;
    case STAGE_JOIN:
        rejoin_done(pg);
        return;
    default:
        outcome_committed(pg);
        return;
    }
}
