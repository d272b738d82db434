/* A directory in /tmp that is one user's alone, for where the session has none (XDG_RUNTIME_DIR):
 * containers, cron, su. */
#ifndef PENSTOCK_BASE_OWN_PLACE_H
#define PENSTOCK_BASE_OWN_PLACE_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

/* "/tmp/penstock-UID" of the effective user. Daemon and client agree on it, so TMPDIR has no
 * say. */
const char *own_place(char *buf, size_t size);

/* Is the directory the effective user's, no link, and closed to everybody else? Anybody can make a
 * directory in /tmp. 0, or a negative errno with a message in *err. */
int own_place_check(const char *dir, struct error *err);

#endif
