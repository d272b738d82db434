/* When a job is due. */
#ifndef PENSTOCK_TERMS_SPEC_TIME_H
#define PENSTOCK_TERMS_SPEC_TIME_H

#include "terms/spec.h"

/* spec_time.c: an RFC 3339 time, "+DURATION", "DURATION" or a number of seconds; the latter three
 * from `now` (µs since 1970) on. */
int spec_read_time(const json_t *value, int64_t now, int64_t *ret_us, struct error *err);

#endif
