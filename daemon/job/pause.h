/* Pause and resume, by an operator. */
#ifndef PENSTOCK_JOB_PAUSE_H
#define PENSTOCK_JOB_PAUSE_H

#include "job/job.h"

#define HOSTS_PAUSED_MAX 10000
/* Of everything (NULL, NULL), of a host, or of a parser. 0, -ENOMEM, or -EDQUOT: so many hosts are paused. */
int admission_pause(struct jobs *jobs, const char *host, const char *parser, bool paused);
bool admission_paused(const struct jobs *jobs, const char *parser);
void pause_free(struct jobs *jobs);

#endif
