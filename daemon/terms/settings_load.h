/* From a config's sections and keys to settings. */
#ifndef PENSTOCK_TERMS_SETTINGS_LOAD_H
#define PENSTOCK_TERMS_SETTINGS_LOAD_H

#include "terms/settings.h"

/* Interprets a config (an empty one gives the defaults); unknown sections and keys are errors. 0;
 * -EINVAL and "FILE:LINE: SECTION.KEY: …"; -ENOMEM. *ret is untouched then. */
int settings_load(const struct config *config, struct settings **ret_settings, struct error *err);

/* The pattern that [host "NAME"] stands for: in lower case, without a trailing dot and brackets.
 * Newly allocated. 0 or -ENOMEM. */
int settings_host_pattern(const char *name, char **ret_pattern);

#endif
