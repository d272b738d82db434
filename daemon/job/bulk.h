/* cancel and retry, of jobs named by id or chosen by SELECT. */
#ifndef PENSTOCK_JOB_BULK_H
#define PENSTOCK_JOB_BULK_H

#include "job/jobs.h"

void call_bulk(struct jobs_call *call); /* cancel, retry */
void calls_unpark(struct jobs *jobs);   /* bulk operations go on when `ending` has shrunk */
void drain_cancel_queued(struct jobs *jobs);

#endif
