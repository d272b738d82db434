/* A connection to the test's server, by which the module's parts are called without a store. */
#ifndef TESTS_UNIT_STORE_PG_DIRECT_H
#define TESTS_UNIT_STORE_PG_DIRECT_H

#include "pg_support.h"
#include "store/postgresql/pg_schema.h"
#include "store/postgresql/pg_session.h"
#include "store/postgresql/pg_sql.h"

static struct target direct_target;

static inline PGconn *direct_open(void)
{
    struct error err = {""};
    PGconn *conn = NULL;
    target_deinit(&direct_target);
    if (target_init(&direct_target, &(struct store_config){.dsn = dsn}, &err) < 0 ||
        session_open(&direct_target, &conn, &err) < 0)
        fail_msg("%s", err.text);
    return conn;
}

/* A schema of its own, that is not made. */
static inline void direct_name_schema(void)
{
    static unsigned number;
    snprintf(schema, sizeof schema, "d%u", ++number);
}

#endif
