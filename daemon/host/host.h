/* penstock-host: runs one pipeline, or one isolated plug-in, for the daemon. One thread; see parse/order.h for
 * its descriptors and what it is told. */
#ifndef PENSTOCK_HOST_HOST_H
#define PENSTOCK_HOST_HOST_H

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

/* runner.c: starts the plug-in's process as the pipeline's only stage. 0, or a negative errno and a sentence. */
int runner_start(struct host *h, struct error *err);
/* The body's state, for the process to see; and that its job has ended. */
void runner_tell(struct runner *runner, enum body_state state);
/* What came of it, into the report. */
void runner_report(const struct runner *runner, struct report *ret_report);

/* describe.c: penstock-host --describe FILE. The exit status; a fault is one sentence on standard output. */
int plugin_describe(const char *file);

/* settle.c: penstock-host --settle. The exit status. */
int host_settle(void);

#endif
