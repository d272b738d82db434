/* The memory engine's schedules. Control loop. */
#ifndef PENSTOCK_STORE_MEMORY_SCHEDULES_H
#define PENSTOCK_STORE_MEMORY_SCHEDULES_H

#include "base/tree.h"
#include "store/store.h"

/* In `by_name` always, in the others if it is of those. */
struct schedule_row {
    struct tree_node by_name, by_due, by_failing;
    struct store_schedule *schedule;
    bool is_due, is_failing;
};

struct schedule_rows {
    struct tree by_name;
    struct tree by_due;  /* those that are not paused, by next_at, then name */
    struct tree failing; /* by name */
    struct store_counts *counts;
};

void schedule_rows_init(struct schedule_rows *rows, struct store_counts *counts);
void schedule_rows_deinit(struct schedule_rows *rows);

/* 0 or a negative errno, as the store's calls of these names. */
int schedule_rows_list(struct schedule_rows *rows, struct store_schedules *call);
int schedule_rows_get(struct schedule_rows *rows, struct store_schedule_get *call);
int schedule_rows_put(struct schedule_rows *rows, struct store_schedule_put *call);
int schedule_rows_pass(struct schedule_rows *rows, struct store_schedule_pass *call);

/* A copy; NULL: there is none, or no memory for it. */
struct store_schedule *schedule_rows_copy(struct schedule_rows *rows, const char *name);

/* May this run be made? 0, -ESTALE or -EBUSY: then the time has been passed over. */
int schedule_rows_check(struct schedule_rows *rows, struct store_schedule_run *run,
                        struct error *err);

/* What a submit and a finish change. Validators for which there is no memory are forgotten. */
void schedule_rows_run(struct schedule_rows *rows, const struct store_schedule_run *run,
                       uint64_t job);
void schedule_rows_end(struct schedule_rows *rows, const struct store_finish *call);

#endif
