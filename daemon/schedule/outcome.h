/* The jobs that are runs of schedules: conditional on what the schedule had last, and what it has next. */
#ifndef PENSTOCK_SCHEDULE_OUTCOME_H
#define PENSTOCK_SCHEDULE_OUTCOME_H

struct schedules;

/* From now on these schedules own their runs: the jobs ask them (job/watch.h). */
void outcome_init(struct schedules *schedules);
void outcome_deinit(struct schedules *schedules);

#endif
