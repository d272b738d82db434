/* What differs between two readings of the config. */
#ifndef PENSTOCK_TERMS_SETTINGS_DIFF_H
#define PENSTOCK_TERMS_SETTINGS_DIFF_H

#include "terms/settings.h"

#include <jansson.h>

/* [{"key": "fetch.threads", "from": "1", "to": "2"}…], a section with a name as
 * `host "example.org".connections`; without `from` it is new, without `to` it has gone. Secrets are
 * *** in both. At most `max`; *ret_more counts the others. NULL: out of memory. */
json_t *settings_diff(const struct settings *from, const struct settings *to, size_t max,
                      size_t *ret_more);

#endif
