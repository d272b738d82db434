/* The way of a batch of records that comes before its job's end:
 *
 *   lock      BEGIN; the job's row, which must run here at that attempt; how many bytes of its
 *             spool stand already (table `batches`)
 *   copy      those behind them
 *   commit    are we a member? so many stand now, and COMMIT
 *   undo      ROLLBACK
 *
 * How far an attempt has come stands in the database alone, so nothing has to be settled when an
 * answer is lost: the next batch, or the end (pg_records.c), looks there and goes on behind it. So
 * a batch that does not come through is not tried again either: whoever brings it keeps the spool,
 * and all of it comes with the next one. Only records that the table refuses for what they are fail
 * the call in a way that the job should know of.
 *
 * Who closes an attempt changes the job's row, which each batch locks: none commits behind that.
 * What an attempt that came to nothing has left is deleted afterwards, by whichever daemon sees it
 * first: it is what `batches` has and no running job goes by. */
#include "store/postgresql/pg_append.h"

#include "base/clock.h"
#include "base/log.h"
#include "record/spool.h"
#include "store/postgresql/pg_calls.h"
#include "store/postgresql/pg_copy.h"
#include "store/postgresql/pg_feed.h"
#include "store/postgresql/pg_row.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TURN_PIECES  4
#define DISCARD_MOST 16 /* attempts, in one transaction */
#define DISCARD_NS   (60 * NS_PER_SEC)

enum append_stage {
    APPEND_NONE,
    APPEND_FREE, /* no call: the session that was lost is ended */
    APPEND_LOCK,
    APPEND_COPY,
    APPEND_COMMIT,
    APPEND_UNDO,
    APPEND_DISCARD, /* no call: what attempts have left behind */
};

struct appends {
    struct channel channel;
    struct copy copy;
    struct feed feed;
    struct feed_source source;
    struct list waiting;
    enum append_stage stage;
    struct store_append *call; /* under way; NULL */
    struct table_name into;    /* where its records go */
    int64_t member;            /* that its row was locked for */
    bool locked;
    uint64_t stored;     /* bytes of its spool that stand already */
    int lost_pid;        /* the server's process that has the transaction, or of a lost one; 0 */
    uint64_t retry_at;   /* clock_now: it is not connected before */
    uint64_t discard_at; /* clock_now: what was left behind is looked for; 0: never */
    bool again;          /* … and once more, soon after that */
    int64_t discarded;
    bool used, hungry;
};

/* --- life ------------------------------------------------------------------------------------- */

int append_init(struct pg *pg)
{
    struct appends *x = calloc(1, sizeof *x);
    if (!x)
        return -ENOMEM;
    channel_init(&x->channel, &pg->target, &pg->sqls);
    list_init(&x->waiting);
    pg->appends = x;
    return 0;
}

void append_deinit(struct pg *pg)
{
    struct appends *x = pg->appends;
    if (!x)
        return;
    assert(list_empty(&x->waiting) && !x->call);
    channel_deinit(&x->channel);
    feed_deinit(&x->feed);
    free(x);
    pg->appends = NULL;
}

/* The end of an attempt that came to nothing, maybe. */
static bool leaves_behind(const struct store_call *call)
{
    if (call->op == OP_FINISH)
        return CALL_AS(store_finish, call)->state != JOB_DONE;
    return call->op == OP_POSTPONE || call->op == OP_CLOSE_TORN;
}

/* What is to be looked for sooner is not put off: on a busy daemon one attempt or the other fails
 * all the time. Once this one's end stands, it is looked again. */
static void discard_soon(struct pg *pg)
{
    struct appends *x = pg->appends;
    uint64_t at = clock_now() + pg->config.retry_ns;
    if (x->discard_at != 0 && x->discard_at <= at)
        x->again = true;
    else
        x->discard_at = at;
}

bool append_take(struct pg *pg, struct store_call *call)
{
    struct appends *x = pg->appends;
    if (call->op == OP_APPEND) {
        list_add_tail(&x->waiting, &call->link);
        if (!x->used) /* an earlier run of this daemon may have left some */
            discard_soon(pg);
        x->used = true;
        return true;
    }
    if (leaves_behind(call) && (x->used || call->op == OP_CLOSE_TORN))
        discard_soon(pg);
    return false;
}

bool append_idle(const struct pg *pg)
{
    return !pg->appends->call && list_empty(&pg->appends->waiting);
}

/* --- answers ---------------------------------------------------------------------------------- */

static void answer(struct pg *pg, int result, const char *why)
{
    struct appends *x = pg->appends;
    struct store_call *call = &x->call->call;
    x->call = NULL;
    x->stage = APPEND_NONE;
    x->lost_pid = 0;
    x->hungry = false;
    call->result = result < 0 ? error_set(&call->error, result, "%s", why) : 0;
    calls_give_back(pg, call);
}

static void answer_all(struct pg *pg, const char *why)
{
    struct appends *x = pg->appends;
    if (x->call)
        answer(pg, -EAGAIN, why);
    for (struct store_call *call; (call = calls_pop(&x->waiting));) {
        x->call = CALL_AS(store_append, call);
        answer(pg, -EAGAIN, why);
    }
    x->stage = APPEND_NONE;
}

/* The call is answered once that is done, by what the channel has of its fault. */
static void undo(struct appends *x)
{
    char sqlstate[sizeof x->channel.sqlstate];
    struct error fault = x->channel.fault;
    int code = x->channel.fault_code;
    bool unfit = x->channel.unfit;
    memcpy(sqlstate, x->channel.sqlstate, sizeof sqlstate);
    x->stage = APPEND_UNDO;
    channel_step(&x->channel, SQL_ROLLBACK, NULL, NULL, NULL);
    channel_sync(&x->channel);
    memcpy(x->channel.sqlstate, sqlstate, sizeof sqlstate);
    x->channel.fault = fault;
    x->channel.fault_code = code;
    x->channel.unfit = unfit;
}

static void undone(struct pg *pg)
{
    struct appends *x = pg->appends;
    if (x->channel.fault_code != 0)
        answer(pg, x->channel.unfit ? -EINVAL : -EAGAIN, x->channel.fault.text);
    else if (x->locked) /* all of it stood already */
        answer(pg, 0, NULL);
    else
        answer(pg, -ESTALE, "the job does not run here at that attempt");
}

/* --- the way ---------------------------------------------------------------------------------- */

static void take_locked(void *arg, const PGresult *result)
{
    ((struct appends *)arg)->locked = PQntuples(result) > 0;
}

static void take_stored(void *arg, const PGresult *result)
{
    struct appends *x = arg;
    if (PQntuples(result) > 0)
        x->stored = (uint64_t)row_int(result, 0, 1);
}

static void put_attempt(struct args *args, const struct appends *x)
{
    args_arrays(args, 2);
    array_int(args, 0, (int64_t)x->call->id);
    array_int(args, 1, x->call->attempt);
    args_close(args);
}

static void lock(struct pg *pg)
{
    struct appends *x = pg->appends;
    x->call = CALL_AS(store_append, calls_pop(&x->waiting));
    x->stage = APPEND_LOCK;
    x->member = pg->member;
    x->locked = false;
    x->stored = 0;
    x->lost_pid = PQbackendPID(x->channel.conn);
    channel_step(&x->channel, SQL_BEGIN, NULL, NULL, NULL);
    args_reset(&pg->args);
    args_int(&pg->args, pg->member);
    args_int(&pg->args, (int64_t)x->call->id);
    args_int(&pg->args, x->call->attempt);
    channel_step(&x->channel, SQL_APPEND_LOCK, &pg->args, take_locked, x);
    args_reset(&pg->args); /* a statement of its own: it sees what the lock has waited for */
    put_attempt(&pg->args, x);
    channel_step(&x->channel, SQL_STORED, &pg->args, take_stored, x);
    channel_sync(&x->channel);
}

static void begin_copy(struct pg *pg)
{
    struct appends *x = pg->appends;
    x->source = (struct feed_source){.job = x->call->id,
                                     .attempt = x->call->attempt,
                                     .spool = &x->call->records,
                                     .from = x->stored};
    x->stage = APPEND_COPY;
    feed_begin(&x->feed, &x->source, 1);
    pthread_mutex_lock(&pg->lock);
    x->into = pg->into;
    copy_begin(&x->copy, &x->channel, pg->copy_sql);
    pthread_mutex_unlock(&pg->lock);
}

static void locked(struct pg *pg)
{
    struct appends *x = pg->appends;
    if (x->locked && x->stored < x->call->records.size)
        begin_copy(pg);
    else
        undo(x);
}

/* One piece. What cannot be read now cannot be at the end either, and is told then. */
static void feed(struct appends *x)
{
    int r = feed_piece(&x->feed);
    if (r < 0)
        copy_end(&x->copy, "a spool cannot be read");
    else
        copy_put(&x->copy, x->feed.out.data, x->feed.out.len);
    if (r == 0)
        copy_end(&x->copy, NULL);
}

static void commit(struct pg *pg)
{
    struct appends *x = pg->appends;
    x->stage = APPEND_COMMIT;
    args_reset(&pg->args);
    args_int(&pg->args, x->member);
    channel_step(&x->channel, SQL_ALIVE, &pg->args, NULL, NULL);
    args_reset(&pg->args);
    args_int(&pg->args, (int64_t)x->call->id);
    args_int(&pg->args, x->call->attempt);
    args_text(&pg->args, x->into.schema);
    args_text(&pg->args, x->into.name);
    args_int(&pg->args, (int64_t)x->call->records.size);
    channel_step(&x->channel, SQL_APPENDED, &pg->args, NULL, NULL);
    channel_step(&x->channel, SQL_COMMIT, NULL, NULL, NULL);
    channel_sync(&x->channel);
}

/* --- what was left behind --------------------------------------------------------------------- */

static void take_discarded(void *arg, const PGresult *result)
{
    ((struct appends *)arg)->discarded = row_int(result, 0, 0);
}

static void discard(struct pg *pg)
{
    struct appends *x = pg->appends;
    x->stage = APPEND_DISCARD;
    x->discarded = 0;
    args_reset(&pg->args);
    args_int(&pg->args, DISCARD_MOST);
    channel_step(&x->channel, SQL_DISCARD, &pg->args, take_discarded, x);
    channel_sync(&x->channel);
}

/* Others may leave some as well, so it is looked at again, by those who bring any. */
static void discarded(struct pg *pg)
{
    struct appends *x = pg->appends;
    uint64_t now = clock_now();
    if (x->channel.fault_code != 0)
        log_warning("store: what attempts have left in the database cannot be deleted: %s",
                    x->channel.fault.text);
    x->stage = APPEND_NONE;
    if (x->again || x->discarded == DISCARD_MOST) /* what waits goes between */
        x->discard_at = now + pg->config.retry_ns;
    else
        x->discard_at = x->used || x->discarded > 0 ? now + DISCARD_NS : 0;
    x->again = false;
}

/* --- the connection --------------------------------------------------------------------------- */

static void done(struct pg *pg)
{
    struct appends *x = pg->appends;
    if (x->stage == APPEND_UNDO) {
        undone(pg);
        return;
    }
    if (x->channel.fault_code != 0 && x->call) {
        undo(x);
        return;
    }
    switch (x->stage) {
    case APPEND_FREE:
        x->lost_pid = 0;
        x->stage = APPEND_NONE;
        return;
    case APPEND_DISCARD:
        discarded(pg);
        return;
    case APPEND_LOCK:
        locked(pg);
        return;
    case APPEND_COPY:
        commit(pg);
        return;
    default:
        answer(pg, 0, NULL);
        return;
    }
}

static void lost(struct pg *pg)
{
    struct appends *x = pg->appends;
    struct error why = x->channel.fault;
    int pid = x->lost_pid;
    x->copy.state = COPY_NONE;
    x->retry_at = clock_now() + pg->config.retry_ns;
    answer_all(pg, why.text);
    x->lost_pid = pid; /* of a transaction, which may be open yet */
}

void append_drop(struct pg *pg, const char *why)
{
    struct appends *x = pg->appends;
    if (x->channel.state != CHANNEL_BUSY)
        return;
    channel_drop(&x->channel, why);
    lost(pg);
}

/* It may hold the job's row: the server does not know that nobody is there. */
static void free_lost(struct pg *pg)
{
    struct appends *x = pg->appends;
    x->stage = APPEND_FREE;
    args_reset(&pg->args);
    args_int(&pg->args, x->lost_pid);
    args_text(&pg->args, pg->application);
    channel_step(&x->channel, SQL_END_SESSION, &pg->args, NULL, NULL);
    channel_sync(&x->channel);
}

static bool is_due(const struct appends *x)
{
    return x->discard_at != 0 && clock_now() >= x->discard_at;
}

static bool is_wanted(const struct appends *x)
{
    bool down = x->channel.state == CHANNEL_DOWN;
    return !list_empty(&x->waiting) || is_due(x) || (down && x->lost_pid);
}

static enum channel_event turn(struct appends *x)
{
    return x->copy.state == COPY_NONE ? channel_turn(&x->channel) : copy_turn(&x->copy);
}

/* There may always be a batch that waits. */
static void begin(struct pg *pg)
{
    struct appends *x = pg->appends;
    if (is_due(x))
        discard(pg);
    else if (!list_empty(&x->waiting))
        lock(pg);
}

void append_turn(struct pg *pg)
{
    struct appends *x = pg->appends;
    if (pg->gave_up) {
        channel_close(&x->channel);
        x->copy.state = COPY_NONE;
        answer_all(pg, "the store was given up");
        return;
    }
    enum channel_event event = turn(x);
    for (int i = 0; event == CHANNEL_MORE && i < TURN_PIECES; i++) {
        feed(x);
        event = turn(x);
    }
    x->hungry = event == CHANNEL_MORE;
    if (event == CHANNEL_DONE)
        done(pg);
    else if (event == CHANNEL_LOST)
        lost(pg);
    else if (event == CHANNEL_CONNECTED && x->lost_pid)
        free_lost(pg);
    if (!is_wanted(x) || clock_now() < x->retry_at)
        return;
    if (x->channel.state == CHANNEL_DOWN && target_call(&pg->target, pg->application) == 0)
        channel_connect(&x->channel);
    if (x->channel.state == CHANNEL_IDLE && x->stage == APPEND_NONE)
        begin(pg);
}

struct pollfd append_poll(const struct pg *pg)
{
    struct pollfd p = channel_poll(&pg->appends->channel);
    if (pg->appends->copy.state == COPY_TAKES)
        p.events |= POLLOUT;
    return p;
}

static int ms_until(uint64_t at, int most)
{
    uint64_t now = clock_now();
    uint64_t ms = at > now ? (at - now) / NS_PER_MS + 1 : 0;
    return ms < (uint64_t)most ? (int)ms : most;
}

int append_timeout(const struct pg *pg, int most)
{
    const struct appends *x = pg->appends;
    if (pg->gave_up)
        return most;
    if (x->hungry)
        return 0;
    if (x->channel.state == CHANNEL_CONNECTING)
        return ms_until(x->channel.patience_to, most);
    if (x->channel.state == CHANNEL_BUSY)
        return most;
    if (is_wanted(x))
        return ms_until(x->retry_at, most);
    return x->discard_at ? ms_until(x->discard_at, most) : most;
}
