/* The engine on SQLite. */
#ifndef PENSTOCK_STORE_SQLITE_H
#define PENSTOCK_STORE_SQLITE_H

#include "store/store.h"

/* SQLite (sqlite.c). The result of a call is posted once its transaction is on the disk. A row that
 * was running when the daemon died is still `running` when the store is opened again: whoever
 * opened it lists them, tells of the torn attempts, and postpones them. A submit, a claim or a read
 * fails if the disk does, with a sentence; a finish or postpone comes back only when it is stored
 * (or after give_up). */
int store_sqlite_new(const struct store_config *config, struct mailbox *mailbox,
                     struct store **ret_store, struct error *err);

#endif
