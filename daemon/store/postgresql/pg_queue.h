/* How the control loop hands calls to the store's thread. */
#ifndef PENSTOCK_STORE_POSTGRESQL_PG_QUEUE_H
#define PENSTOCK_STORE_POSTGRESQL_PG_QUEUE_H

#include "store/postgresql/pg_private.h"

/* The control loop. The call's result is CALL_OPEN, or a refusal that keeps its place. */
void queue_call(struct pg *pg, struct store_call *call, enum op op);

#endif
