/* The store's thread: poll(2) over its connections and the queue's eventfd. */
#include "store/postgresql/pg_thread.h"

#include "base/clock.h"
#include "store/postgresql/pg_append.h"
#include "store/postgresql/pg_batch.h"
#include "store/postgresql/pg_calls.h"
#include "store/postgresql/pg_fleet.h"
#include "store/postgresql/pg_health.h"
#include "store/postgresql/pg_read.h"
#include "store/postgresql/pg_records.h"
#include "store/postgresql/pg_write.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#define LOOK_MS 60000 /* at the latest */

/* --- the queue -------------------------------------------------------------------------------- */

static void drain_wake(struct pg *pg)
{
    uint64_t n;
    while (read(pg->wake_fd, &n, sizeof n) > 0)
        ;
}

/* True: it is to stop. */
static bool take_queue(struct pg *pg)
{
    pthread_mutex_lock(&pg->lock);
    for (struct list *e; (e = list_pop(&pg->queue));) {
        struct store_call *call = container_of(e, struct store_call, link);
        if (append_take(pg, call) || records_take(pg, call))
            continue;
        list_add_tail(call->op >= OP_LIST ? &pg->reading : &pg->waiting, e);
    }
    bool stop = pg->stop, give_up = pg->giving_up;
    pthread_mutex_unlock(&pg->lock);
    calls_take_others(pg);
    if (give_up && !pg->gave_up && atomic_load(&pg->failing)) {
        channel_close(&pg->w); /* what is on its way there is nobody's now */
        channel_close(&pg->r);
        batch_give_up(pg);
    }
    return stop;
}

/* --- long reads ------------------------------------------------------------------------------- */

static void read_done(struct pg *pg)
{
    struct store_call *call = container_of(list_pop(&pg->reading), struct store_call, link);
    if (pg->r.fault_code != 0) {
        read_drop(call);
        call->result = pg->r.fault_code;
        call->error = pg->r.fault;
    } else if (read_goes_on(call)) {
        list_add_tail(&pg->reading, &call->link);
        return;
    }
    calls_give_back(pg, call);
}

static void read_lost(struct pg *pg)
{
    for (struct list *e; (e = list_pop(&pg->reading));) {
        struct store_call *call = container_of(e, struct store_call, link);
        read_drop(call);
        call->result = pg->r.fault_code;
        call->error = pg->r.fault;
        calls_give_back(pg, call);
    }
}

static void turn_r(struct pg *pg)
{
    enum channel_event event = channel_turn(&pg->r);
    if (event == CHANNEL_DONE)
        health_answered(pg, STORE_READS, &pg->r);
    if (event == CHANNEL_DONE)
        read_done(pg);
    else if (event == CHANNEL_LOST)
        read_lost(pg);
    if (list_empty(&pg->reading))
        return;
    if (pg->r.state == CHANNEL_DOWN && target_call(&pg->target, pg->application) == 0)
        channel_connect(&pg->r);
    if (pg->r.state != CHANNEL_IDLE)
        return;
    read_long(pg, container_of(pg->reading.next, struct store_call, link));
    channel_sync(&pg->r);
}

/* --- changes ---------------------------------------------------------------------------------- */

static bool may_begin(const struct pg *pg)
{
    return pg->w.state == CHANNEL_IDLE && pg->stage == STAGE_NONE && !pg->gave_up &&
           (!atomic_load(&pg->failing) || clock_now() >= pg->retry_at);
}

static void connected(struct pg *pg)
{
    health_reconnected(pg);
    batch_connected(pg);
}

static void turn_w(struct pg *pg)
{
    enum channel_event event = channel_turn(&pg->w);
    if (event == CHANNEL_DONE)
        health_answered(pg, STORE_CHANGES, &pg->w);
    if (event == CHANNEL_DONE)
        batch_done(pg);
    else if (event == CHANNEL_CONNECTED)
        connected(pg);
    else if (event == CHANNEL_LOST)
        batch_lost(pg);
    if (pg->w.state == CHANNEL_DOWN && !pg->gave_up && clock_now() >= pg->w.retry_at &&
        target_call(&pg->target, pg->application) == 0)
        channel_connect(&pg->w);
    if (atomic_load(&pg->failing))
        calls_refuse_waiting(pg);
    if (pg->recount && pg->w.state == CHANNEL_IDLE && pg->stage == STAGE_NONE && !pg->gave_up) {
        pg->recount = false;
        batch_connected(pg);
    }
    while (may_begin(pg)) {
        batch_begin(pg);
        if (pg->stage == STAGE_NONE && list_empty(&pg->waiting))
            return;
    }
}

/* What is under way as the lease ends may never be answered, and we join anew behind it only: it
 * is asked after by a new connection, as after any other loss. */
static void drop_at_fence(struct pg *pg)
{
    static const char why[] = "no answer had come when the lease was over";
    if (!pg->fleet || pg->fenced || !fleet_is_fenced(pg->fleet, NULL))
        return;
    pg->fenced = true;
    records_drop(pg, why);
    append_drop(pg, why);
    if (pg->w.state != CHANNEL_BUSY)
        return;
    channel_drop(&pg->w, why);
    batch_lost(pg);
}

/* --- waiting ---------------------------------------------------------------------------------- */

static int ms_until(uint64_t at, int most)
{
    uint64_t now = clock_now();
    if (at <= now)
        return 0;
    uint64_t ms = (at - now) / NS_PER_MS + 1;
    return ms < (uint64_t)most ? (int)ms : most;
}

/* A server that takes a connection and says nothing is given up in time. */
static int connect_timeout(const struct channel *ch, int most)
{
    return ch->state == CHANNEL_CONNECTING ? ms_until(ch->patience_to, most) : most;
}

static int timeout(const struct pg *pg)
{
    int64_t age = fleet_time(pg) - pg->oldest_end, keep = pg->config.keep_finished_us;
    if (pg->gave_up)
        return LOOK_MS;
    if (pg->w.state == CHANNEL_DOWN)
        return ms_until(pg->w.retry_at, LOOK_MS);
    if (atomic_load(&pg->failing) && pg->stage == STAGE_NONE)
        return ms_until(pg->retry_at, LOOK_MS);
    if (age < keep && (keep - age) / 1000 < LOOK_MS)
        return (int)((keep - age) / 1000) + 1;
    return LOOK_MS;
}

static bool is_idle(const struct pg *pg)
{
    return pg->stage == STAGE_NONE && list_empty(&pg->waiting) && list_empty(&pg->reading) &&
           records_idle(pg) && append_idle(pg);
}

void *pg_thread(void *arg)
{
    struct pg *pg = arg;
    pthread_setname_np(pthread_self(), "store");
    for (;;) {
        bool stop = take_queue(pg);
        drop_at_fence(pg);
        records_turn(pg);
        append_turn(pg);
        turn_w(pg);
        turn_r(pg);
        if (stop && is_idle(pg))
            return NULL;
        struct pollfd fds[] = {{.fd = pg->wake_fd, .events = POLLIN},
                               channel_poll(&pg->w),
                               channel_poll(&pg->r),
                               records_poll(pg),
                               append_poll(pg)};
        int patience = append_timeout(pg, records_timeout(pg, timeout(pg)));
        patience = connect_timeout(&pg->w, connect_timeout(&pg->r, patience));
        if (poll(fds, sizeof fds / sizeof fds[0], patience) < 0 && errno != EINTR)
            return NULL; /* out of kernel memory: nothing can be done */
        drain_wake(pg);
    }
}
