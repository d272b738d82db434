/* top: what runs at this moment, and where. */
#ifndef PENSTOCK_JOB_TOP_H
#define PENSTOCK_JOB_TOP_H

#include "job/jobs.h"

void call_top(struct jobs_call *call);

#endif
