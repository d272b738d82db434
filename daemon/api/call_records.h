#ifndef PENSTOCK_API_CALL_RECORDS_H
#define PENSTOCK_API_CALL_RECORDS_H

struct api_call;

void call_records(struct api_call *call);

#endif
