#ifndef PENSTOCK_STORE_SQLITE_ERROR_H
#define PENSTOCK_STORE_SQLITE_ERROR_H

#include "store/sqlite_private.h"

/* What SQLite says as a negative errno with a message in *err about the file. */
int sqlite_error(sqlite3 *db, int rc, const char *path, struct error *err);

#endif
