/* What operators hold back in the whole fleet. Each adds steps to the pipeline of `w`; `stood`: as
 * in pg_write.h. The store's thread. */
#ifndef PENSTOCK_STORE_POSTGRESQL_PG_PAUSE_H
#define PENSTOCK_STORE_POSTGRESQL_PG_PAUSE_H

#include "store/postgresql/pg_private.h"
#include "store/shared.h"

void pause_send(struct pg *pg, struct group *group, bool stood);
void pause_read(struct pg *pg, struct store_pauses *call);

#endif
