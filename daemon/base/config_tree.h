/* A config's sections, keys and values. */
#ifndef PENSTOCK_BASE_CONFIG_TREE_H
#define PENSTOCK_BASE_CONFIG_TREE_H

#include "base/config.h"

/* Frees all and leaves an empty config. */
void config_deinit(struct config *config);

/* NULL if there is none. `name` is NULL for a section without one. */
const struct config_section *config_find(const struct config *config, const char *kind,
                                         const char *name);
const struct config_key *config_key(const struct config_section *section, const char *name);

/* What stands between the brackets, apart: `sink "records"` -> "sink", "records" (or NULL). Newly
 * allocated. 0, -ENOMEM, or -EINVAL with a message in *err without file and line. */
int config_split_header(const char *text, char **ret_kind, char **ret_name, struct error *err);

/* 0, or -EINVAL with a message in *err without file and line. */
int config_check_key(const char *key, struct error *err);

/* The section, made if it is new. Valid until the next call. NULL, and errno ENOMEM or E2BIG (there
 * are too many). */
struct config_section *config_open(struct config *config, const char *kind, const char *name,
                                   const char *file, unsigned line);

/* Adds a value, or, if it is empty, clears what was there. 0, -ENOMEM or -E2BIG (too many keys). */
int config_add(struct config_section *section, const char *key, const char *value, const char *file,
               unsigned line);

#endif
