#include "store/postgresql/pg_session.h"

#include "store/postgresql/pg_sql.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CA_FILE      "/etc/ssl/certs/ca-certificates.crt" /* Debian's, where libpq has none */
#define PASSWORD_MAX 1024
#define LEASE_NS     UINT64_C(60000000000) /* where the config says nothing */

/* --- what connects ---------------------------------------------------------------------------- */

static const char *get(const struct target *t, const char *name)
{
    for (size_t i = 0; t->names[i]; i++)
        if (strcmp(t->names[i], name) == 0)
            return t->values[i];
    return NULL;
}

/* Takes `name` by reference and a copy of the value. An older value is replaced. */
static int set(struct target *t, const char *name, const char *value)
{
    size_t i = 0;
    while (t->names[i] && strcmp(t->names[i], name) != 0)
        i++;
    if (i == SESSION_KEYWORDS)
        return -E2BIG;
    char *copy = strdup(value);
    if (!copy)
        return -ENOMEM;
    free((char *)(uintptr_t)t->values[i]);
    t->names[i] = name;
    t->values[i] = copy;
    return 0;
}

static int set_number(struct target *t, const char *name, uint64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    return set(t, name, text);
}

/* libpq's own name of a keyword, which stays. */
static const char *keyword(const char *name)
{
    static const char *const known[] = {"host",
                                        "hostaddr",
                                        "port",
                                        "dbname",
                                        "user",
                                        "sslmode",
                                        "sslrootcert",
                                        "sslcert",
                                        "sslkey",
                                        "sslcrl",
                                        "options",
                                        "channel_binding",
                                        "require_auth",
                                        "gssencmode",
                                        "krbsrvname",
                                        "load_balance_hosts",
                                        "ssl_min_protocol_version",
                                        "sslsni"};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(known[i], name) == 0)
            return known[i];
    return NULL;
}

static int set_given(struct target *t, const PQconninfoOption *o, struct error *err)
{
    if (strcmp(o->keyword, "password") == 0)
        return error_set(err, -EINVAL,
                         "store.dsn: a password stands in no config; write store.password_file");
    const char *name = keyword(o->keyword);
    if (!name)
        return error_set(err, -EINVAL, "store.dsn: %s is not a word for here; leave it out",
                         o->keyword);
    return set(t, name, o->val) < 0 ? error_set(err, -ENOMEM, "store.dsn: out of memory") : 0;
}

/* The environment has no say: what a shell happens to have set must not send the queue
 * elsewhere. */
static void forget_environment(void)
{
    static const char *const more[] = {"PGSERVICE", "PGSERVICEFILE", "PGSYSCONFDIR", "PGPASSFILE"};
    PQconninfoOption *options = PQconndefaults();
    for (PQconninfoOption *o = options; o && o->keyword; o++)
        if (o->envvar)
            unsetenv(o->envvar);
    for (size_t i = 0; i < sizeof more / sizeof more[0]; i++)
        unsetenv(more[i]);
    PQconninfoFree(options);
}

static int read_dsn(struct target *t, const char *dsn, struct error *err)
{
    char *why = NULL;
    PQconninfoOption *options = PQconninfoParse(dsn, &why);
    if (!options) {
        PQfreemem(why); /* it may quote the text, and that may be a password */
        return error_set(err, -EINVAL,
                         "store.dsn: libpq cannot read it; it is like host=/run/postgresql "
                         "dbname=penstock user=penstock");
    }
    int r = 0;
    for (PQconninfoOption *o = options; o->keyword && r == 0; o++)
        if (o->val && o->val[0])
            r = set_given(t, o, err);
    PQconninfoFree(options);
    return r;
}

static bool is_local(const struct target *t)
{
    const char *host = get(t, "host");
    return !get(t, "hostaddr") && (!host || host[0] == '/' || host[0] == '@') &&
           (!host || !strchr(host, ','));
}

/* A third of a lease for each server that may be tried. */
static uint64_t connect_patience(const struct target *t, uint64_t lease_ns)
{
    const char *hosts = get(t, "hostaddr") ? get(t, "hostaddr") : get(t, "host");
    uint64_t count = 1;
    for (const char *at = hosts; at && (at = strchr(at, ',')); at++)
        count++;
    return count * lease_ns / 3;
}

/* A peer that is silent for a third of a lease is lost. Where something of ours is not acknowledged
 * the user timeout says so, as keepalives are not sent then; where all is, and an answer is waited
 * for, keepalives have to begin well before it is over, and the first that goes out behind it ends
 * the connection, however many there were. The count is for a system without that timeout. */
static int set_patience(struct target *t, uint64_t lease_ms)
{
    int r = set(t, "keepalives", "1");
    if (r == 0)
        r = set_number(t, "keepalives_idle", lease_ms / 6000 + 1);
    if (r == 0)
        r = set_number(t, "keepalives_interval", lease_ms / 15000 + 1);
    if (r == 0)
        r = set(t, "keepalives_count", "3");
    return r == 0 ? set_number(t, "tcp_user_timeout", lease_ms / 3) : r;
}

static int set_standards(struct target *t, const struct store_config *config)
{
    uint64_t lease_ns = config->lease_ns ? config->lease_ns : LEASE_NS;
    uint64_t lease_ms = lease_ns / 1000000;
    char text[1024];
    struct passwd entry, *me = NULL;
    int r = 0;
    if (!get(t, "user"))
        (void)getpwuid_r(geteuid(), &entry, text, sizeof text, &me);
    t->connect_ns = connect_patience(t, lease_ns);
    if (me)
        r = set(t, "user", me->pw_name);
    if (r == 0 && !get(t, "host") && !get(t, "hostaddr"))
        r = set(t, "host", "/run/postgresql");
    if (r == 0 && !is_local(t) && !get(t, "sslmode"))
        r = set(t, "sslmode", "verify-full");
    if (r == 0 && !get(t, "sslrootcert") && access(CA_FILE, R_OK) == 0)
        r = set(t, "sslrootcert", CA_FILE);
    if (r == 0)
        r = set(t, "client_encoding", "UTF8");
    if (r == 0)
        r = set(t, "target_session_attrs", "read-write");
    if (r == 0)
        r = set(t, "connect_timeout", "10");
    if (r == 0)
        r = set_patience(t, lease_ms);
    return r == 0 ? set(t, "passfile", "/nonexistent/penstock") : r;
}

static int read_password(struct target *t, const char *path, struct error *err)
{
    char text[PASSWORD_MAX + 1];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text);
    int code = n < 0 ? errno : 0;
    if (fd >= 0)
        close(fd);
    if (n < 0)
        return error_set(err, -code, "store.password_file: %s: %s", path, strerror(code));
    if (n > PASSWORD_MAX)
        return error_set(err, -EINVAL, "store.password_file: %s is longer than %d bytes", path,
                         PASSWORD_MAX);
    while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r'))
        n--;
    text[n] = '\0';
    int r = set(t, "password", text);
    explicit_bzero(text, sizeof text);
    return r < 0 ? error_set(err, r, "store: out of memory") : 0;
}

static int find_password(struct target *t, const struct store_config *config, struct error *err)
{
    char path[4096];
    const char *credentials = getenv("CREDENTIALS_DIRECTORY");
    if (config->password_file)
        return read_password(t, config->password_file, err);
    if (!credentials)
        return 0;
    snprintf(path, sizeof path, "%s/store", credentials);
    return access(path, F_OK) == 0 ? read_password(t, path, err) : 0;
}

int target_call(struct target *t, const char *application)
{
    return set(t, "application_name", application);
}

int target_init(struct target *t, const struct store_config *config, struct error *err)
{
    *t = (struct target){.names = {NULL}, .pooled = config->direct && config->direct[0]};
    forget_environment();
    int r = config->dsn ? read_dsn(t, config->dsn, err) : 0;
    if (r == 0 && set_standards(t, config) < 0)
        r = error_set(err, -ENOMEM, "store: out of memory");
    if (r == 0)
        r = find_password(t, config, err);
    if (r == 0 && target_call(t, "penstock") < 0)
        r = error_set(err, -ENOMEM, "store: out of memory");
    if (r < 0)
        target_deinit(t);
    return r;
}

void target_deinit(struct target *t)
{
    for (size_t i = 0; i < SESSION_KEYWORDS; i++) {
        char *value = (char *)(uintptr_t)t->values[i];
        if (value)
            explicit_bzero(value, strlen(value));
        free(value);
        t->values[i] = t->names[i] = NULL;
    }
}

/* --- asking ----------------------------------------------------------------------------------- */

static void swallow(void *arg, const PGresult *result)
{
}

int session_error(const PGresult *result, const PGconn *conn, struct error *err)
{
    const char *state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
    const char *text = result ? PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) : NULL;
    if (!text)
        text = PQerrorMessage(conn);
    size_t len = strcspn(text, "\n");
    int code = state && strncmp(state, "53", 2) == 0 ? -ENOSPC : -EIO;
    return error_set(err, code, "PostgreSQL: %.*s%s%s%s", (int)len, text, state ? " (" : "",
                     state ? state : "", state ? ")" : "");
}

int session_open(const struct target *target, PGconn **ret_conn, struct error *err)
{
    PGconn *conn = PQconnectdbParams(target->names, target->values, 0);
    if (!conn)
        return error_set(err, -ENOMEM, "store: out of memory");
    PQsetNoticeReceiver(conn, swallow, NULL); /* libpq would print it */
    if (PQstatus(conn) != CONNECTION_OK) {
        int r = session_error(NULL, conn, err);
        PQfinish(conn);
        return r;
    }
    *ret_conn = conn;
    return 0;
}

int session_ask(PGconn *conn, const char *schema, const char *sql, int count,
                const char *const *values, PGresult **ret_result, struct error *err)
{
    char *text = sql_qualify(sql, schema);
    *ret_result = NULL;
    if (!text)
        return error_set(err, -ENOMEM, "store: out of memory");
    PGresult *result = PQexecParams(conn, text, count, NULL, values, NULL, NULL, 0);
    free(text);
    ExecStatusType status = PQresultStatus(result);
    if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK) {
        *ret_result = result;
        return 0;
    }
    int r = session_error(result, conn, err);
    PQclear(result);
    return r;
}
