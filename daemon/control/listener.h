/* The listening unix socket in the file system. A lock file beside it (PATH.lock, flock) says
 * whether a daemon lives there: whoever holds the lock may replace a socket that a dead one left.
 * The socket is made as PATH.new, and gets its name when it listens; netstat goes on to
 * show the first one. */
#ifndef PENSTOCK_CONTROL_LISTENER_H
#define PENSTOCK_CONTROL_LISTENER_H

#include "base/error.h"

#include <stdbool.h>
#include <sys/types.h>

struct listener_config {
    const char *path;  /* at most 107 bytes; NULL with an inherited descriptor */
    mode_t mode;       /* of the socket */
    const char *group; /* name or number; NULL: leave it */
    mode_t dir_mode;   /* make the parent directory with it if it is missing; 0: it must be there */
    int inherited_fd;  /* a listening unix stream socket, or -1; owned by it on success, never
                          unlinked */
};

struct listener {
    int fd; /* non-blocking; -1 once stopped */
    int lock_fd;
    char *path, *lock_path; /* NULL if inherited without a place in the file system */
    dev_t dev;              /* of our socket, so that another's is not unlinked */
    ino_t ino;
};

/* 0, or a negative errno with a message in *err; -EADDRINUSE: another daemon lives there. What
 * has the name PATH listens, and its group and mode are right (a PATH of more than 103 bytes may be
 * seen a moment before it listens). */
int listener_open(struct listener *ret_listener, const struct listener_config *config,
                  struct error *err);

/* Closes the socket and unlinks it; the lock stays. Idempotent. */
void listener_stop(struct listener *listener);

/* The rest. Takes one that was never opened, if its descriptors are -1. */
void listener_close(struct listener *listener);

#endif
