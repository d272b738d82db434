#include "terms/spec_time.h"

#include "base/config.h"
#include "base/units.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define US_PER_SEC INT64_C(1000000)
#define FAR        (UINT64_C(3660) * 86400) /* seconds; ten years off is a slip */

static int wrong(struct error *err)
{
    return error_set(err, -EINVAL,
                     "write a time as 2026-11-21T22:30:00Z, a duration from now as \"+5min\", or a "
                     "number of seconds from now");
}

/* Exactly n digits. -1 if they are not. */
static int digits(const char *p, int n)
{
    int value = 0;
    for (int i = 0; i < n; i++) {
        if (p[i] < '0' || p[i] > '9')
            return -1;
        value = value * 10 + (p[i] - '0');
    }
    return value;
}

static int month_days(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (leap && month == 2);
}

/* "YYYY-MM-DDTHH:MM:SS", 19 characters. */
static bool read_date_time(const char *p, struct tm *tm)
{
    if (strlen(p) < 20 || p[4] != '-' || p[7] != '-' || !strchr("Tt ", p[10]) || p[13] != ':' ||
        p[16] != ':')
        return false;
    int year = digits(p, 4), month = digits(p + 5, 2), day = digits(p + 8, 2);
    int hour = digits(p + 11, 2), minute = digits(p + 14, 2), second = digits(p + 17, 2);
    if (year < 1970 || month < 1 || month > 12 || day < 1 || day > month_days(year, month) ||
        hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60)
        return false;
    *tm = (struct tm){.tm_year = year - 1900,
                      .tm_mon = month - 1,
                      .tm_mday = day,
                      .tm_hour = hour,
                      .tm_min = minute,
                      .tm_sec = second};
    return true;
}

/* ".123456": microseconds; *end is behind it. */
static int64_t read_fraction(const char *p, const char **end)
{
    int64_t us = 0, unit = US_PER_SEC / 10;
    if (*p == '.')
        for (p++; *p >= '0' && *p <= '9'; p++, unit /= 10)
            us += (*p - '0') * unit;
    *end = p;
    return us;
}

/* "Z" or "+HH:MM": seconds east of Greenwich. */
static bool read_zone(const char *p, int64_t *ret_east)
{
    if (strcmp(p, "Z") == 0 || strcmp(p, "z") == 0) {
        *ret_east = 0;
        return true;
    }
    if ((*p != '+' && *p != '-') || strlen(p) != 6 || p[3] != ':')
        return false;
    int hours = digits(p + 1, 2), minutes = digits(p + 4, 2);
    if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59)
        return false;
    *ret_east = (*p == '-' ? -60 : 60) * (hours * 60 + minutes);
    return true;
}

static bool read_rfc3339(const char *text, int64_t *ret_us)
{
    struct tm tm;
    const char *end;
    int64_t east;
    if (!read_date_time(text, &tm))
        return false;
    int64_t fraction = read_fraction(text + 19, &end);
    if ((text[19] == '.' && end == text + 20) || !read_zone(end, &east))
        return false;
    *ret_us = ((int64_t)timegm(&tm) - east) * US_PER_SEC + fraction;
    return true;
}

static int from_now(double seconds, int64_t now, int64_t *ret_us, struct error *err)
{
    if (!(seconds >= 0))
        return wrong(err);
    if (seconds > (double)FAR)
        return error_set(err, -EINVAL, "it is more than ten years away");
    *ret_us = now + (int64_t)(seconds * (double)US_PER_SEC);
    return 0;
}

int spec_read_time(const json_t *value, int64_t now, int64_t *ret_us, struct error *err)
{
    uint64_t ns;
    int64_t us;
    const char *text = json_string_value(value);

    if (json_is_number(value))
        return from_now(json_number_value(value), now, ret_us, err);
    if (!text || strlen(text) != json_string_length(value))
        return wrong(err);
    if (parse_duration(text + (*text == '+'), false, &ns, NULL) == 0)
        return from_now((double)ns / 1e9, now, ret_us, err);
    if (!read_rfc3339(text, &us))
        return wrong(err);
    if (us > now + (int64_t)FAR * US_PER_SEC)
        return error_set(err, -EINVAL, "it is more than ten years away");
    *ret_us = us < 0 ? 0 : us;
    return 0;
}
