/* A run of a schedule, on its way to the store: the job is made of what the schedule asks for, and
 * the row of the schedule changes with it. Control loop. */
#ifndef PENSTOCK_SCHEDULE_START_H
#define PENSTOCK_SCHEDULE_START_H

#include "base/error.h"
#include "store/store.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct jobs;
struct spec;

/* Embedded in its owner. */
struct schedule_start {
    /* What became of it: submit.call, and with 0 the job's id; with -EBUSY run.job has not ended.
     * Once, from the loop; may free it. */
    void (*done)(struct schedule_start *start);
    uint64_t id;
    struct store_submit submit;
    struct store_schedule_run run;
    /* Private. */
    struct store_submit_item item;
    struct jobs *jobs;
    struct spec *spec;
    char *name;
};

/* How a run comes about. */
struct schedule_how {
    int64_t next_at; /* what the schedule's time is then */
    bool asked;      /* somebody wants it now */
    bool forced;     /* … and a body that is the same as well */
    bool owned;      /* only if its host is this daemon's, in a fleet: else SCHEDULE_ANOTHERS */
    /* If it cannot be submitted it is SCHEDULE_ANOTHERS as well, as another member may have the
     * parser or the credential; one of another's host always is, unless it was asked for. */
    bool left;
};

/* Another member of the fleet is to start it, or to say that it cannot be. */
#define SCHEDULE_ANOTHERS 1

/* Submits a run of this schedule, of whose row nothing is needed afterwards; `job` is what it asks
 * for (struct schedule_plan). 0; or SCHEDULE_ANOTHERS or a negative errno with a message in *err,
 * and nothing is told. */
int schedule_start(struct schedule_start *start, struct jobs *jobs,
                   const struct store_schedule *row, const json_t *job, struct schedule_how how,
                   struct error *err);

#endif
