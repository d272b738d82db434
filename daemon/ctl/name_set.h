/* The names that stand in a long file, each with its line: some 16 bytes and its own for a name. */
#ifndef PENSTOCK_CTL_NAME_SET_H
#define PENSTOCK_CTL_NAME_SET_H

#include <stddef.h>
#include <stdint.h>

struct name_set {
    char *text; /* the names, each with its NUL */
    size_t used, size;
    struct name_set_entry {
        uint32_t name, line; /* offset in `text`; number */
    } * entries;
    size_t count, capacity;
    uint32_t *slots; /* a hash table of entries, by index and 1; 0: free */
    size_t slot_count;
};

/* 0: it was added; 1: it is there already, and *ret_line is its line; -ENOMEM, also beyond 4 GiB of
 * names. */
int name_set_add(struct name_set *set, const char *name, uint64_t line, uint64_t *ret_line);

/* All of them in the order of their bytes; the array is the caller's, the names are the set's.
 * NULL: out of memory. */
const char **name_set_sorted(const struct name_set *set);

void name_set_deinit(struct name_set *set); /* of one that began as {0} */

#endif
