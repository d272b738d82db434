/* Schedules: jobs that are submitted again and again. The store has them all; in memory is what is
 * due next (agenda.h). A run is made, and its time counted as had, in one transaction, and what its
 * end changes is stored with the job's. Control loop.
 *
 * A run is a job like any other, and its row names the schedule. A schedule has at most one run
 * that has not ended: when it is due before that, the time is skipped and counted. After a time
 * when the daemon was down or slow a schedule that was due is run once. A run that cannot be
 * submitted (the queue is full, the store fails) is tried again until it can. */
#ifndef PENSTOCK_SCHEDULE_SCHEDULES_H
#define PENSTOCK_SCHEDULE_SCHEDULES_H

#include "base/error.h"
#include "base/slices.h"
#include "job/watch.h"
#include "schedule/agenda.h"
#include "schedule/set_back.h"
#include "store/store.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct jobs;

#define SCHEDULE_ZONES 16

struct schedules {
    struct jobs *jobs;
    struct agenda agenda;
    struct store_schedules load; /* the agenda is being read, behind this name */
    char load_after[SCHEDULE_NAME_BYTES + 1];
    bool loading;
    bool stale; /* the page under way may have been read before what there is news of */
    struct slices slices;
    struct slice turn; /* starts what is due */
    bool turning;
    unsigned starting;   /* runs and passes on their way to the store */
    uint64_t hold_until; /* clock_now: the queue was full, or the store failed; 0 */
    int64_t started_at;  /* CLOCK_REALTIME, µs */
    int64_t again_at;    /* jobs_now: what was left to others is read again; 0: nothing was */
    int64_t ahead; /* of the day's clock to the other one, µs, when they were last looked at */
    struct set_back set_back;
    struct job_watch watch;
    /* Of the last runs, so that a zone that many schedules have is not read from its file anew. */
    struct timing zones[SCHEDULE_ZONES];
    unsigned zone_next;
    uv_timer_t timer;
    void (*closed)(void *arg);
    void *closed_arg;
};

int schedules_new(struct jobs *jobs, struct schedules **ret_schedules, struct error *err);
/* After the drain of the jobs: frees them; `closed` is called from the loop. */
void schedules_close(struct schedules *schedules, void (*closed)(void *arg), void *arg);

/* The store has this schedule now (a row whose next_at is as it stands there; takes ownership); or
 * has it no more, or it was paused. */
void schedules_changed(struct schedules *schedules, struct store_schedule *row);
void schedules_removed(struct schedules *schedules, const char *name);

/* Starts what is due, and sees to it that the next ones are known; sets the timer. */
void schedules_look(struct schedules *schedules);

#endif
