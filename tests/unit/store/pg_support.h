/* A store in a PostgreSQL cluster of the test's own, by the module that a daemon loads. Each store
 * that is opened anew has a schema of its own. */
#ifndef TESTS_UNIT_STORE_PG_SUPPORT_H
#define TESTS_UNIT_STORE_PG_SUPPORT_H

#include "store/module.h"
#include "store_support.h"

#include <libpq-fe.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct store_module *module;
static char cluster[80], dsn[160], schema[32];
static const char *store_dsn = dsn; /* what the store connects to; a proxy, maybe */

static inline int cluster_do(const char *what, const char *more)
{
    char command[512];
    snprintf(command, sizeof command, "'%s/support/pg_cluster.sh' %s '%s' %s", TESTS_DIR, what,
             cluster, more);
    int status = system(command);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static inline int open_again(const struct store_config *config, struct mailbox *mailbox,
                             struct store **ret_store, struct error *err)
{
    struct store_config with = *config;
    with.dsn = store_dsn;
    with.schema = schema;
    with.name = "one";
    with.retry_ns = with.retry_ns ? with.retry_ns : 20 * NS_PER_MS;
    return module->open(&with, mailbox, ret_store, err);
}

static inline int open_new(const struct store_config *config, struct mailbox *mailbox,
                           struct store **ret_store, struct error *err)
{
    static unsigned number;
    struct store_config with = {.dsn = dsn, .schema = schema};
    snprintf(schema, sizeof schema, "t%u", ++number);
    int r = module->migrate(&with, err);
    return r < 0 ? r : open_again(config, mailbox, ret_store, err);
}

/* --- by the side of it ------------------------------------------------------------------------ */

/* The first value of a statement in which %s is the schema. */
static inline const char *ask(const char *format)
{
    static char value[256];
    char sql[512];
    PGconn *conn = PQconnectdb(dsn);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(sql, sizeof sql, format, schema, schema, schema);
#pragma GCC diagnostic pop
    PGresult *result = PQexec(conn, sql);
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
        fail_msg("%s: %s", sql, PQerrorMessage(conn));
    snprintf(value, sizeof value, "%s",
             status == PGRES_TUPLES_OK && PQntuples(result) > 0 ? PQgetvalue(result, 0, 0) : "");
    PQclear(result);
    PQfinish(conn);
    return value;
}

/* Makes the cluster and loads the module. 0; or the program's exit status: 77, there is no
 * server. */
static inline int pg_begin(void)
{
    const char *tmp = getenv("TMPDIR");
    char self[16];
    struct error err = {""};
    snprintf(cluster, sizeof cluster, "%s/pg-XXXXXX", tmp && strlen(tmp) < 40 ? tmp : "/tmp");
    if (!mkdtemp(cluster))
        return 1;
    snprintf(dsn, sizeof dsn, "host=%s dbname=postgres user=penstock", cluster);
    int r = cluster_do("start", "fsync=off");
    if (r != 0) {
        rmdir(cluster);
        return r == 77 ? 77 : 1;
    }
    snprintf(self, sizeof self, "%d", (int)getpid());
    cluster_do("watch", self); /* in case that this process is killed */
    if (store_module_load("postgresql", &module, &err) == 0)
        return 0;
    fprintf(stderr, "%s\n", err.text);
    cluster_do("remove", "");
    return 1;
}

static inline void pg_end(void)
{
    cluster_do("remove", "");
}

#endif
