#include "store/postgresql/pg_outcome.h"

#include "base/clock.h"
#include "store/postgresql/pg_calls.h"
#include "store/postgresql/pg_read.h"
#include "store/postgresql/pg_rejoin.h"
#include "store/postgresql/pg_row.h"
#include "store/postgresql/pg_tell.h"
#include "store/postgresql/pg_write.h"
#include "store/shared.h"

#include <errno.h>
#include <string.h>

static void settle_submit(struct store_submit *call)
{
    for (size_t i = 0; i < call->count; i++) {
        struct store_submit_item *item = &call->items[i];
        if (item->result != CALL_OPEN || item->job->key)
            continue;
        item->result = 0;
        item->existing = false;
        if (item->claim) {
            item->job->state = JOB_RUNNING;
            item->job->attempt = 1;
        }
    }
    if (calls_open_items(call) == 0)
        call->call.result = 0;
}

static const char *not_so(const struct store_call *call)
{
    return call->op == OP_CLAIM ? "job %llu cannot be claimed: it is %s"
           : call->op == OP_POSTPONE || call->op == OP_CLOSE_TORN
               ? "job %llu does not run here at that attempt: it is %s"
               : "job %llu is not at that attempt here: it is %s";
}

static uint64_t id_of(const struct store_call *call)
{
    return call->op == OP_CLAIM      ? CALL_AS(store_claim, call)->id
           : call->op == OP_FINISH   ? CALL_AS(store_finish, call)->id
           : call->op == OP_POSTPONE ? CALL_AS(store_postpone, call)->id
                                     : CALL_AS(store_close_torn, call)->id;
}

static bool is_unsettled(const struct store_call *call)
{
    return call->result == CALL_OPEN && op_is_settled_by_id(call->op);
}

static void take_look(void *arg, const PGresult *result)
{
    struct pg *pg = arg;
    for (int i = 0; i < PQntuples(result); i++) {
        uint64_t id = (uint64_t)row_int(result, i, 0);
        enum job_state state = (enum job_state)row_int(result, i, 1);
        list_for_each(e, &pg->batch.calls)
        {
            struct store_call *call = container_of(e, struct store_call, link);
            if (!is_unsettled(call) || id_of(call) != id)
                continue;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
            call->result = error_set(&call->error, -ESTALE, not_so(call), (unsigned long long)id,
                                     job_state_name(state));
#pragma GCC diagnostic pop
        }
    }
}

void outcome_look_over(struct pg *pg)
{
    list_for_each(e, &pg->batch.calls)
    {
        struct store_call *call = container_of(e, struct store_call, link);
        if (is_unsettled(call))
            call->result = error_set(&call->error, -ENOENT, "there is no job %llu",
                                     (unsigned long long)id_of(call));
    }
    calls_deliver(pg);
}

/* It stands, and what its statements gave is in its calls. */
void outcome_stands(struct pg *pg)
{
    uint64_t ids[BATCH_CALLS];
    size_t count = 0;
    list_for_each(e, &pg->batch.calls)
    {
        struct store_call *call = container_of(e, struct store_call, link);
        if (is_unsettled(call))
            ids[count++] = id_of(call);
        else if (call->op == OP_SUBMIT && call->result == CALL_OPEN)
            settle_submit(CALL_AS(store_submit, call));
        if (call->op == OP_SUBMIT)
            tell_submit(pg, CALL_AS(store_submit, call));
    }
    tell_all(pg);
    if (count == 0) {
        calls_deliver(pg);
        return;
    }
    pg->stage = STAGE_LOOK;
    write_look(pg, ids, count, take_look, pg);
    channel_sync(&pg->w);
}

void outcome_committed(struct pg *pg)
{
    struct batch *b = &pg->batch;
    if (b->number > 0) {
        pthread_mutex_lock(&pg->lock);
        histogram_add(&pg->commits, clock_now() - b->since);
        pthread_mutex_unlock(&pg->lock);
        calls_apply_delta(pg, &b->delta);
        calls_set_working(pg);
    }
    if (pg->stage == STAGE_FORGET)
        calls_clear(pg);
    else
        outcome_stands(pg);
}

/* --- faults that the server tells of ---------------------------------------------------------- */

/* Is it about what one call said, so that the others may do without it? */
static bool is_about_a_call(const char *sqlstate)
{
    return (strncmp(sqlstate, "22", 2) == 0 && strcmp(sqlstate, "22012") != 0) ||
           strncmp(sqlstate, "21", 2) == 0 || strncmp(sqlstate, "23", 2) == 0 ||
           strncmp(sqlstate, "42", 2) == 0 || strncmp(sqlstate, "54", 2) == 0;
}

static bool is_passing(const char *sqlstate)
{
    return strncmp(sqlstate, "40", 2) == 0; /* a deadlock, or two at once */
}

static void fail_only_call(struct pg *pg)
{
    struct store_call *call = calls_pop(&pg->batch.calls);
    if (call->op == OP_SUBMIT)
        write_undo_submit(CALL_AS(store_submit, call));
    read_drop(call);
    call->result = -EINVAL;
    call->error = pg->w.fault;
    calls_give_back(pg, call);
    calls_clear(pg);
}

void outcome_undone(struct pg *pg)
{
    const char *state = pg->w.sqlstate;
    size_t count = pg->batch.count;
    pg->batch.sent = false;
    if (pg->gone) {
        calls_put_back(pg); /* the next member is asked */
        return;
    }
    if (is_passing(state) || (is_about_a_call(state) && count > 1)) {
        pg->single += is_passing(state) ? 0 : (unsigned)count;
        calls_put_back(pg);
        return;
    }
    if (is_about_a_call(state) && count == 1) {
        fail_only_call(pg);
        return;
    }
    calls_set_failing(pg, &pg->w.fault);
    calls_put_back(pg);
    calls_refuse_waiting(pg);
}

static void undo(struct pg *pg)
{
    char sqlstate[sizeof pg->w.sqlstate];
    struct error fault = pg->w.fault;
    memcpy(sqlstate, pg->w.sqlstate, sizeof sqlstate);
    pg->stage = STAGE_UNDO;
    channel_step(&pg->w, SQL_ROLLBACK, NULL, NULL, NULL);
    channel_sync(&pg->w);
    memcpy(pg->w.sqlstate, sqlstate, sizeof sqlstate); /* of what is undone */
    pg->w.fault = fault;
}

void outcome_failed(struct pg *pg)
{
    bool transaction = pg->stage == STAGE_FORGET || (pg->stage == STAGE_RUN && pg->batch.writes);
    if (strcmp(pg->w.sqlstate, "22012") == 0)
        error_set(&pg->w.fault, -EIO, "the fleet has declared this member, %s, dead%s", pg->name,
                  pg->fleet ? "" : ": it must be started anew");
    if (strcmp(pg->w.sqlstate, "22012") == 0 && pg->fleet)
        rejoin_told(pg, &pg->w.fault);
    if (transaction)
        undo(pg);
    else
        outcome_undone(pg);
}
