/* A change of the schedules: it goes to the store as one, and once it stands there the schedules in
 * memory follow. One at a time, so that each is made by comparison with what the one before has
 * left. Control loop. */
#ifndef PENSTOCK_SCHEDULE_CHANGE_H
#define PENSTOCK_SCHEDULE_CHANGE_H

#include "schedule/definition.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>

struct schedules;

/* Embedded in its owner, who fills it in. */
struct schedule_change {
    struct schedules *schedules;
    struct store_schedule **rows;
    struct schedule_spec *specs; /* of each row; NULL: those of the schedules stay */
    struct schedule **blanks;    /* private: of each row with a spec, for a schedule that is new */
    size_t count;                /* of rows (and specs) that are made or changed */
    char **removed;
    size_t removed_count;
    /* It stands in the store and in memory; or the store's call that failed. From the loop. */
    void (*done)(struct schedule_change *change, const struct store_call *failed);
    struct store_schedule_put put; /* private */
};

/* For up to so many rows, with or without their specs, and so many that are removed. 0 or
 * -ENOMEM. */
int schedule_change_init(struct schedule_change *change, struct schedules *schedules, size_t rows,
                         size_t removed, bool specs);
void schedule_change_deinit(struct schedule_change *change);

/* 0; -ENOENT: there is nothing in it, or -ENOMEM: then nothing is told. */
int schedule_change_store(struct schedule_change *change);

#endif
