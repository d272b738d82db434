/* The clock of leases: one that no administrator sets, and that goes on while a machine sleeps. Any
 * thread. */
#ifndef PENSTOCK_STORE_POSTGRESQL_PG_LEASE_H
#define PENSTOCK_STORE_POSTGRESQL_PG_LEASE_H

#include <stdint.h>

/* CLOCK_BOOTTIME in nanoseconds. */
uint64_t lease_clock(void);

/* Until when a member may believe itself alive whose beat was sent at `sent` and answered: it stops
 * well before others take its shards, so that its connections are gone by then. */
uint64_t lease_end(uint64_t sent, uint64_t lease_ns);

/* How often it beats: each second, more often if the lease is short. */
uint64_t lease_beat(uint64_t lease_ns);

#endif
