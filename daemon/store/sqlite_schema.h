/* The schema and its migrations. */
#ifndef PENSTOCK_STORE_SQLITE_SCHEMA_H
#define PENSTOCK_STORE_SQLITE_SCHEMA_H

#include "store/sqlite_private.h"

#define SQLITE_APPLICATION_ID 0x50535443 /* "PSTC" */

/* One step: from the version before to `version`. */
struct schema_step {
    int version;
    const char *sql;
};
extern const struct schema_step schema_steps[];
extern const size_t schema_step_count;

/* Brings the database to the last step's version: a new one from nothing, an old one after copying
 * it to PATH.vN (N: the version it has). Refuses what is not ours or newer. */
int schema_bring(sqlite3 *db, const char *path, const struct schema_step *steps, size_t count,
                 struct error *err);

#endif
