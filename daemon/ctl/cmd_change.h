/* The commands that change jobs. */
#ifndef PENSTOCK_CTL_CMD_CHANGE_H
#define PENSTOCK_CTL_CMD_CHANGE_H

#include "ctl/ctl.h"

int cmd_cancel(struct ctl *ctl);
int cmd_retry(struct ctl *ctl);

#endif
