/* For engines: the rows of a window that come first, of several lists that are in order each.
 * One owner. */
#ifndef PENSTOCK_STORE_WINDOW_PICK_H
#define PENSTOCK_STORE_WINDOW_PICK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct window_pick {
    struct window_picked {
        int64_t rank;
        uint64_t id;
    } * rows;
    size_t count, size, limit;
    size_t sorted; /* so many of `rows` are in order */
};

void window_pick_init(struct window_pick *pick, size_t limit);
void window_pick_deinit(struct window_pick *pick);
/* May a row of this place be among the first `limit`? */
bool window_pick_wants(const struct window_pick *pick, int64_t rank, uint64_t id);
int window_pick_add(struct window_pick *pick, int64_t rank, uint64_t id); /* 0 or -ENOMEM */
/* The end of one list: the first `limit` of all so far, in order. */
void window_pick_merge(struct window_pick *pick);

#endif
