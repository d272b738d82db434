/* Jobs of a fleet that this member cannot run, as it lacks their parser or credential: they are
 * parked in the store, where no window of their host's owner has them, and any member that has what
 * they need runs them as a guest. Control loop. */
#ifndef PENSTOCK_JOB_PARK_H
#define PENSTOCK_JOB_PARK_H

#include "job/host.h"
#include "store/shared.h"

/* The row of this host cannot be read by the config of this daemon (`why`): it is left in the
 * store, and parked there if that is for something that another member may have. */
void park_row(struct host *host, const struct store_job *row, const char *why);
/* This row, or one of its credentials, cannot be read by the config of this daemon, but perhaps by
 * that of another: it is left where it is until a reload. `why` is logged once a host. */
void park_not(struct host *host, uint64_t id, const char *why);
/* What is parked in the whole fleet; takes it out of the event. */
void park_take(struct jobs *jobs, struct store_event *event);
/* The config is another: says to the store what can be run here now. Does nothing without a
 * fleet. */
void park_look(struct jobs *jobs);
/* How many of the hosts that are this daemon's are parked. */
uint64_t park_count(const struct jobs *jobs);

#endif
