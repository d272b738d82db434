/* The header fields that a job may send. 0, -ENOMEM, or -EINVAL with a sentence without the
 * member's name. */
#ifndef PENSTOCK_TERMS_SPEC_HEADERS_H
#define PENSTOCK_TERMS_SPEC_HEADERS_H

#include "terms/spec.h"

/* spec_headers.c: an object or an array -> checked "Name: value". On failure `headers` holds what
 * was read before. */
int spec_read_headers(const json_t *value, struct strings *headers, struct error *err);

/* A name that a job may send; with `secret`, or one that a credential may. */
int spec_check_header_name(const char *name, size_t len, bool secret, struct error *err);

#endif
