/* check-url: what would become of a job. */
#ifndef PENSTOCK_CTL_CMD_CHECK_H
#define PENSTOCK_CTL_CMD_CHECK_H

struct ctl;

int cmd_check_url(struct ctl *ctl);

#endif
