/* The memory engine's schedules. Control loop. */
#ifndef PENSTOCK_STORE_MEMORY_SCHEDULES_H
#define PENSTOCK_STORE_MEMORY_SCHEDULES_H

#include "base/tree.h"
#include "store/store.h"

struct schedule_row {
    struct tree_node entry;
    struct store_schedule *schedule;
};

struct schedule_rows {
    struct tree tree; /* by name */
};

void schedule_rows_init(struct schedule_rows *rows);
void schedule_rows_deinit(struct schedule_rows *rows);

/* 0 or -ENOMEM, as the store's calls of these names. */
int schedule_rows_list(struct schedule_rows *rows, struct store_schedules *call);
int schedule_rows_put(struct schedule_rows *rows, const struct store_schedule_put *call);

/* What a submit and a finish change. Validators for which there is no memory are forgotten. */
void schedule_rows_run(struct schedule_rows *rows, const struct store_schedule_run *run,
                       uint64_t job);
void schedule_rows_end(struct schedule_rows *rows, const struct store_finish *call);

#endif
