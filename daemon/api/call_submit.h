/* submit: one job or many. */
#ifndef PENSTOCK_API_CALL_SUBMIT_H
#define PENSTOCK_API_CALL_SUBMIT_H

struct api_call;

void call_submit(struct api_call *call);

#endif
