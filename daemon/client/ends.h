/* The two ends that a client makes for the body of a `run` (control/PROTOCOL.md): ends[0] is read,
 * ends[1] is given to the daemon, by wire_pass. */
#ifndef PENSTOCK_CLIENT_ENDS_H
#define PENSTOCK_CLIENT_ENDS_H

#include <stdbool.h>

/* A pipe; or a pair of sockets, of which ends[0] gives an error and no end unless the daemon has
 * closed the other one on purpose. Both blocking and close-on-exec. 0 or a negative errno. */
int ends_make(int ends[2], bool socket);

#endif
