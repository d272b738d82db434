/* In what order the calls of a batch become statements. The store's thread. */
#ifndef PENSTOCK_STORE_POSTGRESQL_PG_PLAN_H
#define PENSTOCK_STORE_POSTGRESQL_PG_PLAN_H

#include "store/postgresql/pg_private.h"

/* Fills in the batch's order and groups from those of its calls that are open. Calls of one kind
 * stand together as far as that shows nowhere: what names one job keeps its order, and a question
 * is answered by what came before it. */
void plan_make(struct pg *pg);

#endif
