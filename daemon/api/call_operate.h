/* pause, resume and reload. */
#ifndef PENSTOCK_API_CALL_OPERATE_H
#define PENSTOCK_API_CALL_OPERATE_H

#include <stdbool.h>

struct api_call;

void call_pause(struct api_call *call, bool paused);
void call_reload(struct api_call *call);

#endif
