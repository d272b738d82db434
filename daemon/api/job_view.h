/* Jobs as JSON, for show, list, wait and top. NULL is out of memory. */
#ifndef PENSTOCK_API_JOB_VIEW_H
#define PENSTOCK_API_JOB_VIEW_H

#include "job/job.h"

#include <jansson.h>

json_t *view_job(struct jobs *jobs, const struct store_job *row);
/* The same, with what its earlier attempts came to. */
json_t *view_life(struct jobs *jobs, const struct store_job *row);
/* What a job with this row waits for, in a word; NULL when it runs along. `job`: NULL: it is not
 * active. */
const char *view_waiting_for(const struct jobs *jobs, const struct store_job *row,
                             const struct job *job);
json_t *view_running(const struct job *job); /* it has an attempt */
/* A moment (CLOCK_REALTIME, µs) as a member; 0: no member. */
void view_set_time(json_t *view, const char *name, int64_t us);

#endif
