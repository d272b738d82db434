#include "parse/held.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void held_deinit(struct held *held)
{
    for (size_t i = 0; i < held->count; i++) {
        free(held->members[i].name);
        free(held->members[i].head);
        free(held->members[i].data);
    }
    free(held->members);
    *held = (struct held){0};
}

bool held_wants(const struct held *held, const char *data, size_t len)
{
    return len > 0 && len <= HELD_SIZE && held->bytes < HELD_ALL && !memchr(data, '\n', len) &&
           !memchr(data, '\0', len);
}

static struct held_member *append(struct held *held)
{
    if (held->count == held->size) {
        size_t size = held->size ? 2 * held->size : 16;
        struct held_member *members = reallocarray(held->members, size, sizeof *members);
        if (!members)
            return NULL;
        held->members = members;
        held->size = size;
    }
    held->members[held->count] = (struct held_member){0};
    return &held->members[held->count++];
}

int held_add(struct held *held, size_t number, const char *name, const char *head, const char *data,
             size_t len)
{
    struct held_member *m = append(held);
    if (!m)
        return -ENOMEM;
    m->number = number;
    m->name = strdup(name);
    m->head = strdup(head);
    m->data = malloc(len);
    m->len = len;
    if (!m->name || !m->head || !m->data)
        return -ENOMEM;
    memcpy(m->data, data, len);
    held->bytes += sizeof *m + strlen(name) + strlen(head) + len;
    return 0;
}

static int compare(const void *key, const void *member)
{
    size_t number = *(const size_t *)key, other = ((const struct held_member *)member)->number;
    return number < other ? -1 : number > other;
}

struct held_member *held_find(struct held *held, size_t number)
{
    return held->count > 0
               ? bsearch(&number, held->members, held->count, sizeof *held->members, compare)
               : NULL;
}
