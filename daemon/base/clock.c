#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define LAST_US INT64_C(253402300799999999) /* 9999-12-31T23:59:59.999999Z */

uint64_t clock_now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

int64_t clock_real_us(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

void clock_stamp(int64_t real_us, char ret_stamp[CLOCK_STAMP_SIZE])
{
    static _Thread_local time_t cached_sec = -1;
    static _Thread_local char cached[20]; /* up to the seconds */

    /* RFC 3339 has four digits for a year, and nothing here happens before 1970. */
    if (real_us < 0)
        real_us = 0;
    if (real_us > LAST_US)
        real_us = LAST_US;
    time_t sec = (time_t)(real_us / 1000000);
    unsigned us = (unsigned)(real_us % 1000000);
    if (sec != cached_sec) {
        struct tm tm;
        gmtime_r(&sec, &tm);
        strftime(cached, sizeof cached, "%Y-%m-%dT%H:%M:%S", &tm);
        cached_sec = sec;
    }
    memcpy(ret_stamp, cached, 19);
    ret_stamp[19] = '.';
    for (int i = 25; i >= 20; i--, us /= 10)
        ret_stamp[i] = (char)('0' + us % 10);
    ret_stamp[26] = 'Z';
    ret_stamp[27] = '\0';
}

/* "Z" or "+hh:mm": seconds to subtract. */
static int parse_offset(const char *p, long *ret_seconds)
{
    int hours, minutes, used = 0;
    if ((*p == 'Z' || *p == 'z') && p[1] == '\0') {
        *ret_seconds = 0;
        return 0;
    }
    if ((*p != '+' && *p != '-') || sscanf(p + 1, "%2d:%2d%n", &hours, &minutes, &used) != 2 ||
        p[1 + used] != '\0' || hours < 0 || hours > 23 || minutes < 0 || minutes > 59)
        return -EINVAL;
    *ret_seconds = (hours * 60L + minutes) * 60 * (*p == '-' ? -1 : 1);
    return 0;
}

int clock_parse(const char *text, int64_t *ret_us)
{
    struct tm tm = {0};
    const char *p = strptime(text, "%Y-%m-%d", &tm);
    if (!p || (*p != 'T' && *p != 't' && *p != ' '))
        return -EINVAL;
    p = strptime(p + 1, "%H:%M:%S", &tm);
    if (!p)
        return -EINVAL;
    int64_t us = 0;
    if (*p == '.') {
        int64_t unit = 100000;
        for (p++; *p >= '0' && *p <= '9'; p++, unit /= 10)
            us += (*p - '0') * unit;
    }
    long offset;
    if (parse_offset(p, &offset) < 0)
        return -EINVAL;
    *ret_us = ((int64_t)timegm(&tm) - offset) * 1000000 + us;
    return 0;
}
