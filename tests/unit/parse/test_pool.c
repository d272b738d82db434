/* Workers that are held by semaphores, so that every count is known when it is looked at. */
#include "base/clock.h"
#include "base/list.h"
#include "parse/pool.h"
#include "support/testlib.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#define PATIENCE (60000 * test_patience())

struct work {
    struct pool_job job;
    sem_t started, go;
    atomic_int returned;
    pthread_t thread;
    sigset_t blocked;
    char name[16];
    size_t stack;
};

static void hold(struct pool_job *job)
{
    struct work *w = container_of(job, struct work, job);
    w->thread = pthread_self();
    sem_post(&w->started);
    while (sem_wait(&w->go) < 0)
        ;
    atomic_store(&w->returned, 1);
}

static void work_init(struct work *w, void (*work)(struct pool_job *job))
{
    memset(w, 0, sizeof *w);
    w->job.work = work;
    sem_init(&w->started, 0, 0);
    sem_init(&w->go, 0, 0);
}

static void work_deinit(struct work *w)
{
    sem_destroy(&w->started);
    sem_destroy(&w->go);
}

static void start(struct pool *pool, struct work *w)
{
    work_init(w, hold);
    assert_int_equal(pool_run(pool, &w->job), 0);
    sem_wait(&w->started);
}

static void let_go(struct work *w)
{
    sem_post(&w->go);
    TEST_WAIT(atomic_load(&w->returned), PATIENCE);
}

static struct pool_stats stats(struct pool *pool)
{
    struct pool_stats s;
    pool_stats(pool, &s);
    return s;
}

static void test_many_at_once(void **state)
{
    struct pool *pool;
    struct work works[8];
    assert_int_equal(pool_new(8, 2, &pool), 0);
    for (int i = 0; i < 8; i++)
        start(pool, &works[i]);
    assert_int_equal(stats(pool).busy, 8);
    assert_int_equal(stats(pool).idle, 0);
    assert_int_equal(stats(pool).workers, 8);
    for (int i = 0; i < 8; i++)
        let_go(&works[i]);
    TEST_WAIT(stats(pool).idle == 8, PATIENCE);
    assert_int_equal(stats(pool).busy, 0);
    assert_int_equal(pool_free(pool), 0);
    for (int i = 0; i < 8; i++)
        work_deinit(&works[i]);
}

/* The thread that was used last is used next: its stack and caches are warm, and the others may
 * end. */
static void test_latest_first(void **state)
{
    struct pool *pool;
    struct work a, b, c;
    assert_int_equal(pool_new(4, 0, &pool), 0);
    start(pool, &a);
    start(pool, &b);
    let_go(&a);
    TEST_WAIT(stats(pool).idle == 1, PATIENCE);
    let_go(&b);
    TEST_WAIT(stats(pool).idle == 2, PATIENCE);
    start(pool, &c);
    assert_true(pthread_equal(c.thread, b.thread));
    let_go(&c);
    assert_int_equal(pool_free(pool), 0);
    work_deinit(&a);
    work_deinit(&b);
    work_deinit(&c);
}

static void look_around(struct pool_job *job)
{
    struct work *w = container_of(job, struct work, job);
    pthread_attr_t attr;
    pthread_sigmask(SIG_BLOCK, NULL, &w->blocked);
    pthread_getname_np(pthread_self(), w->name, sizeof w->name);
    pthread_getattr_np(pthread_self(), &attr);
    pthread_attr_getstacksize(&attr, &w->stack);
    pthread_attr_destroy(&attr);
    sem_post(&w->started);
}

static void test_threads(void **state)
{
    struct pool *pool;
    struct work w;
    assert_int_equal(pool_new(1, 0, &pool), 0);
    work_init(&w, look_around);
    assert_int_equal(pool_run(pool, &w.job), 0);
    sem_wait(&w.started);
    assert_int_equal(pool_free(pool), 0);
    assert_int_equal(sigismember(&w.blocked, SIGTERM), 1);
    assert_int_equal(sigismember(&w.blocked, SIGCHLD), 1);
    assert_string_equal(w.name, "parse-1");
    assert_in_range(w.stack, 192 << 10, 1 << 20);
    work_deinit(&w);
}

/* Threads of pools that the kernel still has: one that was joined is there a little longer. */
static int live_workers(void)
{
    DIR *tasks = opendir("/proc/self/task");
    int count = 0;
    assert_non_null(tasks);
    for (struct dirent *task; (task = readdir(tasks));) {
        char path[300], name[16] = "";
        snprintf(path, sizeof path, "/proc/self/task/%s/comm", task->d_name);
        FILE *comm = fopen(path, "re");
        if (comm && fgets(name, sizeof name, comm))
            count += strncmp(name, "parse-", 6) == 0;
        if (comm)
            fclose(comm);
    }
    closedir(tasks);
    return count;
}

static void test_idle_threads_end(void **state)
{
    struct pool *pool;
    struct work works[3];
    assert_int_equal(pool_new(4, 0, &pool), 0);
    pool_set_idle_time(pool, NS_PER_MS);
    for (int i = 0; i < 3; i++)
        start(pool, &works[i]);
    for (int i = 0; i < 3; i++) {
        let_go(&works[i]);
        work_deinit(&works[i]);
    }
    TEST_WAIT(stats(pool).idle == 0 && stats(pool).busy == 0, PATIENCE);
    TEST_WAIT(live_workers() == 0, PATIENCE);
    start(pool, &works[0]);
    let_go(&works[0]);
    work_deinit(&works[0]);
    assert_int_equal(pool_free(pool), 0);
    TEST_WAIT(live_workers() == 0, PATIENCE);
}

static void test_fewer_workers(void **state)
{
    struct pool *pool;
    struct work works[4];
    assert_int_equal(pool_new(4, 0, &pool), 0);
    for (int i = 0; i < 4; i++)
        start(pool, &works[i]);
    let_go(&works[0]);
    let_go(&works[1]);
    TEST_WAIT(stats(pool).idle == 2, PATIENCE);
    pool_set_workers(pool, 1);
    assert_int_equal(stats(pool).idle, 1);
    assert_int_equal(stats(pool).workers, 1);
    let_go(&works[2]);
    let_go(&works[3]);
    TEST_WAIT(stats(pool).busy == 0 && stats(pool).idle == 1, PATIENCE);
    assert_int_equal(pool_free(pool), 0);
    for (int i = 0; i < 4; i++)
        work_deinit(&works[i]);
}

static void test_abandon(void **state)
{
    struct pool *pool;
    struct work stuck, next;
    assert_int_equal(pool_new(1, 1, &pool), 0);
    start(pool, &stuck);
    assert_true(pool_abandon(pool, &stuck.job));
    assert_false(pool_abandon(pool, &stuck.job)); /* once */
    assert_int_equal(stats(pool).busy, 0);
    assert_int_equal(stats(pool).abandoned, 1);
    start(pool, &next); /* another takes its place */
    assert_false(pthread_equal(next.thread, stuck.thread));
    let_go(&stuck); /* it returns after all, and its thread ends */
    TEST_WAIT(stats(pool).abandoned == 0, PATIENCE);
    assert_int_equal(stats(pool).lost, 1);
    assert_int_equal(stats(pool).idle, 0);
    let_go(&next);
    TEST_WAIT(stats(pool).idle == 1, PATIENCE);
    assert_false(pool_abandon(pool, &next.job)); /* it has returned */
    assert_int_equal(stats(pool).lost, 1);
    assert_int_equal(pool_free(pool), 0);
    work_deinit(&stuck);
    work_deinit(&next);
}

/* Stuck threads over the cap take workers away, until they return. */
static void test_too_many_stuck(void **state)
{
    struct pool *pool;
    struct work stuck[3], one, two;
    assert_int_equal(pool_new(2, 2, &pool), 0);
    for (int i = 0; i < 3; i++) {
        start(pool, &stuck[i]);
        assert_true(pool_abandon(pool, &stuck[i].job));
    }
    start(pool, &one);
    work_init(&two, hold);
    assert_int_equal(pool_run(pool, &two.job), -EAGAIN);
    let_go(&stuck[1]);
    TEST_WAIT(stats(pool).abandoned == 2, PATIENCE);
    work_deinit(&two);
    start(pool, &two);
    let_go(&one);
    let_go(&two);
    let_go(&stuck[0]);
    let_go(&stuck[2]);
    TEST_WAIT(stats(pool).abandoned == 0, PATIENCE);
    assert_int_equal(stats(pool).lost, 3);
    assert_int_equal(pool_free(pool), 0);
    for (int i = 0; i < 3; i++)
        work_deinit(&stuck[i]);
    work_deinit(&one);
    work_deinit(&two);
}

/* The pool is gone, the stuck thread is not, and may return yet: then the last one frees it all. */
static void test_free_with_stuck_threads(void **state)
{
    struct pool *pool;
    struct work stuck[2], other;
    assert_int_equal(pool_new(4, 4, &pool), 0);
    start(pool, &other);
    for (int i = 0; i < 2; i++) {
        start(pool, &stuck[i]);
        assert_true(pool_abandon(pool, &stuck[i].job));
    }
    let_go(&other);
    assert_int_equal(pool_free(pool), 2);
    TEST_WAIT(live_workers() == 2, PATIENCE);
    let_go(&stuck[1]);
    let_go(&stuck[0]);
    TEST_WAIT(live_workers() == 0, PATIENCE);
    work_deinit(&stuck[0]);
    work_deinit(&stuck[1]);
    work_deinit(&other);
}

/* --- churn: several threads engage and abandon as fast as they can ---------------------------- */

static atomic_long ran;

static void count_and_free(struct pool_job *job)
{
    atomic_fetch_add(&ran, 1);
    free(job); /* its memory is the job's own: the pool does not touch it any more */
}

static void *churn(void *arg)
{
    struct pool *pool = arg;
    for (int i = 0; i < 3000; i++) {
        struct pool_job *job = calloc(1, sizeof *job);
        job->work = count_and_free;
        if (pool_run(pool, job) < 0)
            abort();
        if (i % 64 == 0)
            sched_yield();
    }
    return NULL;
}

static void test_churn(void **state)
{
    struct pool *pool;
    pthread_t threads[4];
    atomic_store(&ran, 0);
    assert_int_equal(pool_new(8, 0, &pool), 0);
    pool_set_idle_time(pool, NS_PER_MS / 10);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, churn, pool), 0);
    for (int i = 0; i < 100; i++) {
        pool_set_workers(pool, 1 + (unsigned)i % 8);
        stats(pool);
    }
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(pool_free(pool), 0); /* waits for those that are about to return */
    assert_int_equal(atomic_load(&ran), 4 * 3000);
}

static void test_abandon_races_with_the_return(void **state)
{
    struct pool *pool;
    int taken = 0;
    assert_int_equal(pool_new(2, 2000, &pool), 0);
    for (int i = 0; i < 500; i++) {
        struct work w;
        start(pool, &w);
        sem_post(&w.go);
        taken += pool_abandon(pool, &w.job);
        TEST_WAIT(atomic_load(&w.returned), PATIENCE);
        work_deinit(&w);
    }
    TEST_WAIT(stats(pool).abandoned == 0 && stats(pool).busy == 0, PATIENCE);
    assert_int_equal(stats(pool).lost, taken);
    assert_int_equal(pool_free(pool), 0);
}

static void test_kernel_refuses_threads(void **state)
{
    struct pool *pool;
    static struct work w;
    struct rlimit limit, none;
    if (test_sanitized())
        skip(); /* they map more than any limit */
    assert_int_equal(pool_new(2, 0, &pool), 0);
    work_init(&w, hold);
    assert_int_equal(getrlimit(RLIMIT_AS, &limit), 0);
    none = limit;
    none.rlim_cur = 1 << 20; /* no room for a stack; RLIMIT_NPROC does not bind root */
    assert_int_equal(setrlimit(RLIMIT_AS, &none), 0);
    int r = pool_run(pool, &w.job);
    assert_int_equal(setrlimit(RLIMIT_AS, &limit), 0);
    assert_int_equal(r, -EAGAIN);
    assert_int_equal(stats(pool).busy, 0);
    work_deinit(&w);
    start(pool, &w);
    let_go(&w);
    assert_int_equal(pool_free(pool), 0);
    work_deinit(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kernel_refuses_threads), /* first: threads that ended leave stacks */
        cmocka_unit_test(test_many_at_once),
        cmocka_unit_test(test_latest_first),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_idle_threads_end),
        cmocka_unit_test(test_fewer_workers),
        cmocka_unit_test(test_abandon),
        cmocka_unit_test(test_too_many_stuck),
        cmocka_unit_test(test_free_with_stuck_threads),
        cmocka_unit_test(test_churn),
        cmocka_unit_test(test_abandon_races_with_the_return),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
