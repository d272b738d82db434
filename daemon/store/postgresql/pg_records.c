/* The way of a batch of ends with records, on a connection of its own:
 *
 *   lock      BEGIN; the rows of its jobs, which must run here
 *   ask       of those that do not: did an earlier try store their ends? Else they are stale
 *   copy      their records, behind those that came before (pg_append.c)
 *   finish    are we a member? the ends, and COMMIT
 *   undo      ROLLBACK, of a batch that failed or has nothing left
 *
 * Whatever becomes of an answer that is lost, all is simply said again: the end deletes the job's
 * row, so it stands once, and its records with it; and who finds the row gone asks `ended`. Who
 * runs an attempt is one member alone, so an end of that attempt as done is this store's own, also
 * if it was another member of the fleet by then. A transaction that a lost connection has left
 * behind is ended first, as it would hold the rows. Our row of `counts`, which the other connection
 * needs for each of its batches, is locked in the last step alone. */
#include "store/postgresql/pg_records.h"

#include "base/clock.h"
#include "record/spool.h"
#include "store/postgresql/pg_calls.h"
#include "store/postgresql/pg_copy.h"
#include "store/postgresql/pg_feed.h"
#include "store/postgresql/pg_health.h"
#include "store/postgresql/pg_row.h"
#include "store/postgresql/pg_write.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BATCH_ENDS    256
#define BATCH_RECORDS ((uint64_t)4 << 20) /* bytes of them; one end may have more */
#define TURN_PIECES   4

enum records_stage {
    RECORDS_NONE,
    RECORDS_FREE, /* no batch: the session that was lost is ended */
    RECORDS_LOCK,
    RECORDS_ASK,
    RECORDS_COPY,
    RECORDS_FINISH,
    RECORDS_UNDO
};

#define CALL_LOCKED 2 /* as CALL_OPEN, and its row is locked */

struct records {
    struct channel channel;
    struct copy copy;
    struct list waiting;
    enum records_stage stage;
    struct batch batch;
    struct group group; /* the batch's one */
    int64_t member;     /* that the batch was locked for: a fleet may be joined anew meanwhile */
    int lost_pid;       /* the server's process of a connection that was lost; 0 */
    uint64_t retry_at;  /* clock_now: nothing is begun before */
    unsigned single;    /* so many batches are of one call: one of a batch was bad */
    int64_t number;     /* of batches */
    bool hungry;        /* the server takes more at once */
    bool spoiled;       /* a spool could not be read: the others come again without it */
    struct feed feed;
    struct feed_source sources[BATCH_ENDS]; /* as batch.order */
    bool early;                             /* some records of these came before their end */
};

static struct store_finish *finish_of(struct store_call *call)
{
    return CALL_AS(store_finish, call);
}

/* --- life ------------------------------------------------------------------------------------- */

int records_init(struct pg *pg)
{
    struct records *x = calloc(1, sizeof *x);
    if (!x)
        return -ENOMEM;
    channel_init(&x->channel, &pg->target, &pg->sqls);
    list_init(&x->waiting);
    list_init(&x->batch.calls);
    x->batch.channel = &x->channel;
    pg->records = x;
    return 0;
}

void records_deinit(struct pg *pg)
{
    struct records *x = pg->records;
    if (!x)
        return;
    assert(list_empty(&x->waiting) && list_empty(&x->batch.calls));
    channel_deinit(&x->channel);
    feed_deinit(&x->feed);
    free(x);
    pg->records = NULL;
}

bool records_take(struct pg *pg, struct store_call *call)
{
    if (call->op != OP_FINISH || !finish_of(call)->records || call->result != CALL_OPEN)
        return false;
    assert(finish_of(call)->running && finish_of(call)->state == JOB_DONE);
    list_add_tail(&pg->records->waiting, &call->link);
    return true;
}

bool records_idle(const struct pg *pg)
{
    const struct records *x = pg->records;
    return x->stage == RECORDS_NONE && list_empty(&x->waiting);
}

/* --- a batch's calls -------------------------------------------------------------------------- */

static void batch_clear(struct records *x)
{
    assert(list_empty(&x->batch.calls));
    x->batch.count = 0;
    x->stage = RECORDS_NONE;
    x->hungry = x->spoiled = false;
}

/* Nothing of it stands, as far as is known. */
static void put_back(struct records *x)
{
    list_for_each(e, &x->batch.calls) container_of(e, struct store_call, link)->result = CALL_OPEN;
    list_splice(&x->batch.calls, &x->waiting);
    batch_clear(x);
}

static void deliver(struct pg *pg)
{
    for (struct store_call *call; (call = calls_pop(&pg->records->batch.calls));) {
        assert(call->result <= 0);
        calls_give_back(pg, call);
    }
    batch_clear(pg->records);
}

static void set_failing(struct pg *pg, const struct error *why)
{
    pg->records_failing = true;
    calls_set_failing(pg, why);
    pg->records->retry_at = pg->retry_at;
}

static void set_working(struct pg *pg)
{
    bool other = pg->w.state == CHANNEL_IDLE || pg->w.state == CHANNEL_BUSY;
    if (!pg->records_failing)
        return;
    pg->records_failing = false;
    if (other) /* else it says so itself */
        calls_set_working(pg);
}

/* Those that are still open, as one group in their order. */
static void group_open(struct pg *pg)
{
    struct records *x = pg->records;
    struct batch *b = &x->batch;
    b->count = 0;
    list_for_each(e, &b->calls)
    {
        struct store_call *call = container_of(e, struct store_call, link);
        if (call->result == CALL_OPEN)
            b->order[b->count++] = call;
    }
    x->group = (struct group){.op = OP_FINISH, .count = b->count, .pg = pg, .batch = b};
    b->delta = (struct delta){.bytes = 0};
}

/* --- undo ------------------------------------------------------------------------------------- */

/* What is to be told of it afterwards is left in the channel. */
static void undo(struct records *x)
{
    char sqlstate[sizeof x->channel.sqlstate];
    struct error fault = x->channel.fault;
    bool unfit = x->channel.unfit;
    memcpy(sqlstate, x->channel.sqlstate, sizeof sqlstate);
    x->stage = RECORDS_UNDO;
    channel_step(&x->channel, SQL_ROLLBACK, NULL, NULL, NULL);
    channel_sync(&x->channel);
    memcpy(x->channel.sqlstate, sqlstate, sizeof sqlstate);
    x->channel.fault = fault;
    x->channel.unfit = unfit;
}

static void fail_only_call(struct pg *pg)
{
    struct store_call *call = calls_pop(&pg->records->batch.calls);
    call->result = -EINVAL;
    call->error = pg->records->channel.fault;
    calls_give_back(pg, call);
}

static void failed(struct pg *pg)
{
    struct records *x = pg->records;
    const struct list *calls = &x->batch.calls;
    const char *state = x->channel.sqlstate;
    if (strcmp(state, "22012") == 0) { /* the other connection says why, as it is no member's */
        pg->recount = true;
        x->retry_at = clock_now() + pg->config.retry_ns;
    } else if (x->channel.unfit && calls->next->next == calls) {
        fail_only_call(pg); /* it is about what this one brings, and no other */
    } else if (x->channel.unfit) {
        x->single = BATCH_ENDS;
    } else if (strncmp(state, "40", 2) != 0) { /* else a deadlock: again at once */
        set_failing(pg, &x->channel.fault);
    }
}

static void undone(struct pg *pg)
{
    struct records *x = pg->records;
    if (!list_empty(&x->batch.calls) && !x->spoiled && x->member == pg->member)
        failed(pg);
    put_back(x);
    if (list_empty(&x->waiting)) /* all are settled: nothing fails any more */
        set_working(pg);
}

/* --- copying ---------------------------------------------------------------------------------- */

/* The end whose records cannot be read stays without them: the server is told to forget the copy,
 * and the others come again. */
static void unreadable(struct pg *pg, int code)
{
    struct records *x = pg->records;
    struct store_call *call = x->batch.order[x->feed.at];
    call->result =
        error_set(&call->error, code, "its records cannot be read: %s", strerrordesc_np(-code));
    list_del(&call->link);
    calls_give_back(pg, call);
    x->spoiled = true;
    copy_end(&x->copy, "a spool cannot be read");
}

/* One piece. */
static void feed(struct pg *pg)
{
    struct records *x = pg->records;
    int r = feed_piece(&x->feed);
    if (x->feed.out.failed)
        x->channel.send_failed = true; /* as one that is lost: it is tried again */
    else if (r < 0)
        unreadable(pg, r);
    else
        copy_put(&x->copy, x->feed.out.data, x->feed.out.len);
    if (r == 0)
        copy_end(&x->copy, NULL);
}

static void begin_copy(struct pg *pg)
{
    struct records *x = pg->records;
    x->stage = RECORDS_COPY;
    for (size_t i = 0; i < x->batch.count; i++) {
        const struct store_finish *end = finish_of(x->batch.order[i]);
        x->sources[i] = (struct feed_source){
            .job = end->id, .attempt = end->attempt, .spool = end->records, .from = end->stored};
    }
    feed_begin(&x->feed, x->sources, x->batch.count);
    pthread_mutex_lock(&pg->lock);
    copy_begin(&x->copy, &x->channel, pg->copy_sql);
    pthread_mutex_unlock(&pg->lock);
}

/* --- the way ---------------------------------------------------------------------------------- */

static void take_locked(void *arg, const PGresult *result)
{
    const struct batch *b = arg;
    size_t k = 0;
    for (int i = 0; i < PQntuples(result); i++) {
        uint64_t id = (uint64_t)row_int(result, i, 0);
        for (size_t n = 0; n < b->count; n++, k = (k + 1) % b->count)
            if (finish_of(b->order[k])->id == id)
                break;
        b->order[k]->result = CALL_LOCKED;
    }
}

static void take_stored(void *arg, const PGresult *result)
{
    struct records *x = arg;
    for (int i = 0; i < PQntuples(result); i++)
        for (size_t k = 0; k < x->batch.count; k++)
            if (finish_of(x->batch.order[k])->id == (uint64_t)row_int(result, i, 0))
                finish_of(x->batch.order[k])->stored = (uint64_t)row_int(result, i, 1);
    x->early = PQntuples(result) > 0;
}

/* The ids and attempts of the group. */
static void put_attempts(struct pg *pg)
{
    const struct batch *b = &pg->records->batch;
    args_reset(&pg->args);
    args_arrays(&pg->args, 2);
    for (size_t i = 0; i < b->count; i++) {
        array_int(&pg->args, 0, (int64_t)finish_of(b->order[i])->id);
        array_int(&pg->args, 1, finish_of(b->order[i])->attempt);
    }
    args_close(&pg->args);
}

static void lock(struct pg *pg)
{
    struct records *x = pg->records;
    x->stage = RECORDS_LOCK;
    x->member = pg->member;
    group_open(pg);
    channel_step(&x->channel, SQL_BEGIN, NULL, NULL, NULL);
    args_reset(&pg->args);
    args_int(&pg->args, pg->member);
    args_arrays(&pg->args, 2);
    for (size_t i = 0; i < x->batch.count; i++) {
        array_int(&pg->args, 1, (int64_t)finish_of(x->batch.order[i])->id);
        array_int(&pg->args, 2, finish_of(x->batch.order[i])->attempt);
        finish_of(x->batch.order[i])->stored = 0;
    }
    args_close(&pg->args);
    channel_step(&x->channel, SQL_FINISH_LOCK, &pg->args, take_locked, &x->batch);
    put_attempts(pg); /* a statement of its own: it sees what the lock has waited for */
    channel_step(&x->channel, SQL_STORED, &pg->args, take_stored, x);
    channel_sync(&x->channel);
}

static void take_refused(void *arg, const PGresult *result)
{
    struct batch *b = arg;
    for (int i = 0; i < PQntuples(result); i++)
        for (size_t k = 0; k < b->count; k++) {
            struct store_call *call = b->order[k];
            if (call->result != CALL_OPEN || finish_of(call)->id != (uint64_t)row_int(result, i, 0))
                continue;
            call->result =
                error_set(&call->error, -ESTALE, "job %llu is not at that attempt here: it is %s",
                          (unsigned long long)finish_of(call)->id,
                          job_state_name((enum job_state)row_int(result, i, 1)));
        }
}

static void take_stood(void *arg, const PGresult *result)
{
    struct batch *b = arg;
    for (int i = 0; i < PQntuples(result); i++)
        for (size_t k = 0; k < b->count; k++)
            if (b->order[k]->result == CALL_OPEN &&
                finish_of(b->order[k])->id == (uint64_t)row_int(result, i, 0))
                b->order[k]->result = 0;
}

static void ask(struct pg *pg)
{
    struct records *x = pg->records;
    x->stage = RECORDS_ASK;
    group_open(pg);
    put_attempts(pg);
    channel_step(&x->channel, SQL_FINISH_STOOD, &pg->args, take_stood, &x->batch);
    args_reset(&pg->args);
    args_arrays(&pg->args, 1);
    for (size_t i = 0; i < x->batch.count; i++)
        array_int(&pg->args, 0, (int64_t)finish_of(x->batch.order[i])->id);
    args_close(&pg->args);
    channel_step(&x->channel, SQL_LOOK, &pg->args, take_refused, &x->batch);
    channel_sync(&x->channel);
}

/* What was asked about is settled; what is locked goes on. */
static void go_on(struct pg *pg)
{
    struct records *x = pg->records;
    list_for_each(e, &x->batch.calls)
    {
        struct store_call *call = container_of(e, struct store_call, link);
        if (call->result == CALL_LOCKED) {
            call->result = CALL_OPEN;
            continue;
        }
        if (call->result == 0)
            pg->recount = true; /* what it changed was not told */
        if (call->result == CALL_OPEN)
            call->result = error_set(&call->error, -ENOENT, "there is no job %llu",
                                     (unsigned long long)finish_of(call)->id);
        list_del(e);
        calls_give_back(pg, call);
    }
    group_open(pg);
    if (x->batch.count > 0)
        begin_copy(pg);
    else
        undo(x);
}

static void locked(struct pg *pg)
{
    list_for_each(e, &pg->records->batch.calls)
    {
        if (container_of(e, struct store_call, link)->result == CALL_OPEN) {
            ask(pg);
            return;
        }
    }
    go_on(pg);
}

static void finish(struct pg *pg)
{
    struct records *x = pg->records;
    if (x->member != pg->member) { /* their rows are no longer ours: each is told so */
        undo(x);
        return;
    }
    x->stage = RECORDS_FINISH;
    x->batch.since = clock_now();
    args_reset(&pg->args);
    args_int(&pg->args, pg->member);
    channel_step(&x->channel, SQL_ALIVE, &pg->args, NULL, NULL);
    args_int(&pg->args, ++x->number);
    channel_step(&x->channel, SQL_COPIED, &pg->args, NULL, NULL);
    if (x->early) {
        put_attempts(pg);
        channel_step(&x->channel, SQL_STORED_END, &pg->args, NULL, NULL);
    }
    write_group(pg, &x->group, false);
    channel_step(&x->channel, SQL_COMMIT, NULL, NULL, NULL);
    channel_sync(&x->channel);
}

static void finished(struct pg *pg)
{
    struct records *x = pg->records;
    pthread_mutex_lock(&pg->lock);
    histogram_add(&pg->commits, clock_now() - x->batch.since);
    pthread_mutex_unlock(&pg->lock);
    /* Else they were read with it, or are those of the member that we were. */
    if (x->number > pg->copied_there && x->member == pg->member)
        calls_apply_delta(pg, &x->batch.delta);
    set_working(pg);
    deliver(pg);
}

static void done(struct pg *pg)
{
    struct records *x = pg->records;
    if (x->stage == RECORDS_UNDO) {
        undone(pg);
        return;
    }
    if (x->channel.fault_code != 0) {
        undo(x);
        return;
    }
    switch (x->stage) {
    case RECORDS_FREE:
        x->lost_pid = 0;
        x->stage = RECORDS_NONE;
        return;
    case RECORDS_LOCK:
        locked(pg);
        return;
    case RECORDS_ASK:
        go_on(pg);
        return;
    case RECORDS_COPY:
        finish(pg);
        return;
    default:
        finished(pg);
        return;
    }
}

/* --- the connection --------------------------------------------------------------------------- */

static void lost(struct pg *pg)
{
    struct records *x = pg->records;
    pg->recount |= x->stage == RECORDS_FINISH;
    x->copy.state = COPY_NONE;
    put_back(x);
    if (!list_empty(&x->waiting))
        set_failing(pg, &x->channel.fault);
    else /* nobody would try again: the server let an idle one go, or all is settled already */
        set_working(pg);
}

void records_drop(struct pg *pg, const char *why)
{
    struct records *x = pg->records;
    if (x->channel.state != CHANNEL_BUSY)
        return;
    channel_drop(&x->channel, why);
    lost(pg);
}

/* Its transaction may be open yet: the server does not know that nobody is there. Or its commit
 * stands and has no copy yet: what is read then must not be told before it has one. */
static void free_lost(struct pg *pg)
{
    struct records *x = pg->records;
    x->stage = RECORDS_FREE;
    args_reset(&pg->args);
    args_int(&pg->args, x->lost_pid);
    args_text(&pg->args, pg->application);
    channel_step(&x->channel, SQL_END_SESSION, &pg->args, NULL, NULL);
    args_reset(&pg->args);
    args_int(&pg->args, pg->member);
    channel_step(&x->channel, SQL_SYNC, &pg->args, NULL, NULL);
    channel_sync(&x->channel);
}

static void begin(struct pg *pg)
{
    struct records *x = pg->records;
    size_t limit = x->single > 0 ? 1 : BATCH_ENDS, count = 0;
    uint64_t bytes = 0;
    while (!list_empty(&x->waiting) && count < limit) {
        struct store_call *call = container_of(x->waiting.next, struct store_call, link);
        bytes += finish_of(call)->records->size;
        if (count++ > 0 && bytes > BATCH_RECORDS)
            break;
        list_del(&call->link);
        list_add_tail(&x->batch.calls, &call->link);
    }
    if (x->single > 0)
        x->single--;
    x->lost_pid = PQbackendPID(x->channel.conn);
    lock(pg);
}

static enum channel_event turn(struct records *x)
{
    return x->copy.state == COPY_NONE ? channel_turn(&x->channel) : copy_turn(&x->copy);
}

void records_turn(struct pg *pg)
{
    struct records *x = pg->records;
    if (pg->gave_up) {
        records_give_up(pg);
        return;
    }
    enum channel_event event = turn(x);
    for (int i = 0; event == CHANNEL_MORE && i < TURN_PIECES; i++) {
        feed(pg);
        event = turn(x);
    }
    x->hungry = event == CHANNEL_MORE;
    if (event == CHANNEL_DONE && x->copy.state == COPY_NONE)
        health_answered(pg, STORE_RECORDS, &x->channel);
    if (event == CHANNEL_DONE)
        done(pg);
    else if (event == CHANNEL_LOST)
        lost(pg);
    else if (event == CHANNEL_CONNECTED && x->lost_pid)
        free_lost(pg);
    if (list_empty(&x->waiting) || clock_now() < x->retry_at)
        return;
    if (x->channel.state == CHANNEL_DOWN && target_call(&pg->target, pg->application) == 0)
        channel_connect(&x->channel);
    if (x->channel.state == CHANNEL_IDLE && x->stage == RECORDS_NONE)
        begin(pg);
}

struct pollfd records_poll(const struct pg *pg)
{
    struct pollfd p = channel_poll(&pg->records->channel);
    if (pg->records->copy.state == COPY_TAKES)
        p.events |= POLLOUT;
    return p;
}

int records_timeout(const struct pg *pg, int most)
{
    const struct records *x = pg->records;
    uint64_t now = clock_now();
    uint64_t at = x->channel.state == CHANNEL_CONNECTING ? x->channel.patience_to : x->retry_at;
    if (x->hungry)
        return 0;
    if (list_empty(&x->waiting) || pg->gave_up || x->channel.state == CHANNEL_BUSY)
        return most;
    uint64_t ms = at > now ? (at - now) / NS_PER_MS + 1 : 0;
    return ms < (uint64_t)most ? (int)ms : most;
}

void records_give_up(struct pg *pg)
{
    struct records *x = pg->records;
    channel_close(&x->channel);
    x->copy.state = COPY_NONE;
    put_back(x);
    for (struct store_call *call; (call = calls_pop(&x->waiting));)
        calls_refuse(pg, call, -EIO);
}
