/* The methods of schedules. */
#ifndef PENSTOCK_API_CALL_SCHEDULE_H
#define PENSTOCK_API_CALL_SCHEDULE_H

struct api;
struct api_call;

void call_schedule(struct api_call *call); /* by its method */
/* The schedules are read, or no change of them is on its way any more: calls that waited for that
 * go on. */
void call_schedule_go_on(struct api *api);
/* The daemon stops: calls that wait are refused. */
void call_schedule_refuse(struct api *api);

#endif
