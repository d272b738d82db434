/* Which store engine a config asks for. */
#ifndef PENSTOCK_STORAGE_H
#define PENSTOCK_STORAGE_H

#include "store/store.h"
#include "terms/settings.h"

/* What the settings say of the store; its strings are theirs, and live as long. */
void storage_config(const struct settings *settings, struct store_config *ret_config);

/* Opens the store that the settings name, with this config. At the start, on the control loop. 0;
 * or a negative errno with what is to be done in *err. */
int storage_open(const struct settings *settings, const struct store_config *config,
                 struct mailbox *mailbox, struct store **ret_store, struct error *err);

/* --migrate: makes the database's tables, or brings them up. 0 or a negative errno, as above. */
int storage_migrate(const struct settings *settings, struct error *err);

#endif
