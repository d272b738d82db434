/* Schedules, as the other writes and reads. */
#ifndef PENSTOCK_STORE_SQLITE_SCHEDULE_H
#define PENSTOCK_STORE_SQLITE_SCHEDULE_H

#include "store/sqlite_private.h"

int write_schedules(struct sqlite *s, struct store_schedule_put *call);
int write_schedule_run(struct sqlite *s, const struct store_schedule_run *run, uint64_t job);
int write_schedule_end(struct sqlite *s, const struct store_finish *call);
int read_schedules(struct sqlite *s, struct store_schedules *call);

#endif
