/* The table that records go into: `records` of the schema, or one of the user's own. */
#ifndef PENSTOCK_STORE_POSTGRESQL_TABLE_H
#define PENSTOCK_STORE_POSTGRESQL_TABLE_H

#include "base/error.h"
#include "store/table_name.h"

#include <libpq-fe.h>

#define TABLE_SQL_SIZE 384 /* of the longest statement with its end */

/* Which table is meant by a config's name. NULL: `records`. One without a schema is in `schema`. 0;
 * or -EINVAL with a message in *err: it is no name. */
int table_mean(const char *schema, const char *table, struct table_name *ret_name,
               struct error *err);

/* The statement that copies into the table, with both parts of its name quoted. */
void table_copy_sql(const struct table_name *name, char ret_sql[TABLE_SQL_SIZE]);

/* May this role copy records into the table, and will it take them? 0; or a negative errno with
 * what is in the way, and what is to be done, in *err. Waits for the server. */
int table_check(PGconn *conn, const char *schema, const char *table, struct error *err);

/* Makes the table, if it is not there; one that is there must only have the columns. As above. */
int table_make(PGconn *conn, const char *schema, const char *table, struct error *err);

#endif
