/* What operators hold back in a fleet: one list, that all members are told the changes of. */
#include "pg_peers.h"
#include "pg_plan_of.h"
#include "pg_take_back.h"

/* What one peer is asked to hold, or to let go. */
static int pause_as(struct peer *p, const char *host, const char *parser, bool held, uint32_t uid)
{
    struct store_pause call = {.host = host, .parser = parser, .held = held, .uid = uid};
    as(p);
    return SHARED_CALL(p, pause, &call);
}

/* The changes behind this version, in words, and the last one's version. */
static const char *changes(struct peer *p, uint64_t *version, size_t limit)
{
    static char text[512];
    struct store_pauses call = {.after = *version, .limit = limit};
    as(p);
    assert_int_equal(SHARED_CALL(p, pauses, &call), 0);
    text[0] = '\0';
    for (size_t i = 0; i < call.count; i++) {
        const struct store_pause_row *row = &call.rows[i];
        size_t len = strlen(text);
        snprintf(text + len, sizeof text - len, "%s%s %s%s by %u at %s", i ? ", " : "",
                 row->held ? "held" : "free",
                 row->host     ? "host "
                 : row->parser ? "parser "
                               : "all",
                 row->host     ? row->host
                 : row->parser ? row->parser
                               : "",
                 row->uid, row->member);
        assert_true(row->version > *version);
        assert_true(row->at > 0 && llabs(row->at - SHARED(p)->now(p->store)) < 3600000000);
        *version = row->version;
    }
    store_pauses_free(&call);
    return text;
}

static const char *all_of(struct peer *p)
{
    uint64_t version = 0;
    return changes(p, &version, 100);
}

/* --- one list --------------------------------------------------------------------------------- */

static void what_one_holds_all_are_told(void **state)
{
    struct peers *all = *state;
    struct peer *a = &all->peer[0], *b = &all->peer[1];
    uint64_t seen = 0;
    open_two(all);
    peer_wait(b, EVENT_PAUSES); /* at first, whatever there is */
    assert_string_equal(changes(b, &seen, 100), "");
    peer_skip(b);
    assert_int_equal(pause_as(a, "h.test", NULL, true, 1000), 0);
    peer_wait(b, EVENT_PAUSES);
    assert_string_equal(changes(b, &seen, 100), "held host h.test by 1000 at a");
    peer_skip(a);
    assert_int_equal(pause_as(b, NULL, "csv", true, 7), 0);
    assert_int_equal(pause_as(b, NULL, NULL, true, 7), 0);
    assert_int_equal(pause_as(b, "h.test", NULL, false, 7), 0);
    peer_wait(a, EVENT_PAUSES);
    assert_string_equal(
        changes(a, &seen, 100),
        "held parser csv by 7 at b, held all by 7 at b, free host h.test by 7 at b");
    assert_string_equal(changes(a, &seen, 100), "");
    assert_int_equal(pause_as(a, "h.test", NULL, true, 8), 0); /* and once more */
    assert_string_equal(changes(b, &seen, 100), "held host h.test by 8 at a");
}

/* Of a name that is a host's and a parser's each stands for itself; and pages end where they are
 * full. */
static void pages_go_on_where_they_end(void **state)
{
    struct peers *all = *state;
    struct peer *a = &all->peer[0];
    uint64_t seen = 0;
    peer_open(a, &(struct store_config){.lease_ns = 60 * NS_PER_SEC});
    assert_int_equal(pause_as(a, "x", NULL, true, 1), 0);
    assert_int_equal(pause_as(a, NULL, "x", true, 2), 0);
    assert_int_equal(pause_as(a, "y", NULL, true, 3), 0);
    assert_int_equal(pause_as(a, "x", NULL, false, 4), 0);
    assert_string_equal(changes(a, &seen, 2), "held parser x by 2 at a, held host y by 3 at a");
    assert_string_equal(changes(a, &seen, 2), "free host x by 4 at a");
}

/* The first who has said so stands there; to let go what is not held leaves nothing behind. */
static void what_is_so_stays_as_it_is(void **state)
{
    struct peers *all = *state;
    struct peer *a = &all->peer[0];
    peer_open(a, &(struct store_config){.lease_ns = 60 * NS_PER_SEC});
    assert_int_equal(pause_as(a, "h", NULL, false, 1), 0);
    assert_string_equal(all_of(a), "");
    assert_int_equal(pause_as(a, "h", NULL, true, 1), 0);
    assert_int_equal(pause_as(a, "h", NULL, true, 2), 0);
    assert_string_equal(all_of(a), "held host h by 1 at a");
    assert_int_equal(pause_as(a, "h", NULL, false, 3), 0);
    assert_int_equal(pause_as(a, "h", NULL, false, 4), 0);
    assert_string_equal(all_of(a), "free host h by 3 at a");
}

static void it_outlives_its_members(void **state)
{
    struct peers *all = *state;
    struct peer *a = &all->peer[0], *b = &all->peer[1];
    peer_open(a, &(struct store_config){.lease_ns = 60 * NS_PER_SEC});
    assert_int_equal(pause_as(a, NULL, NULL, true, 1), 0);
    peer_close(a);
    peer_open(b, &(struct store_config){.lease_ns = 60 * NS_PER_SEC});
    assert_string_equal(all_of(b), "held all by 1 at a");
}

/* What was let go is remembered for a day, for those that know it as held. */
static void what_was_let_go_long_ago_is_forgotten(void **state)
{
    struct peers *all = *state;
    struct peer *a = &all->peer[0];
    peer_open(a, &(struct store_config){.lease_ns = 60 * NS_PER_SEC});
    static const char *const hosts[] = {"long", "lately", "held"};
    for (int i = 0; i < 3; i++)
        assert_int_equal(pause_as(a, hosts[i], NULL, true, 1), 0);
    assert_int_equal(pause_as(a, "long", NULL, false, 1), 0);
    assert_int_equal(pause_as(a, "lately", NULL, false, 1), 0);
    ask("UPDATE %s.pauses SET at=at-86410000000 WHERE name IN('long','held')");
    ask("UPDATE %s.pauses SET at=at-86390000000 WHERE name='lately'");
    assert_int_equal(pause_as(a, "none", NULL, false, 1), 0);
    assert_string_equal(ask("SELECT string_agg(name,' ' ORDER BY name) FROM %s.pauses"),
                        "held lately");
}

/* --- what is lost on the way ------------------------------------------------------------------ */

/* The hint is only speed. */
static void without_a_hint_the_next_beat_tells(void **state)
{
    struct peers *all = *state;
    struct peer *a = &all->peer[0];
    peer_open(a, &(struct store_config){.lease_ns = 60 * NS_PER_SEC});
    peer_wait(a, EVENT_PAUSES);
    ask("WITH v AS(UPDATE %s.meta SET value=value::bigint+1 WHERE name='pauses' RETURNING "
        "value::bigint AS n) INSERT INTO %s.pauses SELECT 0,'',true,5,1,'x',n FROM v");
    peer_wait(a, EVENT_PAUSES);
    assert_string_equal(ask("SELECT count(*) FROM %s.pauses"), "1");
}

static void a_member_again_is_told_again(void **state)
{
    struct peers *all = *state;
    struct peer *a = &all->peer[0], *b = &all->peer[1];
    open_two(all);
    struct store_evict evict = {.name = "b"};
    as(a);
    assert_int_equal(SHARED_CALL(a, evict, &evict), 0);
    peer_wait(b, EVENT_JOINED);
    peer_wait(b, EVENT_PAUSES);
}

/* Cut off between the change and its answer: it stands, once, and is told so. */
static void an_answer_that_is_lost(void **state)
{
    struct peers *all = *state;
    struct peer *a = &all->peer[0];
    peer_open(a, &(struct store_config){.lease_ns = 600 * NS_PER_SEC});
    peers_settle(all, 1);
    assert_int_equal(pause_as(a, "h", NULL, true, 1), 0);
    PGconn *conn = PQconnectdb(dsn);
    char sql[128];
    snprintf(sql, sizeof sql, "BEGIN; SELECT FROM %s.meta WHERE name='pauses' FOR UPDATE", schema);
    server_do(conn, sql);
    struct store_pause call = {.host = "h", .uid = 2};
    expect_call(&call.call);
    SHARED(a)->pause(a->store, &call);
    while (strcmp(ask("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type='Lock'"), "1"))
        ;
    gate_set(&a->gate, true);
    server_do(conn, "COMMIT");
    PQfinish(conn);
    while (strcmp(ask("SELECT count(*) FROM %s.pauses WHERE name='h' AND NOT held"), "1") != 0)
        ;
    gate_cut(&a->gate);
    wait_calls(a->f, 1);
    assert_int_equal(call.call.result, 0);
    assert_string_equal(all_of(a), "free host h by 2 at a");
    assert_string_equal(ask("SELECT value FROM %s.meta WHERE name='pauses'"), "2");
}

/* What cannot be stored is refused, and not there. */
static void what_the_server_does_not_take_is_refused(void **state)
{
    struct peers *all = *state;
    struct peer *a = &all->peer[0];
    peer_open(a, &(struct store_config){.lease_ns = 600 * NS_PER_SEC});
    peers_settle(all, 1);
    ask("CREATE FUNCTION %s.disk_full() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN RAISE EXCEPTION USING ERRCODE=''53100''; END'");
    ask("CREATE TRIGGER t BEFORE INSERT ON %s.pauses EXECUTE FUNCTION %s.disk_full()");
    assert_int_equal(pause_as(a, NULL, NULL, true, 1), -EIO);
    ask("DROP TRIGGER t ON %s.pauses");
    while (pause_as(a, NULL, "csv", true, 2) == -EIO)
        peer_poll(a);
    assert_string_equal(all_of(a), "held parser csv by 2 at a");
}

/* --- the schema ------------------------------------------------------------------------------- */

/* Of the version before: a newer daemon says what is to be done, and it is. */
static void a_schema_without_it_is_brought_up(void **state)
{
    struct peers *all = *state;
    struct peer *a = &all->peer[0];
    struct store_config with = {.dsn = dsn, .schema = schema};
    struct error err = {""};
    take_back(3);
    assert_int_equal(peer_try(a, &(struct store_config){.lease_ns = 0}, &err), -EPROTO);
    assert_non_null(strstr(err.text, "penstockd --migrate"));
    assert_int_equal(module->migrate(&with, &err), 0);
    peer_open(a, &(struct store_config){.lease_ns = 60 * NS_PER_SEC});
    assert_int_equal(pause_as(a, NULL, NULL, true, 1), 0);
    assert_string_equal(all_of(a), "held all by 1 at a");
}

/* However many there are: a change, and what is read of changes, costs what it gives. */
static void a_hundred_thousand_are_in_nobodys_way(void **state)
{
    char sql[512];
    struct sqls sqls = {.text = {NULL}};
    PGconn *conn = PQconnectdb(dsn);
    (void)state;
    assert_int_equal(sqls_init(&sqls, schema), 0);
    snprintf(sql, sizeof sql,
             "INSERT INTO %s.pauses SELECT 1,'h'||n,n%%2=0,0,CASE WHEN n<20 THEN 0 ELSE "
             "extract(epoch FROM now())*1000000 END,'a',n FROM generate_series(1,100000) n",
             schema);
    server_do(conn, sql);
    snprintf(sql, sizeof sql, "ANALYZE %s.pauses; BEGIN", schema);
    server_do(conn, sql);
    server_do(conn, "SET enable_seqscan=off; SET enable_hashjoin=off; SET enable_mergejoin=off");
    assert_plan(conn, &sqls, SQL_PAUSES, "99950,1000", 100);
    assert_plan(conn, &sqls, SQL_PAUSE, "1::smallint,'h1'::text,0::bigint,'a'::text", 100);
    assert_plan(conn, &sqls, SQL_RESUME, "1::smallint,'h2'::text,0::bigint,'a'::text", 100);
    server_do(conn, "ROLLBACK");
    sqls_deinit(&sqls);
    PQfinish(conn);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FLEET_TEST(what_one_holds_all_are_told),
        FLEET_TEST(pages_go_on_where_they_end),
        FLEET_TEST(what_is_so_stays_as_it_is),
        FLEET_TEST(it_outlives_its_members),
        FLEET_TEST(what_was_let_go_long_ago_is_forgotten),
        FLEET_TEST(without_a_hint_the_next_beat_tells),
        FLEET_TEST(a_member_again_is_told_again),
        FLEET_TEST(an_answer_that_is_lost),
        FLEET_TEST(what_the_server_does_not_take_is_refused),
        FLEET_TEST(a_schema_without_it_is_brought_up),
        FLEET_TEST(a_hundred_thousand_are_in_nobodys_way),
    };
    if (getenv("PENSTOCK_TEST"))
        cmocka_set_test_filter(getenv("PENSTOCK_TEST"));
    int r = pg_begin();
    if (r != 0)
        return r;
    int failed = cmocka_run_group_tests_name("postgresql, paused", tests, NULL, NULL);
    pg_end();
    return failed;
}
