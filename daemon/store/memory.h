/* The engine that keeps nothing. */
#ifndef PENSTOCK_STORE_MEMORY_H
#define PENSTOCK_STORE_MEMORY_H

#include "store/store.h"

/* 0, or a negative errno with a message in *err. */
int store_memory_new(const struct store_config *config, struct mailbox *mailbox,
                     struct store **ret_store, struct error *err);

#endif
