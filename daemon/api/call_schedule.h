/* The methods of schedules. */
#ifndef PENSTOCK_API_CALL_SCHEDULE_H
#define PENSTOCK_API_CALL_SCHEDULE_H

struct api_call;

void call_schedule(struct api_call *call);       /* by its method */
void call_schedule_begin(struct api_call *call); /* its turn has come (api/turns.h) */

#endif
