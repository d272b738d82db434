/* What the store's thread does while the fleet does not believe this member alive: it settles what
 * the old one has asked, and joins anew, as a member with a new id. */
#ifndef PENSTOCK_STORE_POSTGRESQL_PG_REJOIN_H
#define PENSTOCK_STORE_POSTGRESQL_PG_REJOIN_H

#include "store/postgresql/pg_private.h"

/* The old one is declared dead, as a statement of ours has just been told. */
void rejoin_told(struct pg *pg, const struct error *why);

/* Is it time? The old one's ends are said first, as long as it may say them. `w` is idle. */
bool rejoin_due(struct pg *pg);
void rejoin_begin(struct pg *pg);  /* STAGE_JOIN */
void rejoin_done(struct pg *pg);   /* its pipeline has gone through … */
void rejoin_failed(struct pg *pg); /* … or not */

/* A call that a member of old has made, or that would start something, is refused: its result is
 * set. */
void rejoin_screen(struct pg *pg, struct store_call *call);

#endif
