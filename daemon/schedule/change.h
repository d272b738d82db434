/* A change of the schedules: it goes to the store as one, and once it stands there what is due next
 * follows. Whoever makes changes sees to it that each is compared with what the one before has
 * left; the store refuses it (-ESTALE) if somebody else was faster. Control loop. */
#ifndef PENSTOCK_SCHEDULE_CHANGE_H
#define PENSTOCK_SCHEDULE_CHANGE_H

#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>

struct schedules;

/* Embedded in its owner, who fills it in. */
struct schedule_change {
    struct schedules *schedules;
    struct store_schedule **rows; /* a next_at of 0: it stays */
    size_t count;
    char **removed;
    size_t removed_count;
    /* It stands in the store; or the store's call that failed. From the loop. */
    void (*done)(struct schedule_change *change, const struct store_call *failed);
    struct store_schedule_put put; /* private */
};

/* For up to so many rows; what is removed is added by schedule_change_remove. 0 or -ENOMEM. */
int schedule_change_init(struct schedule_change *change, struct schedules *schedules, size_t rows);
void schedule_change_deinit(struct schedule_change *change);
int schedule_change_remove(struct schedule_change *change, const char *name); /* 0 or -ENOMEM */
/* Takes out what is in it. */
void schedule_change_clear(struct schedule_change *change);

/* 0; -ENOENT: there is nothing in it, and nothing is told. */
int schedule_change_store(struct schedule_change *change);

#endif
