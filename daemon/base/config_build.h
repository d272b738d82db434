/* How a config is put together: between config.c, which reads files, config_ini.c, which reads
 * their syntax, and config_tree.c, which holds the result and knows its names. Not for others. */
#ifndef PENSTOCK_BASE_CONFIG_BUILD_H
#define PENSTOCK_BASE_CONFIG_BUILD_H

#include "base/config.h"

#include <errno.h>

/* More are no config that somebody wrote. Names are sought one after another, so without a limit a file of a few
 * megabytes would take minutes. */
#define CONFIG_SECTIONS_MAX 10000
#define CONFIG_KEYS_MAX     1000

/* What -E2BIG and -ENOMEM of the functions below mean, in words. */
static inline const char *config_limit_text(int r)
{
    return r == -E2BIG ? "a config has up to 10000 sections, each of up to 1000 different keys"
                       : "out of memory";
}

/* What stands between the brackets, apart: `sink "records"` -> "sink", "records" (or NULL). Newly
 * allocated. 0, -ENOMEM, or -EINVAL and a sentence without file and line. */
int config_split_header(const char *text, char **ret_kind, char **ret_name, struct error *err);

/* 0, or -EINVAL and a sentence without file and line. */
int config_check_key(const char *key, struct error *err);

/* The section, made if it is new. Valid until the next call. NULL, and errno ENOMEM or E2BIG (there are too many). */
struct config_section *config_open(struct config *config, const char *kind, const char *name,
                                   const char *file, unsigned line);

/* Adds a value, or, if it is empty, clears what was there. 0, -ENOMEM or -E2BIG (too many keys). */
int config_add(struct config_section *section, const char *key, const char *value, const char *file,
               unsigned line);

#endif
