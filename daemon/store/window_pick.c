#include "store/window_pick.h"

#include <errno.h>
#include <stdlib.h>

static int in_order(const void *a, const void *b)
{
    const struct window_picked *x = a, *y = b;
    if (x->rank != y->rank)
        return x->rank < y->rank ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

void window_pick_init(struct window_pick *pick, size_t limit)
{
    *pick = (struct window_pick){.limit = limit};
}

void window_pick_deinit(struct window_pick *pick)
{
    free(pick->rows);
}

bool window_pick_wants(const struct window_pick *pick, int64_t rank, uint64_t id)
{
    const struct window_picked row = {.rank = rank, .id = id};
    if (pick->count - pick->sorted >= pick->limit)
        return false; /* the list that is being added has so many already */
    return pick->sorted < pick->limit || in_order(&row, &pick->rows[pick->sorted - 1]) < 0;
}

int window_pick_add(struct window_pick *pick, int64_t rank, uint64_t id)
{
    if (pick->count == pick->size) {
        size_t size = pick->size ? 2 * pick->size : 16;
        struct window_picked *rows = realloc(pick->rows, size * sizeof *rows);
        if (!rows)
            return -ENOMEM;
        pick->rows = rows;
        pick->size = size;
    }
    pick->rows[pick->count++] = (struct window_picked){.rank = rank, .id = id};
    return 0;
}

void window_pick_merge(struct window_pick *pick)
{
    if (pick->sorted > 0 && pick->sorted < pick->count)
        qsort(pick->rows, pick->count, sizeof *pick->rows, in_order);
    if (pick->count > pick->limit)
        pick->count = pick->limit;
    pick->sorted = pick->count;
}
