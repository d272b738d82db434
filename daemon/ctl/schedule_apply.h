/* The commands `schedule …`. Each returns an exit status. */
#ifndef PENSTOCK_CTL_SCHEDULE_APPLY_H
#define PENSTOCK_CTL_SCHEDULE_APPLY_H

#include "ctl/ctl.h"

/* Makes the schedules as a file has them. */
int schedule_apply(struct ctl *ctl);

/* "created NAME", or with --json the object. */
void schedule_tell_change(const struct ctl *ctl, const json_t *change);

#endif
