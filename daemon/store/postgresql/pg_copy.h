/* COPY … FROM STDIN on a channel, within a transaction that its pipelines have begun: the pipeline
 * mode, which knows no COPY, is left meanwhile. The store's thread. */
#ifndef PENSTOCK_STORE_POSTGRESQL_PG_COPY_H
#define PENSTOCK_STORE_POSTGRESQL_PG_COPY_H

#include "store/postgresql/pg_channel.h"

enum copy_state {
    COPY_NONE,
    COPY_BEGINS,
    COPY_TAKES, /* data */
    COPY_ENDS
};

struct copy {
    struct channel *channel;
    enum copy_state state;
};

/* The channel is idle, and busy until copy_turn says CHANNEL_DONE or CHANNEL_LOST. */
void copy_begin(struct copy *copy, struct channel *channel, const char *sql);
/* In place of channel_turn while `state` is not COPY_NONE. CHANNEL_MORE: all that it was given is
 * on its way. CHANNEL_DONE: as of a pipeline. */
enum channel_event copy_turn(struct copy *copy);

/* After CHANNEL_MORE. A failure shows in the next turn. */
void copy_put(struct copy *copy, const char *data, size_t len);
/* `why_not`: the statement is to fail, with these words; NULL: that was all. */
void copy_end(struct copy *copy, const char *why_not);

#endif
