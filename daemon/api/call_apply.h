/* schedule_apply, schedule_add and schedule_remove, and the pause of a schedule. */
#ifndef PENSTOCK_API_CALL_APPLY_H
#define PENSTOCK_API_CALL_APPLY_H

#include <stdbool.h>

struct api_call;
struct store_schedule;

void call_apply(struct api_call *call); /* schedule_apply, schedule_add */

/* Of the schedule as it was read within the call's turn, which they give back. */
void call_remove(struct api_call *call, const struct store_schedule *row);
void call_hold(struct api_call *call, const struct store_schedule *row, bool held);

#endif
