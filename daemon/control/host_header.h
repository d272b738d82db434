/* Against DNS rebinding: a page of somebody's site, whose name is made to mean 127.0.0.1, could
 * otherwise read what is served on loopback, in the browser of whoever visits it. Such a request
 * says that name in its Host header. */
#ifndef PENSTOCK_CONTROL_HOST_HEADER_H
#define PENSTOCK_CONTROL_HOST_HEADER_H

#include <stdbool.h>

/* Does a Host header name this machine by nobody's name service: localhost, *.localhost, an address
 * of 127.0.0.0/8 or [::1], with a port or without? NULL, which no browser sends, is taken. */
bool host_header_is_local(const char *value);

#endif
