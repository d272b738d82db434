/* What somebody asked for as a schedule, read. */
#ifndef PENSTOCK_SCHEDULE_DEFINITION_H
#define PENSTOCK_SCHEDULE_DEFINITION_H

#include "base/error.h"
#include "terms/timing.h"

#include <jansson.h>

struct schedule_spec {
    char *name;
    char *text;     /* all of it, canonical: the same wish gives the same text */
    char *when;     /* its timing, canonical */
    json_t *job;    /* the members of the job */
    char *job_text; /* as the store has it in the job's row */
    struct timing timing;
};

/* 0, -ENOMEM, or -EINVAL with a message in *err and *ret_field (borrowed from `json`, or a literal;
 * NULL). Does not look at the job's members, but refuses those that mean one job only. */
int schedule_spec_parse(const json_t *json, struct schedule_spec *ret_spec, struct error *err,
                        const char **ret_field);
void schedule_spec_deinit(struct schedule_spec *spec);

#endif
