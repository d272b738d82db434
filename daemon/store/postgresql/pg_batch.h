/* Group commit: all calls that wait are one transaction. The store's thread.
 *
 * When the server cannot be reached, or takes no changes, then: submits and claims are refused with
 * the reason (nothing was acknowledged); finish and postpone are held and said again, because what
 * they say has happened and stands in the log already; questions are refused. A batch whose answer
 * is missing waits until it is known whether it stands. Until then the store is `failing`. */
#ifndef PENSTOCK_STORE_POSTGRESQL_PG_BATCH_H
#define PENSTOCK_STORE_POSTGRESQL_PG_BATCH_H

#include "store/postgresql/pg_private.h"

/* The next batch of what waits, or forgetting; `w` is idle. */
void batch_begin(struct pg *pg);

/* What `w` reports: its pipeline is done, its connection stands anew, or is lost. */
void batch_done(struct pg *pg);
void batch_connected(struct pg *pg);
void batch_lost(struct pg *pg);

/* Nothing is waited for any more: what is not known to stand comes back with the reason. */
void batch_give_up(struct pg *pg);

#endif
