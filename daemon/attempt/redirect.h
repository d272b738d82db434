/* What a redirect changes in a request (RFC 9110, 15.4): judgements without a loop. */
#ifndef PENSTOCK_ATTEMPT_REDIRECT_H
#define PENSTOCK_ATTEMPT_REDIRECT_H

#include <stdbool.h>

/* Are these absolute URLs of one origin (RFC 6454, 5)? By scheme, host (case and the dot of a full
 * name aside) and the port that is meant. A URL that cannot be read, or no memory: false, so that
 * nothing is given away. */
bool redirect_same_origin(const char *a, const char *b);

/* From https to anything that is not. */
bool redirect_downgrades(const char *from, const char *to);

/* Is it another scheme's, or does it hold a user's name? Such a URL may be good, and is not
 * followed all the same. */
bool redirect_is_forbidden(const char *url);

/* 303 always becomes GET, 301 and 302 do for POST as browsers have it; 307 and 308 keep the
 * method. */
const char *redirect_method(int status, const char *method);

/* The job's own headers ("Name: value"): those that tell of a body go with the body and are dropped
 * with it; the others are for the first origin alone. `elsewhere`: another origin was asked.
 * `had_body`: the job has one; `has_body`: this request has it too. */
bool redirect_keeps_header(const char *line, bool elsewhere, bool had_body, bool has_body);

#endif
