#include "store/postgresql/pg_calls.h"

#include "base/clock.h"
#include "store/postgresql/pg_fleet.h"
#include "store/postgresql/pg_health.h"
#include "store/postgresql/pg_read.h"
#include "store/postgresql/pg_row.h"
#include "store/postgresql/pg_tell.h"
#include "store/postgresql/pg_write.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct store_call *calls_pop(struct list *list)
{
    struct list *e = list_pop(list);
    return e ? container_of(e, struct store_call, link) : NULL;
}

/* Nothing starts by what it was given: its rows are of a member that is no more. */
static void unclaim(struct store_call *call)
{
    if (call->op == OP_CLAIM && call->result == 0) {
        read_drop(call);
        call->result = error_set(&call->error, -EIO,
                                 "the job is claimed by what the fleet does not believe alive");
    }
    if (call->op != OP_SUBMIT || call->result != 0)
        return;
    struct store_submit *submit = CALL_AS(store_submit, call);
    for (size_t i = 0; i < submit->count; i++)
        store_submit_unclaim(&submit->items[i]);
}

/* With the lock, so that it comes to the loop either before it is told that this member is fenced,
 * and is ended with all else, or as one that starts nothing. */
static void give_back_in_fleet(struct pg *pg, struct store_call *call)
{
    pthread_mutex_lock(&pg->fleet->lock);
    if (pg->fleet->fenced || call->epoch < pg->epoch)
        unclaim(call);
    mailbox_post(pg->store.mailbox, &call->mail);
    pthread_mutex_unlock(&pg->fleet->lock);
}

void calls_give_back(struct pg *pg, struct store_call *call)
{
    if (pg->fleet)
        give_back_in_fleet(pg, call);
    else
        mailbox_post(pg->store.mailbox, &call->mail);
}

/* --- counts ----------------------------------------------------------------------------------- */

uint64_t calls_count(const struct pg *pg, int i)
{
    int64_t n = pg->mine[i] + pg->others[i];
    return n > 0 ? (uint64_t)n : 0;
}

static void show_counts(struct pg *pg)
{
    pthread_mutex_lock(&pg->lock);
    for (int i = 0; i < JOB_STATE_COUNT_; i++)
        pg->visible.by_state[i] = calls_count(pg, i);
    pg->visible.pending_bytes = calls_count(pg, JOB_STATE_COUNT_);
    pg->visible.last_id = pg->last_id;
    pg->visible.schedules = (uint64_t)pg->schedules;
    pg->visible.schedules_failing = (uint64_t)pg->schedules_failing;
    pg->visible.schedules_paused = (uint64_t)pg->schedules_paused;
    pg->visible.seen = (uint64_t)pg->seen;
    pthread_mutex_unlock(&pg->lock);
}

void calls_apply_delta(struct pg *pg, const struct delta *delta)
{
    for (int i = 0; i < JOB_STATE_COUNT_; i++)
        pg->mine[i] += delta->by_state[i];
    pg->mine[JOB_STATE_COUNT_] += delta->bytes;
    pg->schedules += delta->schedules;
    pg->schedules_failing += delta->failing;
    pg->schedules_paused += delta->paused;
    if (delta->seen && llabs(delta->seen - pg->seen) > STORE_SEEN_US)
        pg->seen = delta->seen;
    show_counts(pg);
}

void calls_bring_others(struct pg *pg, const int64_t others[JOB_STATE_COUNT_ + 1])
{
    pthread_mutex_lock(&pg->lock);
    bool news = memcmp(pg->news, others, sizeof pg->news) != 0;
    memcpy(pg->news, others, sizeof pg->news);
    pg->has_news |= news;
    pthread_mutex_unlock(&pg->lock);
    if (news)
        wake_by(pg->wake_fd);
}

void calls_bring_schedules(struct pg *pg, const int64_t schedules[4])
{
    pthread_mutex_lock(&pg->lock);
    memcpy(pg->schedule_news, schedules, sizeof pg->schedule_news);
    pg->has_schedule_news = true;
    pthread_mutex_unlock(&pg->lock);
    wake_by(pg->wake_fd);
}

void calls_take_others(struct pg *pg)
{
    pthread_mutex_lock(&pg->lock);
    bool news = pg->has_news || pg->has_schedule_news;
    if (pg->has_news)
        memcpy(pg->others, pg->news, sizeof pg->others);
    if (pg->has_schedule_news) {
        pg->schedules = pg->schedule_news[0];
        pg->schedules_failing = pg->schedule_news[1];
        pg->schedules_paused = pg->schedule_news[2];
        pg->seen = pg->schedule_news[3];
    }
    pg->has_news = pg->has_schedule_news = false;
    pthread_mutex_unlock(&pg->lock);
    if (news)
        show_counts(pg);
}

void calls_become_others(struct pg *pg)
{
    for (int i = 0; i <= JOB_STATE_COUNT_; i++) {
        pg->others[i] += pg->mine[i];
        pg->mine[i] = 0;
    }
    pthread_mutex_lock(&pg->lock);
    memset(pg->news, -1, sizeof pg->news); /* what the next beat sees is news */
    pg->has_news = false;
    pthread_mutex_unlock(&pg->lock);
    show_counts(pg);
}

int64_t calls_read_counts(struct pg *pg, const PGresult *result)
{
    if (PQntuples(result) == 0)
        return -1;
    for (int i = 0; i <= JOB_STATE_COUNT_; i++) {
        pg->mine[i] = row_int(result, 0, 1 + i);
        pg->others[i] = row_int(result, 0, 2 + JOB_STATE_COUNT_ + i);
    }
    pg->copied_there = row_int(result, 0, 3 + 2 * JOB_STATE_COUNT_);
    show_counts(pg);
    return row_int(result, 0, 0);
}

/* --- failing ---------------------------------------------------------------------------------- */

void calls_set_failing(struct pg *pg, const struct error *why)
{
    pthread_mutex_lock(&pg->lock);
    pg->why = *why;
    pthread_mutex_unlock(&pg->lock);
    pg->retry_at = clock_now() + pg->config.retry_ns;
    if (!atomic_exchange(&pg->failing, true) && pg->config.trouble)
        pg->config.trouble(pg->config.arg, pg->why.text);
}

void calls_set_working(struct pg *pg)
{
    if (pg->records_failing) { /* who stores these tries again, and says so */
        pg->retry_at = clock_now() + pg->config.retry_ns;
        return;
    }
    if (atomic_exchange(&pg->failing, false) && pg->config.trouble)
        pg->config.trouble(pg->config.arg, NULL);
}

void calls_refuse(struct pg *pg, struct store_call *call, int code)
{
    if (call->op == OP_SUBMIT)
        write_undo_submit(CALL_AS(store_submit, call));
    read_drop(call);
    call->result = code;
    call->error = pg->why;
    calls_give_back(pg, call);
}

/* Ends wait; so do questions where records alone cannot be stored. */
static bool is_held(const struct pg *pg, const struct store_call *call)
{
    bool stands = pg->w.state == CHANNEL_IDLE || pg->w.state == CHANNEL_BUSY;
    return call->op == OP_FINISH || call->op == OP_POSTPONE ||
           (pg->records_failing && stands && !op_writes(call->op));
}

void calls_refuse_waiting(struct pg *pg)
{
    list_for_each(e, &pg->waiting)
    {
        struct store_call *call = container_of(e, struct store_call, link);
        if (is_held(pg, call) && !pg->gave_up)
            continue;
        list_del(e);
        calls_refuse(pg, call, -EIO);
    }
    if (pg->r.state == CHANNEL_BUSY)
        return;
    list_for_each(e, &pg->reading)
    {
        struct store_call *call = container_of(e, struct store_call, link);
        if (is_held(pg, call) && !pg->gave_up)
            continue;
        list_del(e);
        calls_refuse(pg, call, -EIO);
    }
}

/* --- a batch's calls -------------------------------------------------------------------------- */

size_t calls_open_items(const struct store_submit *call)
{
    size_t n = 0;
    for (size_t i = 0; i < call->count; i++)
        n += call->items[i].result == CALL_OPEN;
    return n;
}

void calls_clear(struct pg *pg)
{
    struct batch *b = &pg->batch;
    assert(list_empty(&b->calls));
    tell_none(pg);
    b->count = b->jobs = b->bytes = b->group_count = b->keyed_count = 0;
    b->writes = b->sent = false;
    pg->stage = STAGE_NONE;
    health_change_over(pg);
}

/* As if nothing had been asked. */
static void reopen(struct store_call *call)
{
    if (call->result < 0 && op_writes(call->op))
        return; /* it was refused before anything was sent */
    read_drop(call);
    call->result = CALL_OPEN;
    if (call->op != OP_SUBMIT)
        return;
    struct store_submit *submit = CALL_AS(store_submit, call);
    write_undo_submit(submit);
    for (size_t i = 0; i < submit->count; i++)
        submit->items[i].result = CALL_OPEN;
}

/* The batch's calls wait again, before all others. */
void calls_put_back(struct pg *pg)
{
    list_for_each(e, &pg->batch.calls) reopen(container_of(e, struct store_call, link));
    list_splice(&pg->batch.calls, &pg->waiting);
    calls_clear(pg);
}

void calls_deliver(struct pg *pg)
{
    struct list again;
    list_init(&again);
    for (struct store_call *call; (call = calls_pop(&pg->batch.calls));) {
        if (call->result == CALL_OPEN)
            list_add_tail(&again, &call->link);
        else
            calls_give_back(pg, call);
    }
    list_splice(&again, &pg->waiting);
    calls_clear(pg);
}
