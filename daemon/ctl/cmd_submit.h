/* The command submit. */
#ifndef PENSTOCK_CTL_CMD_SUBMIT_H
#define PENSTOCK_CTL_CMD_SUBMIT_H

#include "ctl/ctl.h"

int cmd_submit(struct ctl *ctl);

#endif
