/* The figures as text. Control loop. */
#ifndef PENSTOCK_JOB_METRICS_TEXT_H
#define PENSTOCK_JOB_METRICS_TEXT_H

#include "base/metric.h"

struct jobs;
struct self;

/* Appends; without memory text->failed. */
void metrics_text(struct jobs *jobs, enum metric_format format, const struct self *self,
                  struct buf *text);

#endif
