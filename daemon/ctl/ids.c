#include "ctl/ids.h"

#include <errno.h>
#include <stdlib.h>

void ids_deinit(struct ids *ids)
{
    free(ids->slots);
    *ids = (struct ids){0};
}

static size_t home(const struct ids *ids, uint64_t id)
{
    return (size_t)((id * UINT64_C(0x9E3779B97F4A7C15)) >> 32) & (ids->size - 1);
}

/* The slot of the id, or the free one where it would go. */
static size_t find(const struct ids *ids, uint64_t id)
{
    size_t i = home(ids, id);
    while (ids->slots[i] != 0 && ids->slots[i] != id)
        i = (i + 1) & (ids->size - 1);
    return i;
}

static int grow(struct ids *ids)
{
    struct ids bigger = {.size = ids->size ? ids->size * 2 : 16, .count = ids->count};
    bigger.slots = calloc(bigger.size, sizeof *bigger.slots);
    if (!bigger.slots)
        return -ENOMEM;
    for (size_t i = 0; i < ids->size; i++)
        if (ids->slots[i])
            bigger.slots[find(&bigger, ids->slots[i])] = ids->slots[i];
    free(ids->slots);
    *ids = bigger;
    return 0;
}

int ids_add(struct ids *ids, uint64_t id)
{
    if ((ids->count + 1) * 2 > ids->size) {
        int r = grow(ids);
        if (r < 0)
            return r;
    }
    size_t i = find(ids, id);
    if (ids->slots[i])
        return 0;
    ids->slots[i] = id;
    ids->count++;
    return 1;
}

bool ids_has(const struct ids *ids, uint64_t id)
{
    return ids->size > 0 && ids->slots[find(ids, id)] == id;
}

bool ids_remove(struct ids *ids, uint64_t id)
{
    if (!ids_has(ids, id))
        return false;
    size_t i = find(ids, id);
    ids->slots[i] = 0;
    ids->count--;
    /* What stood behind it in the same run may have been displaced by it. */
    for (i = (i + 1) & (ids->size - 1); ids->slots[i]; i = (i + 1) & (ids->size - 1)) {
        uint64_t moved = ids->slots[i];
        ids->slots[i] = 0;
        ids->slots[find(ids, moved)] = moved;
    }
    return true;
}

uint64_t ids_any(const struct ids *ids)
{
    for (size_t i = 0; i < ids->size; i++)
        if (ids->slots[i])
            return ids->slots[i];
    return 0;
}
