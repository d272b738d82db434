/* Rows of a host that are left in the store, as the config of this daemon cannot read them, or is
 * having them parked: they are not loaded from there. Control loop. */
#ifndef PENSTOCK_JOB_SKIP_H
#define PENSTOCK_JOB_SKIP_H

#include "job/host.h"

/* False: there is no memory, and it would be read again and again: nothing is loaded for now. Nor
 * is it once there are very many. */
bool skip_add(struct host *host, uint64_t id);
/* True: there were very many, and there is room again. */
bool skip_remove(struct host *host, uint64_t id);
void skip_clear(struct host *host); /* they may be read now, or are somebody else's */

#endif
