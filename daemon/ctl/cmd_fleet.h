/* penstockctl fleet. */
#ifndef PENSTOCK_CTL_CMD_FLEET_H
#define PENSTOCK_CTL_CMD_FLEET_H

#include "ctl/ctl.h"

int cmd_fleet(struct ctl *ctl);

#endif
