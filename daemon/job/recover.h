/* What an earlier daemon left. */
#ifndef PENSTOCK_JOB_RECOVER_H
#define PENSTOCK_JOB_RECOVER_H

#include "job/job.h"

void recover_start(struct jobs *jobs); /* before anything is claimed */
void recover_again(struct jobs *jobs); /* the store could not be read: everything in a second */
void recover_check(struct jobs *jobs); /* the timer */

#endif
