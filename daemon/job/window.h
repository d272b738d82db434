/* The windows of the hosts: a host keeps its next jobs in memory, the others stay in the store.
 * Control loop. */
#ifndef PENSTOCK_JOB_WINDOW_H
#define PENSTOCK_JOB_WINDOW_H

#include "job/host.h"

/* May one more job go into the window, or has it to wait in the store behind others? */
bool window_has_room(const struct host *host);
/* Asks the store for more jobs if there are any and the window runs low. */
void window_refill(struct host *host);
bool windows_loading(const struct jobs *jobs); /* is the store asked for any host? */
/* The first job of the window whose parser is not held back; NULL: there is none. */
struct job *window_next(const struct host *host);
/* Out of the window and of memory: its row is the store's. */
void window_drop(struct job *job);

#endif
