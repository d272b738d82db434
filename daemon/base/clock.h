/* Time. Durations are nanoseconds in uint64_t unless a name says otherwise. */
#ifndef PENSTOCK_BASE_CLOCK_H
#define PENSTOCK_BASE_CLOCK_H

#include <stdint.h>

#define NS_PER_MS  UINT64_C(1000000)
#define NS_PER_SEC UINT64_C(1000000000)

/* "2026-11-21T22:30:00.123456Z" and its terminating NUL. */
#define CLOCK_STAMP_SIZE 28

/* CLOCK_MONOTONIC in nanoseconds. Any thread. */
uint64_t clock_now(void);

/* CLOCK_REALTIME in microseconds since 1970. Any thread. */
int64_t clock_real_us(void);

/* Writes real_us as RFC 3339 in UTC with microseconds. Any thread; costs no division by calendar
 * within the same second (the last second is cached per thread). Before 1970 and after 9999: the
 * nearest of these. */
void clock_stamp(int64_t real_us, char ret_stamp[CLOCK_STAMP_SIZE]);

/* Reads RFC 3339 ("2026-01-31T12:00:00Z", with a fraction or an offset) as microseconds since 1970.
 * 0 or -EINVAL. Any thread. */
int clock_parse(const char *text, int64_t *ret_us);

#endif
