#include "store/postgresql/pg_table.h"

#include "base/buf.h"
#include "store/postgresql/pg_session.h"
#include "store/table_name.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUOTED_SIZE (4 * TABLE_NAME_PART + 8) /* of both parts, if they are quotes alone */
#define COLUMNS     "job bigint, attempt integer, seq bigint, data text"

/* ($1 schema, $2 name): what of the table is not as the copy needs it. `json` takes what `text`
 * does, and jsonb does not. Who has a privilege on the table has it on each of its columns. */
static const char look[] =
    "WITH w(name,type) AS(VALUES('job','bigint'),('attempt','integer'),('seq','bigint'),"
    "('data','text')) SELECT c.relkind IN('r','p'),c.relpersistence,"
    "(SELECT w.name||' '||w.type FROM w LEFT JOIN pg_attribute a ON a.attrelid=c.oid AND "
    "a.attname=w.name AND a.attnum>0 AND NOT a.attisdropped WHERE a.attname IS NULL OR "
    "a.attgenerated<>'' OR format_type(a.atttypid,NULL)<>w.type AND NOT(w.name='data' AND "
    "format_type(a.atttypid,NULL)='json') LIMIT 1),"
    "(SELECT a.attname FROM pg_attribute a WHERE a.attrelid=c.oid AND a.attnum>0 AND NOT "
    "a.attisdropped AND a.attnotnull AND NOT a.atthasdef AND a.attidentity='' AND a.attname "
    "NOT IN(SELECT name FROM w) LIMIT 1),"
    "has_schema_privilege(n.oid,'USAGE'),"
    "NOT EXISTS(SELECT FROM pg_attribute a JOIN w ON w.name=a.attname WHERE a.attrelid=c.oid AND "
    "NOT has_column_privilege(c.oid,a.attnum,'INSERT')),"
    "has_table_privilege(c.oid,'DELETE') AND NOT EXISTS(SELECT FROM pg_attribute a WHERE "
    "a.attrelid=c.oid AND a.attname IN('job','attempt') AND NOT has_column_privilege(c.oid,"
    "a.attnum,'SELECT')),"
    "row_security_active(c.oid),quote_ident(current_user) "
    "FROM pg_class c JOIN pg_namespace n ON n.oid=c.relnamespace WHERE n.nspname=$1 AND "
    "c.relname=$2";
enum {
    LOOK_TABLE,
    LOOK_PERSISTENCE,
    LOOK_LACKS,
    LOOK_DEMANDS,
    LOOK_USAGE,
    LOOK_INSERT,
    LOOK_DELETE,
    LOOK_RLS,
    LOOK_ROLE
};

struct found {
    struct table_name name;
    char quoted[QUOTED_SIZE];
    PGresult *result; /* of `look` */
};

/* --- names ------------------------------------------------------------------------------------ */

static char *quote(char *out, const char *part)
{
    *out++ = '"';
    for (; *part; part++) {
        if (*part == '"')
            *out++ = '"';
        *out++ = *part;
    }
    *out++ = '"';
    *out = '\0';
    return out;
}

static void quote_name(char ret_quoted[QUOTED_SIZE], const struct table_name *name)
{
    char *at = quote(ret_quoted, name->schema);
    *at++ = '.';
    quote(at, name->name);
}

int table_mean(const char *schema, const char *table, struct table_name *ret_name,
               struct error *err)
{
    int r = table_name_parse(table ? table : "records", ret_name, err);
    if (r == 0 && !ret_name->schema[0])
        snprintf(ret_name->schema, sizeof ret_name->schema, "%s", schema);
    return r;
}

void table_copy_sql(const struct table_name *name, char ret_sql[TABLE_SQL_SIZE])
{
    char quoted[QUOTED_SIZE];
    quote_name(quoted, name);
    snprintf(ret_sql, TABLE_SQL_SIZE, "COPY %s(job,attempt,seq,data) FROM STDIN (FORMAT binary)",
             quoted);
}

/* --- looking ---------------------------------------------------------------------------------- */

static const char *value(const struct found *found, int column)
{
    return PQgetvalue(found->result, 0, column);
}

static bool is(const struct found *found, int column)
{
    return strcmp(value(found, column), "t") == 0;
}

static bool has(const struct found *found, int column)
{
    return !PQgetisnull(found->result, 0, column);
}

static bool is_there(const struct found *found)
{
    return PQntuples(found->result) > 0;
}

/* On success the result is the caller's. */
static int find(PGconn *conn, const char *schema, const char *table, struct found *found,
                struct error *err)
{
    int r = table_mean(schema, table, &found->name, err);
    if (r < 0)
        return r;
    quote_name(found->quoted, &found->name);
    const char *values[] = {found->name.schema, found->name.name};
    return session_ask(conn, schema, look, 2, values, &found->result, err);
}

/* What no grant mends. */
static int check_shape(const struct found *found, struct error *err)
{
    const char *name = found->quoted;
    if (!is(found, LOOK_TABLE))
        return error_set(err, -EINVAL, "%s is a view or the like: name a table with " COLUMNS,
                         name);
    if (value(found, LOOK_PERSISTENCE)[0] != 'p')
        return error_set(err, -EINVAL,
                         "%s is emptied by a crash of the server, and verdicts are not: "
                         "ALTER TABLE %s SET LOGGED",
                         name, name);
    if (has(found, LOOK_LACKS))
        return error_set(err, -EINVAL,
                         "%s has no such column as records need: %s; it must have " COLUMNS, name,
                         value(found, LOOK_LACKS));
    if (has(found, LOOK_DEMANDS))
        return error_set(err, -EINVAL,
                         "%s wants a value in each row for its column \"%s\": give that a default, "
                         "or let it be NULL",
                         name, value(found, LOOK_DEMANDS));
    return 0;
}

static int check_rights(const struct found *found, struct error *err)
{
    const char *role = value(found, LOOK_ROLE);
    if (!is(found, LOOK_USAGE))
        return error_set(err, -EACCES,
                         "the role %s may not use the schema of %s: GRANT USAGE ON SCHEMA \"%s\" "
                         "TO %s",
                         role, found->quoted, found->name.schema, role);
    if (!is(found, LOOK_INSERT))
        return error_set(err, -EACCES,
                         "the role %s may not insert into %s: GRANT INSERT, SELECT, DELETE ON %s "
                         "TO %s",
                         role, found->quoted, found->quoted, role);
    if (!is(found, LOOK_DELETE))
        return error_set(err, -EACCES,
                         "the role %s may not delete from %s what an attempt that failed has left "
                         "there: GRANT SELECT, DELETE ON %s TO %s",
                         role, found->quoted, found->quoted, role);
    if (is(found, LOOK_RLS))
        return error_set(err, -EACCES,
                         "%s has row-level security for the role %s, and COPY goes by none: "
                         "ALTER ROLE %s BYPASSRLS",
                         found->quoted, role, role);
    return 0;
}

static int tell(int r, struct error *err)
{
    return r < 0 ? error_set(err, r, "sink.table: %s", err->text) : 0;
}

int table_check(PGconn *conn, const char *schema, const char *table, struct error *err)
{
    struct found found;
    int r = find(conn, schema, table, &found, err);
    if (r < 0)
        return tell(r, err);
    if (!is_there(&found))
        r = error_set(err, -ENOENT,
                      "there is no table %s in the database; make it by `penstockd --migrate`, as "
                      "a role that may create it",
                      found.quoted);
    if (r == 0)
        r = check_shape(&found, err);
    if (r == 0)
        r = check_rights(&found, err);
    PQclear(found.result);
    return tell(r, err);
}

/* --- making ----------------------------------------------------------------------------------- */

static int create(PGconn *conn, const struct found *found, struct error *err)
{
    struct buf sql = BUF_INIT;
    struct error why;
    buf_printf(&sql,
               "CREATE TABLE %s(job bigint NOT NULL, attempt integer NOT NULL, seq bigint NOT "
               "NULL, data text COLLATE \"C\" NOT NULL); CREATE INDEX ON %s USING brin(job) WITH "
               "(pages_per_range=16, autosummarize=on)",
               found->quoted, found->quoted);
    if (sql.failed) {
        buf_deinit(&sql);
        return error_set(err, -ENOMEM, "out of memory");
    }
    PGresult *result = PQexec(conn, sql.data); /* one transaction */
    int r = PQresultStatus(result) == PGRES_COMMAND_OK ? 0 : session_error(result, conn, &why);
    PQclear(result);
    buf_deinit(&sql);
    return r == 0 ? 0
                  : error_set(err, r,
                              "%s cannot be made: %s; a role that may create it there is to make "
                              "it, with " COLUMNS,
                              found->quoted, why.text);
}

int table_make(PGconn *conn, const char *schema, const char *table, struct error *err)
{
    struct found found;
    int r = find(conn, schema, table, &found, err);
    if (r < 0)
        return tell(r, err);
    r = is_there(&found) ? check_shape(&found, err) : create(conn, &found, err);
    PQclear(found.result);
    return tell(r, err);
}
