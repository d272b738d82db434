/* In a fleet: what members that have died left running in shards of ours, and what others have
 * closed of attempts of this daemon's name. Control loop. */
#ifndef PENSTOCK_JOB_TORN_H
#define PENSTOCK_JOB_TORN_H

#include <stdbool.h>

struct jobs;

/* Attempts of members that are gone: each gets its `attempt` line with the outcome `interrupted`,
 * is closed in the store, and its job is queued again. */
void torn_read(struct jobs *jobs);
/* Attempts of ours that others have closed: each gets its `revoke` line. */
void torn_read_void(struct jobs *jobs);
bool torn_busy(const struct jobs *jobs); /* is the store asked? */

#endif
