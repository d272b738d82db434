/* backup: a copy of the daemon's store. */
#ifndef PENSTOCK_CTL_CMD_BACKUP_H
#define PENSTOCK_CTL_CMD_BACKUP_H

#include "ctl/ctl.h"

int cmd_backup(struct ctl *ctl);

#endif
