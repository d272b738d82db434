/* What came of a batch's transaction: it stands, or it was refused. The store's thread. */
#ifndef PENSTOCK_STORE_POSTGRESQL_PG_OUTCOME_H
#define PENSTOCK_STORE_POSTGRESQL_PG_OUTCOME_H

#include "store/postgresql/pg_private.h"

/* It was answered. */
void outcome_committed(struct pg *pg);
/* It stands, and what its statements gave is in its calls: they are given back, or first it is
 * looked up why some were refused (STAGE_LOOK, then outcome_look_over). */
void outcome_stands(struct pg *pg);
void outcome_look_over(struct pg *pg);

/* The server tells of a fault; what it began is rolled back (STAGE_UNDO, then outcome_undone). */
void outcome_failed(struct pg *pg);
void outcome_undone(struct pg *pg);

#endif
