/* The descriptor that a client gives for the body of a `run`: the write end of a pipe(7), or one
 * end of a connected pair of unix(7) stream sockets.
 *
 * A pipe cannot carry an error, so its reader sees an end whenever the last write end is closed,
 * and the client has to hold one of its own until the body is complete. A socket can: if an end is
 * closed while bytes from its peer lie unread in it, the peer's reads give what is left and then
 * ECONNRESET, never an end, also when the process that held it was killed. So the client writes a
 * byte before it gives the socket away, and given_end takes that byte out when the body is
 * whole. */
#ifndef PENSTOCK_PARSE_GIVEN_H
#define PENSTOCK_PARSE_GIVEN_H

#include "base/error.h"

#include <stdbool.h>
#include <sys/types.h>

/* Is `fd` one of these, made by a process of user `uid`? 0, or -EINVAL with a message in *err. Does
 * not block: on anything else it does nothing but ask what kind of file it is. */
int given_check(int fd, uid_t uid, struct error *err);

/* The same where it has to be the socket, for this method of the protocol. */
int given_check_socket(int fd, uid_t uid, const char *method, struct error *err);

bool given_is_socket(int fd);

/* The body is whole: from now on the close of `fd` is an end to the reader. Any thread. */
void given_end(int fd);

#endif
