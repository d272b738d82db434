/* Where something listens for this machine alone: a unix socket's path, or a loopback address with
 * a port. */
#ifndef PENSTOCK_BASE_ENDPOINT_H
#define PENSTOCK_BASE_ENDPOINT_H

#include "base/error.h"

#include <sys/socket.h>

/* "127.0.0.1:9469", "[::1]:9469" (port 0: any). 0, or -EINVAL with a message in *err: also for what
 * is no loopback address. */
int endpoint_parse(const char *text, struct sockaddr_storage *ret_address, socklen_t *ret_len,
                   struct error *err);

/* The same, or a path from the root. */
int endpoint_check(const char *text, struct error *err);

#endif
