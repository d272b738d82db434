/* The commands that ask of the daemon itself. */
#ifndef PENSTOCK_CTL_CMD_DAEMON_H
#define PENSTOCK_CTL_CMD_DAEMON_H

#include "ctl/ctl.h"

int cmd_ping(struct ctl *ctl);
int cmd_stats(struct ctl *ctl);
int cmd_parsers(struct ctl *ctl);
int cmd_reload(struct ctl *ctl);
int cmd_generic(struct ctl *ctl); /* one request by the command's own name */

#endif
