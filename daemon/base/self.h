/* What the kernel says of this process. */
#ifndef PENSTOCK_BASE_SELF_H
#define PENSTOCK_BASE_SELF_H

#include <stdint.h>

struct self {
    uint64_t resident, address_space; /* bytes */
    uint64_t cpu_ns;                  /* user and system, of all threads */
    uint64_t open_fds, max_fds;
    uint64_t threads;
};

/* What cannot be had is 0. Reads /proc and counts what is open there: not for loop threads. */
void self_look(struct self *ret_self);

#endif
