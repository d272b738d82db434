/* The command run. */
#ifndef PENSTOCK_CTL_CMD_RUN_H
#define PENSTOCK_CTL_CMD_RUN_H

#include "ctl/ctl.h"

int cmd_run(struct ctl *ctl);

#endif
