/* Schedules: jobs that are submitted again and again. All of them are in memory, loaded at the
 * start; the store has the same, and what a run and its end change in a schedule is stored with the
 * job, in one transaction. Control loop.
 *
 * A run is a job like any other, and its row names the schedule. A schedule has at most one run
 * that has not ended: when it is due before that, the time is skipped and counted. After a time
 * when the daemon was down or slow a schedule that was due is run once. A run that cannot be
 * submitted (the queue is full, the store fails) is tried again until it can. */
#ifndef PENSTOCK_SCHEDULE_SCHEDULES_H
#define PENSTOCK_SCHEDULE_SCHEDULES_H

#include "base/error.h"

#include <jansson.h>
#include <stdint.h>

struct schedule;
struct schedules;
struct jobs;
struct store_call;

int schedules_new(struct jobs *jobs, struct schedules **ret_schedules, struct error *err);
/* After the drain of the jobs: frees them; `closed` is called from the loop. */
void schedules_close(struct schedules *schedules, void (*closed)(void *arg), void *arg);

/* Whoever must wait until all are loaded and none is changing is told when that may be so. `tell`
 * may be NULL. */
void schedules_tell(struct schedules *schedules, void (*tell)(void *arg), void *arg);

void schedules_settled(struct schedules *schedules); /* tells it */

/* The time of one may have changed: the timer is set anew. */
void schedules_look(struct schedules *schedules);
json_t *schedules_figures(struct schedules *schedules); /* for stats; NULL: out of memory */

/* Somebody has asked for a run, and gets to know what became of it. Embedded in its owner. */
struct schedule_ask {
    /* The id of the job; or the store's call that failed. Once, from the loop. */
    void (*done)(struct schedule_ask *ask, uint64_t id, const struct store_call *failed);
};

/* Submits a run now. `next_at`: what the schedule's time is then. `ask` may be NULL. 0; or a
 * negative errno with a message in *err, and nothing is told. */
int schedule_start(struct schedules *schedules, struct schedule *schedule, int64_t next_at,
                   struct schedule_ask *ask, struct error *err);

#endif
