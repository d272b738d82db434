/* Where the socket, the state and what is held back live by default. */
#ifndef PENSTOCK_TERMS_SETTINGS_PATHS_H
#define PENSTOCK_TERMS_SETTINGS_PATHS_H

#include "terms/settings.h"

/* Where the socket and the state live by default: in $RUNTIME_DIRECTORY and $STATE_DIRECTORY
 * (systemd); for root in /run/penstock and /var/lib/penstock; else in $XDG_RUNTIME_DIR/penstock and
 * ${XDG_STATE_HOME:-~/.local/state}/penstock. Newly allocated. NULL and errno: ENOMEM, or ENOENT if
 * the variable that is needed is not set to an absolute path. */
char *settings_default_socket(void);
char *settings_default_store(void);

/* Does a daemon know where its socket and its store live? 0, or -EINVAL with a message in *err with
 * the remedy. */
int settings_check_places(const struct settings *settings, struct error *err);

/* Where records and bodies are held back: `spool` beside the store's database; with no database
 * (NULL), a directory of this user's own in $TMPDIR or /var/tmp. Newly allocated. NULL: out of
 * memory. */
char *settings_default_spool(const char *store_path);
char *settings_default_results(const char *store_path); /* beside the store's */

#endif
