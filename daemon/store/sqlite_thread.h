/* The store's thread: what is due, and waiting. */
#ifndef PENSTOCK_STORE_SQLITE_THREAD_H
#define PENSTOCK_STORE_SQLITE_THREAD_H

#include "store/sqlite_private.h"

void *sqlite_thread(void *arg);
int sqlite_on_wal(void *arg, sqlite3 *db, const char *name, int frames); /* SQLite's hook */

#endif
