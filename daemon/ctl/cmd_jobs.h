/* The commands that show jobs. */
#ifndef PENSTOCK_CTL_CMD_JOBS_H
#define PENSTOCK_CTL_CMD_JOBS_H

#include "ctl/ctl.h"

int cmd_list(struct ctl *ctl);
int cmd_show(struct ctl *ctl);
int cmd_explain(struct ctl *ctl);

#endif
