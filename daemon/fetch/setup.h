/* A request as curl's options. The loop's thread only. */
#ifndef PENSTOCK_FETCH_SETUP_H
#define PENSTOCK_FETCH_SETUP_H

#include "fetch/transfer_impl.h"

/* 0, or -1 with the result settled. */
int setup_handle(struct transfer_impl *impl);
/* Frees what the request brought, and leaves a handle that may be used again. */
void setup_reset(struct transfer_impl *impl);

/* The path of the CA bundle that it goes by; NULL: none is known. */
const char *setup_bundle(const struct transfer_impl *impl);

#endif
