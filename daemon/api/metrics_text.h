/* The figures as text. Control loop. */
#ifndef PENSTOCK_API_METRICS_TEXT_H
#define PENSTOCK_API_METRICS_TEXT_H

#include "base/metric.h"

struct api;
struct self;
struct store_schedules;

#define METRICS_SCHEDULES 1000 /* are named */

/* Appends; without memory text->failed. `schedules`: the first METRICS_SCHEDULES. */
void metrics_text(struct api *api, enum metric_format format, const struct self *self,
                  const struct store_schedules *schedules, struct buf *text);

#endif
