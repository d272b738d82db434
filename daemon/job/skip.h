/* Rows of a host that are left in the store, as the config of this daemon cannot read them, or is
 * having them parked: they are not loaded from there. Control loop. */
#ifndef PENSTOCK_JOB_SKIP_H
#define PENSTOCK_JOB_SKIP_H

#include "job/host.h"

void skip_add(struct host *host, uint64_t id);
void skip_remove(struct host *host, uint64_t id);
void skip_clear(struct host *host); /* they may be read now, or are somebody else's */

/* In a fleet: this row, or one of its credentials, cannot be read by the config of this daemon,
 * but perhaps by that of another: it is left where it is until a reload. `why` is logged once a
 * host. */
void skip_tell(struct host *host, uint64_t id, const char *why);

#endif
