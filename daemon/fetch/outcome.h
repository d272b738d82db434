/* What curl's code means, in the closed list of kinds. The loop's thread only. */
#ifndef PENSTOCK_FETCH_OUTCOME_H
#define PENSTOCK_FETCH_OUTCOME_H

#include "fetch/transfer_impl.h"

/* Codes of curl's that are not in the headers of 7.85, or have no meaning there. */
enum { CODE_HTTP3 = 95, CODE_QUIC_CONNECT = 96, CODE_TOO_LARGE = 100 };

/* Fills the result from curl's code and all that is known. */
void outcome_fill(struct transfer_impl *impl, CURLcode code);

#endif
