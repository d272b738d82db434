/* Handles that a loop keeps for its next transfers: made when there is none left, so that a small
 * job pays for no new one. The loop's thread only. */
#ifndef PENSTOCK_FETCH_SPARES_H
#define PENSTOCK_FETCH_SPARES_H

#include "fetch/transfer_impl.h"

/* One without a transfer; NULL: out of memory. */
struct transfer_impl *spares_take(struct fetch_loop *loop);
/* Its transfer has ended: nothing refers to it. */
void spares_put(struct transfer_impl *impl);
/* The loop ends. */
void spares_free(struct fetch_loop *loop);

#endif
