/* A job's life as a timeline in words, from what `show` tells. */
#ifndef PENSTOCK_CTL_LIFE_H
#define PENSTOCK_CTL_LIFE_H

#include "base/buf.h"

#include <jansson.h>
#include <stdint.h>

/* Appends it: what the job is, a line for each thing that happened, and what can be done. `now_us`: microseconds since
 * 1970. */
void life_put(struct buf *b, const json_t *object, int64_t now_us);

/* What to do about an error of this kind, in a sentence or two; NULL: the kind is not known. */
const char *life_remedy(const char *kind);

/* The kinds of errors, one after another; NULL: that was all. */
const char *life_kind(size_t i);

#endif
