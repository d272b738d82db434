/* Calls that change the schedules take turns, so that each is compared with what the one before it
 * has left, and a run that is asked for after a change is of the schedule as it is then. Control
 * loop. */
#ifndef PENSTOCK_API_TURNS_H
#define PENSTOCK_API_TURNS_H

#include "base/slices.h"

#include <stdbool.h>

struct api_call;

struct turns {
    struct slices *slices;
    struct slice slice;
    struct list waiting;
    bool taken;
    void (*begin)(struct api_call *call);
};

/* `begin` may take the turn. */
void turns_init(struct turns *turns, struct slices *slices, void (*begin)(struct api_call *call));
/* It begins, now or when the turn is free. */
void turns_ask(struct turns *turns, struct api_call *call);
void turns_take(struct turns *turns);
void turns_give(struct turns *turns);
/* The daemon stops: calls that wait are refused. */
void turns_refuse(struct turns *turns);

#endif
