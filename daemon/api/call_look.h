/* show and list. */
#ifndef PENSTOCK_API_CALL_LOOK_H
#define PENSTOCK_API_CALL_LOOK_H

struct api_call;

void call_show(struct api_call *call);
void call_list(struct api_call *call);

#endif
