/* How the server would carry a statement out: by an index, and not by reading all. */
#ifndef TESTS_UNIT_STORE_PG_PLAN_OF_H
#define TESTS_UNIT_STORE_PG_PLAN_OF_H

#include "pg_support.h"
#include "store/postgresql/pg_sql.h"

static inline void server_do(PGconn *conn, const char *sql)
{
    PGresult *result = PQexec(conn, sql);
    if (PQresultStatus(result) != PGRES_COMMAND_OK && PQresultStatus(result) != PGRES_TUPLES_OK)
        fail_msg("%s: %s", sql, PQerrorMessage(conn));
    PQclear(result);
}

/* The largest number behind this word in the plan. */
static inline long largest(const char *plan, const char *word)
{
    long most = 0;
    for (const char *at = plan; (at = strstr(at, word)); at++) {
        char *end;
        long n = strtol(at + strlen(word), &end, 10), loops = 1;
        if (strncmp(end, " loops=", 7) == 0)
            loops = strtol(end + 7, NULL, 10);
        most = n * loops > most ? n * loops : most;
    }
    return most;
}

/* By an index, and no step of it reads more rows than that. */
static inline void assert_plan(PGconn *conn, const struct sqls *sqls, enum sql sql,
                               const char *params, long most)
{
    char text[8192];
    server_do(conn, "DEALLOCATE ALL");
    snprintf(text, sizeof text, "PREPARE p AS %s", sqls->text[sql]);
    server_do(conn, text);
    snprintf(text, sizeof text, "EXPLAIN (ANALYZE, TIMING OFF) EXECUTE p(%s)", params);
    PGresult *result = PQexec(conn, text);
    assert_int_equal(PQresultStatus(result), PGRES_TUPLES_OK);
    text[0] = '\0';
    for (int i = 0; i < PQntuples(result); i++) {
        strncat(text, PQgetvalue(result, i, 0), sizeof text - strlen(text) - 2);
        strcat(text, "\n");
    }
    PQclear(result);
    if (strstr(text, "Seq Scan") || !strstr(text, "Index") || !strstr(text, "actual rows=") ||
        largest(text, "actual rows=") > most || largest(text, "Removed by Filter: ") > most)
        fail_msg("%s", text);
}

#endif
