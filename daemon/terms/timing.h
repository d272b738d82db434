/* When a schedule runs: every so often, or at the times of a cron expression. */
#ifndef PENSTOCK_SPEC_TIMING_H
#define PENSTOCK_SPEC_TIMING_H

#include "base/cron.h"
#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* Times in microseconds; of the day's clock (CLOCK_REALTIME) since 1970. */
struct timing {
    int64_t every;    /* 0: cron */
    struct cron cron; /* in `zone` */
    struct zone *zone;
    int64_t jitter; /* runs begin up to so much later, always by the same for one name */
};

/* Reads the members every or cron, timezone and jitter of a schedule. 0, -ENOMEM, or -EINVAL, a
 * sentence that begins with the member's name, and *ret_field (a literal).
 *
 * `jitter` is, unless told, the period of `every` but at most 5 minutes, and 30 seconds with
 * `cron`. */
int timing_parse(const json_t *schedule, struct timing *ret_timing, struct error *err,
                 const char **ret_field);
void timing_deinit(struct timing *timing);

/* This name's part of the jitter: 0 to `jitter`. */
int64_t timing_offset(const struct timing *timing, const char *name);

/* When a schedule that begins now runs first: after `now`. */
int64_t timing_first(const struct timing *timing, const char *name, int64_t now);

/* The run that was due at `due` has been had, or passed over: the next one, after `now`. Those in
 * between are left out. */
int64_t timing_next(const struct timing *timing, const char *name, int64_t due, int64_t now);

/* `due` is so far off that the day's clock must have been set back since it was reckoned: what was
 * soon is not to be a day away. A step back over one time of a cron expression does not count, for
 * that run has been had. */
bool timing_too_far(const struct timing *timing, const char *name, int64_t due, int64_t now);

#endif
