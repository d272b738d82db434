/* Schedules as rows: copies and lists of them. */
#ifndef PENSTOCK_STORE_SCHEDULE_ROW_H
#define PENSTOCK_STORE_SCHEDULE_ROW_H

#include "store/store.h"

void store_schedule_free(struct store_schedule *schedule); /* takes NULL */
struct store_schedule *
store_schedule_copy(const struct store_schedule *schedule); /* NULL: no memory */
void store_schedules_free(struct store_schedule **rows, size_t count);
int store_schedules_add(struct store_schedule ***rows, size_t *count,
                        const struct store_schedule *row); /* a copy; 0 or -ENOMEM */

/* For engines: has the page all that it may? Counts the last row that was added to it. */
bool store_schedules_full(const struct store_schedules *page);
void store_schedules_count(struct store_schedules *page);

/* For engines: why a run is refused. The negative errno, with its words in *err and, for -EBUSY,
 * the results in *run. */
int store_run_changed(struct error *err, const char *name);
int store_run_busy(struct error *err, struct store_schedule_run *run,
                   const struct store_schedule *row);

#endif
