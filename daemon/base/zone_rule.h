/* What a zone does after the last change that its file lists: the rule that POSIX writes as
 * "CET-1CEST,M3.5.0,M10.5.0/3". No files, no memory; any thread. */
#ifndef PENSTOCK_BASE_ZONE_RULE_H
#define PENSTOCK_BASE_ZONE_RULE_H

#include <stdint.h>

/* When in a year the clocks change, in the local time that holds until then. */
struct zone_change {
    enum { ZONE_DAY_OF_365, ZONE_DAY_OF_YEAR, ZONE_WEEKDAY } kind;
    int day; /* ZONE_DAY_OF_365: 1 to 365, 29 February is never counted; ZONE_DAY_OF_YEAR: 0 to 365;
                        ZONE_WEEKDAY: 0, a Sunday, to 6 */
    int month, week; /* ZONE_WEEKDAY: 1 to 12; 1 to 5, and 5 is the last one of the month */
    int32_t time;    /* seconds from the day's beginning; it may be below 0, or beyond the day */
};

struct zone_rule {
    int32_t standard, summer; /* seconds east of Greenwich; the same if the clocks never change */
    struct zone_change to_summer, to_standard;
};

/* 0, or -EINVAL: it is no such rule. */
int zone_rule_parse(const char *text, struct zone_rule *ret_rule);

/* The offset at `utc` (seconds since 1970): seconds to add for local time. */
int32_t zone_rule_offset(const struct zone_rule *rule, int64_t utc);

#endif
