#include "ctl/when.h"
#include "base/clock.h"
#include "base/config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int parse_date(const char *text, int64_t *ret_us)
{
    char midnight[32];
    if (strlen(text) != strlen("2026-11-21"))
        return -EINVAL;
    snprintf(midnight, sizeof midnight, "%sT00:00:00Z", text);
    return clock_parse(midnight, ret_us);
}

int when_parse(const char *text, int64_t now_us, int direction, int64_t *ret_us, struct error *err)
{
    uint64_t ns;
    int64_t us, moment;
    if (clock_parse(text, &moment) == 0 || parse_date(text, &moment) == 0) {
        *ret_us = moment;
        return 0;
    }
    if (parse_duration(text, false, &ns, NULL) < 0)
        return error_set(err, -EINVAL,
                         "'%s' is neither a time (2026-11-21T22:30:00Z) nor a duration (90s, 5min, "
                         "1h, 7d)",
                         text);
    us = (int64_t)(ns / 1000);
    if (direction < 0 && us > now_us)
        us = now_us;
    *ret_us = now_us + direction * us;
    return 0;
}
