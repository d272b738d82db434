/* The process of an isolated plug-in, which runs in place of a pipeline's stages. */
#ifndef PENSTOCK_HOST_RUNNER_H
#define PENSTOCK_HOST_RUNNER_H

#include "host/supervisor.h"

/* runner.c: starts the plug-in's process as the pipeline's only stage. 0, or a negative errno with
 * a message in *err. */
int runner_start(struct host *h, struct error *err);

/* The body's state, for the process to see; and that its job has ended. */
void runner_tell(struct runner *runner, enum body_state state);

/* What came of it, into the report. */
void runner_report(const struct runner *runner, struct report *ret_report);

#endif
