/* What a job needs of the member of a fleet that runs it: a parser, a credential, a version that
 * can read it. As text it is the same for all jobs that need the same: "parser NAME", "credential
 * NAME" and "level N", those that there are in this order, each on a line of its own. */
#ifndef PENSTOCK_JOB_NEEDS_H
#define PENSTOCK_JOB_NEEDS_H

#include "base/buf.h"
#include "store/store.h"

#include <stdbool.h>

struct jobs;

/* What a job asks for is written at this level, and read at it and below. A version that writes
 * what an older one would not understand gives that job a higher one, as the member `level` of its
 * spec. */
#define NEEDS_LEVEL 1

/* NULL: out of memory. The caller's. */
char *needs_of(const struct store_job *row);
/* Does this daemon have all of it, by its config as it stands? Control loop. */
bool needs_met(const struct jobs *jobs, const char *needs);
/* For people: "parser a and credential b". */
void needs_put(struct buf *b, const char *needs);

#endif
