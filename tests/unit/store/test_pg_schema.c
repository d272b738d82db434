/* The schema's steps: from nothing, from each older version with what was in it, by two at once,
 * and what is said where it cannot be done. And the statements: each fits the tables. */
#include "pg_direct.h"
#include "pg_take_back.h"

#include <pthread.h>

#define STEPS 5 /* that there are */

static PGconn *conn;
static struct error err;

static int setup(void **state)
{
    (void)state;
    conn = direct_open();
    direct_name_schema();
    err.text[0] = '\0';
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    PQfinish(conn);
    target_deinit(&direct_target);
    return 0;
}

static void migrate(int from)
{
    int was = -1, is = -1;
    if (schema_migrate(conn, schema, &was, &is, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(was, from);
    assert_int_equal(is, STEPS);
}

static int try_migrate(void)
{
    int was, is;
    return schema_migrate(conn, schema, &was, &is, &err);
}

/* The sum of every column of each table and index, with its kind. */
static char *describe(void)
{
    return strdup(
        ask("SELECT md5(string_agg(x,E'\\n' ORDER BY x)) FROM (SELECT concat_ws(' ',"
            "c.relname,a.attname,a.atttypid::regtype,a.attnotnull,a.attcollation) AS x FROM "
            "pg_class c JOIN pg_attribute a ON a.attrelid=c.oid WHERE c.relnamespace="
            "'%s'::regnamespace AND a.attnum>0 AND NOT a.attisdropped) y"));
}

/* --- steps ------------------------------------------------------------------------------------ */

static void it_is_made_from_nothing(void **state)
{
    (void)state;
    assert_int_equal(schema_check(conn, schema, &err), -ENOENT);
    assert_non_null(strstr(err.text, schema));
    assert_non_null(strstr(err.text, "penstockd --migrate"));
    migrate(0);
    assert_int_equal(schema_check(conn, schema, &err), 0);
    assert_string_equal(ask("SELECT value FROM %s.meta WHERE name='schema'"), "5");
    assert_string_equal(ask("SELECT count(*) FROM %s.shards WHERE owner IS NULL"), "256");
    assert_string_equal(ask("SELECT count(*) FROM %s.counts WHERE member=0"), "1");
    assert_string_equal(ask("SELECT length(value) FROM %s.meta WHERE name='fleet'"), "12");
}

static void twice_changes_nothing(void **state)
{
    (void)state;
    migrate(0);
    char *before = describe(), *fleet = strdup(ask("SELECT value FROM %s.meta WHERE name='fleet'"));
    migrate(STEPS);
    char *after = describe();
    assert_string_equal(before, after);
    assert_string_equal(ask("SELECT value FROM %s.meta WHERE name='fleet'"), fleet);
    assert_string_equal(ask("SELECT count(*) FROM %s.shards"), "256");
    free(before);
    free(after);
    free(fleet);
}

/* From each version the same tables come about, and what is in them stays. */
static void each_older_one_is_brought_up(void **state)
{
    (void)state;
    migrate(0);
    char *whole = describe();
    for (int version = 1; version < STEPS; version++) {
        ask("DELETE FROM %s.jobs");
        take_back(version);
        ask("INSERT INTO %s.jobs(id,attempt,state,priority,rank,uid,gid,realm,created,retry_of,"
            "host,parser,spec,place,shard,due) VALUES(5,1,0,0,0,1,1,'',1,0,'h','p','{}',1,3,0)");
        ask("INSERT INTO %s.members(name,machine,version,started) VALUES('old','m','0.9',1)");
        assert_int_equal(schema_check(conn, schema, &err), -EPROTO);
        char numbers[64];
        snprintf(numbers, sizeof numbers, "(%d, and this one wants %d)", version, STEPS);
        assert_non_null(strstr(err.text, numbers));
        assert_non_null(strstr(err.text, "penstockd --migrate"));
        migrate(version);
        char *brought = describe();
        assert_string_equal(brought, whole);
        free(brought);
        assert_string_equal(ask("SELECT concat_ws(' ',id,host,needs IS NULL) FROM %s.jobs"),
                            "5 h t");
        assert_int_equal(schema_check(conn, schema, &err), 0);
        ask("UPDATE %s.members SET gone=true"); /* its name is free for the next turn */
    }
    free(whole);
    /* A member of the first step knows of no others. */
    assert_string_equal(ask("SELECT alone FROM %s.members ORDER BY id LIMIT 1"), "t");
}

/* Steps only add: who is older than the schema goes on with it, and takes nothing back. */
static void a_newer_one_is_left_as_it_is(void **state)
{
    int was, is;
    (void)state;
    migrate(0);
    ask("UPDATE %s.meta SET value='99' WHERE name='schema'");
    assert_int_equal(schema_check(conn, schema, &err), 0);
    assert_int_equal(schema_migrate(conn, schema, &was, &is, &err), 0);
    assert_int_equal(was, 99);
    assert_int_equal(is, 99);
    assert_string_equal(ask("SELECT value FROM %s.meta WHERE name='schema'"), "99");
}

/* --- where it cannot be done ------------------------------------------------------------------ */

/* All or nothing: what stood in the way leaves no half of a step behind. */
static void a_step_that_fails_changes_nothing(void **state)
{
    (void)state;
    migrate(0);
    take_back(1);
    ask("CREATE TABLE %s.void(mine int)"); /* the second step makes one of that name */
    assert_int_equal(try_migrate(), -EIO);
    assert_non_null(strstr(err.text, "already exists (42P07)"));
    PQreset(conn);
    assert_string_equal(ask("SELECT value FROM %s.meta WHERE name='schema'"), "1");
    assert_string_equal(
        ask("SELECT count(*) FROM pg_attribute WHERE attrelid='%s.members'::regclass AND "
            "attname='alone'"),
        "0");
    ask("DROP TABLE %s.void");
    migrate(1);
}

/* A schema that somebody has made beforehand, for a role that may make none, is taken. */
static void a_schema_that_is_there_is_filled(void **state)
{
    (void)state;
    ask("CREATE SCHEMA %s");
    assert_int_equal(schema_check(conn, schema, &err), -ENOENT);
    migrate(0);
    assert_int_equal(schema_check(conn, schema, &err), 0);
}

/* The role of a daemon need not own the tables; but without rights it says so. */
static void a_role_without_rights_says_so(void **state)
{
    (void)state;
    migrate(0);
    ask("CREATE ROLE nobody_of_%s");
    char sql[96];
    snprintf(sql, sizeof sql, "SET ROLE nobody_of_%s", schema);
    PGresult *result = PQexec(conn, sql);
    assert_int_equal(PQresultStatus(result), PGRES_COMMAND_OK);
    PQclear(result);
    assert_int_equal(schema_check(conn, schema, &err), -EIO);
    assert_non_null(strstr(err.text, "permission denied"));
    assert_int_equal(try_migrate(), -EIO);
    assert_non_null(strstr(err.text, "permission denied"));
}

static void a_connection_that_is_lost_is_told(void **state)
{
    (void)state;
    migrate(0);
    ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE "
        "application_name='penstock' AND pid<>pg_backend_pid()");
    assert_int_equal(schema_check(conn, schema, &err), -EIO);
    assert_int_equal(strncmp(err.text, "PostgreSQL: ", 12), 0);
    assert_null(strchr(err.text, '\n'));
    assert_int_equal(try_migrate(), -EIO);
}

/* --- two at once ------------------------------------------------------------------------------ */

struct migrator {
    pthread_t thread;
    PGconn *conn;
    int result, from;
    struct error err;
};

static void *run_migrator(void *arg)
{
    struct migrator *m = arg;
    int to;
    m->result = schema_migrate(m->conn, schema, &m->from, &to, &m->err);
    return NULL;
}

/* One makes it, and the others find it made. */
static void many_at_once_make_one(void **state)
{
    enum { N = 4 };
    struct migrator all[N];
    int made = 0;
    (void)state;
    for (int i = 0; i < N; i++) {
        all[i] = (struct migrator){.from = -1};
        assert_int_equal(session_open(&direct_target, &all[i].conn, &err), 0);
    }
    for (int i = 0; i < N; i++)
        assert_int_equal(pthread_create(&all[i].thread, NULL, run_migrator, &all[i]), 0);
    for (int i = 0; i < N; i++) {
        pthread_join(all[i].thread, NULL);
        if (all[i].result < 0)
            fail_msg("%s", all[i].err.text);
        assert_true(all[i].from == 0 || all[i].from == STEPS);
        made += all[i].from == 0;
        PQfinish(all[i].conn);
    }
    assert_int_equal(made, 1);
    assert_string_equal(ask("SELECT count(*) FROM %s.shards"), "256");
}

/* --- statements ------------------------------------------------------------------------------- */

/* The server has types for all parameters of each, and finds all that it names: whoever prepares
 * one is not told otherwise on the day that it is needed. */
static void each_statement_fits_the_tables(void **state)
{
    struct sqls sqls;
    (void)state;
    migrate(0);
    assert_int_equal(sqls_init(&sqls, schema), 0);
    for (int i = 0; i < SQL_COUNT_; i++) {
        char name[16];
        assert_non_null(sqls.text[i]);
        assert_null(strchr(sqls.text[i], '@'));
        if (i == SQL_LIST) /* a pattern */
            continue;
        snprintf(name, sizeof name, "s%d", i);
        PGresult *result = PQprepare(conn, name, sqls.text[i], 0, NULL);
        if (PQresultStatus(result) != PGRES_COMMAND_OK)
            fail_msg("%d: %s: %s", i, sqls.text[i], PQerrorMessage(conn));
        PQclear(result);
    }
    sqls_deinit(&sqls);
    sqls_deinit(&sqls);
}

/* Each gives its rows to whoever reads them by their places. */
static void rows_have_as_many_columns_as_are_read(void **state)
{
    static const struct {
        enum sql sql;
        int columns;
    } cases[] = {{SQL_GET, 25},
                 {SQL_WINDOW, 24},
                 {SQL_WINDOW_PARKED, 24},
                 {SQL_ENDED, 25},
                 {SQL_TORN, 25},
                 {SQL_SCHEDULES, 25},
                 {SQL_COUNTS, 16},
                 {SQL_SCHEDULES_NAMED, 25},
                 {SQL_SCHEDULES_DUE, 25},
                 {SQL_MEMBERS, 11},
                 {SQL_SCHEDULES_FAILING, 25},
                 {SQL_DEFINITIONS, 26},
                 {SQL_LOOK, 3},
                 {SQL_PAUSES, 7},
                 {SQL_PAUSES_VERSION, 1},
                 {SQL_CLAIM, 2},
                 {SQL_CLAIM_ASK, 2},
                 {SQL_FINISH, 4},
                 {SQL_FINISH_ASK, 4},
                 {SQL_POSTPONE, 3},
                 {SQL_POSTPONE_ASK, 3},
                 {SQL_SHARDS, 2},
                 {SQL_BEAT, 4},
                 {SQL_PARKED, 3},
                 {SQL_JOIN, 4},
                 {SQL_HEALTH, 2}};
    struct sqls sqls;
    (void)state;
    migrate(0);
    assert_int_equal(sqls_init(&sqls, schema), 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        PGresult *result = PQprepare(conn, "", sqls.text[cases[i].sql], 0, NULL);
        assert_int_equal(PQresultStatus(result), PGRES_COMMAND_OK);
        PQclear(result);
        result = PQdescribePrepared(conn, "");
        if (PQnfields(result) != cases[i].columns)
            fail_msg("%d columns: %s", PQnfields(result), sqls.text[cases[i].sql]);
        PQclear(result);
    }
    sqls_deinit(&sqls);
}

static void the_schema_stands_in_for_each_at(void **state)
{
    static const char *const cases[][2] = {{"", ""},
                                           {"plain", "plain"},
                                           {"@", "s"},
                                           {"@.a,@.b", "s.a,s.b"},
                                           {"SELECT '@'", "SELECT 's'"},
                                           {"a@", "as"},
                                           {"@@", "ss"}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *text = sql_qualify(cases[i][0], "s");
        assert_string_equal(text, cases[i][1]);
        free(text);
    }
}

static void a_schemas_name_needs_no_quotes(void **state)
{
    static const char *const good[] = {
        "a",
        "_",
        "penstock",
        "a1",
        "_1",
        "team_2",
        "a23456789012345678901234567890123456789012345678901234567890123"};
    static const char *const bad[] = {
        "",     "1a",  "A",
        "a-b",  "a b", "a.b",
        "a\"b", "a;b", "\xc3\xbc",
        "a\n",  "a@b", "a234567890123456789012345678901234567890123456789012345678901234"};
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_int_equal(sql_check_schema(good[i], &err), 0);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(sql_check_schema(bad[i], &err), -EINVAL);
        assert_non_null(strstr(err.text, "store.schema: "));
    }
}

/* What the server says, as one sentence with its state; a full disk is one that may pass. */
static void an_error_names_its_state(void **state)
{
    PGresult *result;
    (void)state;
    assert_int_equal(session_ask(conn, schema, "SELECT 1/0", 0, NULL, &result, &err), -EIO);
    assert_null(result);
    assert_string_equal(err.text, "PostgreSQL: division by zero (22012)");
    assert_int_equal(session_ask(conn, schema,
                                 "DO $$BEGIN RAISE EXCEPTION E'no\\nroom' USING "
                                 "ERRCODE='53100'; END$$",
                                 0, NULL, &result, &err),
                     -ENOSPC);
    assert_string_equal(err.text, "PostgreSQL: no (53100)");
    assert_int_equal(session_ask(conn, schema, "nonsense", 0, NULL, &result, &err), -EIO);
    assert_non_null(strstr(err.text, "(42601)"));
}

static void an_answer_is_the_callers(void **state)
{
    const char *values[] = {"x", NULL};
    PGresult *result;
    (void)state;
    assert_int_equal(
        session_ask(conn, schema, "SELECT '@',$1::text,$2::text IS NULL", 2, values, &result, &err),
        0);
    assert_string_equal(PQgetvalue(result, 0, 0), schema);
    assert_string_equal(PQgetvalue(result, 0, 1), "x");
    assert_string_equal(PQgetvalue(result, 0, 2), "t");
    PQclear(result);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_is_made_from_nothing),
        TEST(twice_changes_nothing),
        TEST(each_older_one_is_brought_up),
        TEST(a_newer_one_is_left_as_it_is),
        TEST(a_step_that_fails_changes_nothing),
        TEST(a_schema_that_is_there_is_filled),
        TEST(a_role_without_rights_says_so),
        TEST(a_connection_that_is_lost_is_told),
        TEST(many_at_once_make_one),
        TEST(each_statement_fits_the_tables),
        TEST(rows_have_as_many_columns_as_are_read),
        cmocka_unit_test(the_schema_stands_in_for_each_at),
        cmocka_unit_test(a_schemas_name_needs_no_quotes),
        TEST(an_error_names_its_state),
        TEST(an_answer_is_the_callers),
    };
    int r = pg_begin();
    if (r != 0)
        return r;
    int failed = cmocka_run_group_tests_name("postgresql, the schema", tests, NULL, NULL);
    pg_end();
    return failed;
}
