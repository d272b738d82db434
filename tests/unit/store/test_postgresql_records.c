/* Ends that bring records: these stand with their end, each once, or not at all. */
#include "base/log.h"
#include "pg_peers.h"
#include "pg_spools.h"

#define RECORD "{\"n\":%d,\"s\":\"\\\\ \\u0000 \\t ü\"}"

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

static uint64_t running(struct fixture *f)
{
    uint64_t id = submit_to(f, "h");
    claim(f, id);
    return id;
}

static void expect(const char *sql, const char *value)
{
    const char *seen = ask(sql);
    if (strcmp(seen, value) != 0)
        fail_msg("%s: '%s', and not '%s'", sql, seen, value);
}

static void they_stand_with_their_end(void **state)
{
    struct fixture *f = *state;
    uint64_t id = running(f);
    struct spool spool = spool_of(f->dir, id, 1, 3, RECORD);
    struct store_finish end = end_with(id, 1, &spool);
    assert_int_equal(CALL(f, finish, &end), 0);
    spool_close(&spool);
    expect(
        "SELECT string_agg(concat_ws(' ',job,attempt,seq,data),'|' ORDER BY seq) FROM %s.records",
        "1 1 1 {\"n\":1,\"s\":\"\\\\ \\u0000 \\t ü\"}|"
        "1 1 2 {\"n\":2,\"s\":\"\\\\ \\u0000 \\t ü\"}|"
        "1 1 3 {\"n\":3,\"s\":\"\\\\ \\u0000 \\t ü\"}");
    expect("SELECT count(*) FROM %s.results WHERE job=1 AND host='h' AND verdict LIKE '{%%'", "3");
    struct store_counts counts;
    f->store->engine->counts(f->store, &counts);
    assert_int_equal(counts.by_state[JOB_DONE], 1);
    assert_int_equal(counts.by_state[JOB_RUNNING], 0);
    assert_int_equal(counts.pending_bytes, 0);
}

/* Many at once, each with its own, and one that is longer than what is handed over at once. */
static void many_come_together(void **state)
{
    struct fixture *f = *state;
    enum { N = 40 };
    struct spool spools[N];
    struct store_finish ends[N];
    struct sink_source source = {.job = 0, .attempt = 1, .extra = ""};
    static char big[1200000];
    memset(big, 'x', sizeof big);
    big[0] = big[sizeof big - 1] = '"';
    for (int i = 0; i < N; i++) {
        uint64_t id = running(f);
        spools[i] = spool_of(f->dir, id, 1, 100 * (i % 3 + 1), RECORD);
        source.job = id;
        if (i == 7) {
            assert_int_equal(spool_record(&spools[i], &source, 201, big, sizeof big), 0);
            assert_int_equal(spool_flush(&spools[i]), 0);
        }
        ends[i] = end_with(id, 1, &spools[i]);
    }
    for (int i = 0; i < N; i++) {
        expect_call(&ends[i].call);
        f->store->engine->finish(f->store, &ends[i]);
    }
    wait_calls(f, N);
    for (int i = 0; i < N; i++) {
        assert_int_equal(ends[i].call.result, 0);
        spool_close(&spools[i]);
    }
    expect("SELECT concat_ws(' ',count(*),count(DISTINCT (job,seq)),max(length(data))) FROM "
           "%s.records",
           "7901 7901 1200000");
    expect(
        "SELECT count(*) FROM %s.ended e JOIN (SELECT job,count(*) AS n FROM %s.records GROUP BY "
        "job) r ON r.job=e.id WHERE n>=100*((e.id-1) %% 3+1)",
        "40");
    struct store_counts counts;
    f->store->engine->counts(f->store, &counts);
    assert_int_equal(counts.by_state[JOB_DONE], N);
}

/* Who does not run the attempt brings nothing, and is told so. */
static void a_ghost_brings_nothing(void **state)
{
    struct fixture *f = *state;
    uint64_t id = running(f), other = running(f);
    assert_int_equal(postpone(f, id, 1, 0), 0);
    struct spool spool = spool_of(f->dir, id, 1, 3, RECORD);
    struct store_finish ends[3] = {end_with(id, 1, &spool), end_with(other, 1, &spool),
                                   end_with(99999, 1, &spool)};
    for (int i = 0; i < 3; i++) {
        expect_call(&ends[i].call);
        f->store->engine->finish(f->store, &ends[i]);
    }
    wait_calls(f, 3);
    assert_int_equal(result_of(&ends[0].call), -ESTALE);
    assert_non_null(strstr(ends[0].call.error.text, "queued"));
    assert_int_equal(result_of(&ends[1].call), 0);
    assert_int_equal(result_of(&ends[2].call), -ENOENT);
    spool_close(&spool);
    expect("SELECT concat_ws(' ',count(*),min(job),max(job)) FROM %s.records", "3 2 2");
    assert_int_equal(claim(f, id), 2);
}

/* One whose records cannot be read, or that the server does not take, harms no other. */
static void a_bad_one_fails_alone(void **state)
{
    struct fixture *f = *state;
    enum { N = 5 };
    struct spool spools[N];
    struct store_finish ends[N];
    for (int i = 0; i < N; i++) {
        uint64_t id = running(f);
        spools[i] = spool_of(f->dir, id, 1, 2, i == 3 ? "\"\xff %d\"" : RECORD);
        ends[i] = end_with(id, 1, &spools[i]);
    }
    assert_int_equal(ftruncate(spools[1].fd, 10), 0);
    for (int i = 0; i < N; i++) {
        expect_call(&ends[i].call);
        f->store->engine->finish(f->store, &ends[i]);
    }
    wait_calls(f, N);
    for (int i = 0; i < N; i++) {
        assert_int_equal(result_of(&ends[i].call), i == 1 ? -EIO : i == 3 ? -EINVAL : 0);
        spool_close(&spools[i]);
    }
    assert_non_null(strstr(ends[1].call.error.text, "cannot be read"));
    expect("SELECT concat_ws(' ',count(*),count(DISTINCT job)) FROM %s.records", "6 3");
    expect("SELECT count(*) FROM %s.jobs WHERE state=1", "2");
    assert_false(store_failing(f->store));
}

/* What the server refuses for now is held, and the store says that it fails. */
static void what_is_refused_waits(void **state)
{
    struct fixture *f = *state;
    uint64_t id = running(f);
    struct spool spool = spool_of(f->dir, id, 1, 3, RECORD);
    struct store_finish end = end_with(id, 1, &spool);
    ask("ALTER TABLE %s.records RENAME TO hidden");
    expect_call(&end.call);
    f->store->engine->finish(f->store, &end);
    while (!store_failing(f->store))
        usleep(1000);
    struct error why;
    f->store->engine->trouble(f->store, &why);
    assert_non_null(strstr(why.text, "42P01"));
    ask("ALTER TABLE %s.hidden RENAME TO records");
    wait_calls(f, 1);
    assert_int_equal(end.call.result, 0);
    assert_false(store_failing(f->store));
    spool_close(&spool);
    expect("SELECT count(*) FROM %s.records", "3");
}

/* Who was declared dead stores nothing any more. */
static void a_fence_holds_them_too(void **state)
{
    struct fixture *f = *state;
    uint64_t id = running(f);
    struct spool spool = spool_of(f->dir, id, 1, 3, RECORD);
    struct store_finish end = end_with(id, 1, &spool);
    ask("UPDATE %s.members SET gone=true");
    assert_int_equal(CALL(f, finish, &end), -EIO);
    assert_non_null(strstr(end.call.error.text, "declared this member"));
    spool_close(&spool);
    expect("SELECT count(*) FROM %s.records", "0");
    expect("SELECT count(*) FROM %s.ended", "0");
}

/* The server dies while ends are under way: each is told as it is, and stands once. */
static void a_restart_of_the_server_doubles_nothing(void **state)
{
    struct fixture *f = *state;
    enum { N = 60 };
    static struct spool spools[N];
    static struct store_finish ends[N];
    for (int i = 0; i < N; i++) {
        uint64_t id = running(f);
        spools[i] = spool_of(f->dir, id, 1, 500, RECORD);
        ends[i] = end_with(id, 1, &spools[i]);
    }
    for (int i = 0; i < N; i++) {
        expect_call(&ends[i].call);
        f->store->engine->finish(f->store, &ends[i]);
        if (i == N / 2)
            assert_int_equal(cluster_do("stop", "immediate"), 0);
    }
    assert_int_equal(cluster_do("start", "fsync=off"), 0);
    wait_calls(f, N);
    for (int i = 0; i < N; i++) {
        assert_int_equal(ends[i].call.result, 0);
        spool_close(&spools[i]);
    }
    expect("SELECT concat_ws(' ',count(*),count(DISTINCT (job,seq))) FROM %s.records",
           "30000 30000");
    expect("SELECT count(*) FROM %s.ended", "60");
    submit_to(f, "h"); /* a further change: the counts have been read again by then */
    struct store_counts counts;
    f->store->engine->counts(f->store, &counts);
    assert_int_equal(counts.by_state[JOB_DONE], N);
    assert_int_equal(counts.by_state[JOB_RUNNING], 0);
}

/* A run's schedule changes with its end. */
static void a_schedule_hears_of_it(void **state)
{
    struct fixture *f = *state;
    uint64_t id = running(f);
    ask("INSERT INTO %s.schedules(name,spec,uid,gid,paused,revision,version,created,next_at,job) "
        "VALUES('s','{}',0,0,false,1,1,0,0,1)");
    struct spool spool = spool_of(f->dir, id, 1, 3, RECORD);
    struct store_schedule_end schedule = {.name = "s"};
    struct store_finish end = end_with(id, 1, &spool);
    end.end = &schedule;
    assert_int_equal(CALL(f, finish, &end), 0);
    spool_close(&spool);
    expect("SELECT concat_ws(' ',job,last_state) FROM %s.schedules", "0 3");
}

/* --- of several daemons ----------------------------------------------------------------------- */

/* Cut off while its end is under way: whoever closes its attempt finds no lock of its. */
static void a_dead_daemon_holds_no_row(void **state)
{
    struct peers *all = *state;
    struct peer *a = &all->peer[0], *b = &all->peer[1];
    uint64_t id = run_at_b(all, NS_PER_SEC);
    struct spool spool = spool_of(all->f.dir, id, 1, 3, RECORD);
    struct store_finish end = end_with(id, 1, &spool);
    PGconn *conn = hold("BEGIN; SELECT FROM %s.jobs FOR UPDATE");
    expect_call(&end.call);
    b->store->engine->finish(b->store, &end);
    wait_for(WAITING, "1");
    gate_set(&b->gate, true);
    let_go(conn); /* its row is locked now, and nobody goes on */
    peer_wait(b, EVENT_FENCED);
    peer_wait(a, EVENT_TORN);
    struct store_close_torn closing = {.id = id, .attempt = 1, .line = "{}"};
    assert_int_equal(SHARED_CALL(a, close_torn, &closing), 0);
    gate_set(&b->gate, false);
    wait_calls(b->f, 1);
    assert_int_equal(end.call.result, -ESTALE);
    peer_wait(b, EVENT_JOINED);
    spool_close(&spool);
    expect("SELECT count(*) FROM %s.records", "0");
}

/* Cut off between the end and its answer, and declared dead meanwhile. */
static void records_of_a_ghost_that_stand_are_told_so(void **state)
{
    struct peers *all = *state;
    struct peer *b = &all->peer[1];
    uint64_t id = run_at_b(all, NS_PER_SEC);
    struct spool spool = spool_of(all->f.dir, id, 1, 3, RECORD);
    struct store_finish end = end_with(id, 1, &spool);
    PGconn *conn = hold("BEGIN; SELECT FROM %s.counts WHERE member=(SELECT member FROM %s.jobs) "
                        "FOR UPDATE");
    expect_call(&end.call);
    b->store->engine->finish(b->store, &end);
    wait_for(WAITING, "1");
    gate_set(&b->gate, true);
    let_go(conn);
    wait_for("SELECT count(*) FROM %s.ended", "1");
    peer_wait(b, EVENT_FENCED);
    WAIT_UNTIL(shards_count(&all->peer[0].mine) == STORE_SHARDS);
    gate_set(&b->gate, false);
    wait_calls(b->f, 1);
    assert_int_equal(end.call.result, 0);
    peer_wait(b, EVENT_JOINED);
    spool_close(&spool);
    expect("SELECT count(*) FROM %s.results", "3");

    /* Both count it, once. */
    struct store_counts counts;
    do {
        uv_run(&all->f.loop, UV_RUN_NOWAIT);
        b->store->engine->counts(b->store, &counts);
    } while (counts.by_state[JOB_DONE] != 1 || counts.by_state[JOB_RUNNING] != 0);
}

/* The end of a job that is not there is told before its transaction has been undone. Where not even
 * the question has come through, it is answered by the next connection. */
static void tell_a_ghost(struct peer *p, struct spool *spool, bool lose)
{
    struct store_finish end = end_with(99999, 1, spool);
    uint64_t patience = clock_now() + NS_PER_SEC;
    expect_call(&end.call);
    p->store->engine->finish(p->store, &end);
    while (lose && delivered_count == 0 && clock_now() < patience)
        uv_run(&p->f->loop, UV_RUN_NOWAIT);
    if (lose)
        gate_lose(&p->gate);
    while (delivered_count == 0)
        uv_run(&p->f->loop, UV_RUN_ONCE);
    delivered_count = 0;
    assert_int_equal(result_of(&end.call), -ENOENT);
}

/* Cut off while there is nothing left to be stored: nobody would try again, so nothing fails. */
static void a_loss_behind_the_last_answer_holds_nobody_up(void **state)
{
    struct peers *all = *state;
    struct peer *a = &all->peer[0];
    peer_open(a, &(struct store_config){.lease_ns = 60 * NS_PER_SEC});
    peers_settle(all, 1);
    struct spool spool = spool_of(all->f.dir, 1, 1, 3, RECORD);
    size_t before = gate_asked(&a->gate);
    tell_a_ghost(a, &spool, false);
    wait_for("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'penstock/%%' AND "
             "state<>'idle'",
             "0");
    size_t size = gate_asked(&a->gate) - before;
    gate_lose(&a->gate);
    expect_it_works(a);
    for (size_t left = 20; left <= 80; left += 20) {
        gate_stick(&a->gate, size - left); /* of what undoes it so much does not arrive */
        tell_a_ghost(a, &spool, true);
        expect_it_works(a);
    }
    spool_close(&spool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(they_stand_with_their_end, setup, teardown),
        cmocka_unit_test_setup_teardown(many_come_together, setup, teardown),
        cmocka_unit_test_setup_teardown(a_ghost_brings_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(a_bad_one_fails_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_refused_waits, setup, teardown),
        cmocka_unit_test_setup_teardown(a_fence_holds_them_too, setup, teardown),
        cmocka_unit_test_setup_teardown(a_restart_of_the_server_doubles_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(a_schedule_hears_of_it, setup, teardown),
        FLEET_TEST(a_dead_daemon_holds_no_row),
        FLEET_TEST(records_of_a_ghost_that_stand_are_told_so),
        FLEET_TEST(a_loss_behind_the_last_answer_holds_nobody_up),
    };
    log_set_level(LOG_LEVEL_ERROR);
    if (getenv("PENSTOCK_TEST"))
        cmocka_set_test_filter(getenv("PENSTOCK_TEST"));
    int r = pg_begin();
    if (r != 0)
        return r;
    int failed = cmocka_run_group_tests_name("postgresql, records", tests, NULL, NULL);
    pg_end();
    return failed;
}
