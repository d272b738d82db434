/* The jobs that are runs of schedules: conditional on what the schedule had last, and what it has
 * next. All that is needed for that comes with the claim of such a job (store_job.definition). */
#ifndef PENSTOCK_SCHEDULE_RUN_HOOKS_H
#define PENSTOCK_SCHEDULE_RUN_HOOKS_H

struct jobs;

/* From now on schedules own their runs: the jobs ask for them (job/watch.h). */
void run_hooks_init(struct jobs *jobs);
void run_hooks_deinit(struct jobs *jobs);

#endif
