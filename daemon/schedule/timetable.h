/* The schedules of a daemon, by name. Control loop. */
#ifndef PENSTOCK_SCHEDULE_TIMETABLE_H
#define PENSTOCK_SCHEDULE_TIMETABLE_H

#include "base/tree.h"
#include "job/watch.h"
#include "schedule/definition.h"
#include "store/store.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#define SCHEDULE_MAX 20000 /* of them in a daemon */

struct jobs;

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
    bool loaded, changing;   /* changing: a change is on the way to the store */
    void (*tell)(void *arg); /* schedules_tell */
    void *tell_arg;
    struct store_schedules load;
    struct job_watch watch;
    struct job_hooks hooks;
    uv_timer_t timer;
    int64_t looked_at; /* CLOCK_REALTIME, µs: when it did; INT64_MAX before the first time */
    void (*closed)(void *arg);
    void *closed_arg;
};

void timetable_init(struct schedules *schedules);
void timetable_deinit(struct schedules *schedules); /* with all that is in it */

struct schedule *schedules_find(struct schedules *schedules, const char *name);
struct schedule *schedules_after(struct schedules *schedules,
                                 const char *name); /* NULL: the first */

/* All of them, by name. None may be taken out meanwhile. */
struct schedule *schedules_first(const struct schedules *schedules);
struct schedule *schedule_next(const struct schedule *schedule);

/* Room for one, to be had before it is stored; it is given to schedules_add or to free(). NULL: no
 * memory. */
struct schedule *schedule_blank(void);

/* Takes ownership of all three; `blank` may be NULL. -EEXIST if there is one of that name; -ENOMEM
 * only without a blank. */
int schedules_add(struct schedules *schedules, struct schedule *blank, struct store_schedule *row,
                  struct schedule_spec *spec);
void schedules_remove(struct schedules *schedules, struct schedule *schedule);

bool schedule_failing(const struct schedule *schedule);
/* Why it cannot be run, which is logged once and not at every try. NULL: it can. */
void schedule_set_problem(struct schedule *schedule, const char *text);

#endif
