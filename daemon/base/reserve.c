#include "base/reserve.h"

#include <errno.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

/* Most of what libcurl asks for is small. libuv's table of descriptors has 8 bytes for each number
 * up to the greatest in use, and is copied when it grows. */
#define SMALL_SIZE  512
#define SMALL_COUNT 512
#define LARGE_SIZE  (1 << 20)
#define LARGE_COUNT 4

static struct {
    _Alignas(max_align_t) char small[SMALL_COUNT][SMALL_SIZE];
    _Alignas(max_align_t) char large[LARGE_COUNT][LARGE_SIZE];
    _Atomic bool small_taken[SMALL_COUNT], large_taken[LARGE_COUNT];
} reserve;

static bool take(_Atomic bool *taken)
{
    return !atomic_exchange_explicit(taken, true, memory_order_acquire);
}

void *reserve_take(size_t size)
{
    for (size_t i = 0; size <= SMALL_SIZE && i < SMALL_COUNT; i++)
        if (take(&reserve.small_taken[i]))
            return reserve.small[i];
    for (size_t i = 0; size <= LARGE_SIZE && i < LARGE_COUNT; i++)
        if (take(&reserve.large_taken[i]))
            return reserve.large[i];
    errno = ENOMEM;
    return NULL;
}

static bool within(const void *block, const void *start, size_t size)
{
    return (uintptr_t)block >= (uintptr_t)start && (uintptr_t)block < (uintptr_t)start + size;
}

bool reserve_owns(const void *block)
{
    return within(block, reserve.small, sizeof reserve.small) ||
           within(block, reserve.large, sizeof reserve.large);
}

size_t reserve_size(const void *block)
{
    return within(block, reserve.small, sizeof reserve.small) ? SMALL_SIZE : LARGE_SIZE;
}

void reserve_give(void *block)
{
    _Atomic bool *taken;
    if (reserve_size(block) == SMALL_SIZE)
        taken = &reserve.small_taken[(size_t)((char *)block - reserve.small[0]) / SMALL_SIZE];
    else
        taken = &reserve.large_taken[(size_t)((char *)block - reserve.large[0]) / LARGE_SIZE];
    atomic_store_explicit(taken, false, memory_order_release);
}

/* --- libuv's ---------------------------------------------------------------------------------- */

static void *loop_malloc(size_t size)
{
    void *block = malloc(size);
    return block || size == 0 ? block : reserve_take(size);
}

static void loop_free(void *block)
{
    if (reserve_owns(block))
        reserve_give(block);
    else
        free(block);
}

static void *loop_calloc(size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        return NULL;
    void *block = loop_malloc(bytes);
    return block ? memset(block, 0, bytes) : NULL;
}

static void *loop_realloc(void *block, size_t size)
{
    bool ours = reserve_owns(block);
    void *grown;
    if (ours && size <= reserve_size(block))
        return block;
    if (!ours && (grown = realloc(block, size)))
        return grown;
    if (size == 0 || !(grown = loop_malloc(size)))
        return NULL;
    if (ours) {
        memcpy(grown, block, reserve_size(block));
        reserve_give(block);
    } else if (block) {
        size_t had = malloc_usable_size(block);
        memcpy(grown, block, had < size ? had : size);
        free(block);
    }
    return grown;
}

int reserve_for_libuv(void)
{
    return uv_replace_allocator(loop_malloc, loop_realloc, loop_calloc, loop_free);
}
