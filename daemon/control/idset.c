#include "control/idset.h"

#include <errno.h>
#include <stdlib.h>

/* Ids are mostly consecutive; the multiplier (2^64 / golden ratio) spreads them. */
static size_t slot_of(const struct idset *set, uint64_t id)
{
    return (size_t)((id * UINT64_C(0x9E3779B97F4A7C15)) >> 32) & (set->size - 1);
}

/* The id's slot, or the free one where it belongs. */
static size_t find(const struct idset *set, uint64_t id)
{
    size_t i = slot_of(set, id);
    while (set->slots[i] != 0 && set->slots[i] != id)
        i = (i + 1) & (set->size - 1);
    return i;
}

static int grow(struct idset *set)
{
    struct idset bigger = {.size = set->size ? set->size * 2 : 16, .count = set->count};
    bigger.slots = calloc(bigger.size, sizeof *bigger.slots);
    if (!bigger.slots)
        return -ENOMEM;
    for (size_t i = 0; i < set->size; i++)
        if (set->slots[i] != 0)
            bigger.slots[find(&bigger, set->slots[i])] = set->slots[i];
    free(set->slots);
    *set = bigger;
    return 0;
}

int idset_add(struct idset *set, uint64_t id)
{
    if (set->count * 2 >= set->size) {
        int r = grow(set);
        if (r < 0)
            return r;
    }
    size_t i = find(set, id);
    if (set->slots[i] == 0) {
        set->slots[i] = id;
        set->count++;
    }
    return 0;
}

bool idset_has(const struct idset *set, uint64_t id)
{
    return set->count > 0 && set->slots[find(set, id)] == id;
}

bool idset_remove(struct idset *set, uint64_t id)
{
    if (!idset_has(set, id))
        return false;
    size_t i = find(set, id);
    set->slots[i] = 0;
    set->count--;
    /* Those behind it that had to step over its slot move up: no chain may have a hole. */
    for (size_t j = (i + 1) & (set->size - 1); set->slots[j] != 0; j = (j + 1) & (set->size - 1)) {
        uint64_t moved = set->slots[j];
        set->slots[j] = 0;
        set->slots[find(set, moved)] = moved;
    }
    return true;
}

void idset_deinit(struct idset *set)
{
    free(set->slots);
    *set = (struct idset){0};
}
