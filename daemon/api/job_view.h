/* Jobs as JSON text, for show, list, wait and top. What the store has as JSON is put in as it
 * stands. */
#ifndef PENSTOCK_API_JOB_VIEW_H
#define PENSTOCK_API_JOB_VIEW_H

#include "base/buf.h"
#include "job/job.h"

#include <jansson.h>

struct hold;

/* Each appends an object; what there was no memory for is told by b->failed. */
void view_job(struct buf *b, struct jobs *jobs, const struct store_job *row);
/* The same, with what its earlier attempts came to. */
void view_life(struct buf *b, struct jobs *jobs, const struct store_job *row);
/* What view_job says of a job whose end has been stored, without asking the store for it. */
void view_ended(struct buf *b, const struct job *job);

/* What an operator holds back, and who has said so. */
void view_hold(struct buf *b, const struct hold *hold);
/* What a job with this row waits for, in a word; NULL when it runs along. `job`: NULL: it is not
 * active. */
const char *view_waiting_for(const struct jobs *jobs, const struct store_job *row,
                             const struct job *job);
json_t *view_running(const struct job *job); /* it has an attempt; NULL: out of memory */
/* A moment (CLOCK_REALTIME, µs) as a member; 0: no member. */
void view_set_time(json_t *view, const char *name, int64_t us);

#endif
