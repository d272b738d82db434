/* A config's syntax. */
#ifndef PENSTOCK_BASE_CONFIG_INI_H
#define PENSTOCK_BASE_CONFIG_INI_H

#include "base/config.h"

/* Reads config text from memory under a file name, adding to `config` (zeroed at first): for tests,
 * fuzzing and defaults. After a failure `config` holds what was read before it, to be freed by
 * config_deinit. */
int config_parse(struct config *config, const char *text, size_t len, const char *file,
                 struct error *err);

#endif
