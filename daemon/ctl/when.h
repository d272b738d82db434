/* Points in time, as people give them. */
#ifndef PENSTOCK_CTL_WHEN_H
#define PENSTOCK_CTL_WHEN_H

#include "base/error.h"

#include <stdint.h>

/* RFC 3339 ("2026-11-21T22:30:00Z"), a date alone (midnight UTC), or a duration ("90s", "1h"): that long before
 * `now_us` if direction is -1, after it if 1. Microseconds since 1970. 0, or -EINVAL and a sentence. */
int when_parse(const char *text, int64_t now_us, int direction, int64_t *ret_us, struct error *err);

#endif
