/* What a validator is worth (RFC 9110, 8.8): for a resume in mid-body, which must not join two
 * versions, and for the next run of a schedule, which must not take a new version for the old
 * one. */
#ifndef PENSTOCK_ATTEMPT_VALIDATOR_H
#define PENSTOCK_ATTEMPT_VALIDATOR_H

#include "fetch/request.h"

#include <stdbool.h>
#include <stdint.h>

/* One entity tag, well-formed, not weak, and not of nothing: "" is what is made where there was
 * nothing to make it of, and every version has it. */
bool validator_is_strong(const char *etag);

/* Seconds since 1970; -1: it is no date. */
int64_t validator_read_date(const char *text);

/* Seconds since 1970 of a field that is a date, once; -1: it is none, or stands twice. */
int64_t validator_date(const struct transfer_response *response, const char *name);

/* May the file not be replaced again within the second of its Last-Modified (RFC 9110, 8.8.2.2)?
 * That is a second older than Date; without one, a minute older than `now`, our own clock, which
 * may differ from the origin's (6.6.1). False without Last-Modified. */
bool validator_date_is_strong(const struct transfer_response *response, int64_t now);

#endif
