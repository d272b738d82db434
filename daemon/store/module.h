/* Engines that are modules of their own: loaded when a config asks for one, so that nobody else
 * needs their libraries. At the start; the control loop, if nothing else is said. */
#ifndef PENSTOCK_STORE_MODULE_H
#define PENSTOCK_STORE_MODULE_H

#include "store/store.h"

#define STORE_MODULE_SYMBOL "penstock_store_module"

struct store_module {
    const char *version; /* of the penstock that it was built with: it must be the daemon's own */
    int (*open)(const struct store_config *config, struct mailbox *mailbox,
                struct store **ret_store, struct error *err);
    /* Makes the database's schema, or brings it up. 0; or a negative errno with a message. */
    int (*migrate)(const struct store_config *config, struct error *err);
    /* Will config->table take records of this role? Waits for the server; any thread. 0; or a
     * negative errno with what is to be done in *err. */
    int (*check_table)(const struct store_config *config, struct error *err);
};

/* Loads penstock-NAME.so, from where penstock was installed, or, for a daemon that runs where it
 * was built, from beside it. It stays loaded. 0; or a negative errno with what is to be installed
 * in *err. */
int store_module_load(const char *name, const struct store_module **ret_module, struct error *err);

#endif
