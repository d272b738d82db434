/* Memory that runs out: allocation 1, 2, 3 … fails, each in a run of its own, until a run makes
 * fewer. For one source file of a test program, whose malloc and its like these are then, for
 * libraries as well. The sanitizers have allocators of their own, so these tests run in the plain
 * build; `exhaust_possible` is false elsewhere. */
#ifndef TESTS_SUPPORT_EXHAUST_H
#define TESTS_SUPPORT_EXHAUST_H

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define EXHAUST_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define EXHAUST_SANITIZED 1
#endif
#endif

static atomic_long exhaust_at; /* the allocation that fails, counted down by all threads; 0: none */
__attribute__((unused)) static atomic_long exhaust_more; /* so many after it fail as well */
static atomic_long exhaust_live;                         /* blocks */
/* What this thread asks for is not counted, and given. */
__attribute__((unused)) static _Thread_local bool exhaust_spares;

#ifdef EXHAUST_SANITIZED
enum { exhaust_possible = false };
#else
enum { exhaust_possible = true };

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *block, size_t size);
void *__libc_memalign(size_t align, size_t size);
void __libc_free(void *block);

static bool exhaust_refuses(void)
{
    if (exhaust_spares)
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

static void *exhaust_count(void *block)
{
    if (block)
        atomic_fetch_add(&exhaust_live, 1);
    return block;
}

void *malloc(size_t size)
{
    return exhaust_refuses() ? NULL : exhaust_count(__libc_malloc(size));
}

void *calloc(size_t count, size_t size)
{
    return exhaust_refuses() ? NULL : exhaust_count(__libc_calloc(count, size));
}

void *realloc(void *block, size_t size)
{
    if (exhaust_refuses())
        return NULL;
    void *moved = __libc_realloc(block, size);
    return block ? moved : exhaust_count(moved);
}

void *aligned_alloc(size_t align, size_t size)
{
    return exhaust_refuses() ? NULL : exhaust_count(__libc_memalign(align, size));
}

int posix_memalign(void **ret, size_t align, size_t size)
{
    void *block = aligned_alloc(align, size);
    if (!block)
        return ENOMEM;
    *ret = block;
    return 0;
}

void free(void *block)
{
    if (block)
        atomic_fetch_sub(&exhaust_live, 1);
    __libc_free(block);
}
#endif

#endif
