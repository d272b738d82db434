/* The jobs that are runs of schedules: conditional on what the schedule had last, and what it has
 * next. */
#ifndef PENSTOCK_SCHEDULE_RUN_HOOKS_H
#define PENSTOCK_SCHEDULE_RUN_HOOKS_H

struct schedules;

/* From now on these schedules own their runs: the jobs ask them (job/watch.h). */
void run_hooks_init(struct schedules *schedules);
void run_hooks_deinit(struct schedules *schedules);

#endif
