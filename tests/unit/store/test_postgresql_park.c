/* Jobs that the owner of their host cannot run: parked, out of its way, and in the windows of those
 * that can. */
#include "pg_peers.h"
#include "pg_plan_of.h"

static const char *const ours[] = {"parser x"};

static int park_at(struct peer *p, uint64_t id, uint32_t attempt)
{
    struct store_park call = {.id = id, .attempt = attempt, .needs = ours[0]};
    as(p);
    return SHARED_CALL(p, park, &call);
}

static int park(struct peer *p, uint64_t id)
{
    return park_at(p, id, 0);
}

static const char *own_rows(struct peer *p, const char *host)
{
    struct store_window_host window = rows_of(host, 5);
    return window_ids(as(p), &window, INT64_MAX);
}

static const char *guest_rows(struct peer *p, const char *host)
{
    struct store_window_host window = rows_of(host, 5);
    window.guest = true;
    return window_ids(as(p), &window, INT64_MAX);
}

/* Waits until the peer is told that so many jobs are parked, all of one need; so many are of hosts
 * of its own. */
static void wait_parked(struct peer *p, uint64_t jobs, uint64_t own)
{
    for (;;) {
        const struct store_event *event = peer_wait(p, EVENT_PARKED);
        uint64_t told = event->parked_count == 1 ? event->parked[0].jobs : 0;
        if (told != jobs || (told > 0 && event->parked[0].ours != own))
            continue;
        if (jobs > 0)
            assert_string_equal(event->parked[0].needs, ours[0]);
        return;
    }
}

static void wait_guest(struct peer *p, bool owner_waits, bool others_run)
{
    const struct store_event *event;
    do
        event = peer_wait(p, EVENT_GUEST);
    while (event->owner_waits != owner_waits || event->others_run != others_run);
}

/* So that they take turns. */
static void a_guest_knows_who_waits_and_runs_there(void **state)
{
    struct peers *all = *state;
    struct peer *a = &all->peer[0], *b = &all->peer[1];
    open_two(all);
    const char *host = host_of(a, 0);
    uint64_t first = submit_to(as(a), host), second = submit_to(as(a), host);
    assert_int_equal(park(a, first), 0);
    assert_int_equal(park(a, second), 0);
    SHARED(b)->able(b->store, ours, 1);
    wait_guest(b, false, false);
    uint64_t other = submit_to(as(a), host);
    wait_guest(b, true, false);
    claim(as(a), first);
    wait_guest(b, true, true);
    claim(as(a), other); /* which needs nobody else */
    wait_guest(b, false, true);
    assert_int_equal(finish(as(a), first, 1, JOB_DONE), 0);
    wait_guest(b, false, false);
}

/* So many, each on a host of its own. */
#define INSERT_PARKED                                                                             \
    "INSERT INTO %%s.%s(id,attempt,state,priority,rank,uid,gid,realm,created,retry_of,host,"      \
    "parser,spec,place,shard,due,needs) SELECT n,0,0,0,n,0,0,'',0,0,'x'||n||'.%s','x','{}',3,%u," \
    "0,'%s' FROM generate_series(1,%d) n RETURNING id"

#define TOLD 150 /* hosts: some beats' */

/* However many hosts of one shard have parked jobs, each is told. */
static void every_host_has_its_turn(void **state)
{
    struct peers *all = *state;
    struct peer *a = &all->peer[0], *b = &all->peer[1];
    char sql[512];
    bool told[TOLD] = {false};
    open_two(all);
    const char *host = host_of(a, 0);
    snprintf(sql, sizeof sql, INSERT_PARKED, "jobs", host, store_shard(host), ours[0], TOLD);
    ask(sql);
    SHARED(b)->able(b->store, ours, 1);
    for (unsigned count = 0; count < TOLD;) {
        int n = atoi(peer_wait(b, EVENT_GUEST)->host + 1);
        count += !told[n - 1];
        told[n - 1] = true;
    }
}

/* --- in the store ----------------------------------------------------------------------------- */

static void a_guest_takes_what_its_owner_cannot_run(void **state)
{
    struct peers *all = *state;
    struct peer *a = &all->peer[0], *b = &all->peer[1];
    open_two(all);
    const char *host = host_of(a, 0);
    uint64_t theirs = submit_to(as(a), host), other = submit_to(as(a), host);
    assert_int_equal(park(a, theirs), 0);
    assert_string_equal(own_rows(a, host), id_text(1, &other));
    struct store_job *row = get(as(b), theirs);
    assert_string_equal(row->needs, ours[0]);
    assert_int_equal(row->state, JOB_QUEUED);
    store_job_free(row);
    wait_parked(a, 1, 1);
    wait_parked(b, 1, 0);
    assert_string_equal(guest_rows(b, host), "");

    SHARED(b)->able(b->store, ours, 1);
    assert_string_equal(peer_wait(b, EVENT_GUEST)->host, host);
    assert_string_equal(guest_rows(b, host), id_text(1, &theirs));
    assert_int_equal(claim(as(b), theirs), 1);
    assert_string_equal(guest_rows(b, host), "");
    assert_int_equal(finish(as(b), theirs, 1, JOB_DONE), 0);
    wait_parked(b, 0, 0);
}

/* Of two guests that have seen it one gets it. */
static void one_guest_runs_it(void **state)
{
    struct peers *all = *state;
    struct peer *a = &all->peer[0], *b = &all->peer[1];
    open_two(all);
    uint64_t id = submit_to(as(a), host_of(a, 0));
    assert_int_equal(park(a, id), 0);
    struct store_claim first = {.id = id}, second = {.id = id};
    expect_call(&first.call);
    expect_call(&second.call);
    a->store->engine->claim(a->store, &first);
    b->store->engine->claim(b->store, &second);
    wait_calls(a->f, 2);
    int r = result_of(&first.call), s = result_of(&second.call);
    assert_true((r == 0 && s == -ESTALE) || (r == -ESTALE && s == 0));
}

static void an_owner_that_can_run_it_takes_it_back(void **state)
{
    struct peers *all = *state;
    struct peer *a = &all->peer[0], *b = &all->peer[1];
    open_two(all);
    const char *host = host_of(a, 0);
    uint64_t id = submit_to(as(b), host);
    assert_int_equal(park(a, id), 0);
    wait_parked(a, 1, 1);
    assert_string_equal(own_rows(a, host), "");
    peer_skip(a);
    SHARED(a)->able(a->store, ours, 1);
    const struct store_event *event;
    do
        event = peer_wait(a, EVENT_HOST);
    while (!event->host || strcmp(event->host, host) != 0);
    assert_string_equal(own_rows(a, host), id_text(1, &id));
    assert_int_equal(peer_told(a, EVENT_GUEST), 0);
    wait_parked(a, 0, 0);
    struct store_job *row = get(as(a), id);
    assert_null(row->needs);
    store_job_free(row);
}

/* It may be cancelled, or fall back to its owner, who parks it again; one that runs is not. */
static void what_becomes_of_it_besides(void **state)
{
    struct peers *all = *state;
    struct peer *a = &all->peer[0], *b = &all->peer[1];
    open_two(all);
    const char *host = host_of(a, 0);
    uint64_t cancelled = submit_to(as(a), host), tried = submit_to(as(a), host);
    assert_int_equal(park(a, cancelled), 0);
    assert_int_equal(park(a, tried), 0);
    assert_int_equal(finish(as(a), cancelled, 0, JOB_CANCELLED), 0);
    assert_int_equal(park(a, cancelled), -ESTALE);
    assert_int_equal(claim(as(b), tried), 1);
    assert_int_equal(park(a, tried), -ESTALE);
    assert_int_equal(postpone(as(b), tried, 1, 0), 0);
    assert_int_equal(park(a, tried), -ESTALE); /* as it was read before it was tried */
    assert_string_equal(own_rows(a, host), id_text(1, &tried));
    assert_int_equal(park_at(a, tried, 1), 0);
    assert_string_equal(own_rows(a, host), "");
    struct store_counts counts;
    a->store->engine->counts(a->store, &counts);
    assert_int_equal(counts.by_state[JOB_QUEUED], 1);
}

/* --- answers that are lost -------------------------------------------------------------------- */

static void wait_answer(const char *sql, const char *answer)
{
    while (strcmp(ask(sql), answer) != 0)
        usleep(1000);
}

/* It stands, and the owner is told so. If it never came to the server, that is not told. */
static void a_park_whose_answer_is_lost_is_asked_after(void **state)
{
    struct peers *all = *state;
    struct peer *a = &all->peer[0];
    char sql[160];
    open_two(all);
    const char *host = host_of(a, 0);
    uint64_t ids[] = {submit_to(as(a), host), submit_to(as(a), host)};
    struct store_park stands = {.id = ids[0], .needs = ours[0]},
                      lost = {.id = ids[1], .needs = ours[0]};
    PGconn *conn = PQconnectdb(dsn);
    server_do(conn, "BEGIN");
    snprintf(sql, sizeof sql, "SELECT FROM %s.jobs WHERE id=%llu FOR UPDATE", schema,
             (unsigned long long)ids[0]);
    server_do(conn, sql);
    expect_call(&stands.call);
    SHARED(a)->park(a->store, &stands);
    wait_answer("SELECT count(*)>0 FROM pg_stat_activity WHERE wait_event_type='Lock'", "t");
    gate_set(&a->gate, true);
    server_do(conn, "COMMIT");
    PQfinish(conn);
    wait_answer("SELECT count(*) FROM %s.jobs WHERE place=3", "1");
    gate_cut(&a->gate);
    wait_calls(a->f, 1);
    assert_int_equal(result_of(&stands.call), 0);

    gate_set(&a->gate, true);
    expect_call(&lost.call);
    SHARED(a)->park(a->store, &lost);
    gate_cut(&a->gate);
    wait_calls(a->f, 1);
    int r = result_of(&lost.call);
    assert_true(r == 0 || r == -EIO);
    assert_string_equal(ask("SELECT count(*) FROM %s.jobs WHERE place=3"), r == 0 ? "2" : "1");
}

/* --- how they are found ----------------------------------------------------------------------- */

#define MANY 150

/* No beat stands behind their count: it is given up, and some are counted, as what they need has to
 * be known. */
static void what_is_too_many_is_counted_in_part(void **state)
{
    struct peers *all = *state;
    struct peer *a = &all->peer[0];
    char sql[512];
    const struct store_event *event;
    open_two(all);
    /* For who is in haste each takes its time. */
    ask("SET search_path=%s; ALTER TABLE jobs RENAME TO all_jobs; CREATE FUNCTION slow() RETURNS "
        "bool LANGUAGE plpgsql AS $$BEGIN IF current_setting('statement_timeout')<>'0' THEN "
        "PERFORM pg_sleep(0.01); END IF; RETURN true; END$$; CREATE VIEW jobs AS SELECT * FROM "
        "all_jobs WHERE place<>3 OR slow()");
    snprintf(sql, sizeof sql, INSERT_PARKED, "all_jobs", host_of(a, 0), 0, ours[0], MANY);
    ask(sql);
    do
        event = peer_wait(a, EVENT_PARKED);
    while (event->parked_count == 0);
    assert_string_equal(event->parked[0].needs, ours[0]);
    assert_int_equal(event->parked[0].jobs, 1);
}

#define ALL 100000

/* However many are parked, of whatever need: what is asked all the time reads what it gives. */
static void a_hundred_thousand_are_in_nobodys_way(void **state)
{
    char sql[1024];
    struct sqls sqls = {.text = {NULL}};
    PGconn *conn = PQconnectdb(dsn);
    (void)state;
    assert_int_equal(sqls_init(&sqls, schema), 0);
    snprintf(sql, sizeof sql,
             "INSERT INTO %s.jobs(id,attempt,state,priority,rank,uid,gid,realm,created,retry_of,"
             "host,parser,spec,place,shard,due,needs) SELECT n,0,0,0,n,0,0,'',0,0,'h'||n%%50,'x',"
             "'{}',CASE WHEN n>99990 THEN 1 ELSE 3 END,n%%5,0,CASE n%%2 WHEN 0 THEN 'parser x' "
             "ELSE 'parser y' END FROM generate_series(1,100000) n",
             schema);
    server_do(conn, sql);
    snprintf(sql, sizeof sql, "ANALYZE %s.jobs", schema);
    server_do(conn, sql);
    server_do(conn, "SET enable_seqscan=off; SET enable_hashjoin=off; SET enable_mergejoin=off");
    for (int generic = 0; generic < 2; generic++) { /* as planned for these, and for any */
        server_do(conn, generic ? "SET plan_cache_mode=force_generic_plan"
                                : "SET plan_cache_mode=force_custom_plan");
        assert_plan(conn, &sqls, SQL_WINDOW, "1,'h1','{}',64,-1", 100);
        assert_plan(conn, &sqls, SQL_WINDOW_PARKED, "1,'h1','{}',64,-1,'{parser y,parser z}'", 100);
        assert_plan(conn, &sqls, SQL_KINDS, "100", 100);
        assert_plan(conn, &sqls, SQL_GUESTS, "'{parser x,parser y}',2,'','{}',64,1", 100);
        assert_plan(conn, &sqls, SQL_UNPARK, "'{200,201}','{parser x}'", 100);
        assert_plan(conn, &sqls, SQL_PARKED, "'{1,2}',100,1000000", ALL);
        assert_plan(conn, &sqls, SQL_PARKED, "'{1,2}',100,40", 100);
        assert_plan(conn, &sqls, SQL_HOSTS_OWNED, "'',64,'{0,1,2,3,4}',0", 100);
    }
    sqls_deinit(&sqls);
    PQfinish(conn);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FLEET_TEST(a_guest_takes_what_its_owner_cannot_run),
        FLEET_TEST(one_guest_runs_it),
        FLEET_TEST(an_owner_that_can_run_it_takes_it_back),
        FLEET_TEST(what_becomes_of_it_besides),
        FLEET_TEST(a_guest_knows_who_waits_and_runs_there),
        FLEET_TEST(every_host_has_its_turn),
        FLEET_TEST(a_park_whose_answer_is_lost_is_asked_after),
        FLEET_TEST(what_is_too_many_is_counted_in_part),
        FLEET_TEST(a_hundred_thousand_are_in_nobodys_way),
    };
    if (getenv("PENSTOCK_TEST"))
        cmocka_set_test_filter(getenv("PENSTOCK_TEST"));
    int r = pg_begin();
    if (r != 0)
        return r;
    int failed = cmocka_run_group_tests_name("postgresql, parked", tests, NULL, NULL);
    pg_end();
    return failed;
}
