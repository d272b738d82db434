/* The command metrics. */
#ifndef PENSTOCK_CTL_CMD_METRICS_H
#define PENSTOCK_CTL_CMD_METRICS_H

#include "ctl/ctl.h"

int cmd_metrics(struct ctl *ctl);

#endif
