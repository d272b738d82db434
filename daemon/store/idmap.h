/* A sparse array from ids, given out upwards, to pointers: in pages, so that it costs about a
 * pointer an entry, walks in order both ways, and gives memory back from its old end. One owner. */
#ifndef PENSTOCK_STORE_IDMAP_H
#define PENSTOCK_STORE_IDMAP_H

#include <stddef.h>
#include <stdint.h>

struct idmap_page;
struct idmap {
    struct idmap_page **pages; /* NULL where nothing is kept */
    uint64_t base;             /* number of the first page */
    size_t count, size;
};

/* Takes a zeroed one; the pointers are the owner's. */
void idmap_deinit(struct idmap *m);

/* Sets id (> 0; nothing older than the oldest page can come back) to a pointer. 0 or -ENOMEM. */
int idmap_set(struct idmap *m, uint64_t id, void *ptr);
void *idmap_get(const struct idmap *m, uint64_t id); /* NULL: none */
void idmap_clear(struct idmap *m, uint64_t id);

/* The nearest entry with an id below, or at or above `id`: its pointer and *ret_id; NULL if there
 * is none. */
void *idmap_below(const struct idmap *m, uint64_t id, uint64_t *ret_id);
void *idmap_from(const struct idmap *m, uint64_t id, uint64_t *ret_id);

#endif
