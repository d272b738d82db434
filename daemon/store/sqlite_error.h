#ifndef PENSTOCK_STORE_SQLITE_ERROR_H
#define PENSTOCK_STORE_SQLITE_ERROR_H

#include "store/sqlite_private.h"

/* What SQLite says as a negative errno and a sentence about the file. */
int sqlite_error(sqlite3 *db, int rc, const char *path, struct error *err);

#endif
