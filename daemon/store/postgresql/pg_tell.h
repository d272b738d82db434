/* What a transaction of ours is to tell to other members once it stands. The store's thread, but
 * for the last. A daemon that is alone tells nobody. */
#ifndef PENSTOCK_STORE_POSTGRESQL_PG_TELL_H
#define PENSTOCK_STORE_POSTGRESQL_PG_TELL_H

#include "store/postgresql/pg_private.h"
#include "store/shared.h"

struct fleet;

void tell_host(struct pg *pg, const char *host); /* to its owner, if that is another */
void tell_cancel(struct pg *pg, int64_t member, uint64_t id);
void tell_schedules(struct pg *pg);
void tell_pauses(struct pg *pg); /* to all */
/* The jobs of a submission that stands and that wait here for nobody. */
void tell_submit(struct pg *pg, const struct store_submit *call);

void tell_all(struct pg *pg);  /* it stands: what was noted is sent */
void tell_none(struct pg *pg); /* it does not */

/* A beat says who owns what. Whoever is new there is told to look at his hosts, if jobs were stored
 * for them lately: their owner that was known then was another, or nobody. The pulse; fleet->lock
 * is held. */
void tell_new_owners(struct fleet *f, const int64_t owners[STORE_SHARDS]);

#endif
