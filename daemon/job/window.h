/* The windows of the hosts: a host keeps its next jobs in memory, the others stay in the store.
 * Control loop.
 *
 * All windows together have a budget, queue.window_max. A host that has not enough to start is
 * `hungry`, and waits its turn for jobs from the store; while many are, one that has nothing else
 * rests in the backlog until then. If nothing else could start, what the windows of hosts hold that
 * cannot start anything now goes back to the store, to make room. */
#ifndef PENSTOCK_JOB_WINDOW_H
#define PENSTOCK_JOB_WINDOW_H

#include "job/host.h"

struct windows;

int windows_new(struct jobs *jobs, struct windows **ret_windows); /* 0 or -ENOMEM */
void windows_free(struct windows *windows);                       /* takes NULL */

/* May one more job go into the window, or has it to wait in the store behind others, of its host or
 * of those that wait for a share of the budget? */
bool window_has_room(const struct host *host);
/* The host is hungry if the store has more for it and its window runs low. */
void window_want(struct host *host);
/* The host has nothing to start now: it is hungry, rests or is forgotten. It may be freed. */
void window_rest(struct host *host);
/* Asks the store for what hungry hosts want, as far as the budget goes. `open`: there are permits,
 * so hosts that rest are hungry as well, until enough are. */
void windows_load(struct jobs *jobs, bool open);
bool windows_loading(const struct jobs *jobs); /* is the store asked for any host? */
/* Jobs that may not start because of max_running leave the window, as far as they stand in front of
 * one that may: their users wait for their turn (user.h). Only what cannot be dropped stays. The
 * host is not freed. */
void window_pass_over(struct host *host);
/* The first job of the window that neither its parser nor its user holds back; NULL: there is
 * none. */
struct job *window_next(const struct host *host);
/* The host is not ours any more: what is in its window goes back to the store, but for a command's
 * jobs and those whose claims are under way. */
void window_leave(struct host *host);
/* Out of the window and of memory: its row is the store's. */
void window_drop(struct job *job);

#endif
