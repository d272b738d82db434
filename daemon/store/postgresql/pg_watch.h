/* What a beat's answer says of this member and of the others: is it believed alive, is the server
 * the same, who has died? The pulse. */
#ifndef PENSTOCK_STORE_POSTGRESQL_PG_WATCH_H
#define PENSTOCK_STORE_POSTGRESQL_PG_WATCH_H

#include "store/postgresql/pg_heart.h"

/* False: this member is fenced by what the answer says, and nothing else of it counts. */
bool watch_self(struct pulse *p);
/* Notes who has beaten, and who is to be declared dead (p->dead). What is known of the members is
 * the answer's from now on. */
void watch_others(struct pulse *p);

#endif
