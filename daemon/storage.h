/* Which store engine a config asks for. */
#ifndef PENSTOCK_STORAGE_H
#define PENSTOCK_STORAGE_H

#include "store/store.h"
#include "terms/settings.h"

/* What the settings say of the store; its strings are theirs, and live as long. */
void storage_config(const struct settings *settings, struct store_config *ret_config);

/* Opens the store that the settings name, with this config, if it takes records as they want. At
 * the start, on the control loop. 0; or a negative errno with what is to be done in *err. */
int storage_open(const struct settings *settings, const struct store_config *config,
                 struct mailbox *mailbox, struct store **ret_store, struct error *err);

/* Will the database take records where `settings` want them? Asked only if that is elsewhere than
 * in `now` (NULL: nowhere yet), by a connection as `started` has it, with which the store was
 * opened. Waits for the server: not on a loop's thread but at the start. 0; or a negative errno
 * with the key and what is to be done in *err. */
int storage_check_table(const struct settings *settings, const struct settings *started,
                        const struct settings *now, struct error *err);
/* Records go where the settings say from now on; what was checked before. The control loop. */
void storage_use_table(struct store *store, const struct settings *settings);

/* --migrate: makes the database's tables, or brings them up. 0 or a negative errno, as above. */
int storage_migrate(const struct settings *settings, struct error *err);

#endif
