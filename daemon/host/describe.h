/* penstock-host --describe: what a plug-in says of itself. */
#ifndef PENSTOCK_HOST_DESCRIBE_H
#define PENSTOCK_HOST_DESCRIBE_H

#include "host/supervisor.h"

/* describe.c: penstock-host --describe FILE. The exit status; a fault is one sentence on standard
 * output. */
int plugin_describe(const char *file);

#endif
