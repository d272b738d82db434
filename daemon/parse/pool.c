/* One mutex guards everything here and is held for a few instructions only; threads are created and
 * joined outside it. A worker is always in one of: the stack of idle ones, the list of busy ones,
 * nowhere (abandoned), or `ended`, the place where the thread that ended last waits to be joined by
 * the next one that ends, or by pool_free. So there is never more than one thread unjoined. */
#include "parse/pool.h"

#include "base/clock.h"
#include "base/tree.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define STACK_SIZE ((size_t)256 << 10)
#define IDLE_TIME  (30 * NS_PER_SEC)

struct pool_worker {
    struct list link;    /* in idle */
    struct tree_id busy; /* in pool->busy, by its own address: how one that may be gone is found */
    struct pool *pool;
    pthread_t thread;
    unsigned number;
    pthread_cond_t wake;
    struct pool_job *job; /* NULL: idle */
    bool abandoned, leave;
};

struct pool {
    pthread_mutex_t lock;
    pthread_cond_t settled; /* `threads` has fallen */
    struct list idle;       /* struct pool_worker: a stack, the latest first */
    struct tree busy;       /* the same */
    struct pool_worker *ended;
    uint64_t idle_time;
    unsigned workers, max_abandoned, numbers;
    unsigned busy_count, idle_count, abandoned;
    unsigned threads; /* alive, the abandoned ones not counted */
    unsigned long long lost;
    bool freed;       /* pool_free was called */
    bool left_behind; /* and has returned: the last abandoned thread frees the pool */
};

static int cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attr;
    int r = pthread_condattr_init(&attr);
    if (r != 0)
        return -r;
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    r = pthread_cond_init(cond, &attr);
    pthread_condattr_destroy(&attr);
    return -r;
}

int pool_new(unsigned workers, unsigned max_abandoned, struct pool **ret_pool)
{
    struct pool *pool = calloc(1, sizeof *pool);
    if (!pool || cond_init(&pool->settled) < 0) {
        free(pool);
        return -ENOMEM;
    }
    pthread_mutex_init(&pool->lock, NULL);
    list_init(&pool->idle);
    tree_init(&pool->busy, tree_by_id);
    pool->workers = workers;
    pool->max_abandoned = max_abandoned;
    pool->idle_time = IDLE_TIME;
    *ret_pool = pool;
    return 0;
}

static void pool_destroy(struct pool *pool)
{
    pthread_cond_destroy(&pool->settled);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

/* --- a worker's thread ------------------------------------------------------------------------ */

static void worker_free(struct pool_worker *worker)
{
    pthread_cond_destroy(&worker->wake);
    free(worker);
}

static void join(struct pool_worker *worker)
{
    if (!worker)
        return;
    pthread_join(worker->thread, NULL);
    worker_free(worker);
}

/* It is not busy any more. Under the lock. */
static void disengage(struct pool *pool, struct pool_worker *worker)
{
    tree_remove(&pool->busy, &worker->busy.node);
    pool->busy_count--;
}

/* The thread's last act; takes the lock over. */
static void worker_end(struct pool_worker *worker)
{
    struct pool *pool = worker->pool;
    struct pool_worker *previous = pool->ended;
    bool last = pool->left_behind && pool->abandoned == 0;
    if (!worker->abandoned)
        pool->threads--;
    pool->ended = last ? NULL : worker;
    pthread_cond_broadcast(&pool->settled);
    pthread_mutex_unlock(&pool->lock);
    join(previous);
    if (last) {
        pthread_detach(pthread_self());
        worker_free(worker);
        pool_destroy(pool);
    }
}

static void deadline_after(uint64_t ns, struct timespec *ret)
{
    uint64_t at = clock_now() + ns;
    ret->tv_sec = (time_t)(at / NS_PER_SEC);
    ret->tv_nsec = (long)(at % NS_PER_SEC);
}

/* Waits for a job, under the lock. False: the worker is to end. */
static bool worker_wait(struct pool_worker *worker)
{
    struct pool *pool = worker->pool;
    struct timespec deadline;
    bool late = false;
    if (pool->freed || pool->idle_count >= pool->workers)
        return false;
    list_add_head(&pool->idle, &worker->link);
    pool->idle_count++;
    deadline_after(pool->idle_time, &deadline);
    while (!worker->job && !worker->leave && !late)
        late = pthread_cond_timedwait(&worker->wake, &pool->lock, &deadline) == ETIMEDOUT;
    if (worker->job)
        return true;      /* pool_run has moved it to the busy ones */
    if (!worker->leave) { /* else dismiss has done so */
        list_del(&worker->link);
        pool->idle_count--;
    }
    return false;
}

static void *worker_main(void *arg)
{
    struct pool_worker *worker = arg;
    struct pool *pool = worker->pool;
    char name[16];
    snprintf(name, sizeof name, "parse-%u", worker->number % 1000000);
    pthread_setname_np(pthread_self(), name);
    pthread_mutex_lock(&pool->lock);
    worker->thread =
        pthread_self(); /* for whoever joins it: pthread_create's store may come later */
    do {
        pthread_mutex_unlock(&pool->lock);
        worker->job->work(worker->job);
        pthread_mutex_lock(&pool->lock);
        worker->job = NULL;
        if (worker->abandoned) {
            pool->abandoned--;
            break;
        }
        disengage(pool, worker);
    } while (worker_wait(worker));
    worker_end(worker);
    return NULL;
}

static int thread_create(struct pool_worker *worker)
{
    pthread_attr_t attr;
    sigset_t all;
    pthread_t thread;
    size_t least =
        (size_t)PTHREAD_STACK_MIN + STACK_SIZE / 2; /* large with much thread-local storage */
    int r = pthread_attr_init(&attr);
    if (r != 0)
        return -r;
    sigfillset(&all);
    r = pthread_attr_setstacksize(&attr, STACK_SIZE > least ? STACK_SIZE : least);
    if (r == 0)
        r = pthread_attr_setsigmask_np(&attr, &all);
    if (r == 0)
        r = pthread_create(&thread, &attr, worker_main, worker);
    pthread_attr_destroy(&attr);
    return -r;
}

/* --- engaging --------------------------------------------------------------------------------- */

static void engage(struct pool *pool, struct pool_worker *worker, struct pool_job *job)
{
    worker->busy.id = (uintptr_t)worker;
    tree_insert(&pool->busy, &worker->busy.node);
    pool->busy_count++;
    worker->job = job;
    job->worker = worker;
}

/* Stuck threads over the cap take their share of the limit. */
static bool exhausted(const struct pool *pool)
{
    unsigned over =
        pool->abandoned > pool->max_abandoned ? pool->abandoned - pool->max_abandoned : 0;
    return over > 0 && (over >= pool->workers || pool->busy_count >= pool->workers - over);
}

static int run_on_new(struct pool *pool, struct pool_job *job)
{
    struct pool_worker *worker = calloc(1, sizeof *worker);
    if (!worker || cond_init(&worker->wake) < 0) {
        free(worker);
        return -ENOMEM;
    }
    worker->pool = pool;
    pthread_mutex_lock(&pool->lock);
    worker->number = ++pool->numbers;
    pool->threads++;
    engage(pool, worker, job);
    pthread_mutex_unlock(&pool->lock);
    if (thread_create(worker) == 0)
        return 0;
    pthread_mutex_lock(&pool->lock);
    disengage(pool, worker);
    pool->threads--;
    pthread_cond_broadcast(&pool->settled);
    pthread_mutex_unlock(&pool->lock);
    worker_free(worker);
    return -EAGAIN;
}

int pool_run(struct pool *pool, struct pool_job *job)
{
    pthread_mutex_lock(&pool->lock);
    if (exhausted(pool)) {
        pthread_mutex_unlock(&pool->lock);
        return -EAGAIN;
    }
    struct list *link = list_pop(&pool->idle);
    if (link) {
        struct pool_worker *worker = container_of(link, struct pool_worker, link);
        pool->idle_count--;
        engage(pool, worker, job);
        pthread_cond_signal(&worker->wake);
    }
    pthread_mutex_unlock(&pool->lock);
    return link ? 0 : run_on_new(pool, job);
}

bool pool_abandon(struct pool *pool, struct pool_job *job)
{
    pthread_mutex_lock(&pool->lock);
    struct pool_worker *worker = tree_entry(tree_find_id(&pool->busy, (uintptr_t)job->worker),
                                            struct pool_worker, busy.node);
    /* The worker's memory, and the job's, may have been another's before. */
    bool found = worker && worker->job == job;
    if (found) {
        disengage(pool, worker);
        worker->abandoned = true;
        pool->threads--;
        pool->abandoned++;
        pool->lost++;
        pthread_cond_broadcast(&pool->settled);
    }
    pthread_mutex_unlock(&pool->lock);
    return found;
}

void pool_stats(struct pool *pool, struct pool_stats *ret_stats)
{
    pthread_mutex_lock(&pool->lock);
    *ret_stats = (struct pool_stats){
        .workers = pool->workers,
        .busy = pool->busy_count,
        .idle = pool->idle_count,
        .abandoned = pool->abandoned,
        .lost = pool->lost,
    };
    pthread_mutex_unlock(&pool->lock);
}

/* Tells idle workers over `keep` to end, those that have waited longest first. Under the lock. */
static void dismiss(struct pool *pool, unsigned keep)
{
    unsigned extra = pool->idle_count > keep ? pool->idle_count - keep : 0;
    while (extra-- > 0) {
        struct pool_worker *worker = container_of(pool->idle.prev, struct pool_worker, link);
        list_del(&worker->link); /* so that pool_run cannot choose it */
        pool->idle_count--;
        worker->leave = true;
        pthread_cond_signal(&worker->wake);
    }
}

void pool_set_workers(struct pool *pool, unsigned workers)
{
    pthread_mutex_lock(&pool->lock);
    pool->workers = workers;
    dismiss(pool, workers);
    pthread_mutex_unlock(&pool->lock);
}

void pool_set_idle_time(struct pool *pool, uint64_t ns)
{
    pthread_mutex_lock(&pool->lock);
    pool->idle_time = ns;
    pthread_mutex_unlock(&pool->lock);
}

unsigned pool_free(struct pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->freed = true;
    dismiss(pool, 0);
    while (pool->threads > 0)
        pthread_cond_wait(&pool->settled, &pool->lock);
    struct pool_worker *ended = pool->ended;
    pool->ended = NULL;
    unsigned stuck = pool->abandoned;
    pool->left_behind = stuck > 0;
    pthread_mutex_unlock(&pool->lock);
    join(ended);
    if (stuck == 0)
        pool_destroy(pool);
    return stuck;
}
