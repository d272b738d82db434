/* check_url: what would become of a job that is not made. */
#ifndef PENSTOCK_API_CALL_CHECK_H
#define PENSTOCK_API_CALL_CHECK_H

struct api_call;

void call_check_url(struct api_call *call);

#endif
