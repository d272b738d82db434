/* A transfer through a proxy: who that is, and which failures are its own. */
#ifndef PENSTOCK_FETCH_PROXIED_H
#define PENSTOCK_FETCH_PROXIED_H

#include "fetch/transfer_impl.h"

/* The request's proxy as curl's options; none is set to be none, so that the environment does not
 * count. 0, or -1 with the result settled: the proxy's URL may hold a password, so nothing of
 * libcurl's shows it. */
int proxied_setup(struct transfer_impl *impl);

/* The transfer has ended with this code. True: that was the proxy's doing, and the result is
 * settled. */
bool proxied_failed(struct transfer_impl *impl, CURLcode code);

/* A response with this status is here. True: it is the proxy's, which wants to know who asks; the
 * result is settled. */
bool proxied_refused(struct transfer_impl *impl, int status);

#endif
