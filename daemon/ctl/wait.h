/* Waiting for jobs to end, and telling how each did. */
#ifndef PENSTOCK_CTL_WAIT_H
#define PENSTOCK_CTL_WAIT_H

#include "ctl/ctl.h"

#include <stddef.h>
#include <stdint.h>

/* Prints each job's verdict, in the order of `ids`, as soon as it and those before it have ended.
 * On a terminal with a progress line. An exit status. The connection has no request under way. */
int wait_for(struct ctl *ctl, const uint64_t *ids, size_t count);

/* The jobs of an answer to `wait` as they came, one a line (--json). */
void wait_put_raw(const struct answer *answer);

/* "job 42 goes on" | "3 jobs go on", after Ctrl-C. Returns EXIT_INTERRUPTED. */
int wait_interrupted(uint64_t id, size_t count);

#endif
