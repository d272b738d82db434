/* The module's one symbol; see store/module.h. */
#ifndef PENSTOCK_STORE_POSTGRESQL_POSTGRESQL_H
#define PENSTOCK_STORE_POSTGRESQL_POSTGRESQL_H

#include "store/module.h"

extern const struct store_module penstock_store_module;

#endif
