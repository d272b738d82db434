/* The results' callers' side, and their thread. */
#include "store/results.h"

#include "base/clock.h"
#include "record/spool.h"
#include "store/results_db.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LOOK_NS (5 * NS_PER_SEC) /* between two looks at what has grown too old */

struct results {
    char *path; /* or NULL */
    struct mailbox *mailbox;
    pthread_t thread;
    bool started; /* the control loop's: the thread is made for the first call */

    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t wake;
    struct list puts, gets;
    uint64_t keep_ns, max_bytes;
    bool stop;

    struct results_db *db; /* the thread's; NULL: not open */
};

/* --- the thread ------------------------------------------------------------------------------- */

/* What there is to do, or when nothing comes, time passes. */
static bool take(struct results *r, struct list *puts, struct list *gets, uint64_t *ret_keep,
                 uint64_t *ret_max, bool busy)
{
    uint64_t until = clock_now() + LOOK_NS;
    struct timespec ts = {.tv_sec = (time_t)(until / NS_PER_SEC),
                          .tv_nsec = (long)(until % NS_PER_SEC)};
    pthread_mutex_lock(&r->lock);
    while (!busy && list_empty(&r->puts) && list_empty(&r->gets) && !r->stop)
        if (pthread_cond_timedwait(&r->wake, &r->lock, &ts) == ETIMEDOUT)
            break;
    for (struct list *e; (e = list_pop(&r->puts));)
        list_add_tail(puts, e);
    list_splice(&r->gets, gets);
    *ret_keep = r->keep_ns;
    *ret_max = r->max_bytes;
    bool stop = r->stop;
    pthread_mutex_unlock(&r->lock);
    return !stop;
}

static int open_db(struct results *r, struct error *err)
{
    return r->db ? 0 : results_db_open(r->path, &r->db, err);
}

static void get_all(struct results *r, struct list *gets)
{
    for (struct list *e; (e = list_pop(gets));) {
        struct results_get *get = container_of(e, struct results_get, link);
        if (!r->db && !results_db_exists(r->path))
            get->result = -ENOENT;
        else
            get->result = open_db(r, &get->error);
        if (get->result == 0)
            results_db_get(r->db, get);
        mailbox_post(r->mailbox, &get->mail);
    }
}

static void put_some(struct results *r, struct list *puts)
{
    struct list over;
    struct error err = {""};
    list_init(&over);
    if (list_empty(puts))
        return;
    int code = open_db(r, &err);
    if (code == 0)
        results_db_put(r->db, puts, &over);
    else
        list_splice(puts, &over);
    for (struct list *e; (e = list_pop(&over));) {
        struct results_put *put = container_of(e, struct results_put, link);
        if (code < 0) {
            put->result = code;
            put->error = err;
        }
        mailbox_post(r->mailbox, &put->mail);
    }
}

/* Readers first: they ask for a page at a time, and a put is long. */
static void *run(void *arg)
{
    struct results *r = arg;
    struct list puts, gets;
    uint64_t keep_ns, max_bytes;
    bool busy = false, goes_on = true;
    list_init(&puts);
    list_init(&gets);
    pthread_setname_np(pthread_self(), "results");
    while (goes_on || !list_empty(&puts)) {
        goes_on = take(r, &puts, &gets, &keep_ns, &max_bytes, busy || !list_empty(&puts));
        get_all(r, &gets);
        put_some(r, &puts);
        busy = r->db &&
               results_db_forget(r->db, clock_real_us(), (int64_t)(keep_ns / 1000), max_bytes);
    }
    return NULL;
}

/* --- the control loop ------------------------------------------------------------------------- */

/* The process's signals are the control loop's. */
static int start(struct results *r)
{
    sigset_t all, before;
    if (r->started)
        return 0;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int code = pthread_create(&r->thread, NULL, run, r);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    r->started = code == 0;
    return -code;
}

void results_put(struct results *results, struct results_put *put)
{
    uint64_t size = put->spool ? put->spool->size : 0;
    put->id = put->offset = put->pieces = 0;
    pthread_mutex_lock(&results->lock);
    uint64_t max = results->max_bytes;
    pthread_mutex_unlock(&results->lock);
    put->result = size >= max
                      ? error_set(&put->error, -EFBIG,
                                  "%" PRIu64 " bytes of records are over results.max_size", size)
                      : start(results);
    if (put->result < 0) {
        if (put->result != -EFBIG)
            error_set(&put->error, put->result, "no thread could be had for the results");
        mailbox_post(results->mailbox, &put->mail);
        return;
    }
    pthread_mutex_lock(&results->lock);
    list_add_tail(&results->puts, &put->link);
    pthread_cond_signal(&results->wake);
    pthread_mutex_unlock(&results->lock);
}

void results_get(struct results *results, struct results_get *get)
{
    get->text = NULL;
    get->len = 0;
    get->lines = get->page_count = 0;
    get->result = start(results);
    if (get->result < 0) {
        error_set(&get->error, get->result, "no thread could be had for the results");
        mailbox_post(results->mailbox, &get->mail);
        return;
    }
    pthread_mutex_lock(&results->lock);
    list_add_tail(&results->gets, &get->link);
    pthread_cond_signal(&results->wake);
    pthread_mutex_unlock(&results->lock);
}

void results_set_bounds(struct results *results, uint64_t keep_ns, uint64_t max_bytes)
{
    pthread_mutex_lock(&results->lock);
    results->keep_ns = keep_ns;
    results->max_bytes = max_bytes;
    pthread_mutex_unlock(&results->lock);
}

int results_new(const struct results_config *config, struct mailbox *mailbox,
                struct results **ret_results)
{
    struct results *r = calloc(1, sizeof *r);
    if (r && config->path)
        r->path = strdup(config->path);
    if (!r || (config->path && !r->path)) {
        free(r);
        return -ENOMEM;
    }
    r->mailbox = mailbox;
    r->keep_ns = config->keep_ns;
    r->max_bytes = config->max_bytes;
    list_init(&r->puts);
    list_init(&r->gets);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->wake, &attr);
    pthread_condattr_destroy(&attr);
    *ret_results = r;
    return 0;
}

void results_free(struct results *results)
{
    if (!results)
        return;
    if (results->started) {
        pthread_mutex_lock(&results->lock);
        results->stop = true;
        pthread_cond_signal(&results->wake);
        pthread_mutex_unlock(&results->lock);
        pthread_join(results->thread, NULL);
    }
    results_db_close(results->db);
    pthread_cond_destroy(&results->wake);
    pthread_mutex_destroy(&results->lock);
    free(results->path);
    free(results);
}
