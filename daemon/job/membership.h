/* What happens to a daemon's jobs as a member of a fleet: which hosts it gains and loses, which of
 * its jobs others want to be ended, and what it does when it is not believed alive any more.
 * Control loop. */
#ifndef PENSTOCK_JOB_MEMBERSHIP_H
#define PENSTOCK_JOB_MEMBERSHIP_H

struct jobs;
struct store_event;

/* The store says so. Takes ownership of the event; without jobs, as before they are made and after
 * they are gone, there is nothing to do. */
void membership_take(struct jobs *jobs, struct store_event *event);
void membership_start(struct jobs *jobs); /* where the store is shared */
void membership_tick(struct jobs *jobs);  /* jobs->fleet->clock has rung */
void membership_drain(struct jobs *jobs); /* a drain begins: others shall have our hosts at once */

#endif
