/* Schedules: jobs that are submitted again and again. All of them are in memory, loaded at the start; the store has
 * the same, and what a run and its end change in a schedule is stored with the job, in one transaction. Control
 * loop.
 *
 * A run is a job like any other, and its row names the schedule. A schedule has at most one run that has not ended:
 * when it is due before that, the time is skipped and counted. After a time when the daemon was down or slow a
 * schedule that was due is run once. A run that cannot be submitted (the queue is full, the store fails) is tried
 * again until it can. */
#ifndef PENSTOCK_JOB_SCHEDULE_H
#define PENSTOCK_JOB_SCHEDULE_H

#include "base/error.h"
#include "base/list.h"
#include "base/tree.h"
#include "terms/timing.h"
#include "store/store.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define SCHEDULE_MAX 20000 /* of them in a daemon */

struct job;
struct jobs;
struct jobs_call;

/* What somebody asked for, read. */
struct schedule_spec {
    char *name;
    char *text;     /* all of it, canonical: the same wish gives the same text */
    char *when;     /* its timing, canonical */
    json_t *job;    /* the members of the job */
    char *job_text; /* as the store has it in the job's row */
    struct timing timing;
};

/* 0, -ENOMEM, or -EINVAL, a sentence and *ret_field (borrowed from `json`, or a literal; NULL). Does not look at
 * the job's members, but refuses those that mean one job only. */
int schedule_spec_parse(const json_t *json, struct schedule_spec *ret_spec, struct error *err,
                        const char **ret_field);
void schedule_spec_deinit(struct schedule_spec *spec);

struct schedule {
    struct tree_node entry;     /* by name */
    struct store_schedule *row; /* as the store has it */
    struct schedule_spec spec;  /* empty with a stored text that cannot be read any more */
    int64_t due;                /* when it is looked at; CLOCK_REALTIME, µs */
    bool starting;              /* a run is on the way to the store */
    bool forced;                /* the run under way takes a body that is the same as well */
    bool late;                  /* times were left out since the last run: that was told */
    char *problem;              /* why its last run could not even be submitted */
};

struct schedules {
    struct jobs *jobs;
    struct tree tree;
    size_t count;
    bool loaded, changing; /* changing: a change is on the way to the store */
    struct list waiting;   /* calls that wait until neither hinders them */
    unsigned calls_out;    /* store calls under way */
    struct store_schedules load;
    uint64_t look_at;  /* clock_now: when the timer is to look; 0: never */
    int64_t looked_at; /* CLOCK_REALTIME, µs: when it did; INT64_MAX before the first time */
};

/* --- schedule.c --- */
int schedules_new(struct jobs *jobs, struct schedules **ret_schedules); /* 0 or -ENOMEM */
void schedules_free(struct schedules *schedules);                       /* takes NULL */
void schedules_load(struct schedules *schedules); /* at the start: what the store has */
struct schedule *schedules_find(struct schedules *schedules, const char *name);
struct schedule *schedules_after(struct schedules *schedules,
                                 const char *name); /* NULL: the first */

/* All of them, by name. None may be taken out meanwhile. */
struct schedule *schedules_first(const struct schedules *schedules);
struct schedule *schedule_next(const struct schedule *schedule);

/* Takes spec and row over; -EEXIST if there is one of that name. */
int schedules_add(struct schedules *schedules, struct store_schedule *row,
                  struct schedule_spec *spec);
void schedules_remove(struct schedules *schedules, struct schedule *schedule);

/* The timer: starts what is due. */
void schedules_check(struct jobs *jobs);
/* Its time may have changed. */
void schedules_look(struct schedules *schedules);
bool schedules_busy(const struct schedules *schedules); /* the store is asked */
json_t *schedules_figures(struct schedules *schedules); /* for stats; NULL: out of memory */
bool schedule_failing(const struct schedule *schedule);

/* Submits a run now; `call` (or NULL) is answered with it. `next_at`: what the schedule's time is then. */
void schedule_start(struct schedules *schedules, struct schedule *schedule, int64_t next_at,
                    struct jobs_call *call);

/* --- schedule_end.c: a job of a schedule --- */
/* Makes its attempt's request conditional, and its lines name the schedule. 0 or -ENOMEM. */
int schedule_prepare(struct job *job);
/* Its verdict goes to the store: with this. NULL: it is no schedule's. */
const struct store_schedule_end *schedule_ending(struct job *job);
/* …and stands there. */
void schedule_ended(struct job *job);

/* --- schedule_calls.c --- */
void call_schedule(struct jobs_call *call); /* by its method */
/* The store has answered: calls that waited for that go on. */
void schedules_go_on(struct schedules *schedules);
/* The daemon stops: they are refused. */
void schedules_drain(struct schedules *schedules);

/* --- schedule_change.c: one change at a time, so that each is compared with what the one before has left --- */
void change_apply(struct jobs_call *call); /* schedule_apply, schedule_add */
void change_remove(struct jobs_call *call, struct schedule *schedule);
void change_pause(struct jobs_call *call, struct schedule *schedule, bool paused);

#endif
