/* Times that come again and again, as crontab(5) writes them: "MINUTE HOUR DAY MONTH WEEKDAY", in a
 * time zone.
 *
 * A field is `*`, a number, a range `a-b`, a range with steps `a-b/n` or `*` with steps, or a list
 * of these with commas; months and weekdays may be names of three letters; Sunday is 0 and 7. If
 * day and weekday are both restricted (do not begin with `*`) a date need fit only one of them.
 * @hourly, @daily (@midnight), @weekly, @monthly and @yearly (@annually) stand for their
 * expressions.
 *
 * Where clocks change: a time that does not exist runs once, at the moment right after the gap,
 * together with others of the same gap; a time that comes twice runs the first time. But if the
 * hour is `*` the expression means minutes of every hour that passes: it runs in both of the hours
 * that are called the same, and in no hour that is left out. */
#ifndef PENSTOCK_BASE_CRON_H
#define PENSTOCK_BASE_CRON_H

#include "base/error.h"
#include "base/zone.h"

#include <stdbool.h>
#include <stdint.h>

struct cron {
    uint64_t minutes; /* bits 0 to 59 */
    uint32_t hours;   /* 0 to 23 */
    uint32_t days;    /* 1 to 31 */
    uint32_t months;  /* 1 to 12 */
    uint32_t weekdays;
    bool every_hour, every_day, every_weekday; /* the field is, or begins with, `*` */
};

/* 0, or -EINVAL with a message in *err. What can never come (30 February) is refused. */
int cron_parse(const char *text, struct cron *ret_cron, struct error *err);

/* The first time after `after`, both in seconds since 1970. */
int64_t cron_next(const struct cron *cron, const struct zone *zone, int64_t after);

#endif
