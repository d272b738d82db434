/* The PostgreSQL engine as a fleet of one, by the module that a daemon loads, on a cluster of its
 * own. Each store has a schema of its own. */
#include "conformance.h"
#include "pg_support.h"

static void reopen(struct fixture *f)
{
    struct store_config config = {.path = f->path};
    struct error err = {""};
    f->store->engine->free(f->store);
    if (open_again(&config, &f->mailbox, &f->store, &err) < 0)
        fail_msg("it cannot be opened again: %s", err.text);
}

/* --- what is kept ----------------------------------------------------------------------------- */

static void everything_is_there_after_a_restart(void **state)
{
    struct fixture *f = *state;
    struct store_submit_item item;
    uint64_t keyed = submit_keyed(f, 1, "k", "{\"a\":1}", &item);
    uint64_t done = submit_to(f, "a"), waiting = submit_to(f, "a"), running = submit_to(f, "b");
    claim(f, done);
    claim(f, waiting);
    claim(f, running);
    assert_int_equal(finish(f, done, 1, JOB_DONE), 0);
    assert_int_equal(postpone(f, waiting, 1, 5000), 0);
    struct store_counts before, after;
    f->store->engine->counts(f->store, &before);
    reopen(f);
    f->store->engine->counts(f->store, &after);
    assert_memory_equal(before.by_state, after.by_state, sizeof before.by_state);
    assert_int_equal(before.pending_bytes, after.pending_bytes);

    assert_int_equal(submit_keyed(f, 1, "k", "{\"a\":1}", &item), keyed);
    assert_true(item.existing);
    struct store_job *row = get(f, done);
    assert_int_equal(row->state, JOB_DONE);
    assert_string_equal(row->verdict, "{\"event\":\"verdict\"}");
    store_job_free(row);
    struct store_window_host window = rows_of("a", 5);
    assert_string_equal(window_ids(f, &window, 5000), "3");

    /* What ran is the next run's to close, and nobody else's. */
    assert_int_equal(postpone(f, running, 1, 0), 0);
    assert_int_equal(claim(f, running), 2);
    assert_true(submit_to(f, "h") > running);
    assert_string_equal(ask("SELECT count(*) FROM %s.members"), "1");
}

/* A run of a daemon that was killed left its row of members behind. */
static void a_dead_run_of_the_same_daemon_is_gone_at_once(void **state)
{
    struct fixture *f = *state;
    uint64_t id = submit_to(f, "h");
    claim(f, id);
    f->store->engine->free(f->store);
    ask("UPDATE %s.members SET gone=false");
    struct store_config config = {.path = f->path};
    struct error err = {""};
    assert_int_equal(open_again(&config, &f->mailbox, &f->store, &err), 0);
    assert_string_equal(ask("SELECT count(*) FROM %s.members WHERE NOT gone"), "1");
    assert_int_equal(finish(f, id, 1, JOB_DONE), 0);
}

static void a_name_is_one_daemons(void **state)
{
    struct fixture *f = *state;
    char path[96];
    struct store *other = NULL;
    struct error err = {""};
    struct store_config config = {.path = f->path};
    assert_int_equal(open_again(&config, &f->mailbox, &other, &err), -EBUSY);
    assert_non_null(strstr(err.text, "in use by another penstockd"));
    snprintf(path, sizeof path, "%s2", f->path);
    config.path = path;
    assert_int_equal(open_again(&config, &f->mailbox, &other, &err), -EBUSY);
    assert_non_null(strstr(err.text, "in use by the daemon one, from "));
    assert_int_equal(remove(path), 0);
    submit_to(f, "h");
}

static int open_other(struct fixture *f, struct store **ret_store, struct error *err)
{
    char path[96];
    snprintf(path, sizeof path, "%s2", f->path);
    struct store_config config = {
        .path = path, .dsn = dsn, .schema = schema, .name = "other", .retry_ns = 20 * NS_PER_MS};
    return module->open(&config, &f->mailbox, ret_store, err);
}

/* Limits of hosts are counted by one daemon: another of any name is refused while it lives, … */
static void a_schema_is_one_daemons(void **state)
{
    struct fixture *f = *state;
    struct store *other = NULL;
    struct error err = {""};
    assert_int_equal(open_other(f, &other, &err), -EBUSY);
    assert_non_null(strstr(err.text, "in use by the daemon one, from "));
    assert_string_equal(ask("SELECT count(*) FROM %s.members"), "1");

    /* … and by its next connections, too. */
    ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE "
        "'penstock/%%'");
    struct store_job job = job_for("h");
    struct store_submit_item item = {.job = &job};
    struct store_submit call = {.items = &item, .count = 1};
    while (CALL(f, submit, &call) < 0)
        ;
    assert_int_equal(open_other(f, &other, &err), -EBUSY);
    char path[96];
    snprintf(path, sizeof path, "%s2", f->path);
    assert_int_equal(remove(path), 0);
}

/* Who was killed says nothing: it lives no more once its sessions have ended, whatever its name. */
static void a_dead_daemon_of_another_name_is_replaced(void **state)
{
    struct fixture *f = *state;
    struct store *other = NULL;
    struct error err = {""};
    char path[96];
    uint64_t id = submit_to(f, "h");
    claim(f, id);
    f->store->engine->free(f->store);
    ask("UPDATE %s.members SET gone=false");
    assert_int_equal(open_other(f, &other, &err), 0);
    f->store = other;
    assert_int_equal(finish(f, id, 1, JOB_DONE), 0);
    snprintf(path, sizeof path, "%s2", f->path);
    assert_int_equal(remove(path), 0);
}

static void without_a_schema_it_says_what_is_to_be_done(void **state)
{
    struct fixture *f = *state;
    struct store *other = NULL;
    struct error err = {""};
    struct store_config config = {.path = f->path};
    snprintf(schema, sizeof schema, "none");
    assert_int_equal(open_again(&config, &f->mailbox, &other, &err), -ENOENT);
    assert_non_null(strstr(err.text, "penstockd --migrate"));
    snprintf(schema, sizeof schema, "a; DROP");
    assert_int_equal(open_again(&config, &f->mailbox, &other, &err), -EINVAL);
    struct store_config secret = {.path = f->path, .dsn = "password=hush dbname=x"};
    assert_int_equal(module->migrate(&secret, &err), -EINVAL);
    assert_non_null(strstr(err.text, "store.password_file"));
    assert_null(strstr(err.text, "hush"));
}

/* --- what goes wrong -------------------------------------------------------------------------- */

/* Who was declared dead changes nothing any more. */
static void a_fence_stops_what_comes_behind_it(void **state)
{
    struct fixture *f = *state;
    uint64_t id = submit_to(f, "h");
    claim(f, id);
    ask("UPDATE %s.members SET gone=true");
    struct store_job job = job_for("h");
    struct store_submit_item item = {.job = &job};
    struct store_submit call = {.items = &item, .count = 1};
    assert_int_equal(CALL(f, submit, &call), -EIO);
    assert_non_null(strstr(call.call.error.text, "declared this member"));
    assert_true(store_failing(f->store));
    assert_string_equal(ask("SELECT count(*) FROM %s.jobs"), "1");
}

/* One call that the server cannot take harms no other of its batch. */
static void a_bad_call_fails_alone(void **state)
{
    struct fixture *f = *state;
    enum { N = 5 };
    struct store_job jobs[N];
    struct store_submit_item items[N];
    struct store_submit calls[N];
    for (int i = 0; i < N; i++) {
        jobs[i] = job_for("h");
        if (i == 2)
            jobs[i].spec = (char *)(uintptr_t) "{\"url\":\"\xff\"}";
        items[i] = (struct store_submit_item){.job = &jobs[i]};
        calls[i] = (struct store_submit){.items = &items[i], .count = 1};
        expect_call(&calls[i].call);
        f->store->engine->submit(f->store, &calls[i]);
    }
    wait_calls(f, N);
    for (int i = 0; i < N; i++)
        assert_int_equal(calls[i].call.result, i == 2 ? -EINVAL : 0);
    assert_string_equal(ask("SELECT count(*) FROM %s.jobs"), "4");
    assert_false(store_failing(f->store));
}

/* Statements are prepared once a session. One that gives other types by now is refused by the
 * server for good: it is asked in another session. */
static void what_is_prepared_and_fits_no_more_is_done_anew(void **state)
{
    struct fixture *f = *state;
    struct store_get call = {.id = submit_to(f, "h")};
    store_job_free(get(f, call.id));
    const char *session = "SELECT pid FROM pg_stat_activity WHERE application_name LIKE "
                          "'penstock/%%' AND query LIKE '%%%s.%%'";
    char before[16];
    snprintf(before, sizeof before, "%s", ask(session));
    ask("ALTER TABLE %s.jobs ALTER priority TYPE bigint");
    while (CALL(f, get, &call) == -EIO) /* until the new one stands */
        ;
    assert_int_equal(call.call.result, 0);
    store_job_free(call.job);
    assert_string_not_equal(ask(session), before);
    assert_int_equal(claim(f, call.id), 1);
}

/* Behind a pooler each transaction may have a session that was another's. */
static void behind_a_pooler_nothing_is_left_in_a_session(void **state)
{
    struct fixture *f = *state;
    struct store_config config = {.path = f->path, .direct = store_dsn};
    struct error err;
    f->store->engine->free(f->store);
    assert_int_equal(open_again(&config, &f->mailbox, &f->store, &err), 0);
    uint64_t id = submit_to(f, "h");
    store_job_free(get(f, id));
    ask("ALTER TABLE %s.jobs ALTER priority TYPE bigint");
    store_job_free(get(f, id)); /* at once: there is no plan of old */
    assert_int_equal(claim(f, id), 1);
    assert_int_equal(finish(f, id, 1, JOB_DONE), 0);
}

/* The server goes while calls are under way, and comes again: each call is answered rightly. */
static void a_restart_of_the_server_loses_nothing(void **state)
{
    struct fixture *f = *state;
    enum { N = 50 };
    static struct store_job jobs[N];
    static struct store_submit_item items[N];
    static struct store_submit submits[N];
    static struct store_finish ends[N];
    uint64_t ids[N];
    for (int i = 0; i < N; i++) {
        ids[i] = submit_to(f, "h");
        claim(f, ids[i]);
    }
    for (int i = 0; i < N; i++) {
        jobs[i] = job_for("new");
        items[i] = (struct store_submit_item){.job = &jobs[i]};
        submits[i] = (struct store_submit){.items = &items[i], .count = 1};
        ends[i] = (struct store_finish){.id = ids[i],
                                        .attempt = 1,
                                        .running = true,
                                        .state = JOB_DONE,
                                        .verdict = "{}",
                                        .finished = clock_real_us()};
        expect_call(&submits[i].call);
        expect_call(&ends[i].call);
        f->store->engine->submit(f->store, &submits[i]);
        f->store->engine->finish(f->store, &ends[i]);
        if (i == N / 2)
            assert_int_equal(cluster_do("stop", "immediate"), 0);
    }
    assert_int_equal(cluster_do("start", "fsync=off"), 0);
    wait_calls(f, (size_t)2 * N);
    int stored = 0;
    for (int i = 0; i < N; i++) {
        assert_int_equal(ends[i].call.result, 0);
        assert_true(submits[i].call.result == 0 || submits[i].call.result == -EIO);
        stored += submits[i].call.result == 0;
    }
    char expected[16];
    snprintf(expected, sizeof expected, "%d", stored);
    assert_string_equal(ask("SELECT count(*) FROM %s.jobs WHERE host='new'"), expected);
    assert_string_equal(ask("SELECT count(*) FROM %s.ended"), "50");
    assert_false(store_failing(f->store));
    struct store_counts counts;
    f->store->engine->counts(f->store, &counts);
    assert_int_equal(counts.by_state[JOB_DONE], N);
    assert_int_equal(counts.by_state[JOB_QUEUED], stored);
    assert_int_equal(counts.by_state[JOB_RUNNING], 0);
}

static void giving_up_gives_back_what_is_held(void **state)
{
    struct fixture *f = *state;
    uint64_t id = submit_to(f, "h");
    claim(f, id);
    assert_int_equal(cluster_do("stop", "immediate"), 0);
    struct store_finish end = {.id = id, .attempt = 1, .running = true, .state = JOB_DONE};
    expect_call(&end.call);
    f->store->engine->finish(f->store, &end);
    struct store_get question = {.id = id};
    assert_int_equal(CALL(f, get, &question), -EIO);
    f->store->engine->give_up(f->store);
    wait_calls(f, 1);
    assert_int_equal(end.call.result, -EIO);
    assert_int_equal(cluster_do("start", "fsync=off"), 0);
}

int main(void)
{
    const struct CMUnitTest own[] = {
        CONFORMANCE_TEST(everything_is_there_after_a_restart),
        CONFORMANCE_TEST(a_dead_run_of_the_same_daemon_is_gone_at_once),
        CONFORMANCE_TEST(a_name_is_one_daemons),
        CONFORMANCE_TEST(a_schema_is_one_daemons),
        CONFORMANCE_TEST(a_dead_daemon_of_another_name_is_replaced),
        CONFORMANCE_TEST(without_a_schema_it_says_what_is_to_be_done),
        CONFORMANCE_TEST(a_fence_stops_what_comes_behind_it),
        CONFORMANCE_TEST(a_bad_call_fails_alone),
        CONFORMANCE_TEST(what_is_prepared_and_fits_no_more_is_done_anew),
        CONFORMANCE_TEST(behind_a_pooler_nothing_is_left_in_a_session),
        CONFORMANCE_TEST(a_restart_of_the_server_loses_nothing),
        CONFORMANCE_TEST(giving_up_gives_back_what_is_held),
    };
    int r = pg_begin();
    if (r != 0)
        return r;
    int failed = store_conformance("postgresql", open_new) +
                 cmocka_run_group_tests_name("postgresql, its own", own, NULL, NULL);
    pg_end();
    return failed;
}
