/* Is this text exactly one JSON value? It is left as it stands: numbers are never re-encoded.
 * Besides the grammar (RFC 8259) the text must be UTF-8 (RFC 3629) and nested no deeper than a
 * limit. */
#ifndef PENSTOCK_PARSE_JSON_CHECK_H
#define PENSTOCK_PARSE_JSON_CHECK_H

#include "base/buf.h"
#include "base/error.h"

#include <stddef.h>

#define JSON_DEPTH 128 /* of records that come from outside */

/* Reused from value to value. One thread. */
struct json;

struct json *json_new(unsigned max_depth); /* JSON_SCAN_DEPTH at most. NULL: out of memory */
void json_free(struct json *json);         /* takes NULL */

/* 0 and the value without white space around it and without newlines in it (which can only stand
 * between tokens): within `text`, or a copy that is valid until the next call. -EINVAL: it is no
 * such value; -E2BIG: it is nested too deep; -EILSEQ: it is not UTF-8; err tells why, and
 * *ret_offset (may be NULL) about where in the text. -ENOMEM. */
int json_check(struct json *json, const char *text, size_t len, const char **ret_value,
               size_t *ret_len, size_t *ret_offset, struct error *err);

/* For text that is known to be JSON: takes newlines out, and the white space behind them; they can
 * only stand between tokens. *text and *len: as they were, or a copy in `b`. 0 or -ENOMEM. */
int json_squeeze(struct buf *b, const char **text, size_t *len);

#endif
