/* The body's pieces on their way from curl to the consumer. The loop's thread only. */
#ifndef PENSTOCK_FETCH_DELIVERY_H
#define PENSTOCK_FETCH_DELIVERY_H

#include "fetch/transfer_impl.h"

/* A piece of the body, from curl: what the callback is to return. */
size_t delivery_take(struct transfer_impl *impl, const char *data, size_t len);
/* The consumer, or its rate, wants more: what is kept first, then what curl holds, then curl reads
 * on. */
void delivery_go_on(struct transfer_impl *impl);
/* Curl is done with the transfer. True: some of the body is still kept for the consumer. A piece
 * that curl held is lost: if it calls that a good end, the result is settled otherwise; a failure's
 * count of bytes is right without it. */
bool delivery_outlasts_curl(struct transfer_impl *impl, CURLcode code);

#endif
