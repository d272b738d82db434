/* A job's life as a timeline in words, from what `show` tells. */
#ifndef PENSTOCK_CTL_LIFE_H
#define PENSTOCK_CTL_LIFE_H

#include "base/buf.h"

#include <jansson.h>
#include <stdint.h>

/* Appends it: what the job is, a line for each thing that happened, and what can be done. `now_us`:
 * microseconds since 1970. */
void life_put(struct buf *b, const json_t *object, int64_t now_us);

#endif
