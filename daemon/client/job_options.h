/* A job's options as text: "digest=sha256 label.team=data header=\"Accept: text/csv\"". */
#ifndef PENSTOCK_CLIENT_JOB_OPTIONS_H
#define PENSTOCK_CLIENT_JOB_OPTIONS_H

#include "base/error.h"

#include <jansson.h>

/* The job as the protocol has it: a new object with `url` and what the options say (NULL: none).
 * *ret_socket is the value of `socket`, to be freed; NULL if it was not given. 0, or -EINVAL (a
 * fault in the text) or -ENOMEM with a message in *err. */
int options_job(const char *url, const char *options, json_t **ret_job, char **ret_socket,
                struct error *err);

#endif
