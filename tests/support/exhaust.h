/* Memory that runs out: allocation 1, 2, 3 … fails, each in a run of its own, until a run makes
 * fewer. For one source file of a test program, whose malloc and its like these are then, for
 * libraries as well. With the address sanitizer they stand before its own, which finds what is used
 * after a failure and what is left at the end; blocks are counted in the plain build alone, because
 * there the C library's strdup and its like come by here (`exhaust_counts`); and while a thread
 * begins nothing fails, as the sanitizer would end the process for that. With the thread sanitizer
 * there is nothing of this: `exhaust_possible` is false. */
#ifndef TESTS_SUPPORT_EXHAUST_H
#define TESTS_SUPPORT_EXHAUST_H

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define EXHAUST_ADDRESS 1
#elif defined(__SANITIZE_THREAD__)
#define EXHAUST_THREAD 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define EXHAUST_ADDRESS 1
#elif __has_feature(thread_sanitizer)
#define EXHAUST_THREAD 1
#endif
#endif

static atomic_long exhaust_at; /* the allocation that fails, counted down by all threads; 0: none */
__attribute__((unused)) static atomic_long exhaust_more; /* so many after it fail as well */
__attribute__((unused)) static atomic_long exhaust_live; /* blocks */
/* What this thread asks for is not counted, and given. */
__attribute__((unused)) static _Thread_local bool exhaust_spares;
__attribute__((
    unused)) static atomic_int exhaust_begin; /* threads that the sanitizer is about to begin */

#ifdef EXHAUST_THREAD
enum { exhaust_possible = false, exhaust_counts = false };
#else
enum { exhaust_possible = true };

#ifdef EXHAUST_ADDRESS
#define EXHAUST_REAL(name) __interceptor_##name
enum { exhaust_counts = false };
#else
#define EXHAUST_REAL(name) __libc_##name
enum { exhaust_counts = true };
#endif
void *EXHAUST_REAL(malloc)(size_t size);
void *EXHAUST_REAL(calloc)(size_t count, size_t size);
void *EXHAUST_REAL(realloc)(void *block, size_t size);
void *EXHAUST_REAL(memalign)(size_t align, size_t size);
void EXHAUST_REAL(free)(void *block);

/* The loader allocates before the sanitizer has its shadow. */
#define EXHAUST_EARLY __attribute__((no_sanitize("address", "undefined")))

EXHAUST_EARLY static bool exhaust_refuses(void)
{
    if (exhaust_spares || atomic_load(&exhaust_begin) > 0)
        return false;
    long left = atomic_load(&exhaust_at);
    while (left > 0 && !atomic_compare_exchange_weak(&exhaust_at, &left, left - 1))
        ;
    bool refused = left == 1;
    if (left == 0) {
        long more = atomic_load(&exhaust_more);
        while (more > 0 && !atomic_compare_exchange_weak(&exhaust_more, &more, more - 1))
            ;
        refused = more > 0 && atomic_load(&exhaust_at) == 0;
    }
    if (refused)
        errno = ENOMEM;
    return refused;
}

EXHAUST_EARLY static void *exhaust_count(void *block)
{
    if (block && exhaust_counts)
        atomic_fetch_add(&exhaust_live, 1);
    return block;
}

EXHAUST_EARLY void *malloc(size_t size)
{
    return exhaust_refuses() ? NULL : exhaust_count(EXHAUST_REAL(malloc)(size));
}

EXHAUST_EARLY void *calloc(size_t count, size_t size)
{
    return exhaust_refuses() ? NULL : exhaust_count(EXHAUST_REAL(calloc)(count, size));
}

EXHAUST_EARLY void *realloc(void *block, size_t size)
{
    if (exhaust_refuses())
        return NULL;
    void *moved = EXHAUST_REAL(realloc)(block, size);
    return block ? moved : exhaust_count(moved);
}

EXHAUST_EARLY void *aligned_alloc(size_t align, size_t size)
{
    return exhaust_refuses() ? NULL : exhaust_count(EXHAUST_REAL(memalign)(align, size));
}

EXHAUST_EARLY int posix_memalign(void **ret, size_t align, size_t size)
{
    void *block = aligned_alloc(align, size);
    if (!block)
        return ENOMEM;
    *ret = block;
    return 0;
}

EXHAUST_EARLY void free(void *block)
{
    if (block && exhaust_counts)
        atomic_fetch_sub(&exhaust_live, 1);
    EXHAUST_REAL(free)(block);
}

#ifdef EXHAUST_ADDRESS
int __interceptor_pthread_create(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

struct exhaust_thread {
    void *(*run)(void *arg);
    void *arg;
};

static void *exhaust_thread_run(void *arg)
{
    struct exhaust_thread thread = *(struct exhaust_thread *)arg;
    EXHAUST_REAL(free)(arg);
    atomic_fetch_sub(&exhaust_begin, 1);
    return thread.run(thread.arg);
}

int pthread_create(pthread_t *ret, const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
    struct exhaust_thread *thread = EXHAUST_REAL(malloc)(sizeof *thread);
    if (!thread)
        return EAGAIN;
    *thread = (struct exhaust_thread){run, arg};
    atomic_fetch_add(&exhaust_begin, 1);
    int r = __interceptor_pthread_create(ret, attr, exhaust_thread_run, thread);
    if (r != 0) {
        atomic_fetch_sub(&exhaust_begin, 1);
        EXHAUST_REAL(free)(thread);
    }
    return r;
}
#endif
#endif

/* A sweep of what makes some thousand allocations: each of the first `dense` fails in a run of its
 * own, then one in more and more of them, so that the sweep stays short; with PENSTOCK_SWEEP=all
 * each. The next one to fail after the n-th. */
__attribute__((unused)) static long exhaust_next(long n, long dense)
{
    const char *all = getenv("PENSTOCK_SWEEP");
    if (n < dense || (all && strcmp(all, "all") == 0))
        return n + 1;
    return n + 1 + (n - dense) / 16;
}

#endif
