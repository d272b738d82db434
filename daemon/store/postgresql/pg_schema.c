/* The schema, in steps, as meta.schema counts them; all that are due are one transaction, under a
 * lock that keeps two who bring it to one another's place apart. Each step only adds, so that an
 * older daemon goes on beside a newer one.
 *
 * jobs are those that have not ended: an end moves its row to `ended` in one statement. jobs.place:
 * 0 it runs, 1 it may run (index jobs_ready, in the order to run), 2 it falls due later (jobs_due),
 * 3 it is parked (jobs_parked): its host's owner lacks some of jobs.needs, which counts only then.
 * jobs.member: who runs it, NULL while nobody does. records: what jobs that are done have found,
 * for others to read, and to delete; they come about in the order of the ends, more or less, so
 * that an index of ranges costs their insertion next to nothing. Texts compare by their bytes,
 * whatever the machine's C library thinks of an order: an upgrade of that would break the
 * indexes. */
#include "store/postgresql/pg_schema.h"

#include "store/postgresql/pg_session.h"
#include "store/postgresql/pg_sql.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TEXT "text COLLATE \"C\""
#define JOB_COLUMNS                                                                                \
    "attempt int NOT NULL, state smallint NOT NULL, priority int NOT NULL, rank bigint NOT NULL,"  \
    " uid bigint NOT NULL, gid bigint NOT NULL, realm " TEXT " NOT NULL, created bigint NOT NULL," \
    " retry_of bigint NOT NULL, host " TEXT " NOT NULL, parser " TEXT " NOT NULL, key " TEXT ","   \
    " labels " TEXT ", spec " TEXT " NOT NULL, schedule " TEXT ", history " TEXT ","               \
    " interrupted int NOT NULL DEFAULT 0, torn int NOT NULL DEFAULT 0,"                            \
    " ran bigint NOT NULL DEFAULT 0,"

static const char *const steps[] = {
    "CREATE TABLE @.members(id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
    " name " TEXT " NOT NULL, instance bigint NOT NULL DEFAULT 1, machine " TEXT " NOT NULL,"
    " version " TEXT " NOT NULL, started bigint NOT NULL, gone bool NOT NULL DEFAULT false);"
    "CREATE UNIQUE INDEX members_name ON @.members(name) WHERE NOT gone;"
    "CREATE TABLE @.beats(member bigint PRIMARY KEY, n bigint NOT NULL)"
    " WITH (fillfactor=20, autovacuum_vacuum_threshold=50);"
    "CREATE TABLE @.counts(member bigint PRIMARY KEY, batch bigint NOT NULL DEFAULT 0,"
    " queued bigint NOT NULL DEFAULT 0, running bigint NOT NULL DEFAULT 0,"
    " waiting bigint NOT NULL DEFAULT 0, done bigint NOT NULL DEFAULT 0,"
    " failed bigint NOT NULL DEFAULT 0, cancelled bigint NOT NULL DEFAULT 0,"
    " bytes bigint NOT NULL DEFAULT 0, copied bigint NOT NULL DEFAULT 0) WITH (fillfactor=20, "
    "autovacuum_vacuum_threshold=50);"
    "INSERT INTO @.counts(member) VALUES(0);"
    "CREATE SEQUENCE @.job_id;"
    "CREATE TABLE @.jobs(id bigint PRIMARY KEY, " JOB_COLUMNS
    " place smallint NOT NULL, shard smallint NOT NULL, member bigint, due bigint NOT NULL)"
    " WITH (fillfactor=85, autovacuum_vacuum_scale_factor=0.02, autovacuum_vacuum_cost_delay=0);"
    "CREATE INDEX jobs_ready ON @.jobs(shard, host, rank, id) WHERE place=1;"
    "CREATE INDEX jobs_due ON @.jobs(shard, host, due) WHERE place=2;"
    "CREATE INDEX jobs_member ON @.jobs(member) WHERE member IS NOT NULL;"
    "CREATE INDEX jobs_schedule ON @.jobs(schedule, id) WHERE schedule IS NOT NULL;"
    "CREATE TABLE @.keys(realm " TEXT ", uid bigint, key " TEXT ", id bigint NOT NULL,"
    " mark bytea NOT NULL, PRIMARY KEY(realm, uid, key));"
    "CREATE TABLE @.ended(seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
    " xid xid8 NOT NULL DEFAULT pg_current_xact_id(), id bigint NOT NULL, " JOB_COLUMNS
    " error smallint NOT NULL, finished bigint NOT NULL, verdict " TEXT ", by_member bigint);"
    "CREATE UNIQUE INDEX ended_id ON @.ended(id);"
    "CREATE INDEX ended_feed ON @.ended(xid, seq);"
    "CREATE INDEX ended_rare ON @.ended(state, id) WHERE state IN (4,5);"
    "CREATE INDEX ended_schedule ON @.ended(schedule, id) WHERE schedule IS NOT NULL;"
    "CREATE SEQUENCE @.schedule_version;"
    "CREATE TABLE @.schedules(name " TEXT " PRIMARY KEY, spec " TEXT " NOT NULL,"
    " uid bigint NOT NULL, gid bigint NOT NULL, paused bool NOT NULL, revision bigint NOT NULL,"
    " version bigint NOT NULL, created bigint NOT NULL, next_at bigint NOT NULL,"
    " job bigint NOT NULL DEFAULT 0, forced bigint NOT NULL DEFAULT 0,"
    " last_job bigint NOT NULL DEFAULT 0, runs bigint NOT NULL DEFAULT 0,"
    " skipped bigint NOT NULL DEFAULT 0, left_out bigint NOT NULL DEFAULT 0,"
    " last_run bigint NOT NULL DEFAULT 0, problem " TEXT ","
    " last_state smallint NOT NULL DEFAULT 0, last_error smallint NOT NULL DEFAULT 0,"
    " last_end bigint NOT NULL DEFAULT 0, last_done bigint NOT NULL DEFAULT 0,"
    " failures bigint NOT NULL DEFAULT 0, etag " TEXT ", modified " TEXT ", validated " TEXT ");"
    "CREATE INDEX schedules_due ON @.schedules(next_at, name) WHERE NOT paused;"
    "CREATE INDEX schedules_failing ON @.schedules(name)"
    " WHERE last_state=4 OR problem IS NOT NULL;"
    "CREATE TABLE @.records(job bigint NOT NULL, attempt int NOT NULL, seq bigint NOT NULL,"
    " data " TEXT " NOT NULL);"
    "CREATE INDEX records_job ON @.records USING brin(job)"
    " WITH (pages_per_range=16, autosummarize=on);"
    "CREATE VIEW @.results AS SELECT r.job, r.attempt, r.seq, r.data, e.host, e.parser, e.labels,"
    " e.finished, e.verdict FROM @.records r JOIN @.ended e ON e.id=r.job AND e.attempt=r.attempt"
    " WHERE e.state=3;",

    /* Several members: who owns which shard, what each says of itself, and what it closed of
     * others. A member of the first step knows of no others, so it is alone. */
    "ALTER TABLE @.members ADD COLUMN config text NOT NULL DEFAULT '',"
    " ADD COLUMN alone bool NOT NULL DEFAULT true, ADD COLUMN draining bool NOT NULL DEFAULT false,"
    " ADD COLUMN gone_at bigint NOT NULL DEFAULT 0, ADD COLUMN batch bigint NOT NULL DEFAULT 0,"
    " ADD COLUMN lease_ms bigint NOT NULL DEFAULT 60000;"
    "ALTER TABLE @.beats ADD COLUMN running int NOT NULL DEFAULT 0,"
    " ADD COLUMN workers int NOT NULL DEFAULT 1;"
    "ALTER TABLE @.jobs ADD COLUMN cancel text;"
    "CREATE TABLE @.shards(shard smallint PRIMARY KEY, owner bigint);"
    "INSERT INTO @.shards SELECT generate_series(0,255);"
    "CREATE TABLE @.void(job bigint, attempt int, name " TEXT " NOT NULL, closer bigint NOT NULL,"
    " at bigint NOT NULL, PRIMARY KEY(job, attempt));"
    "CREATE INDEX void_name ON @.void(name);"
    "CREATE INDEX jobs_runs ON @.jobs(member, shard) WHERE member IS NOT NULL;"
    "DROP INDEX @.jobs_member;"
    "CREATE INDEX jobs_falls_due ON @.jobs(shard, due) WHERE place=2;"
    "CREATE INDEX jobs_cancel ON @.jobs(id) WHERE cancel IS NOT NULL;"
    "INSERT INTO @.meta VALUES"
    "('fleet',substr(md5(random()::text||clock_timestamp()::text),1,12)),"
    "('timeline',substr(pg_walfile_name(pg_current_wal_lsn()),1,8));",

    /* Jobs that their owner cannot run are parked, out of the way of those that it can. */
    "ALTER TABLE @.jobs ADD COLUMN needs " TEXT ";"
    "CREATE INDEX jobs_parked ON @.jobs(needs, shard, host, rank, id) WHERE place=3;",

    /* What operators hold back. The number in meta goes on with each change, and is in no row that
     * is not there: whoever makes one holds it until it stands. A member of an earlier step knows
     * nothing of this, and goes on starting jobs. */
    "CREATE TABLE @.pauses(kind smallint NOT NULL, name " TEXT " NOT NULL, held bool NOT NULL,"
    " uid bigint NOT NULL, at bigint NOT NULL, member " TEXT " NOT NULL, version bigint NOT NULL,"
    " PRIMARY KEY(kind, name));"
    "CREATE UNIQUE INDEX pauses_version ON @.pauses(version);"
    "CREATE INDEX pauses_over ON @.pauses(at) WHERE NOT held;"
    "INSERT INTO @.meta VALUES('pauses','0');",

    /* Records may come before their job's end: of which attempts, in which tables, and how many
     * bytes of the attempt's spool. The end takes its rows away; what others of them have left is
     * discarded, unless somebody else is at it. */
    "CREATE TABLE @.batches(job bigint, attempt int, space text, name text, stored bigint NOT NULL,"
    " PRIMARY KEY(job, attempt, space, name));"
    "CREATE FUNCTION @.discard(most int) RETURNS bigint LANGUAGE plpgsql AS $$"
    "DECLARE b record; n bigint := 0;"
    "BEGIN"
    " FOR b IN SELECT x.* FROM @.batches x WHERE NOT EXISTS(SELECT FROM @.jobs j WHERE j.id=x.job"
    " AND j.attempt=x.attempt AND j.member IS NOT NULL) LIMIT most FOR UPDATE OF x SKIP LOCKED LOOP"
    " BEGIN"
    " EXECUTE format('DELETE FROM %I.%I WHERE job=$1 AND attempt=$2', b.space, b.name)"
    " USING b.job, b.attempt;"
    " EXCEPTION WHEN undefined_table OR invalid_schema_name THEN NULL;"
    " END;"
    " DELETE FROM @.batches x WHERE x.job=b.job AND x.attempt=b.attempt AND x.space=b.space AND"
    " x.name=b.name;"
    " n := n + 1;"
    " END LOOP;"
    " RETURN n;"
    "END$$;",
};
#define VERSION ((int)(sizeof steps / sizeof steps[0]))

static const char make_first[] =
    "CREATE SCHEMA IF NOT EXISTS @;"
    "CREATE TABLE IF NOT EXISTS @.meta(name text PRIMARY KEY, value text NOT NULL);";

/* -1 with a message in *err: it cannot be asked. 0: there is none. */
static int read_version(PGconn *conn, const char *schema, int *ret_version, struct error *err)
{
    PGresult *result = NULL;
    *ret_version = 0;
    int r = session_ask(conn, schema,
                        "SELECT to_regclass('@.meta') IS NOT NULL AND "
                        "EXISTS(SELECT FROM pg_namespace)",
                        0, NULL, &result, err);
    bool there = r == 0 && strcmp(PQgetvalue(result, 0, 0), "t") == 0;
    PQclear(result);
    if (!there)
        return r;
    r = session_ask(conn, schema, "SELECT value FROM @.meta WHERE name='schema'", 0, NULL, &result,
                    err);
    if (r == 0 && PQntuples(result) > 0)
        *ret_version = atoi(PQgetvalue(result, 0, 0));
    PQclear(result);
    return r;
}

int schema_check(PGconn *conn, const char *schema, struct error *err)
{
    int version;
    int r = read_version(conn, schema, &version, err);
    if (r < 0)
        return r;
    if (version == 0)
        return error_set(err, -ENOENT,
                         "store.schema: there is no schema %s of penstock's in the database; make "
                         "it by `penstockd --migrate`, as a role that may create it",
                         schema);
    if (version < VERSION)
        return error_set(err, -EPROTO,
                         "store.schema: %s is of an older penstock (%d, and this one wants %d); "
                         "bring it up by `penstockd --migrate`",
                         schema, version, VERSION);
    return 0; /* steps only add: a newer one has all that is asked for here */
}

static int run(PGconn *conn, const char *schema, const char *sql, struct error *err)
{
    char *text = sql_qualify(sql, schema);
    if (!text)
        return error_set(err, -ENOMEM, "store: out of memory");
    PGresult *result = PQexec(conn, text);
    int r = PQresultStatus(result) == PGRES_COMMAND_OK || PQresultStatus(result) == PGRES_TUPLES_OK
                ? 0
                : session_error(result, conn, err);
    PQclear(result);
    free(text);
    return r;
}

int schema_migrate(PGconn *conn, const char *schema, int *ret_from, int *ret_to, struct error *err)
{
    char note[128];
    int version = 0;
    int r = run(conn, schema, "BEGIN", err);
    if (r == 0)
        r = run(conn, schema, "SELECT pg_advisory_xact_lock(hashtext('@'))", err);
    if (r == 0)
        r = run(conn, schema, make_first, err);
    if (r == 0)
        r = read_version(conn, schema, &version, err);
    *ret_from = version;
    for (int i = version; i < VERSION && r == 0; i++)
        r = run(conn, schema, steps[i], err);
    snprintf(note, sizeof note,
             "INSERT INTO @.meta VALUES('schema','%d') ON CONFLICT(name) DO UPDATE SET value='%d'",
             VERSION, VERSION);
    if (r == 0 && version < VERSION)
        r = run(conn, schema, note, err);
    if (r == 0)
        r = run(conn, schema, "COMMIT", err);
    *ret_to = version < VERSION ? VERSION : version;
    return r;
}
