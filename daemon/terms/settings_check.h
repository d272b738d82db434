/* The checks of settings that need more than one key. */
#ifndef PENSTOCK_TERMS_SETTINGS_CHECK_H
#define PENSTOCK_TERMS_SETTINGS_CHECK_H

#include "terms/settings_table.h"

/* settings_check.c: what several sections must agree on; looks up the users and groups that are
 * named. 0, or a negative errno with a message in *err. */
int settings_check(struct settings *settings, struct error *err);

#endif
