/* A set of job ids (never 0): open addressing, grows, shrinks only when it is emptied. One owner.
 */
#ifndef PENSTOCK_CONTROL_IDSET_H
#define PENSTOCK_CONTROL_IDSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct idset {
    uint64_t *slots; /* 0: free */
    size_t size;     /* a power of two, or 0 */
    size_t count;
};

/* 0 or -ENOMEM. An id that is there already is no error. */
int idset_add(struct idset *set, uint64_t id);
/* True if it was there. */
bool idset_remove(struct idset *set, uint64_t id);
bool idset_has(const struct idset *set, uint64_t id);
/* Frees all and leaves an empty set. Takes a zeroed one. */
void idset_deinit(struct idset *set);

#endif
