/* The store's thread: takes what waits, has it carried out, and when nothing waits, tidies up. */
#include "store/sqlite_thread.h"

#include "base/clock.h"
#include "base/log.h"
#include "store/sqlite_backup.h"
#include "store/sqlite_stmt.h"
#include "store/sqlite_write.h"
#include "store/sqlite_batch.h"

#include <errno.h>
#include <time.h>

#define BATCH_JOBS 4096 /* jobs and schedules in one transaction; other calls count as one */
#define CHECKPOINT_FRAMES \
    8192                   /* pages in SQLite's log before they are copied into the file: 32 MiB */
#define LOOK_NS NS_PER_SEC /* between two looks at the files, and at what has grown too old */

int sqlite_on_wal(void *arg, sqlite3 *db, const char *name, int frames)
{
    struct sqlite *s = arg;
    s->wal_frames = frames;
    return SQLITE_OK;
}

/* --- waiting ---------------------------------------------------------------------------------- */

static size_t weight(const struct store_call *call)
{
    if (call->op == OP_SCHEDULE_PUT)
        return container_of(call, struct store_schedule_put, call)->count + 1;
    return call->op == OP_SUBMIT ? container_of(call, struct store_submit, call)->count : 1;
}

/* Moves the next calls to the batch. Under the lock. */
static void take(struct sqlite *s, struct list *batch)
{
    size_t jobs = 0;
    while (!list_empty(&s->queue) && jobs < BATCH_JOBS) {
        struct list *e = list_pop(&s->queue);
        jobs += weight(container_of(e, struct store_call, link));
        list_add_tail(batch, e);
    }
}

static uint64_t next_look(const struct sqlite *s, uint64_t now)
{
    uint64_t at = atomic_load(&s->failing) ? s->retry_at : now + LOOK_NS;
    return s->backup.asked_at && s->backup.begin_at < at ? s->backup.begin_at : at;
}

/* Until there is something to do. */
static void wait(struct sqlite *s, uint64_t until)
{
    struct timespec ts = {.tv_sec = (time_t)(until / NS_PER_SEC),
                          .tv_nsec = (long)(until % NS_PER_SEC)};
    while (list_empty(&s->queue) && !s->stop && s->giving_up == s->gave_up && !s->backup.news)
        if (pthread_cond_timedwait(&s->wake, &s->lock, &ts) == ETIMEDOUT)
            return;
}

/* --- tidying up ------------------------------------------------------------------------------- */

/* Copies SQLite's log into the file, when it is long; the calls have their answers by then. A
 * failure loses nothing: the log grows, and if that fails too, commits do. */
static void checkpoint(struct sqlite *s)
{
    uint64_t now = clock_now();
    if (s->wal_frames < CHECKPOINT_FRAMES || now < s->checkpoint_at || backup_copies(s))
        return;
    int frames = 0, copied = 0;
    int rc = sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_PASSIVE, &frames, &copied);
    if (rc == SQLITE_OK && frames == copied)
        s->wal_frames = 0;
    else
        s->checkpoint_at = now + s->config.retry_ns;
}

static void tell_damage(struct sqlite *s)
{
    if (s->damage_told || !atomic_load(&s->check.damaged))
        return;
    s->damage_told = true;
    if (s->config.trouble)
        s->config.trouble(s->config.arg, s->check.text.text);
}

/* True if there is more of it. */
static bool tidy(struct sqlite *s)
{
    tell_damage(s);
    batch_look(s);
    backup_turn(s);
    checkpoint(s);
    if (!atomic_load(&s->failing) && forget_due(s))
        return batch_forget(s);
    return false;
}

/* --- the thread ------------------------------------------------------------------------------- */

/* Calls, scans and retries of one turn. False if there was nothing to do. */
static bool turn(struct sqlite *s, bool giving_up)
{
    struct list batch;
    list_init(&batch);
    bool failing = atomic_load(&s->failing);
    if (failing && (clock_now() >= s->retry_at || (giving_up && !list_empty(&s->held)))) {
        batch_retry(s);
        if (giving_up && atomic_load(&s->failing))
            batch_give_up(s);
    }
    pthread_mutex_lock(&s->lock);
    take(s, &batch);
    pthread_mutex_unlock(&s->lock);
    for (struct list *e; (e = list_pop(&s->scans));)
        list_add_tail(&batch, e);
    if (list_empty(&batch))
        return false;
    batch_look(s);
    batch_run(s, &batch);
    return true;
}

/* The last write: a stop after it is clean. */
static void mark_clean(struct sqlite *s)
{
    if (atomic_load(&s->failing) || atomic_load(&s->check.damaged) ||
        (s->check.started && !atomic_load(&s->check.whole)))
        return;
    s->fault_code = 0;
    sqlite3_bind_int(s->stmts[STMT_SET_CLEAN], 1, 1);
    stmt_run(s, STMT_SET_CLEAN);
}

void *sqlite_thread(void *arg)
{
    struct sqlite *s = arg;
    pthread_setname_np(pthread_self(), "store");
    for (;;) {
        pthread_mutex_lock(&s->lock);
        bool giving_up = s->giving_up, stop = s->stop;
        pthread_mutex_unlock(&s->lock);
        bool busy = turn(s, giving_up);
        busy |= tidy(s);
        if (busy || !list_empty(&s->scans))
            continue;
        if (stop && list_empty(&s->held))
            break;
        pthread_mutex_lock(&s->lock);
        s->gave_up = giving_up;
        wait(s, next_look(s, clock_now()));
        pthread_mutex_unlock(&s->lock);
    }
    mark_clean(s);
    return NULL;
}
