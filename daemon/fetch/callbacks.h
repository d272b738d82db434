/* What curl calls while a transfer runs. The loop's thread only. */
#ifndef PENSTOCK_FETCH_CALLBACKS_H
#define PENSTOCK_FETCH_CALLBACKS_H

#include "fetch/transfer_impl.h"

void callbacks_set(struct transfer_impl *impl);

#endif
