/* Descriptors. Every function here that creates one makes it close-on-exec (invariant 6). */
#ifndef PENSTOCK_BASE_FD_H
#define PENSTOCK_BASE_FD_H

#include <stdbool.h>
#include <stddef.h>

/* Closes *fd if it is >= 0 and sets it to -1: an owner closes once. Keeps errno. */
void fd_close(int *fd);

/* Duplicates as close-on-exec. The new descriptor or a negative errno. */
int fd_dup(int fd);

/* Is it a pipe or a unix socket? Of what somebody else has opened: the answer does not wait for
 * anything, as fstat's does where a file system's server is asked. */
bool fd_is_local(int fd);

#define FD_UNUSABLE \
    (-2) /* in place of a descriptor that came, could be of no use, and has been closed */

/* Closes, as fd_close, a descriptor that somebody else has opened. A pipe at once; another could
 * make close wait (for a file system's server, or a connection that lingers, which may also be
 * under way within a unix socket), so a thread of its own does it. */
void fd_close_foreign(int *fd);
/* The same for several, by one thread. */
void fd_close_foreign_all(const int *fds, size_t count);

/* Closes a unix stream socket of our own: as its peer may have sent descriptors that nobody has
 * read, by such a thread if anything is left in it. */
void fd_close_connection(int *fd);

/* How many of these threads there are: from FD_CLOSING_MAX on, whoever gives another descriptor
 * away has to go. */
unsigned fd_closing(void);
#define FD_CLOSING_MAX 256

/* 0 or a negative errno. */
int fd_set_nonblock(int fd, bool nonblock);

/* Writes all of it to a blocking or non-blocking descriptor, waiting in poll(2). 0 or -errno. */
int fd_write_all(int fd, const void *data, size_t len);

/* Raises RLIMIT_NOFILE's soft limit to the hard one, once, at start. 0 or a negative errno. */
int fd_raise_limit(void);

/* Sets the soft limit back to what fd_raise_limit found; for a child between fork and exec
 * (async-signal-safe). A no-op when it was not raised. */
void fd_restore_limit(void);

/* The soft limit that fd_raise_limit found; as it stands, if it was not raised. */
unsigned long fd_first_limit(void);

/* The soft limit as it stands. */
unsigned long fd_limit(void);

#endif
