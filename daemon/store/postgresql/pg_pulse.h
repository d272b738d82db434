/* The thread that beats. */
#ifndef PENSTOCK_STORE_POSTGRESQL_PG_PULSE_H
#define PENSTOCK_STORE_POSTGRESQL_PG_PULSE_H

#include "store/postgresql/pg_private.h"

/* The daemon has joined. 0 or a negative errno with a message in *err. The control loop. */
int pulse_start(struct pg *pg, const struct store_config *config, struct error *err);
/* Ends it; what was asked of it comes back. The control loop. */
void pulse_stop(struct pg *pg);

#endif
