/* The table that records go into: what is found wrong with it beforehand, what --migrate makes of
 * it, and that records go there. */
#include "base/log.h"
#include "pg_spools.h"

#define RECORD "{\"n\":%d}"

static int setup(void **state)
{
    static struct fixture f;
    f = (struct fixture){.open = open_new};
    fixture_open(&f, &(struct store_config){.max_jobs = 0});
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    fixture_close(*state);
    return 0;
}

static int check_as(const char *role, const char *table, struct error *ret_err)
{
    char as[160];
    snprintf(as, sizeof as, "host=%s dbname=postgres user=%s", cluster, role);
    struct store_config config = {.dsn = as, .schema = schema, .table = table};
    *ret_err = (struct error){""};
    return module->check_table(&config, ret_err);
}

static int make_table(const char *table, struct error *ret_err)
{
    struct store_config config = {.dsn = dsn, .schema = schema, .table = table};
    *ret_err = (struct error){""};
    return module->migrate(&config, ret_err);
}

/* In this test's schema; the key is named, and so is what is wrong and what is to be done. */
static void expect_refused(const char *role, const char *table, int code, const char *words)
{
    struct error err;
    assert_int_equal(check_as(role, table, &err), code);
    assert_ptr_equal(strstr(err.text, "sink.table: "), err.text);
    if (!strstr(err.text, words))
        fail_msg("'%s' is not in: %s", words, err.text);
}

static void expect_taken(const char *role, const char *table)
{
    struct error err;
    if (check_as(role, table, &err) != 0)
        fail_msg("%s: %s", table ? table : "records", err.text);
}

#define COLUMNS "job bigint, attempt int, seq bigint, data text"

static void shapes_are_judged(void **state)
{
    expect_taken("penstock", NULL);
    expect_refused("penstock", "absent", -ENOENT, "penstockd --migrate");
    ask("CREATE VIEW %s.v AS SELECT * FROM %s.records");
    expect_refused("penstock", "v", -EINVAL, "is a view");
    ask("CREATE UNLOGGED TABLE %s.u(" COLUMNS ")");
    expect_refused("penstock", "u", -EINVAL, "SET LOGGED");
    ask("CREATE TABLE %s.lacks(job bigint, attempt int, data text)");
    expect_refused("penstock", "lacks", -EINVAL, "seq bigint");
    ask("CREATE TABLE %s.narrow(job int, attempt int, seq bigint, data text)");
    expect_refused("penstock", "narrow", -EINVAL, "job bigint");
    ask("CREATE TABLE %s.b(job bigint, attempt int, seq bigint, data jsonb)");
    expect_refused("penstock", "b", -EINVAL, "data text");
    ask("CREATE TABLE %s.demands(" COLUMNS ", tenant text NOT NULL)");
    expect_refused("penstock", "demands", -EINVAL, "\"tenant\"");

    ask("CREATE TABLE %s.more(" COLUMNS ", at timestamptz NOT NULL DEFAULT now(), "
        "id bigint GENERATED ALWAYS AS IDENTITY, note text)");
    expect_taken("penstock", "more");
    ask("CREATE TABLE %s.j(job bigint, attempt int, seq bigint, data json)");
    expect_taken("penstock", "J");
    ask("CREATE TABLE %s.parts(" COLUMNS ") PARTITION BY RANGE (job)");
    expect_taken("penstock", "parts");
}

static void rights_are_judged(void **state)
{
    ask("CREATE ROLE \"Re\"\"ader\" LOGIN");
    ask("CREATE TABLE %s.items(" COLUMNS ")");
    expect_refused("Re\"ader", "items", -EACCES, "GRANT USAGE ON SCHEMA");
    ask("GRANT USAGE ON SCHEMA %s TO \"Re\"\"ader\"");
    expect_refused("Re\"ader", "items", -EACCES, "TO \"Re\"\"ader\"");
    expect_refused("Re\"ader", "items", -EACCES, "GRANT INSERT, SELECT, DELETE ON");
    ask("GRANT INSERT(job,attempt,seq) ON %s.items TO \"Re\"\"ader\"");
    expect_refused("Re\"ader", "items", -EACCES, "GRANT INSERT, SELECT, DELETE ON");
    ask("GRANT INSERT(data), SELECT(job) ON %s.items TO \"Re\"\"ader\"");
    ask("GRANT DELETE ON %s.items TO \"Re\"\"ader\"");
    expect_refused("Re\"ader", "items", -EACCES, "GRANT SELECT, DELETE ON");
    ask("GRANT SELECT(attempt) ON %s.items TO \"Re\"\"ader\"");
    expect_taken("Re\"ader", "items");
    ask("ALTER TABLE %s.items ENABLE ROW LEVEL SECURITY");
    expect_refused("Re\"ader", "items", -EACCES, "BYPASSRLS");
    ask("ALTER ROLE \"Re\"\"ader\" BYPASSRLS");
    expect_taken("Re\"ader", "items");
    ask("DROP OWNED BY \"Re\"\"ader\"; DROP ROLE \"Re\"\"ader\"");
}

static void it_is_made_where_it_is_not(void **state)
{
    struct error err;
    assert_int_equal(make_table("\"It\"\"ems\"", &err), 0);
    assert_int_equal(make_table("\"It\"\"ems\"", &err), 0); /* again, to no effect */
    expect_taken("penstock", "\"It\"\"ems\"");
    assert_string_equal(ask("SELECT count(*) FROM pg_indexes WHERE schemaname='%s' AND "
                            "tablename='It\"ems' AND indexdef LIKE '%%USING brin (job)%%'"),
                        "1");
    assert_int_equal(make_table("nowhere_here.items", &err), -EIO);
    assert_ptr_equal(strstr(err.text, "sink.table: \"nowhere_here\".\"items\" cannot"), err.text);
    assert_non_null(strstr(err.text, "3F000"));
    ask("CREATE TABLE %s.mine(job int)");
    assert_int_equal(make_table("mine", &err), -EINVAL);
    assert_non_null(strstr(err.text, "no such column"));
}

static void finish_with(struct fixture *f, int count)
{
    uint64_t id = submit_to(f, "h");
    assert_int_equal(claim(f, id), 1);
    struct spool spool = spool_of(f->dir, id, 1, count, RECORD);
    struct store_finish end = end_with(id, 1, &spool);
    assert_int_equal(CALL(f, finish, &end), 0);
    spool_close(&spool);
}

/* From one end to the next, by a name that is not harmless; a partition takes what is its own. */
static void records_go_where_they_are_sent(void **state)
{
    struct fixture *f = *state;
    ask("CREATE TABLE %s.\"@; DROP \"\"x\"(" COLUMNS ", at timestamptz NOT NULL DEFAULT now())");
    ask("CREATE TABLE %s.parts(" COLUMNS ") PARTITION BY RANGE (job)");
    ask("CREATE TABLE %s.part PARTITION OF %s.parts FOR VALUES FROM (0) TO (1000000)");
    finish_with(f, 1);
    f->store->engine->records_into(f->store, "\"@; DROP \"\"x\"");
    finish_with(f, 2);
    f->store->engine->records_into(f->store, "PARTS");
    finish_with(f, 3);
    f->store->engine->records_into(f->store, NULL);
    finish_with(f, 4);
    assert_string_equal(
        ask("SELECT string_agg(job||':'||seq,' ' ORDER BY job,seq) FROM %s.records"),
        "1:1 4:1 4:2 4:3 4:4");
    assert_string_equal(
        ask("SELECT string_agg(job||':'||data,' ' ORDER BY seq) FROM %s.\"@; DROP \"\"x\""),
        "2:{\"n\":1} 2:{\"n\":2}");
    assert_string_equal(ask("SELECT count(*) FROM %s.part WHERE job=3"), "3");
}

/* What waits for a table that has gone goes into the one that is named next. */
static void what_waits_goes_to_the_next_one(void **state)
{
    struct fixture *f = *state;
    ask("CREATE TABLE %s.a(" COLUMNS ")");
    ask("CREATE TABLE %s.b(" COLUMNS ")");
    f->store->engine->records_into(f->store, "a");
    uint64_t id = submit_to(f, "h");
    assert_int_equal(claim(f, id), 1);
    ask("DROP TABLE %s.a");
    struct spool spool = spool_of(f->dir, id, 1, 3, RECORD);
    struct store_finish end = end_with(id, 1, &spool);
    expect_call(&end.call);
    f->store->engine->finish(f->store, &end);
    while (!store_failing(f->store))
        usleep(1000);
    f->store->engine->records_into(f->store, "b");
    wait_calls(f, 1);
    assert_int_equal(result_of(&end.call), 0);
    spool_close(&spool);
    assert_string_equal(ask("SELECT count(*) FROM %s.b"), "3");
    assert_false(store_failing(f->store));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(shapes_are_judged, setup, teardown),
        cmocka_unit_test_setup_teardown(rights_are_judged, setup, teardown),
        cmocka_unit_test_setup_teardown(it_is_made_where_it_is_not, setup, teardown),
        cmocka_unit_test_setup_teardown(records_go_where_they_are_sent, setup, teardown),
        cmocka_unit_test_setup_teardown(what_waits_goes_to_the_next_one, setup, teardown),
    };
    log_set_level(LOG_LEVEL_ERROR);
    if (getenv("PENSTOCK_TEST"))
        cmocka_set_test_filter(getenv("PENSTOCK_TEST"));
    int r = pg_begin();
    if (r != 0)
        return r;
    int failed = cmocka_run_group_tests_name("postgresql, the table", tests, NULL, NULL);
    pg_end();
    return failed;
}
