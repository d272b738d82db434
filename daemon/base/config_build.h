/* How a config is put together: between config.c, which reads files, config_ini.c, which reads
 * their syntax, and config_tree.c, which holds the result and knows its names. Not for others. */
#ifndef PENSTOCK_BASE_CONFIG_BUILD_H
#define PENSTOCK_BASE_CONFIG_BUILD_H

#include "base/config.h"

#include <errno.h>

/* More are no config that somebody wrote. Names are sought one after another, so without a limit a
 * file of a few megabytes would take minutes. */
#define CONFIG_SECTIONS_MAX 10000
#define CONFIG_KEYS_MAX     1000

/* What -E2BIG and -ENOMEM of the functions below mean, in words. */
static inline const char *config_limit_text(int r)
{
    return r == -E2BIG ? "a config has up to 10000 sections, each of up to 1000 different keys"
                       : "out of memory";
}

#endif
