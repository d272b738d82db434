/* Schedules: their table, and what a run and its end change in it, within the job's own
 * transaction. The store's thread. */
#ifndef PENSTOCK_STORE_POSTGRESQL_PG_SCHEDULE_H
#define PENSTOCK_STORE_POSTGRESQL_PG_SCHEDULE_H

#include "store/postgresql/pg_private.h"

/* Each adds steps to the pipeline of `w`. `stood`: it has been carried out, and it is only asked
 * what came of it. */
void schedule_put(struct pg *pg, struct group *group, struct store_schedule_put *call, bool stood);
void schedule_pass(struct pg *pg, struct group *group, struct store_schedule_pass *call,
                   bool stood);
/* The group's one call: a submission of a run, with its job. */
void schedule_run(struct pg *pg, struct group *group, bool stood);
/* Of an end: adds its step to the pipeline of the group's batch. */
void schedule_end(struct group *group, const struct store_finish *call);
/* Of the jobs that a group of claims names, the schedules. */
void schedule_definitions(struct pg *pg, const uint64_t *ids, size_t count, step_taker *take,
                          void *arg);

void schedule_list(struct pg *pg, struct store_schedules *call);
void schedule_get(struct pg *pg, struct store_schedule_get *call);

/* How many there are: takes a result of SQL_SCHEDULES_COUNT. */
void schedule_take_counts(void *pg, const PGresult *result);

#endif
