/* The SQLite engine, as the control loop sees it: calls go into a queue, and come back by mail. */
#include "store/sqlite.h"

#include "store/sqlite_private.h"
#include "store/sqlite_backup.h"
#include "store/sqlite_open.h"
#include "store/sqlite_thread.h"
#include "store/sqlite_check.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define KEEP_US    (INT64_C(7) * 86400 * 1000000)
#define KEEP_COUNT UINT64_C(1000000)

static void queue(struct store *store, struct store_call *call, enum op op)
{
    struct sqlite *s = sqlite_of(store);
    call->op = op;
    call->result = 0;
    pthread_mutex_lock(&s->lock);
    bool first = list_empty(&s->queue);
    list_add_tail(&s->queue, &call->link);
    if (first)
        pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->lock);
}

static void sqlite_submit(struct store *s, struct store_submit *call)
{
    queue(s, &call->call, OP_SUBMIT);
}

static void sqlite_claim(struct store *s, struct store_claim *call)
{
    call->definition = NULL;
    queue(s, &call->call, OP_CLAIM);
}

static void sqlite_finish(struct store *s, struct store_finish *call)
{
    queue(s, &call->call, OP_FINISH);
}

static void sqlite_postpone(struct store *s, struct store_postpone *call)
{
    queue(s, &call->call, OP_POSTPONE);
}

static void sqlite_get(struct store *s, struct store_get *call)
{
    call->job = NULL;
    queue(s, &call->call, OP_GET);
}

static void sqlite_list(struct store *s, struct store_list *call)
{
    call->jobs = NULL;
    call->count = call->bytes = 0;
    call->next = call->before ? call->before : INT64_MAX; /* the cursor, until it is done */
    queue(s, &call->call, OP_LIST);
}

static void sqlite_window(struct store *s, struct store_window *call)
{
    queue(s, &call->call, OP_WINDOW);
}

static void sqlite_hosts(struct store *s, struct store_hosts *call)
{
    call->hosts = NULL;
    call->count = 0;
    queue(s, &call->call, OP_HOSTS);
}

static void sqlite_ended(struct store *s, struct store_ended *call)
{
    call->jobs = NULL;
    call->count = 0;
    queue(s, &call->call, OP_ENDED);
}

static void sqlite_schedules(struct store *s, struct store_schedules *call)
{
    call->rows = NULL;
    call->count = 0;
    queue(s, &call->call, OP_SCHEDULES);
}

static void sqlite_schedule_get(struct store *s, struct store_schedule_get *call)
{
    call->rows = NULL;
    queue(s, &call->call, OP_SCHEDULE_GET);
}

static void sqlite_schedule_pass(struct store *s, struct store_schedule_pass *call)
{
    queue(s, &call->call, OP_SCHEDULE_PASS);
}

static void sqlite_schedule_put(struct store *s, struct store_schedule_put *call)
{
    queue(s, &call->call, OP_SCHEDULE_PUT);
}

static void sqlite_backup(struct store *s, struct store_backup *call)
{
    backup_ask(sqlite_of(s), call);
}

static void sqlite_counts(struct store *store, struct store_counts *ret_counts)
{
    struct sqlite *s = sqlite_of(store);
    pthread_mutex_lock(&s->lock);
    *ret_counts = s->visible;
    pthread_mutex_unlock(&s->lock);
}

static void sqlite_commits(struct store *store, struct histogram *ret_commits)
{
    struct sqlite *s = sqlite_of(store);
    pthread_mutex_lock(&s->lock);
    *ret_commits = s->commits;
    pthread_mutex_unlock(&s->lock);
}

static bool sqlite_failing(struct store *store)
{
    struct sqlite *s = sqlite_of(store);
    return atomic_load(&s->failing) || atomic_load(&s->check.damaged);
}

static void sqlite_trouble(struct store *store, struct error *ret_why)
{
    struct sqlite *s = sqlite_of(store);
    pthread_mutex_lock(&s->lock);
    *ret_why = atomic_load(&s->failing) ? s->why : s->check.text;
    pthread_mutex_unlock(&s->lock);
}

static void sqlite_give_up(struct store *store)
{
    struct sqlite *s = sqlite_of(store);
    pthread_mutex_lock(&s->lock);
    s->giving_up = true;
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->lock);
}

/* --- life ------------------------------------------------------------------------------------ */

static void sqlite_free(struct store *store)
{
    struct sqlite *s = sqlite_of(store);
    check_stop(&s->check);
    if (s->started) {
        pthread_mutex_lock(&s->lock);
        s->stop = true;
        pthread_cond_signal(&s->wake);
        pthread_mutex_unlock(&s->lock);
        pthread_join(s->thread, NULL);
    }
    sqlite_close(s);
    user_counts_deinit(&s->users);
    pthread_cond_destroy(&s->wake);
    pthread_mutex_destroy(&s->lock);
    free(s->path);
    free((char *)(uintptr_t)s->config.vfs);
    free(s);
}

static const struct store_engine sqlite_engine = {.name = "sqlite",
                                                  .keeps = true,
                                                  .submit = sqlite_submit,
                                                  .claim = sqlite_claim,
                                                  .finish = sqlite_finish,
                                                  .postpone = sqlite_postpone,
                                                  .get = sqlite_get,
                                                  .list = sqlite_list,
                                                  .window = sqlite_window,
                                                  .hosts = sqlite_hosts,
                                                  .ended = sqlite_ended,
                                                  .schedules = sqlite_schedules,
                                                  .schedule_get = sqlite_schedule_get,
                                                  .schedule_pass = sqlite_schedule_pass,
                                                  .schedule_put = sqlite_schedule_put,
                                                  .backup = sqlite_backup,
                                                  .counts = sqlite_counts,
                                                  .commits = sqlite_commits,
                                                  .failing = sqlite_failing,
                                                  .trouble = sqlite_trouble,
                                                  .give_up = sqlite_give_up,
                                                  .free = sqlite_free};

static int copy_config(struct sqlite *s, const struct store_config *config)
{
    s->config = *config;
    s->config.path = NULL;
    s->config.vfs = config->vfs ? strdup(config->vfs) : NULL;
    s->path = strdup(config->path);
    if (s->config.keep_finished_us <= 0)
        s->config.keep_finished_us = KEEP_US;
    if (!s->config.keep_finished_count)
        s->config.keep_finished_count = KEEP_COUNT;
    if (!s->config.retry_ns)
        s->config.retry_ns = NS_PER_SEC;
    return s->path && (s->config.vfs || !config->vfs) ? 0 : -ENOMEM;
}

static void init_sync(struct sqlite *s)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->wake, &attr);
    pthread_condattr_destroy(&attr);
}

/* Signals are the control loop's: the threads are made with all of them blocked. */
static int start(struct sqlite *s, struct error *err)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    s->visible = s->counts;
    sqlite3_wal_hook(s->db, sqlite_on_wal, s);
    if (!s->was_clean) {
        log_info("%s: its last stop was not clean; it is checked while work goes on", s->path);
        check_start(&s->check, s->path);
    }
    int r = pthread_create(&s->thread, NULL, sqlite_thread, s);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (r > 0)
        return error_set(err, -r, "store: no thread: %s", strerror(r));
    s->started = true;
    return 0;
}

int store_sqlite_new(const struct store_config *config, struct mailbox *mailbox,
                     struct store **ret_store, struct error *err)
{
    struct sqlite *s = calloc(1, sizeof *s);
    if (!s)
        return error_set(err, -ENOMEM, "store: out of memory");
    s->store = (struct store){.engine = &sqlite_engine, .mailbox = mailbox};
    s->lock_fd = -1;
    user_counts_init(&s->users);
    list_init(&s->queue);
    list_init(&s->held);
    list_init(&s->scans);
    init_sync(s);
    int r = copy_config(s, config) < 0 ? error_set(err, -ENOMEM, "store: out of memory")
                                       : sqlite_open(s, err);
    if (r == 0)
        r = start(s, err);
    if (r < 0) {
        sqlite_free(&s->store);
        return r;
    }
    *ret_store = &s->store;
    return 0;
}
