/* cancel and retry, of jobs named by id or chosen by SELECT. */
#ifndef PENSTOCK_API_CALL_BULK_H
#define PENSTOCK_API_CALL_BULK_H

struct api_call;

void call_bulk(struct api_call *call);

#endif
