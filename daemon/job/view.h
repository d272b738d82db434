/* JSON for show, list, stats and top. */
#ifndef PENSTOCK_JOB_VIEW_H
#define PENSTOCK_JOB_VIEW_H

#include "job/job.h"
#include <jansson.h>

json_t *view_job(struct jobs *jobs, const struct store_job *row); /* NULL: out of memory */
/* The same, with what its earlier attempts came to. */
json_t *view_life(struct jobs *jobs, const struct store_job *row);
/* What a job with this row waits for, in a word; NULL when it runs along. `job`: NULL: it is not active. */
const char *view_waiting_for(const struct jobs *jobs, const struct store_job *row,
                             const struct job *job);
json_t *view_running(const struct job *job); /* it has an attempt */
json_t *view_states(struct jobs *jobs);
json_t *view_workers(struct jobs *jobs);
json_t *view_fetch(struct jobs *jobs);
json_t *view_sinks(struct jobs *jobs);
json_t *view_stats(struct jobs *jobs);
void jobs_counts(struct jobs *jobs,
                 struct store_counts *ret_counts); /* by state, as clients see it */
json_t *view_parsers(const struct registry *registry);

#endif
