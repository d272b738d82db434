/* Where the daemon's socket is, and how to reach it. */
#ifndef PENSTOCK_CLIENT_SOCKET_PATH_H
#define PENSTOCK_CLIENT_SOCKET_PATH_H

#include "base/error.h"

#include <stddef.h>

#define ADDRESS_SYSTEM "/run/penstock/control.sock"

/* Connects to `path`, or (NULL) to $PENSTOCK_SOCKET, or to the user's own daemon if it runs, or to
 * the system's. The socket, close-on-exec, and in ret_path where it leads; or a negative errno with
 * a message in *err. */
int address_connect(const char *path, char *ret_path, size_t size, struct error *err);

#endif
