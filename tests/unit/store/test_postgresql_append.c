/* Records that come before their job's end: they count once it is done, each once, whatever is lost
 * on the way, and are gone again after an attempt that came to nothing. */
#include "base/log.h"
#include "pg_peers.h"
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

static uint64_t running(struct fixture *f)
{
    uint64_t id = submit_to(f, "h");
    assert_int_equal(claim(f, id), 1);
    return id;
}

static void expect(const char *sql, const char *value)
{
    assert_string_equal(ask(sql), value);
}

#define COUNTS "SELECT concat_ws(' ',count(*),count(DISTINCT (job,attempt,seq))) FROM "

/* What came early is not shown until the end, which brings the rest; a batch that is said twice
 * stands once. */
static void the_end_makes_them_count(void **state)
{
    struct fixture *f = *state;
    uint64_t id = running(f);
    struct spool spool = spool_of(f->dir, id, 1, 10, RECORD);
    assert_int_equal(append(f, id, 1, &spool, 3), 0);
    assert_int_equal(append(f, id, 1, &spool, 3), 0);
    expect(COUNTS "%s.records", "3 3");
    assert_int_equal(append(f, id, 1, &spool, 7), 0);
    expect(COUNTS "%s.records", "7 7");
    expect(COUNTS "%s.results", "0 0");
    struct store_finish end = end_with(id, 1, &spool);
    assert_int_equal(CALL(f, finish, &end), 0);
    expect(COUNTS "%s.results", "10 10");
    expect("SELECT string_agg(seq::text,' ' ORDER BY seq) FROM %s.records", "1 2 3 4 5 6 7 8 9 10");
    expect("SELECT count(*) FROM %s.batches", "0");

    id = running(f); /* all of it came early */
    struct spool whole = spool_of(f->dir, id, 1, 4, RECORD);
    assert_int_equal(append(f, id, 1, &whole, 4), 0);
    end = end_with(id, 1, &whole);
    assert_int_equal(CALL(f, finish, &end), 0);
    expect(COUNTS "%s.results", "14 14");
    spool_close(&spool);
    spool_close(&whole);
}

/* What an attempt that came to nothing has left is deleted, and only that. */
static void what_was_left_behind_goes(void **state)
{
    struct fixture *f = *state;
    uint64_t id = running(f), other = running(f), failed = running(f);
    struct spool first = spool_of(f->dir, id, 1, 10, RECORD);
    assert_int_equal(append(f, id, 1, &first, 6), 0);
    assert_int_equal(append(f, other, 1, &first, 2), 0);
    assert_int_equal(append(f, failed, 1, &first, 5), 0);
    assert_int_equal(postpone(f, id, 1, 0), 0);
    assert_int_equal(finish(f, failed, 1, JOB_FAILED), 0);
    assert_int_equal(claim(f, id), 2);
    struct spool second = spool_of(f->dir, id, 2, 4, RECORD);
    assert_int_equal(append(f, id, 2, &second, 1), 0);
    wait_for("SELECT string_agg(DISTINCT job||':'||attempt,' ') FROM %s.records", "1:2 2:1");
    expect("SELECT string_agg(job||':'||attempt,' ' ORDER BY job) FROM %s.batches", "1:2 2:1");
    struct store_finish end = end_with(id, 2, &second);
    assert_int_equal(CALL(f, finish, &end), 0);
    expect("SELECT string_agg(job||':'||attempt||':'||seq,' ' ORDER BY seq) FROM %s.results",
           "1:2:1 1:2:2 1:2:3 1:2:4");
    spool_close(&first);
    spool_close(&second);
}

/* Also if nothing comes to nothing any more. */
static void what_an_earlier_run_has_left_goes(void **state)
{
    struct fixture *f = *state;
    ask("INSERT INTO %s.records VALUES(999,1,1,'{}')");
    ask("INSERT INTO %s.batches VALUES(999,1,'%s','records',40)");
    uint64_t id = running(f);
    struct spool spool = spool_of(f->dir, id, 1, 3, RECORD);
    assert_int_equal(append(f, id, 1, &spool, 2), 0);
    wait_for("SELECT string_agg(DISTINCT job::text,' ') FROM %s.batches", "1");
    expect("SELECT string_agg(DISTINCT job::text,' ') FROM %s.records", "1");
    spool_close(&spool);
}

static int setup_impatient(void **state)
{
    static struct fixture f;
    f = (struct fixture){.open = open_new};
    fixture_open(&f, &(struct store_config){.retry_ns = 1}); /* it is looked at once */
    *state = &f;
    return 0;
}

static PGconn *hold_job(uint64_t id)
{
    char sql[96];
    snprintf(sql, sizeof sql, "BEGIN; SELECT FROM %%s.jobs WHERE id=%llu FOR UPDATE",
             (unsigned long long)id);
    return hold(sql);
}

/* Batches that wait, one behind the other, do not stand before it. */
static void what_was_left_behind_goes_between_batches(void **state)
{
    struct fixture *f = *state;
    uint64_t ids[] = {running(f), running(f)}, failed = running(f);
    struct spool spool = spool_of(f->dir, failed, 1, 3, RECORD);
    struct store_append calls[2];
    PGconn *conns[2];
    assert_int_equal(append(f, failed, 1, &spool, 3), 0);
    for (int i = 0; i < 2; i++)
        conns[i] = hold_job(ids[i]);
    for (int i = 0; i < 2; i++) {
        calls[i] = (struct store_append){.id = ids[i], .attempt = 1, .records = spool};
        expect_call(&calls[i].call);
        f->store->engine->append(f->store, &calls[i]);
    }
    wait_for(WAITING, "1");
    assert_int_equal(finish(f, failed, 1, JOB_FAILED), 0);
    let_go(conns[0]); /* the next batch waits, for as long as that takes */
    wait_for("SELECT count(*) FROM %s.batches b WHERE NOT EXISTS(SELECT FROM %s.jobs j WHERE "
             "j.id=b.job)",
             "0");
    let_go(conns[1]);
    wait_calls(f, 2);
    assert_int_equal(result_of(&calls[0].call), 0);
    assert_int_equal(result_of(&calls[1].call), 0);
    spool_close(&spool);
}

/* The store's own bookkeeping knows which table that was, whatever it is called, and does without
 * one that is gone. */
static void each_table_is_tidied_up(void **state)
{
    struct fixture *f = *state;
    static const char *const tables[] = {"\"It\"\"em's\"", "gone"};
    ask("CREATE TABLE %s.\"It\"\"em's\"(job bigint, attempt int, seq bigint, data text)");
    ask("CREATE TABLE %s.gone(job bigint, attempt int, seq bigint, data text)");
    uint64_t id = running(f);
    struct spool spool = spool_of(f->dir, id, 1, 9, RECORD);
    for (int i = 0; i < 2; i++) {
        f->store->engine->records_into(f->store, tables[i]);
        assert_int_equal(append(f, id, 1, &spool, 3 + 3 * i), 0);
    }
    f->store->engine->records_into(f->store, NULL);
    assert_int_equal(append(f, id, 1, &spool, 9), 0);
    expect("SELECT string_agg(seq::text,' ' ORDER BY seq) FROM %s.records", "7 8 9");
    expect("SELECT count(*) FROM %s.\"It\"\"em's\"", "3");
    ask("DROP TABLE %s.gone");
    assert_int_equal(postpone(f, id, 1, 0), 0);
    wait_for("SELECT count(*) FROM %s.batches", "0");
    expect("SELECT count(*) FROM %s.\"It\"\"em's\"", "0");
    expect("SELECT count(*) FROM %s.records", "0");
    spool_close(&spool);
}

/* Whose attempt it is not, stores nothing. */
static void a_ghost_appends_nothing(void **state)
{
    struct fixture *f = *state;
    uint64_t id = running(f);
    struct spool spool = spool_of(f->dir, id, 1, 3, RECORD);
    assert_int_equal(append(f, id, 2, &spool, 3), -ESTALE);
    assert_int_equal(append(f, 99999, 1, &spool, 3), -ESTALE);
    assert_int_equal(postpone(f, id, 1, 0), 0);
    assert_int_equal(append(f, id, 1, &spool, 3), -ESTALE);
    expect("SELECT count(*) FROM %s.records", "0");
    expect("SELECT count(*) FROM %s.batches", "0");
    assert_int_equal(claim(f, id), 2);
    ask("UPDATE %s.members SET gone=true");
    assert_int_equal(append(f, id, 2, &spool, 3), -EAGAIN);
    expect("SELECT count(*) FROM %s.records", "0");
    spool_close(&spool);
}

/* A record that the table refuses for what it is fails the batch, and would fail the end; what is
 * the table's own trouble does not, and the end brings all of it. */
static void what_the_table_refuses_is_told(void **state)
{
    struct fixture *f = *state;
    uint64_t id = running(f);
    struct spool spool = spool_of(f->dir, id, 1, 5, RECORD);
    ask("ALTER TABLE %s.records ADD CONSTRAINT few CHECK (seq<4)");
    assert_int_equal(append(f, id, 1, &spool, 3), 0);
    struct store_append call = {.id = id, .attempt = 1, .records = spool};
    assert_int_equal(CALL(f, append, &call), -EINVAL);
    assert_non_null(strstr(call.call.error.text, "few"));
    struct store_finish end = end_with(id, 1, &spool);
    assert_int_equal(CALL(f, finish, &end), -EINVAL);
    assert_false(store_failing(f->store));
    ask("ALTER TABLE %s.records DROP CONSTRAINT few");
    ask("ALTER TABLE %s.records RENAME TO hidden");
    assert_int_equal(append(f, id, 1, &spool, 4), -EAGAIN);
    assert_false(store_failing(f->store));
    ask("ALTER TABLE %s.hidden RENAME TO records");
    assert_int_equal(CALL(f, finish, &end), 0);
    expect(COUNTS "%s.results", "5 5");
    spool_close(&spool);
}

/* A row that no partition takes is none of the record's fault. */
static void a_partition_that_is_missing_is_waited_for(void **state)
{
    struct fixture *f = *state;
    ask("CREATE TABLE %s.parts(job bigint, attempt int, seq bigint, data text) "
        "PARTITION BY RANGE (seq)");
    f->store->engine->records_into(f->store, "parts");
    uint64_t id = running(f);
    struct spool spool = spool_of(f->dir, id, 1, 3, RECORD);
    assert_int_equal(append(f, id, 1, &spool, 2), -EAGAIN);
    struct store_finish end = end_with(id, 1, &spool);
    expect_call(&end.call);
    f->store->engine->finish(f->store, &end);
    while (!store_failing(f->store))
        usleep(1000);
    ask("CREATE TABLE %s.part PARTITION OF %s.parts DEFAULT");
    wait_calls(f, 1);
    assert_int_equal(result_of(&end.call), 0);
    expect("SELECT count(*) FROM %s.part", "3");
    spool_close(&spool);
}

/* The server dies between batches: each record stands once, and the rest comes with the end. */
static void a_restart_of_the_server_doubles_nothing(void **state)
{
    struct fixture *f = *state;
    enum { N = 400, STEP = 20 };
    uint64_t id = running(f);
    struct spool spool = spool_of(f->dir, id, 1, N, RECORD);
    for (int to = STEP; to < N; to += STEP) {
        struct store_append call = {
            .id = id, .attempt = 1, .records = {.fd = spool.fd, .size = lines_end(&spool, to)}};
        expect_call(&call.call);
        f->store->engine->append(f->store, &call);
        if (to == N / 2)
            assert_int_equal(cluster_do("stop", "immediate"), 0);
        wait_calls(f, 1);
        if (to == N / 2)
            assert_int_equal(cluster_do("start", "fsync=off"), 0);
    }
    struct store_finish end = end_with(id, 1, &spool);
    assert_int_equal(CALL(f, finish, &end), 0);
    expect(COUNTS "%s.results", "400 400");
    spool_close(&spool);
}

/* --- of several daemons ----------------------------------------------------------------------- */

/* Cut off in mid-stream, while a batch waits at the server: whoever closes the attempt waits for
 * nothing, the batch does not come behind that, and of those before it nothing stays. */
static void a_lost_attempt_leaves_nothing(void **state)
{
    struct peers *all = *state;
    struct peer *a = &all->peer[0], *b = &all->peer[1];
    uint64_t id = run_at_b(all, 4 * NS_PER_SEC);
    struct spool spool = spool_of(all->f.dir, id, 1, 5, RECORD);
    assert_int_equal(append(as(b), id, 1, &spool, 2), 0);
    expect("SELECT count(*) FROM %s.records", "2");
    struct store_append late = {.id = id, .attempt = 1, .records = spool};
    PGconn *conn = hold("BEGIN; SELECT FROM %s.jobs FOR UPDATE");
    expect_call(&late.call);
    b->store->engine->append(b->store, &late);
    wait_for(WAITING, "1");
    gate_set(&b->gate, true);
    let_go(conn);                /* its row is locked now, and nobody goes on */
    while (delivered_count == 0) /* by the end of its lease at the latest */
        uv_run(&all->f.loop, UV_RUN_ONCE);
    delivered_count = 0;
    assert_int_equal(result_of(&late.call), -EAGAIN);
    peer_wait(a, EVENT_TORN);
    struct store_close_torn closing = {.id = id, .attempt = 1, .line = "{}"};
    assert_int_equal(SHARED_CALL(a, close_torn, &closing), 0);
    gate_set(&b->gate, false);
    wait_for("SELECT count(*) FROM %s.records", "0");
    peer_wait(b, EVENT_JOINED);
    expect("SELECT count(*) FROM %s.batches", "0");
    spool_close(&spool);
}

/* The connection is lost between two batches, and while one is under way. */
static void a_lost_connection_doubles_nothing(void **state)
{
    struct peers *all = *state;
    struct peer *a = &all->peer[0];
    peer_open(a, &(struct store_config){.lease_ns = 60 * NS_PER_SEC});
    peers_settle(all, 1);
    uint64_t id = submit_to(as(a), host_of(a, 0));
    claim(as(a), id);
    struct spool spool = spool_of(all->f.dir, id, 1, 20, RECORD);
    for (int lines = 1; lines < 20; lines++) {
        struct store_append batch = {
            .id = id, .attempt = 1, .records = {.fd = spool.fd, .size = lines_end(&spool, lines)}};
        expect_call(&batch.call);
        a->store->engine->append(a->store, &batch);
        if (lines % 3 == 0)
            gate_lose(&a->gate);
        wait_calls(a->f, 1);
        assert_true(batch.call.result == 0 || batch.call.result == -EAGAIN);
        if (lines % 3 == 1)
            gate_lose(&a->gate);
    }
    struct store_finish end = end_with(id, 1, &spool);
    assert_int_equal(CALL(as(a), finish, &end), 0);
    expect(COUNTS "%s.results", "20 20");
    spool_close(&spool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_end_makes_them_count, setup, teardown),
        cmocka_unit_test_setup_teardown(what_was_left_behind_goes, setup, teardown),
        cmocka_unit_test_setup_teardown(what_an_earlier_run_has_left_goes, setup, teardown),
        cmocka_unit_test_setup_teardown(what_was_left_behind_goes_between_batches, setup_impatient,
                                        teardown),
        cmocka_unit_test_setup_teardown(each_table_is_tidied_up, setup, teardown),
        cmocka_unit_test_setup_teardown(a_ghost_appends_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(what_the_table_refuses_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(a_partition_that_is_missing_is_waited_for, setup, teardown),
        cmocka_unit_test_setup_teardown(a_restart_of_the_server_doubles_nothing, setup, teardown),
        FLEET_TEST(a_lost_attempt_leaves_nothing),
        FLEET_TEST(a_lost_connection_doubles_nothing),
    };
    log_set_level(LOG_LEVEL_ERROR);
    if (getenv("PENSTOCK_TEST"))
        cmocka_set_test_filter(getenv("PENSTOCK_TEST"));
    int r = pg_begin();
    if (r != 0)
        return r;
    int failed =
        cmocka_run_group_tests_name("postgresql, records before the end", tests, NULL, NULL);
    pg_end();
    return failed;
}
