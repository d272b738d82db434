/* Worker permits: so many jobs may run at once, and a condition for the whole of it. Control
 * loop. */
#ifndef PENSTOCK_JOB_PERMIT_H
#define PENSTOCK_JOB_PERMIT_H

#include <stdbool.h>

struct jobs;

/* May anything start at all? With `more` so many other permits are as good as taken. */
bool permit_open(const struct jobs *jobs, unsigned more);
void permit_take(struct jobs *jobs);
void permit_give(struct jobs *jobs);

#endif
