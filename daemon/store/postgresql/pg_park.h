/* Jobs that the owner of their host cannot run. Adds a step to the pipeline of `w`; `stood`: as in
 * pg_write.h. The store's thread. */
#ifndef PENSTOCK_STORE_POSTGRESQL_PG_PARK_H
#define PENSTOCK_STORE_POSTGRESQL_PG_PARK_H

#include "store/postgresql/pg_private.h"

void park_send(struct pg *pg, struct group *group, bool stood);

#endif
