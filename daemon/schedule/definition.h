/* What somebody asked for as a schedule, read. */
#ifndef PENSTOCK_SCHEDULE_DEFINITION_H
#define PENSTOCK_SCHEDULE_DEFINITION_H

#include "base/error.h"
#include "terms/timing.h"

#include <jansson.h>
#include <stdbool.h>

#define SCHEDULE_NAME_BYTES 128

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
int schedule_spec_read(const char *text, struct schedule_spec *ret_spec, struct error *err);

/* What a run needs of a schedule's stored text. */
struct schedule_plan {
    json_t *job; /* its members */
    struct timing timing;
};

/* 0, -ENOMEM, or -EINVAL with a message in *err: another version has written it, say. */
int schedule_plan_read(const char *text, struct schedule_plan *ret_plan, struct error *err);
void schedule_plan_deinit(struct schedule_plan *plan);

/* Is this the stored text of a job that the schedule of the stored text `text` makes? Both are
 * canonical, so they are compared as they are, but for the schedule's own members. */
bool schedule_text_makes(const char *text, const char *job_text);

#endif
