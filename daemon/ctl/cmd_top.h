/* The command top. */
#ifndef PENSTOCK_CTL_CMD_TOP_H
#define PENSTOCK_CTL_CMD_TOP_H

#include "ctl/ctl.h"

int cmd_top(struct ctl *ctl);

#endif
