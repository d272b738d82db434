/* The records of a batch, as what a COPY takes, piece by piece. The store's thread. */
#ifndef PENSTOCK_STORE_POSTGRESQL_PG_FEED_H
#define PENSTOCK_STORE_POSTGRESQL_PG_FEED_H

#include "base/buf.h"
#include "record/spool_reader.h"
#include "store/store.h"

/* Of one attempt: those of the spool that stand behind so many bytes. */
struct feed_source {
    uint64_t job;
    uint32_t attempt;
    const struct spool *spool;
    uint64_t from;
};

struct feed {
    const struct feed_source *sources; /* the caller's */
    size_t count, at;                  /* `at`: whose records come next */
    struct spool_reader reader;        /* of that one, if … */
    bool reading;
    struct buf out;
};

/* Takes a zeroed one, or one that has been used. */
void feed_begin(struct feed *feed, const struct feed_source *sources, size_t count);
/* Some 256 KiB more in `out`. 1; 0: that was the last; -EIO or another negative errno: those of
 * sources[at] cannot be read; -ENOMEM as well, if there is none for the piece: out.failed. */
int feed_piece(struct feed *feed);
void feed_deinit(struct feed *feed); /* takes a zeroed one */

#endif
