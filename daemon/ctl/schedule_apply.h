/* The commands `schedule …`. Each returns an exit status. */
#ifndef PENSTOCK_CTL_SCHEDULE_APPLY_H
#define PENSTOCK_CTL_SCHEDULE_APPLY_H

#include "ctl/ctl.h"

/* Makes the schedules as a file has them. */
int schedule_apply(struct ctl *ctl);

/* Leaves of a listed schedule what can be applied: what it asks for. */
void schedule_drop_told(json_t *schedule);
/* Does it show its URL without its secret? It cannot be applied as it is. */
bool schedule_hides_secret(const json_t *schedule);

/* "created NAME", or with --json the object. */
void schedule_tell_change(const struct ctl *ctl, const json_t *change);

#endif
