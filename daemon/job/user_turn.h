/* Whose turn it is among the hosts where jobs wait because of max_running (user.h). One host is
 * woken for each job that may start, however many wait. Control loop. */
#ifndef PENSTOCK_JOB_USER_TURN_H
#define PENSTOCK_JOB_USER_TURN_H

struct jobs;

/* Users who have room offer it to the hosts that are next; what was offered in vain goes on. */
void user_turns_offer(struct jobs *jobs);
/* A reload: users who have no limit any more wait for nothing. */
void user_turns_release(struct jobs *jobs);

#endif
