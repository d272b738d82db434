/* Jobs whose records are read by a client that must miss none of them: the one that submitted the
 * job and follows it. The credit that it gives (record/credit.h) goes to each attempt that begins
 * while it reads. Control loop. */
#ifndef PENSTOCK_JOB_PRESS_H
#define PENSTOCK_JOB_PRESS_H

#include "base/tree.h"

#include <stdbool.h>
#include <stdint.h>

struct jobs;
struct sink_credit;

/* Embedded in what follows the job. */
struct press {
    struct tree_id entry;       /* jobs->pressed */
    struct sink_credit *credit; /* borrowed; NULL: it does not press */
};

/* A no-op if somebody presses on the job already. */
void press_begin(struct jobs *jobs, struct press *press, uint64_t job, struct sink_credit *credit);
void press_end(struct jobs *jobs, struct press *press); /* takes one that has not begun */

/* NULL: nobody presses on the job. */
struct sink_credit *press_credit(const struct jobs *jobs, uint64_t job);

/* Who keeps others waiting, should its reader have stopped. Jobs that the same credit presses on
 * are no others; what the store has and nobody has looked at yet is taken for others'. */
bool press_runs(struct jobs *jobs, const struct press *press); /* the job has a worker */
/* Do others wait for a slot of the host on which the job runs? */
bool press_fills_host(struct jobs *jobs, const struct press *press);
/* Do others wait for a worker? */
bool press_fills_workers(const struct jobs *jobs, const struct sink_credit *credit);

#endif
