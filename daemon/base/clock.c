#include "base/clock.h"

#include <string.h>
#include <time.h>

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
