/* Which failures are worth another attempt, and when. No state. */
#ifndef PENSTOCK_ATTEMPT_RETRY_H
#define PENSTOCK_ATTEMPT_RETRY_H

#include "record/kind.h"
#include "terms/settings.h"

#include <stdbool.h>
#include <stdint.h>

/* An attempt failed like that; `status`: the origin's, which KIND_HTTP_STATUS asks for. */
bool retry_wanted(enum error_kind kind, int status);

/* Microseconds to wait before attempt `number` + 1: exponential back-off with full jitter, or what
 * the origin's Retry-After says (NULL: nothing), both capped. */
int64_t retry_delay(const struct settings *settings, uint32_t number, const char *retry_after,
                    int64_t now_us);

/* Retry-After (RFC 9110, 10.2.3: seconds, or an HTTP date) in microseconds from now_us on, an hour
 * at most; -1: it is neither. */
int64_t retry_after_us(const char *text, int64_t now_us);

#endif
