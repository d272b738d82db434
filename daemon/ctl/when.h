/* Points in time, as people give them. */
#ifndef PENSTOCK_CTL_WHEN_H
#define PENSTOCK_CTL_WHEN_H

#include "base/error.h"

#include <stdint.h>

/* A time as journalctl(1) takes it: RFC 3339 ("2026-11-21T22:30:00Z"); in local time "2026-11-21
 * 22:30[:00]", a date alone (its midnight) or a time alone (today), with " UTC" behind it in that;
 * "now", "today", "yesterday", "tomorrow"; or a duration ("90s", "1h"): that long before `now_us`
 * if direction is -1, after it if 1, unless a sign or " ago" says which. Microseconds since 1970.
 * 0, or -EINVAL with a message in *err. */
int when_parse(const char *text, int64_t now_us, int direction, int64_t *ret_us, struct error *err);

#endif
