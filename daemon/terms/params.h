/* The job parameters' table: for the settings and the specification. */
#ifndef PENSTOCK_SPEC_PARAMS_H
#define PENSTOCK_SPEC_PARAMS_H

#include "base/suggest.h"
#include "penstock/parser.h"
#include "terms/field.h"

/* In the order of enum param; offsets are in struct job_params. */
extern const struct field params_fields[PARAM_COUNT_];

/* Can [ceilings] bound it? */
bool params_has_ceiling(size_t param);

/* The parameter's number, or -1. */
int params_find(const char *name);

/* As params_set, from a config key's values. */
int params_set_texts(struct job_params *params, int param, const char *const *texts, size_t count,
                     size_t *ret_bad, struct error *err);

/* Sets every parameter to its default. 0 or -ENOMEM. */
int params_standard(struct job_params *params, struct error *err);

/* Lowers what is above a ceiling to it. */
void params_lower(struct job_params *params, const struct job_params *ceilings);

/* What a parser wants otherwise than most, where nobody has asked: `asked` is the `set` of the
 * effective parameters before they inherited [defaults]. */
void params_fit(struct job_params *params, uint64_t asked, const struct penstock_parser *parser);

/* Offers all names. */
void params_suggest(struct suggest *suggest);

/* NAME as parsers, sinks, credentials and the like are called. 0, or -EINVAL with a message in
 * *err. */
int check_name(const char *text, struct error *err);

/* One job parameter by its name from text (config) — shared by the sections and by terms/spec.c for
 * the JSON of a job. 0; -ENOENT: not a job parameter; -EINVAL with a message in *err without the
 * name; -ENOMEM. */
int params_set(struct job_params *params, const char *name, const char *value, struct error *err);

/* Fills what `params` leaves unset from `from`. 0 or -ENOMEM. */
int params_inherit(struct job_params *params, const struct job_params *from);

/* Is `params` within the ceilings? 0, or -EINVAL with a message in *err naming the field and the
 * ceiling. */
int params_check_ceilings(const struct job_params *params, const struct job_params *ceilings,
                          struct error *err);
void params_deinit(struct job_params *params);

#endif
