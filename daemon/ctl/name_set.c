#include "ctl/name_set.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_SLOTS 1024 /* a power of two */

static uint64_t hash(const char *name)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
    for (; *name; name++)
        h = (h ^ (unsigned char)*name) * UINT64_C(0x100000001b3);
    return h ^ h >> 32;
}

/* The slot of the name, or the free one where it belongs. */
static uint32_t *slot_of(const struct name_set *set, const char *name)
{
    size_t i = hash(name) & (set->slot_count - 1);
    while (set->slots[i] && strcmp(set->text + set->entries[set->slots[i] - 1].name, name) != 0)
        i = (i + 1) & (set->slot_count - 1);
    return &set->slots[i];
}

/* At most half of the slots are taken. */
static int make_slots(struct name_set *set)
{
    if (set->slot_count > 2 * set->count)
        return 0;
    size_t count = set->slot_count ? 2 * set->slot_count : FIRST_SLOTS;
    uint32_t *slots = calloc(count, sizeof *slots);
    if (!slots)
        return -ENOMEM;
    free(set->slots);
    set->slots = slots;
    set->slot_count = count;
    for (size_t i = 0; i < set->count; i++)
        *slot_of(set, set->text + set->entries[i].name) = (uint32_t)i + 1;
    return 0;
}

static int make_room(struct name_set *set, size_t bytes)
{
    if (set->used + bytes > UINT32_MAX || set->count + 1 > UINT32_MAX / 2)
        return -ENOMEM;
    if (set->used + bytes > set->size) {
        size_t size = set->size + set->size / 2 + bytes + 4096;
        char *text = realloc(set->text, size);
        if (!text)
            return -ENOMEM;
        set->text = text;
        set->size = size;
    }
    if (set->count == set->capacity) {
        size_t capacity = set->capacity + set->capacity / 2 + 512;
        struct name_set_entry *entries = reallocarray(set->entries, capacity, sizeof *entries);
        if (!entries)
            return -ENOMEM;
        set->entries = entries;
        set->capacity = capacity;
    }
    return make_slots(set);
}

int name_set_add(struct name_set *set, const char *name, uint64_t line, uint64_t *ret_line)
{
    size_t bytes = strlen(name) + 1;
    int r = make_room(set, bytes);
    if (r < 0)
        return r;
    uint32_t *slot = slot_of(set, name);
    if (*slot) {
        *ret_line = set->entries[*slot - 1].line;
        return 1;
    }
    memcpy(set->text + set->used, name, bytes);
    set->entries[set->count] = (struct name_set_entry){
        .name = (uint32_t)set->used, .line = line > UINT32_MAX ? UINT32_MAX : (uint32_t)line};
    set->used += bytes;
    *slot = (uint32_t)++set->count;
    return 0;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

const char **name_set_sorted(const struct name_set *set)
{
    const char **names = calloc(set->count + 1, sizeof *names);
    if (!names)
        return NULL;
    for (size_t i = 0; i < set->count; i++)
        names[i] = set->text + set->entries[i].name;
    qsort(names, set->count, sizeof *names, compare);
    return names;
}

void name_set_deinit(struct name_set *set)
{
    free(set->text);
    free(set->entries);
    free(set->slots);
    *set = (struct name_set){0};
}
