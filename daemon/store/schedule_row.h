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

#endif
