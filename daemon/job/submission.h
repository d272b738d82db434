/* What somebody asks for becomes the row of a job. Control loop. */
#ifndef PENSTOCK_JOB_SUBMISSION_H
#define PENSTOCK_JOB_SUBMISSION_H

#include "base/error.h"
#include "store/store.h"
#include "terms/access.h"
#include "terms/spec.h"

#include <jansson.h>
#include <stdbool.h>

struct jobs;

struct submission {
    const json_t *json;
    struct peer peer;
    uint64_t retry_of;
    bool run;             /* by `run`: the member of that name is ours */
    bool head;            /* by `head`: so are that and `method` */
    const char *schedule; /* of which it is a run, or NULL */
};

/* 0 and the row and the request of a job that can be stored; or a negative errno with a message in
 * *err and the name of the member that is at fault (borrowed from the JSON, or a literal; NULL). */
int submission_row(struct jobs *jobs, const struct submission *s, struct store_job **ret_row,
                   struct spec **ret_spec, struct error *err, const char **ret_field);

/* The call's jobs are this user's: how many he may have that have not ended. */
void submission_limit(const struct jobs *jobs, uint32_t uid, uint32_t gid,
                      struct store_submit *submit);

#endif
