#ifndef PENSTOCK_CTL_CMD_RECORDS_H
#define PENSTOCK_CTL_CMD_RECORDS_H

#include "ctl/ctl.h"

int cmd_records(struct ctl *ctl);

#endif
