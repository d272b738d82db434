/* The end of a daemon's work. Control loop. */
#ifndef PENSTOCK_JOB_DRAIN_H
#define PENSTOCK_JOB_DRAIN_H

#include "job/jobs.h"

struct drain;

int drain_new(struct drain **ret_drain); /* 0 or -ENOMEM */
void drain_free(struct drain *drain);    /* takes NULL */

/* Why what is left is cancelled when the daemon ends and its store with it. */
#define DRAIN_NOT_KEPT "the daemon stopped, and its store does not outlive it"

/* Nothing new is accepted and nothing queued is started. `drained` is called once: when no attempt
 * runs, no job is on its way, and nobody may bring another one. */
void drain_begin(struct jobs *jobs, void (*drained)(void *arg), void *arg);

/* Ends the running attempts at once (with a store that keeps they run again after the next start;
 * otherwise they end `cancelled`). After drain_begin. */
void drain_stop(struct jobs *jobs);

/* A layer above has asked the store for something that may bring a job: the drain is not over
 * before the answer. */
void drain_defer(struct jobs *jobs);
void drain_allow(struct jobs *jobs); /* one drain_defer is over */

/* Is the drain over? For jobs.c, which is woken for it. */
void drain_look(struct jobs *jobs);

#endif
