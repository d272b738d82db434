#include "ctl/when.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/suggest.h"
#include "base/units.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define US_PER_SEC 1000000

static const struct {
    const char *name;
    int days; /* from today's midnight */
} words[] = {{"today", 0}, {"yesterday", -1}, {"tomorrow", 1}};

static int64_t seconds_of(struct tm *tm, bool utc)
{
    tm->tm_isdst = -1;
    return utc ? timegm(tm) : mktime(tm);
}

/* A day that its month does not have becomes another one. */
static int set_moment(struct tm *tm, bool utc, int64_t *ret_us)
{
    struct tm given = *tm;
    int64_t seconds = seconds_of(tm, utc);
    if (given.tm_mday != tm->tm_mday || given.tm_mon != tm->tm_mon)
        return -EINVAL;
    *ret_us = seconds * US_PER_SEC;
    return 0;
}

static struct tm today(int64_t now_us, bool utc)
{
    struct tm tm;
    time_t now = (time_t)(now_us / US_PER_SEC);
    tzset(); /* localtime_r need not */
    utc ? gmtime_r(&now, &tm) : localtime_r(&now, &tm);
    tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
    return tm;
}

/* A date, a time of today, or both, in local time unless "UTC" stands behind. */
static int parse_calendar(const char *text, int64_t now_us, int64_t *ret_us)
{
    static const char *const forms[] = {
        "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d",
        "%H:%M:%S",          "%H:%M"};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        for (int utc = 0; utc <= 1; utc++) {
            struct tm tm = today(now_us, utc);
            const char *end = strptime(text, forms[i], &tm);
            if (end && strcmp(end, utc ? " UTC" : "") == 0)
                return set_moment(&tm, utc, ret_us);
        }
    return -EINVAL;
}

static int parse_word(const char *text, int64_t now_us, int64_t *ret_us)
{
    if (strcmp(text, "now") == 0) {
        *ret_us = now_us;
        return 0;
    }
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(words[i].name, text) == 0) {
            struct tm tm = today(now_us, false);
            tm.tm_mday += words[i].days;
            *ret_us = seconds_of(&tm, false) * US_PER_SEC;
            return 0;
        }
    return -EINVAL;
}

/* "1h", "-1h", "+1h" and "1h ago". */
static int parse_distance(const char *text, int64_t now_us, int direction, int64_t *ret_us,
                          struct error *err)
{
    static const char ago[] = " ago";
    char plain[64];
    uint64_t ns;
    size_t len = strlen(text), cut = sizeof ago - 1;
    bool sign = *text == '-' || *text == '+';
    if (sign)
        direction = *text == '-' ? -1 : 1;
    if (len > cut && strcmp(text + len - cut, ago) == 0) {
        direction = -1;
        len -= cut;
    }
    snprintf(plain, sizeof plain, "%.*s", (int)(len - sign < 60 ? len - sign : 60), text + sign);
    int r = parse_duration(plain, false, &ns, err);
    if (r < 0)
        return r;
    int64_t us = (int64_t)(ns / 1000);
    if (direction < 0 && us > now_us)
        us = now_us;
    *ret_us = now_us + direction * us;
    return 0;
}

static int refuse(const char *text, int direction, const char *duration, struct error *err)
{
    char hint[96] = "";
    struct suggest near;
    const char *meant = strstr(duration, "did you mean "), *end = meant ? strchr(meant, '?') : NULL;
    suggest_init(&near, text);
    suggest_offer(&near, "now");
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        suggest_offer(&near, words[i].name);
    if (end)
        snprintf(hint, sizeof hint, "; %.*s", (int)(end + 1 - meant), meant);
    else
        suggest_text(&near, hint, sizeof hint);
    if (!end && !near.best)
        hint[0] = '\0';
    return error_set(err, -EINVAL,
                     "'%.64s' is no time%s Write 2026-11-21 22:30 or 22:30 (local time), "
                     "2026-11-21T22:30:00Z, today, yesterday%s, or how long %s: 90s, 5min, 1h, 7d",
                     text, hint[0] ? hint : ".", direction > 0 ? ", tomorrow" : "",
                     direction > 0 ? "from now" : "ago");
}

int when_parse(const char *text, int64_t now_us, int direction, int64_t *ret_us, struct error *err)
{
    struct error why = {""};
    int64_t us;
    if (clock_parse(text, &us) == 0 || parse_calendar(text, now_us, &us) == 0 ||
        parse_word(text, now_us, &us) == 0 ||
        parse_distance(text, now_us, direction, &us, &why) == 0) {
        *ret_us = us;
        return 0;
    }
    return refuse(text, direction, why.text, err);
}
