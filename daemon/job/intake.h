/* A job that the store has may run. Control loop. */
#ifndef PENSTOCK_JOB_INTAKE_H
#define PENSTOCK_JOB_INTAKE_H

#include "job/job.h"

/* The store has this row: it gets its place in the queue. Takes ownership of the row and of the
 * spec. */
void intake_row(struct jobs *jobs, struct store_job *row, struct spec *spec);
/* A job in memory that may run now: into the window of its host, or back to the store, which frees
 * it. */
void intake_job(struct job *job);

#endif
