/* Bytes a second from one host: a token bucket that all its transfers share, as they are all on one
 * loop. The loop's thread only.
 *
 * A piece is taken whole while anything is left, which may run into debt, so a bucket holds little
 * and the rate holds all the same. Those that find it empty pause, in the order in which they came,
 * and are let on by the loop's one timer. */
#ifndef PENSTOCK_FETCH_RATE_H
#define PENSTOCK_FETCH_RATE_H

#include "base/tree.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct rate;

/* What a loop has of them; zeroed, then rates_init. */
struct rates {
    struct tree by_host;
    struct tree by_time; /* those which somebody waits for, or which are to be forgotten */
    uint64_t looks;      /* at a bucket whose time had come, since the start: for tests */
    uv_timer_t timer;
    /* One that waited may go on. It may take, and leave others. */
    void (*go)(struct list *waiting);
};

void rates_init(struct rates *rates, uv_loop_t *loop, void (*go)(struct list *waiting));
/* Nobody uses a bucket. The timer is closed; the buckets are freed at once. */
void rates_close(struct rates *rates);

/* The host's bucket and a use of it, with this rate from now on. NULL: out of memory. A bucket
 * outlives its last use until it is full again: many small transfers in turn keep the rate too. */
struct rate *rate_get(struct rates *rates, const char *host, uint64_t bytes_per_second);
void rate_put(struct rate *rate); /* takes NULL */

/* May a piece of so many bytes be taken? True: it is taken. False: `waiting` is in the queue;
 * list_del takes it out. */
bool rate_take(struct rate *rate, size_t len, struct list *waiting);
/* It was not taken after all. */
void rate_give_back(struct rate *rate, size_t len);

#endif
