/* A set of job ids. Zeroed is empty. */
#ifndef PENSTOCK_CTL_IDS_H
#define PENSTOCK_CTL_IDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ids {
    uint64_t *slots; /* open addressing; 0: free */
    size_t size, count;
};

void ids_deinit(struct ids *ids);

/* Adds an id (> 0). 1 if it is new, 0 if it was there, -ENOMEM. */
int ids_add(struct ids *ids, uint64_t id);

/* True if it was there. */
bool ids_remove(struct ids *ids, uint64_t id);

bool ids_has(const struct ids *ids, uint64_t id);

/* Any one of them; 0 if it is empty. */
uint64_t ids_any(const struct ids *ids);

#endif
