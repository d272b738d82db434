/* Descriptors. Every function here that creates one makes it close-on-exec (invariant 6). */
#ifndef PENSTOCK_BASE_FD_H
#define PENSTOCK_BASE_FD_H

#include <stdbool.h>
#include <stddef.h>

/* Closes *fd if it is >= 0 and sets it to -1: an owner closes once. Keeps errno. */
void fd_close(int *fd);

/* Duplicates as close-on-exec. The new descriptor or a negative errno. */
int fd_dup(int fd);

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
