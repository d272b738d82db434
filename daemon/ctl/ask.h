/* From options to the JSON that the daemon is asked with. */
#ifndef PENSTOCK_CTL_ASK_H
#define PENSTOCK_CTL_ASK_H

#include "base/error.h"
#include "ctl/args.h"

#include <jansson.h>

/* The members that the options of `groups` stand for, as a new object. FORM_FILE reads its file. 0,
 * or a negative errno with a message in *err. */
int ask_options(const struct args *args, unsigned groups, json_t **ret_object, struct error *err);

/* A job from one line of `submit --from`: a URL, or a JSON object. 0, -ENOMEM, or -EINVAL with a
 * message in *err. */
int ask_job(const char *line, size_t len, json_t **ret_job, struct error *err);

/* Gives a job what `common` has and the job itself has not; labels and the parser's options one by
 * one. 0 or -ENOMEM. */
int ask_merge(json_t *job, const json_t *common);

/* {"ids":[…]} from all operands, or the selection that the options name; both, or neither unless
 * `all` is allowed, is an error. */
int ask_jobs(const struct args *args, bool all, json_t **ret_params, struct error *err);

/* "record,verdict" or "record verdict" as an array of strings. */
int ask_events(const char *list, json_t **ret_events, struct error *err);

#endif
