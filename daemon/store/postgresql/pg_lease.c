#include "store/postgresql/pg_lease.h"

#include "base/clock.h"

#include <time.h>

uint64_t lease_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * NS_PER_SEC + (uint64_t)now.tv_nsec;
}

uint64_t lease_end(uint64_t sent, uint64_t lease_ns)
{
    return sent + lease_ns / 10 * 7;
}

uint64_t lease_beat(uint64_t lease_ns)
{
    return lease_ns / 5 < NS_PER_SEC ? lease_ns / 5 : NS_PER_SEC;
}
