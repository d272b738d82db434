/* The commands that show and change jobs. */
#ifndef PENSTOCK_CTL_CMD_JOBS_H
#define PENSTOCK_CTL_CMD_JOBS_H

#include "ctl/ctl.h"

int cmd_list(struct ctl *ctl);
int cmd_show(struct ctl *ctl);
int cmd_explain(struct ctl *ctl);
int cmd_cancel(struct ctl *ctl);
int cmd_retry(struct ctl *ctl);

#endif
