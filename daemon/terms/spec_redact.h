/* What of a URL, or of a text that quotes one, is shown to nobody. */
#ifndef PENSTOCK_TERMS_SPEC_REDACT_H
#define PENSTOCK_TERMS_SPEC_REDACT_H

#include "terms/spec.h"

/* `url` (any text) with the values of query parameters that match one of `patterns` (fnmatch,
 * without case) as ***; user-info too. NULL: out of memory. */
char *spec_redact_url(const char *url, const struct strings *patterns);

/* Text that somebody else wrote and that may echo a request (an origin's 404): the values of what
 * looks like such a parameter, NAME=VALUE or "NAME": VALUE, of headers that hold credentials, and a
 * bearer's token, as ***. Appended to `b`: at most four times as many bytes, so that who has
 * reserved them needs no memory. */
void spec_redact_text(struct buf *b, const char *text, const struct strings *patterns);

/* Overwrites, in such a text, the values of the secret parameters of this URL, wherever they stand.
 * Needs no memory. */
void spec_strike_secrets(char *text, const char *url, const struct strings *patterns);

#endif
