/* metrics: the figures as a text. */
#ifndef PENSTOCK_API_CALL_METRICS_H
#define PENSTOCK_API_CALL_METRICS_H

struct api_call;

void call_metrics(struct api_call *call);

#endif
