#include "store/postgresql/pg_await.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void await_deinit(struct await *a)
{
    free(a->list);
    *a = (struct await){.list = NULL};
}

/* The first whose id is not below. */
static size_t find(const struct await *a, uint64_t id)
{
    size_t low = 0, high = a->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (a->list[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

int await_add(struct await *a, uint64_t id)
{
    size_t at = find(a, id);
    if (at < a->count && a->list[at].id == id) {
        a->list[at].count++;
        return 0;
    }
    if (a->count == a->size) {
        size_t size = a->size ? 2 * a->size : 16;
        struct awaited *more = realloc(a->list, size * sizeof *more);
        if (!more)
            return -ENOMEM;
        a->list = more;
        a->size = size;
    }
    memmove(&a->list[at + 1], &a->list[at], (a->count - at) * sizeof a->list[0]);
    a->list[at] = (struct awaited){.id = id, .count = 1};
    a->count++;
    return 0;
}

static void take_out(struct await *a, size_t at)
{
    a->count--;
    memmove(&a->list[at], &a->list[at + 1], (a->count - at) * sizeof a->list[0]);
}

void await_drop(struct await *a, uint64_t id)
{
    size_t at = find(a, id);
    if (at < a->count && a->list[at].id == id && --a->list[at].count == 0)
        take_out(a, at);
}

bool await_end(struct await *a, uint64_t id)
{
    size_t at = find(a, id);
    if (at == a->count || a->list[at].id != id)
        return false;
    take_out(a, at);
    return true;
}
