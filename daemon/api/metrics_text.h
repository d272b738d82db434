/* The figures as text. Control loop. */
#ifndef PENSTOCK_API_METRICS_TEXT_H
#define PENSTOCK_API_METRICS_TEXT_H

#include "base/metric.h"

struct api;
struct self;

/* Appends; without memory text->failed. */
void metrics_text(struct api *api, enum metric_format format, const struct self *self,
                  struct buf *text);

#endif
