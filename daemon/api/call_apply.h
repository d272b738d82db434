/* schedule_apply, schedule_add and schedule_remove, and the pause of a schedule: one change at a
 * time, so that each is compared with what the one before has left. */
#ifndef PENSTOCK_API_CALL_APPLY_H
#define PENSTOCK_API_CALL_APPLY_H

#include <stdbool.h>

struct api_call;
struct schedule;

void call_apply(struct api_call *call); /* schedule_apply, schedule_add */
void call_remove(struct api_call *call, struct schedule *schedule);
void call_hold(struct api_call *call, struct schedule *schedule, bool held);

#endif
