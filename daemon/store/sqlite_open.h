/* The database's file: whose it is, its lock, its schema. On the thread that makes the store. */
#ifndef PENSTOCK_STORE_SQLITE_OPEN_H
#define PENSTOCK_STORE_SQLITE_OPEN_H

#include "store/sqlite_private.h"

int sqlite_open(struct sqlite *s, struct error *err);
void sqlite_close(struct sqlite *s); /* takes a half-open one */

#endif
