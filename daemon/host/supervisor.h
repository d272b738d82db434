/* penstock-host: runs one pipeline, or one isolated plug-in, for the daemon. One thread; see
 * parse/order.h for its descriptors and what it is told. */
#ifndef PENSTOCK_HOST_SUPERVISOR_H
#define PENSTOCK_HOST_SUPERVISOR_H

#include "flow/pipeline.h"
#include "parse/order.h"
#include "penstock/parser.h"

#include <stdbool.h>

struct host {
    struct order order;
    struct pipeline pipeline; /* the stages, or the plug-in's runner as its only one */
    struct report report;
    int signals; /* a signalfd of SIGCHLD */
    bool reported;
    struct runner *runner; /* of a plug-in; else NULL */
};

/* penstock-host --run. The exit status. */
int host_run(void);

#endif
