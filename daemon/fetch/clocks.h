/* A transfer's clocks. The loop's thread only. */
#ifndef PENSTOCK_FETCH_CLOCKS_H
#define PENSTOCK_FETCH_CLOCKS_H

#include "fetch/transfer_impl.h"

void clocks_enter(struct transfer_impl *impl, enum stage stage);
/* Sees to it that the timer is due no later than the stage's deadline. */
void clocks_arm(struct transfer_impl *impl);
/* A connecting one has lost its socket: a kick in a moment. */
void clocks_hurry(struct transfer_impl *impl);
void clocks_stop(struct transfer_impl *impl);

#endif
