/* The tables: made and brought up by `penstockd --migrate`, looked at when a daemon starts. */
#ifndef PENSTOCK_STORE_POSTGRESQL_SCHEMA_H
#define PENSTOCK_STORE_POSTGRESQL_SCHEMA_H

#include "base/error.h"

#include <libpq-fe.h>

/* Is the schema there, and new enough? 0; or a negative errno with what is to be done in *err. */
int schema_check(PGconn *conn, const char *schema, struct error *err);

/* Makes the schema, or brings it up: from *ret_from (0: there was none) to *ret_to. All or nothing.
 * 0 or a negative errno with a message in *err. */
int schema_migrate(PGconn *conn, const char *schema, int *ret_from, int *ret_to, struct error *err);

#endif
