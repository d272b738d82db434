/* The command schedule. */
#ifndef PENSTOCK_CTL_CMD_SCHEDULE_H
#define PENSTOCK_CTL_CMD_SCHEDULE_H

#include "ctl/ctl.h"

int cmd_schedule(struct ctl *ctl);

#endif
