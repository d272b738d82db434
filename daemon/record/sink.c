/* The callers' side of the sink; its thread is in writer.c. */
#include "base/clock.h"
#include "base/fd.h"
#include "record/credit.h"
#include "record/sink_private.h"
#include "record/switch.h"
#include "record/writer.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define DEFAULT_QUEUE_BYTES  ((size_t)1 << 20)
#define DEFAULT_RECORD_BYTES ((size_t)1 << 20)
/* beyond its patience: the thread is in a write that does not return */
#define STUCK_NS         NS_PER_SEC
#define MAX_RECORD_BYTES ((size_t)1 << 30) /* marks count in 32 bits */

/* --- making and freeing ----------------------------------------------------------------------- */

static int open_targets(struct sink *s, const struct sink_config *config, struct error *err)
{
    struct sink_targets set;
    int r = switch_open(config->targets, config->target_count, target_init, &set, err);
    if (r < 0)
        return r;
    s->targets = set.list;
    s->polled = set.polled;
    s->target_count = set.count;
    return 0;
}

/* The thread takes no signals: those of the process are the control loop's, and a SIGPIPE or
 * SIGXFSZ of its own writes comes back as an error all the same. */
static int start_thread(struct sink *s)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int r = pthread_create(&s->thread, NULL, sink_writer, s);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -r;
}

static void free_parts(struct sink *s, bool given)
{
    for (size_t i = 0; i < s->target_count; i++)
        target_deinit(&s->targets[i], given);
    free(s->targets);
    free(s->polled);
    sink_targets_free(s->asked);
    sink_targets_free(s->coming);
    batch_deinit(&s->batch);
    queue_deinit(&s->queue);
    fd_close(&s->wake_fd);
    pthread_cond_destroy(&s->room);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

static struct sink *sink_alloc(const struct sink_config *config)
{
    struct sink *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->config = *config;
    s->config.targets = NULL;
    if (!s->config.queue_bytes)
        s->config.queue_bytes = DEFAULT_QUEUE_BYTES;
    if (!s->config.record_bytes)
        s->config.record_bytes = DEFAULT_RECORD_BYTES;
    if (s->config.record_bytes > MAX_RECORD_BYTES)
        s->config.record_bytes = MAX_RECORD_BYTES;
    if (!s->config.retry_ns)
        s->config.retry_ns = NS_PER_SEC;
    if (!s->config.reopen_ns)
        s->config.reopen_ns = 10 * NS_PER_SEC;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->room, NULL);
    list_init(&s->waited);
    queue_init(&s->queue);
    s->wake_fd = -1;
    return s;
}

int sink_new(const struct sink_config *config, struct sink **ret_sink, struct error *err)
{
    struct sink *s = sink_alloc(config);
    if (!s)
        return error_set(err, -ENOMEM, "sinks: out of memory");
    int r = open_targets(s, config, err);
    if (r < 0)
        goto fail;
    r = batch_init(&s->batch);
    if (r == 0) {
        s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        r = s->wake_fd < 0 ? -errno : start_thread(s);
    }
    if (r < 0) {
        error_set(err, r, "the sinks' thread cannot be started: %s", strerror(-r));
        goto fail;
    }
    *ret_sink = s;
    return 0;
fail:
    free_parts(s, false);
    return r;
}

/* The thread looks at its patience between two writes, so it ends soon after that. */
static bool join(struct sink *sink)
{
    uint64_t until = sink->stop_by;
    until = until > UINT64_MAX - STUCK_NS ? INT64_MAX : until + STUCK_NS;
    struct timespec ts = {.tv_sec = (time_t)(until / NS_PER_SEC),
                          .tv_nsec = (long)(until % NS_PER_SEC)};
    int r = 0;
    pthread_mutex_lock(&sink->lock);
    while (!sink->ended && r != ETIMEDOUT)
        r = pthread_cond_clockwait(&sink->room, &sink->lock, CLOCK_MONOTONIC, &ts);
    bool ended = sink->ended;
    pthread_mutex_unlock(&sink->lock);
    return ended && pthread_join(sink->thread, NULL) == 0;
}

size_t sink_free(struct sink *sink, uint64_t patience_ns)
{
    if (!sink)
        return 0;
    uint64_t now = clock_now();
    pthread_mutex_lock(&sink->lock);
    sink->stopping = true;
    sink->stop_by = patience_ns > UINT64_MAX - now ? UINT64_MAX : now + patience_ns;
    pthread_mutex_unlock(&sink->lock);
    sink_wake(sink);
    if (!join(sink))
        return SINK_STUCK;
    size_t lost = sink->lost;
    free_parts(sink, true);
    return lost;
}

/* --- lines ------------------------------------------------------------------------------------ */

static bool is_shut(const struct sink *s, const struct sink_source *source)
{
    return s->stopped || atomic_load_explicit(&source->shut, memory_order_relaxed);
}

static bool is_full(const struct sink *s)
{
    return s->queue.bytes >= s->config.queue_bytes;
}

static bool has_room(const struct sink *s, const struct sink_source *source)
{
    return !is_full(s) && !sink_credit_used_up(source->credit);
}

/* Under the lock; gives it up while it waits. */
static void wait_for_room(struct sink *s, struct sink_source *source)
{
    uint64_t since = clock_now();
    atomic_store(&source->wait_since, since);
    while (!has_room(s, source) && !is_shut(s, source)) {
        bool full = is_full(s);
        atomic_store(&source->waits_for_reader, !full);
        if (!full) {
            sink_credit_wait(s, source->credit);
            continue;
        }
        s->waiters++;
        pthread_cond_wait(&s->room, &s->lock);
        s->waiters--;
    }
    atomic_fetch_add(&source->wait, clock_now() - since);
    atomic_store(&source->wait_since, 0);
}

uint64_t sink_waited(const struct sink_source *source, uint64_t now)
{
    uint64_t since = atomic_load(&source->wait_since); /* before `wait`: see wait_for_room */
    uint64_t waited = atomic_load(&source->wait);
    return since && now > since ? waited + (now - since) : waited;
}

/* Must the thread be woken for a record that was just queued? Under the lock. */
static bool record_wakes(struct sink *s)
{
    if (s->mode == WRITER_BUSY)
        return false;
    if (s->mode == WRITER_LINGERS && s->queue.bytes < s->config.queue_bytes / 2)
        return false;
    s->mode = WRITER_BUSY;
    return true;
}

int sink_emit(struct sink *sink, struct sink_source *source, const char *json, size_t len)
{
    int r = -ECANCELED;
    bool wake = false;

    if (len > sink->config.record_bytes)
        return -EMSGSIZE;
    pthread_mutex_lock(&sink->lock);
    if (!has_room(sink, source) && !is_shut(sink, source))
        wait_for_room(sink, source);
    if (!is_shut(sink, source))
        r = queue_record(&sink->queue, source, source->seq + 1, json, len);
    if (r == 0) {
        source->seq++;
        wake = record_wakes(sink);
    }
    pthread_mutex_unlock(&sink->lock);
    if (wake)
        sink_wake(sink);
    return r;
}

void sink_shut(struct sink *sink, struct sink_source *source)
{
    pthread_mutex_lock(&sink->lock);
    atomic_store(&source->shut, true);
    if (sink->waiters)
        pthread_cond_broadcast(&sink->room);
    sink_credit_wake(source->credit);
    pthread_mutex_unlock(&sink->lock);
}

uint64_t sink_source_seq(struct sink *sink, const struct sink_source *source)
{
    pthread_mutex_lock(&sink->lock);
    uint64_t seq = source->seq;
    pthread_mutex_unlock(&sink->lock);
    return seq;
}

int sink_count(struct sink *sink, struct sink_source *source)
{
    pthread_mutex_lock(&sink->lock);
    bool shut = is_shut(sink, source);
    if (!shut)
        source->seq++;
    pthread_mutex_unlock(&sink->lock);
    return shut ? -ECANCELED : 0;
}

void sink_post(struct sink *sink, struct sink_line *line)
{
    sink_post_all(sink, &line, 1);
}

void sink_post_all(struct sink *sink, struct sink_line *const *lines, size_t count)
{
    pthread_mutex_lock(&sink->lock);
    for (size_t i = 0; i < count; i++)
        queue_post(&sink->queue, lines[i]);
    bool wake = sink->mode != WRITER_BUSY;
    sink->mode = WRITER_BUSY;
    pthread_mutex_unlock(&sink->lock);
    if (wake)
        sink_wake(sink);
}

/* --- the rest --------------------------------------------------------------------------------- */

void sink_tap(struct sink *sink, bool on)
{
    atomic_store(&sink->tap, on);
}

void sink_reopen(struct sink *sink)
{
    atomic_store(&sink->reopen, true);
    sink_wake(sink);
}

bool sink_failing(struct sink *sink)
{
    return atomic_load(&sink->failing) > 0;
}

size_t sink_statuses(struct sink *sink, struct sink_status *ret_statuses, size_t max)
{
    pthread_mutex_lock(&sink->lock);
    size_t count = sink->target_count;
    for (size_t i = 0; i < count && i < max; i++)
        ret_statuses[i] = sink->targets[i].status;
    pthread_mutex_unlock(&sink->lock);
    return count;
}

size_t sink_queued(struct sink *sink)
{
    pthread_mutex_lock(&sink->lock);
    size_t bytes = sink->queue.bytes;
    pthread_mutex_unlock(&sink->lock);
    return bytes;
}

uint64_t sink_written(struct sink *sink)
{
    uint64_t bytes = 0;
    pthread_mutex_lock(&sink->lock);
    for (size_t i = 0; i < sink->target_count; i++)
        bytes += sink->targets[i].status.bytes;
    pthread_mutex_unlock(&sink->lock);
    return bytes;
}
