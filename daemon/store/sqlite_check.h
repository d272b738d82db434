/* The check of the whole file after an unclean stop, on a thread of its own. */
#ifndef PENSTOCK_STORE_SQLITE_CHECK_H
#define PENSTOCK_STORE_SQLITE_CHECK_H

#include "store/sqlite_private.h"

void check_start(struct check *check, const char *path);
/* The file was found damaged, by the check or by the work. Any thread. */
void check_damage(struct check *check, const char *path, const char *what);
void check_stop(struct check *check); /* its findings stay */

#endif
