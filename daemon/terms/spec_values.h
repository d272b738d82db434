/* What a job's JSON holds, member by member. 0, -ENOMEM, or -EINVAL with a sentence without the
 * member's name. */
#ifndef PENSTOCK_TERMS_SPEC_VALUES_H
#define PENSTOCK_TERMS_SPEC_VALUES_H

#include "terms/spec.h"

/* A JSON string without NUL and other control characters, up to `max` bytes. */
int spec_read_text(const json_t *value, size_t max, const char **ret_text, struct error *err);

/* The same, and what a line of a config may not hold is allowed: for a request's body. */
int spec_read_body(const json_t *value, char **ret_body, size_t *ret_len, struct error *err);

/* A job parameter. */
int spec_read_param(const json_t *value, int param, struct job_params *params, struct error *err);

/* spec_values.c */
int spec_read_labels(const json_t *value, struct spec *spec, struct error *err);
int spec_read_options(const json_t *value, struct spec *spec, struct error *err);

#endif
