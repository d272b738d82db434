/* What the engine offers to a daemon that shares its store, as the control loop sees it. */
#ifndef PENSTOCK_STORE_POSTGRESQL_PG_FRONT_H
#define PENSTOCK_STORE_POSTGRESQL_PG_FRONT_H

#include "store/shared.h"

const struct store_shared *front_shared(void);

#endif
