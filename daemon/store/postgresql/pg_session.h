/* Connecting, and asking and waiting: for what a daemon does once, at its start. What it does all
 * the time goes by pg_channel.h. */
#ifndef PENSTOCK_STORE_POSTGRESQL_SESSION_H
#define PENSTOCK_STORE_POSTGRESQL_SESSION_H

#include "base/error.h"
#include "store/store.h"

#include <libpq-fe.h>

#define SESSION_KEYWORDS 64

/* What connects to the database: libpq's keywords and their values. */
struct target {
    const char *names[SESSION_KEYWORDS + 1];
    const char *values[SESSION_KEYWORDS + 1]; /* owned */
    uint64_t connect_ns; /* so long is a connection waited for that is made without blocking */
    bool pooled;         /* each transaction may have another session: nothing is left in one */
};

/* Reads `dsn` and the password's file. 0 or a negative errno with a message in *err; no message has
 * the password in it. */
int target_init(struct target *target, const struct store_config *config, struct error *err);
/* The name by which the server lists what connects from now on. 0 or -ENOMEM. */
int target_call(struct target *target, const char *application);
void target_deinit(struct target *target); /* takes a zeroed one */

/* Connects and waits for it. The connection is the caller's. 0 or a negative errno. */
int session_open(const struct target *target, PGconn **ret_conn, struct error *err);

/* One statement with text parameters, in which @ stands for the schema. The result is the caller's
 * on success and NULL else. */
int session_ask(PGconn *conn, const char *schema, const char *sql, int count,
                const char *const *values, PGresult **ret_result, struct error *err);

/* What the server or libpq says, as one sentence: -EIO, or -ENOSPC where the disk is full. */
int session_error(const PGresult *result, const PGconn *conn, struct error *err);

#endif
