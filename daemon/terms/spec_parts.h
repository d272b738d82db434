/* The parts of reading a specification, for spec.c: each returns 0, -ENOMEM, or -EINVAL and a sentence without
 * the member's name. */
#ifndef PENSTOCK_SPEC_SPEC_PARTS_H
#define PENSTOCK_SPEC_SPEC_PARTS_H

#include "terms/spec.h"

/* spec_url.c: the URL normalised (scheme and host in lower case, no fragment, other than ASCII
 * percent-encoded), and its host as spec_url_host gives it. */
int spec_read_url(const char *text, char **ret_url, char **ret_host, struct error *err);

/* spec_headers.c: an object or an array -> checked "Name: value". On failure `headers` holds what was read
 * before. */
int spec_read_headers(const json_t *value, struct strings *headers, struct error *err);

/* A name that a job may send; with `secret`, or one that a credential may. */
int spec_check_header_name(const char *name, size_t len, bool secret, struct error *err);

/* spec_values.c */
/* A JSON string without NUL and other control characters, up to `max` bytes. */
int spec_read_text(const json_t *value, size_t max, const char **ret_text, struct error *err);
/* The same, and what a line of a config may not hold is allowed: for a request's body. */
int spec_read_body(const json_t *value, char **ret_body, size_t *ret_len, struct error *err);
/* A job parameter. */
int spec_read_param(const json_t *value, int param, struct job_params *params, struct error *err);
int spec_read_labels(const json_t *value, struct spec *spec, struct error *err);
int spec_read_options(const json_t *value, struct spec *spec, struct error *err);

/* spec_time.c: an RFC 3339 time, "+DURATION", "DURATION" or a number of seconds; the latter three from
 * `now` (µs since 1970) on. */
int spec_read_time(const json_t *value, int64_t now, int64_t *ret_us, struct error *err);

#endif
