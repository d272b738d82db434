/* penstock-host --settle: what other hosts have left behind. */
#ifndef PENSTOCK_HOST_SETTLE_H
#define PENSTOCK_HOST_SETTLE_H

#include "host/supervisor.h"

/* settle.c: penstock-host --settle. The exit status. */
int host_settle(void);

#endif
