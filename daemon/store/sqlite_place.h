/* The places of the files that SQLite has open. */
#ifndef PENSTOCK_STORE_SQLITE_PLACE_H
#define PENSTOCK_STORE_SQLITE_PLACE_H

#include "store/sqlite_private.h"

/* Notes which files stand at the path: once the database is open and in use. */
void place_note(struct sqlite *s);
/* 0; or -ESTALE, in s->fault: one of them was removed or replaced, or was cut short `within` a
 * transaction. Between two of them an index that was cut short is mended. */
int place_check(struct sqlite *s, bool within);

#endif
