/* The sink's thread: takes a batch, brings it to every target, hands it to the tap, gives the
 * posted lines back, and takes the next. A batch is not left before all targets have it, so one
 * cursor a target, into this batch, is all the state there is; a failing target holds the others
 * up, and in the end the parsers.
 *
 * Without delay when idle: the first line wakes the thread at once. After a batch it lingers for
 * LINGER_NS without asking to be woken, so that a fast parser pays for a system call once in many
 * records. */
#include "record/writer.h"

#include "base/clock.h"
#include "base/log.h"
#include "record/credit.h"
#include "record/spool_delivery.h"
#include "record/switch.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINGER_NS (200 * UINT64_C(1000))

/* --- state of the targets --------------------------------------------------------------------- */

static void publish(struct sink *s, struct target *t)
{
    pthread_mutex_lock(&s->lock);
    if (t->error == 0)
        t->status.since_us = 0;
    else if (t->status.error == 0)
        t->status.since_us = clock_real_us();
    t->status.error = -t->error;
    t->status.lines = t->lines;
    t->status.bytes = t->bytes;
    pthread_mutex_unlock(&s->lock);
}

static void target_failed(struct sink *s, struct target *t, int code)
{
    bool first = t->error == 0;
    t->error = code;
    t->retry_at = clock_now() + s->config.retry_ns;
    if (first)
        atomic_fetch_add(&s->failing, 1);
    publish(s, t);
    if (first && s->config.trouble)
        s->config.trouble(s->config.arg, t->name, -code);
}

static void target_works(struct sink *s, struct target *t)
{
    bool failed = t->error != 0;
    t->error = 0;
    if (failed)
        atomic_fetch_sub(&s->failing, 1);
    publish(s, t);
    if (failed && s->config.trouble)
        s->config.trouble(s->config.arg, t->name, 0);
}

/* Not a failure that could end: the status tells, no job is held back by it. */
static void target_gone(struct sink *s, struct target *t, int code)
{
    if (t->error != 0)
        atomic_fetch_sub(&s->failing, 1);
    t->gone = t->done = true;
    t->error = code;
    publish(s, t);
    if (s->config.stdout_gone)
        s->config.stdout_gone(s->config.arg);
}

/* A reader that has closed its end, or a terminal that has hung up. */
static bool means_gone(const struct target *t, int code)
{
    return t->type == SINK_STDOUT &&
           (code == -EPIPE || code == -ECONNRESET || (code == -EIO && t->terminal));
}

/* --- one round -------------------------------------------------------------------------------- */

/* What was asked of the thread meanwhile. */
static void heed(struct sink *s)
{
    bool reopen = atomic_exchange(&s->reopen, false);
    switch_heed(s);
    pthread_mutex_lock(&s->lock);
    bool last_try = s->stopping && !s->stop_seen;
    s->stop_seen = s->stopping;
    pthread_mutex_unlock(&s->lock);
    if (reopen)
        s->reopen_by = clock_now() + s->config.reopen_ns;
    for (size_t i = 0; i < s->target_count; i++) {
        struct target *t = &s->targets[i];
        t->reopen |= reopen;
        if (last_try)
            t->retry_at = 0;
    }
}

/* A reader of one file finds a group whole; a file that fails is left all the same. */
static bool stays(const struct sink *s, const struct target *t, uint64_t now)
{
    return t->reopen && s->grouped && !t->error && now < s->reopen_by;
}

static void push_target(struct sink *s, struct target *t, uint64_t now)
{
    if (t->gone || (t->error && !t->reopen && now < t->retry_at))
        return;
    bool news = t->error != 0; /* to be told if nothing fails now */
    int r = stays(s, t, now) ? 0 : target_refresh(t);
    if (r == 0 && s->batch.count > 0 && !t->done) {
        r = target_push(t, &s->batch, s->config.sync);
        news |= r > 0;
    }
    if (r < 0 && means_gone(t, r))
        target_gone(s, t, r);
    else if (r < 0)
        target_failed(s, t, r);
    else if (news)
        target_works(s, t);
}

/* A spool that cannot be read holds everything up, as a target that cannot be written does: what
 * follows it is the verdict that says that these records are there. */
static void spool_failed(struct sink *s, int code)
{
    bool first = s->spool_retry_at == 0;
    s->spool_retry_at = clock_now() + s->config.retry_ns;
    if (!first)
        return;
    atomic_fetch_add(&s->failing, 1);
    if (s->config.trouble)
        s->config.trouble(s->config.arg, "spool", -code);
}

static void spool_works(struct sink *s)
{
    if (s->spool_retry_at == 0)
        return;
    s->spool_retry_at = 0;
    atomic_fetch_sub(&s->failing, 1);
    if (s->config.trouble)
        s->config.trouble(s->config.arg, "spool", 0);
}

static void give_back(struct list *posted)
{
    for (struct list *e; (e = list_pop(posted));) {
        struct sink_line *line = container_of(e, struct sink_line, link);
        if (line->taken)
            line->taken(line); /* its last touch: the line may be gone now */
    }
}

/* The next piece of the delivery under way. False: there is none, be it for now. */
static bool take_piece(struct sink *s, uint64_t now)
{
    if (now < s->spool_retry_at)
        return false;
    int r = batch_read(&s->batch);
    if (r < 0) {
        spool_failed(s, r);
        return false;
    }
    spool_works(s);
    if (r == 0)
        give_back(&s->batch.posted);
    return r > 0;
}

static void begin_batch(struct sink *s)
{
    for (size_t i = 0; i < s->target_count; i++) {
        target_begin(&s->targets[i]);
        s->targets[i].done = s->targets[i].gone;
    }
}

static void take_batch(struct sink *s)
{
    do {
        if (s->batch.delivery.line) {
            if (take_piece(s, clock_now())) {
                begin_batch(s);
                return;
            }
            if (s->batch.delivery.line)
                return; /* it cannot be read now */
        }
        pthread_mutex_lock(&s->lock);
        queue_take(&s->queue, &s->batch);
        s->mode = WRITER_BUSY;
        pthread_mutex_unlock(&s->lock);
        s->grouped |= s->batch.delivery.line != NULL;
    } while (s->batch.delivery.line);
    if (s->batch.count > 0) {
        batch_index(&s->batch);
        begin_batch(s);
    } else {
        s->grouped = false; /* nothing came with the spool */
    }
}

static void rotate(struct target *t)
{
    int r = target_rotate(t);
    if (r < 0)
        log_warning("sink %s: %s cannot be rotated, and grows on: %s", t->name, t->path,
                    strerror(-r));
}

/* One group may follow another without end. */
static void reopen_between(struct sink *s)
{
    for (size_t i = 0; !s->grouped && i < s->target_count; i++) {
        struct target *t = &s->targets[i];
        if (target_is_full(t))
            rotate(t);
        if (t->reopen)
            push_target(s, t, clock_now());
    }
}

static bool batch_written(const struct sink *s)
{
    for (size_t i = 0; i < s->target_count; i++)
        if (!s->targets[i].done)
            return false;
    return true;
}

static bool hand_to_tap(struct sink *s)
{
    if (!s->config.tap || !atomic_load(&s->tap))
        return true;
    struct sink_chunk *chunk = batch_chunk(&s->batch);
    if (!chunk) {
        s->tap_retry_at = clock_now() + s->config.retry_ns;
        return false;
    }
    s->config.tap(s->config.arg, chunk);
    return true;
}

static bool finish_batch(struct sink *s)
{
    s->tap_retry_at = 0;
    if (!hand_to_tap(s))
        return false;
    if (s->batch.delivery.line) {
        batch_piece_done(&s->batch);
        return true;
    }
    s->grouped = false; /* what was posted with a spool is at the head of the next batch */
    give_back(&s->batch.posted);
    pthread_mutex_lock(&s->lock);
    queue_release(&s->queue, &s->batch);
    if (s->waiters)
        pthread_cond_broadcast(&s->room);
    pthread_mutex_unlock(&s->lock);
    s->linger = true;
    return true;
}

/* --- waiting ---------------------------------------------------------------------------------- */

/* A batch, or a delivery, is under way. */
static bool busy(const struct sink *s)
{
    return s->batch.count > 0 || s->batch.delivery.line;
}

/* False if there is something to do at once. */
static bool may_sleep(struct sink *s)
{
    if (busy(s))
        return true;
    pthread_mutex_lock(&s->lock);
    bool idle = queue_empty(&s->queue) && !s->stopping;
    if (idle)
        s->mode = s->linger ? WRITER_LINGERS : WRITER_SLEEPS;
    pthread_mutex_unlock(&s->lock);
    return idle;
}

/* When to look again at the latest; UINT64_MAX: when woken. */
static uint64_t next_look(struct sink *s, uint64_t now)
{
    uint64_t next = UINT64_MAX;
    for (size_t i = 0; i < s->target_count; i++) {
        const struct target *t = &s->targets[i];
        if (t->error && !t->gone && t->retry_at < next)
            next = t->retry_at;
        if (stays(s, t, now) && s->reopen_by < next)
            next = s->reopen_by;
    }
    if (switch_by(s) < next)
        next = switch_by(s);
    if (s->tap_retry_at && s->tap_retry_at < next)
        next = s->tap_retry_at;
    if (s->spool_retry_at && s->spool_retry_at < next)
        next = s->spool_retry_at;
    if (!busy(s) && s->linger && now + LINGER_NS < next)
        next = now + LINGER_NS;
    pthread_mutex_lock(&s->lock);
    if (s->stopping && s->stop_by < next)
        next = s->stop_by;
    pthread_mutex_unlock(&s->lock);
    return next;
}

static nfds_t poll_set(struct sink *s)
{
    nfds_t n = 0;
    s->polled[n++] = (struct pollfd){.fd = s->wake_fd, .events = POLLIN};
    for (size_t i = 0; i < s->target_count; i++)
        if (s->targets[i].blocked && !s->targets[i].done)
            s->polled[n++] = (struct pollfd){.fd = s->targets[i].file.fd, .events = POLLOUT};
    return n;
}

static void wait_for_news(struct sink *s)
{
    uint64_t counter, now = clock_now();

    if (!may_sleep(s))
        return;
    uint64_t next = next_look(s, now), span = next > now ? next - now : 0;
    struct timespec ts = {.tv_sec = (time_t)(span / NS_PER_SEC),
                          .tv_nsec = (long)(span % NS_PER_SEC)};
    s->linger = false;
    if (ppoll(s->polled, poll_set(s), next == UINT64_MAX ? NULL : &ts, NULL) > 0 &&
        s->polled[0].revents && read(s->wake_fd, &counter, sizeof counter) < 0)
        (void)0; /* a counter that is zero is no wake-up either */
}

/* --- the thread ------------------------------------------------------------------------------- */

static bool is_unwritten(const struct sink *s, size_t line)
{
    for (size_t i = 0; i < s->target_count; i++) {
        const struct target *t = &s->targets[i];
        if (!t->done && line >= t->next && (t->events & s->batch.lines[line].event))
            return true;
    }
    return false;
}

static size_t unwritten(const struct sink *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->batch.count; i++)
        n += is_unwritten(s, i);
    if (s->batch.delivery.line)
        n += s->batch.delivery.lines - s->batch.count;
    return n;
}

/* Patience is at its end, or there is nothing left. */
static void give_up(struct sink *s)
{
    struct list posted;
    list_init(&posted);
    pthread_mutex_lock(&s->lock);
    s->stopped = true;
    s->lost = unwritten(s) + s->queue.lines;
    for (struct list *e; (e = list_pop(&s->queue.posted));)
        list_add_tail(&posted, e);
    pthread_cond_broadcast(&s->room);
    list_for_each(e, &s->waited) sink_credit_wake(container_of(e, struct sink_credit, waited_link));
    pthread_mutex_unlock(&s->lock);
    give_back(&s->batch.posted);
    give_back(&posted);
}

/* True once the thread may end: all is written, or waiting is over. */
static bool at_end(struct sink *s)
{
    pthread_mutex_lock(&s->lock);
    bool empty = !busy(s) && queue_empty(&s->queue);
    bool end = s->stopping && (empty || (busy(s) && clock_now() >= s->stop_by));
    pthread_mutex_unlock(&s->lock);
    return end;
}

void *sink_writer(void *arg)
{
    struct sink *s = arg;
    pthread_setname_np(pthread_self(), "sink");
    for (;;) {
        heed(s);
        switch_targets(s);
        if (s->batch.count == 0) {
            reopen_between(s);
            take_batch(s);
            if (s->batch.count == 0)
                switch_targets(s); /* a spool's group may have ended just now */
        }
        uint64_t now = clock_now();
        for (size_t i = 0; i < s->target_count; i++)
            push_target(s, &s->targets[i], now);
        if (s->batch.count > 0 && batch_written(s) && finish_batch(s))
            continue;
        if (at_end(s))
            break;
        wait_for_news(s);
    }
    give_up(s);
    pthread_mutex_lock(&s->lock);
    s->ended = true;
    pthread_cond_broadcast(&s->room);
    pthread_mutex_unlock(&s->lock);
    return NULL;
}
