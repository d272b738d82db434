/* What is measured of the fleet: the store's thread and the pulse count, the control loop reads. */
#ifndef PENSTOCK_STORE_POSTGRESQL_PG_HEALTH_H
#define PENSTOCK_STORE_POSTGRESQL_PG_HEALTH_H

#include "store/postgresql/pg_fleet.h"

/* --- the store's thread; of a daemon that is alone nothing is counted */

void health_reconnected(struct pg *pg);
void health_settled(struct pg *pg, bool stood); /* what became of a transaction without an answer */
void health_answered(struct pg *pg, enum store_connection connection, const struct channel *ch);
void health_change_sent(struct pg *pg, uint64_t now); /* it waits for its answer from then on */
void health_change_over(struct pg *pg);               /* and does so no more */

/* --- the pulse */

void health_add_beat(struct fleet *f, uint64_t ns);
void health_lost_commits(struct fleet *f);
/* What the server says of itself: a standby that may lack what was answered is told to the log,
 * once until it is over. */
void health_take(struct fleet *f, bool standby_lags, uint64_t oldest_ns);

/* --- any thread */

void health_read(struct fleet *f, struct store_health *ret_health);

#endif
