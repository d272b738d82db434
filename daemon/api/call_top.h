/* top: what runs at this moment, and where. */
#ifndef PENSTOCK_API_CALL_TOP_H
#define PENSTOCK_API_CALL_TOP_H

struct api_call;

void call_top(struct api_call *call);

#endif
