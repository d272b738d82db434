/* The records of a batch's ends, as what a COPY takes, piece by piece. The store's thread. */
#ifndef PENSTOCK_STORE_POSTGRESQL_PG_FEED_H
#define PENSTOCK_STORE_POSTGRESQL_PG_FEED_H

#include "base/buf.h"
#include "record/spool_reader.h"
#include "store/store.h"

struct feed {
    struct store_call *const *calls; /* ends with records; the caller's */
    size_t count, at;                /* `at`: whose records come next */
    struct spool_reader reader;      /* of that one, if … */
    bool reading;
    struct buf out;
};

/* Takes a zeroed one, or one that has been used. */
void feed_begin(struct feed *feed, struct store_call *const *calls, size_t count);
/* Some 256 KiB more in `out`. 1; 0: that was the last; -EIO or another negative errno: those of
 * calls[at] cannot be read; -ENOMEM as well, if there is none for the piece: out.failed. */
int feed_piece(struct feed *feed);
void feed_deinit(struct feed *feed); /* takes a zeroed one */

#endif
