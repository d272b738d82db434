/* submit: from JSON to a row, and from the row to a place in the queue. */
#ifndef PENSTOCK_JOB_SUBMIT_H
#define PENSTOCK_JOB_SUBMIT_H

#include "job/job.h"
#include "terms/access.h"

struct jobs_call;

void call_submit(struct jobs_call *call);

/* Makes the row of a job from its JSON. 0, or a negative errno, a sentence and a field. */
struct submission {
    const json_t *json;
    struct peer peer;
    uint64_t retry_of;
    bool run;             /* by `run`: the member of that name is ours */
    const char *schedule; /* of which it is a run, or NULL */
};
int submission_row(struct jobs *jobs, const struct submission *s, struct store_job **ret_row,
                   struct spec **ret_spec, struct error *err, const char **ret_field);
/* The store has it: it may run. Takes row and spec over. */
void submission_queue(struct jobs *jobs, struct store_job *row, struct spec *spec);

#endif
