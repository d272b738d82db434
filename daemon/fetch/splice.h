/* The rest of a plain body, from its socket into the consumer's pipe by the kernel alone. The
 * loop's thread only. */
#ifndef PENSTOCK_FETCH_SPLICE_H
#define PENSTOCK_FETCH_SPLICE_H

#include "fetch/transfer_impl.h"

/* A piece of the body was taken, in curl's callback: is the rest to be spliced? True: curl is to be
 * given an error, and splice_begin follows it. */
bool splice_take(struct transfer_impl *impl);
/* Curl has had its error. From outside of curl. */
void splice_begin(struct transfer_impl *impl);
/* The pipe has room again. */
void splice_go_on(struct transfer_impl *impl);
void splice_stop(struct transfer_impl *impl);

#endif
