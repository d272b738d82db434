/* The commands that wait for jobs. */
#ifndef PENSTOCK_CTL_CMD_WATCH_H
#define PENSTOCK_CTL_CMD_WATCH_H

#include "ctl/ctl.h"

int cmd_wait(struct ctl *ctl);
int cmd_follow(struct ctl *ctl);

#endif
