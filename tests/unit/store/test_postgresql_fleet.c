/* Several stores of one schema, as of several daemons: who owns what, and what each is told of
 * the others. */
#include "pg_peers.h"
#include "store/postgresql/pg_assign.h"

/* --- who owns what ---------------------------------------------------------------------------- */

static void shares_are_by_workers(void **state)
{
    static const struct assign_member members[] = {{"a", 8}, {"b", 8}, {"c", 16}, {"d", 0}};
    size_t before[STORE_SHARDS], after[STORE_SHARDS];
    assign_shards(members, 0, before);
    assert_int_equal(before[0], SIZE_MAX);
    assign_shards(members, 3, before);
    size_t counts[4] = {0}, moved = 0;
    for (int i = 0; i < STORE_SHARDS; i++)
        counts[before[i]]++;
    assert_in_range(counts[0], 50, 71); /* a tenth over 64, rounded up */
    assert_in_range(counts[1], 50, 71);
    assert_in_range(counts[2], 114, 141);

    /* One that has hardly any workers takes hardly any, and nobody else moves. */
    assign_shards(members, 4, after);
    for (int i = 0; i < STORE_SHARDS; i++)
        moved += before[i] != after[i];
    assert_in_range(moved, 1, 30);
}

static void the_first_has_all_and_the_second_its_share(void **state)
{
    struct peers *all = *state;
    struct peer *a = &all->peer[0], *b = &all->peer[1];
    const char *name = NULL;
    peer_open(a, &(struct store_config){.workers = 8});
    assert_int_equal(SHARED(a)->owner(a->store, "h1.test", &name), OWNER_NOBODY);
    peers_settle(all, 1);
    assert_int_equal(SHARED(a)->owner(a->store, "h1.test", &name), OWNER_MINE);
    peer_open(b, &(struct store_config){.workers = 8});
    peer_wait(a, EVENT_LOST);
    peers_settle(all, 2);
    assert_in_range(shards_count(&a->mine), 115, 141);
    for (int i = 0; i < STORE_SHARDS; i++)
        assert_false(store_shards_has(&a->mine, (unsigned)i) &&
                     store_shards_has(&b->mine, (unsigned)i));
    const char *host = host_of(b, 0);
    assert_int_equal(SHARED(b)->owner(b->store, host, NULL), OWNER_MINE);
    while (SHARED(a)->owner(a->store, host, &name) != OWNER_ANOTHER)
        peer_poll(a);
    assert_string_equal(name, "b");
}

static void a_shard_is_given_once_nothing_can_start_there(void **state)
{
    struct peers *all = *state;
    struct peer *a = &all->peer[0], *b = &all->peer[1];
    peer_open(a, &(struct store_config){.workers = 8});
    peers_settle(all, 1);
    a->keeps = true;
    peer_open(b, &(struct store_config){.workers = 8});
    struct store_event *lost = peer_wait(a, EVENT_LOST);
    unsigned count = shards_count(&lost->shards);
    for (int beats = 0; beats < 3; beats++) { /* b looks whether it may take them */
        int before = atoi(ask("SELECT n FROM %s.beats ORDER BY member DESC LIMIT 1"));
        while (atoi(ask("SELECT n FROM %s.beats ORDER BY member DESC LIMIT 1")) == before)
            ;
    }
    assert_string_equal(ask("SELECT count(DISTINCT owner) FROM %s.shards"), "1");
    assert_int_equal(peer_told(b, EVENT_GAINED), 0);
    SHARED(a)->release(a->store, &lost->shards);
    struct store_event *gained = peer_wait(b, EVENT_GAINED);
    assert_int_equal(shards_count(&gained->shards), count);
}

static void who_leaves_gives_all_at_once(void **state)
{
    struct peers *all = *state;
    struct peer *a = &all->peer[0], *b = &all->peer[1];
    peer_open(a, &(struct store_config){.workers = 8});
    peer_open(b, &(struct store_config){.workers = 8});
    peers_settle(all, 2);
    SHARED(a)->drain(a->store);
    WAIT_UNTIL(shards_count(&b->mine) == STORE_SHARDS);
    assert_int_equal(shards_count(&a->mine), 0);
    struct store_members members = {.count = 0};
    assert_int_equal(SHARED(b)->members(b->store, &members), 0);
    assert_int_equal(members.count, 2);
    assert_true(members.members[0].draining && !members.members[0].self);
    assert_true(members.members[1].self && members.members[1].shards > 0);
    store_members_free(&members);
    peer_close(a);
    assert_string_equal(ask("SELECT count(*) FROM %s.members WHERE NOT gone"), "1");
}

/* --- what each is told ------------------------------------------------------------------------ */

static void a_job_for_anothers_host_is_told_to_its_owner(void **state)
{
    struct peers *all = *state;
    struct peer *a = &all->peer[0], *b = &all->peer[1];
    open_two(all);
    const char *host = host_of(b, 0);
    while (SHARED(a)->owner(a->store, host, NULL) != OWNER_ANOTHER)
        peer_poll(a);
    uint64_t id = submit_to(as(a), host);
    assert_string_equal(peer_wait(b, EVENT_HOST)->host, host);

    /* It is in the window of its owner alone; so is its host. */
    struct store_window_host window = rows_of(host, 5);
    assert_string_equal(window_ids(as(a), &window, INT64_MAX), "");
    window = rows_of(host, 5);
    assert_string_equal(window_ids(as(b), &window, INT64_MAX), id_text(1, &id));
    struct store_hosts hosts = {.limit = 5};
    assert_int_equal(CALL(as(a), hosts, &hosts), 0);
    assert_int_equal(hosts.count, 0);
    assert_int_equal(CALL(as(b), hosts, &hosts), 0);
    assert_int_equal(hosts.count, 1);
    store_hosts_free(&hosts);
}

/* Nobody had the host when the job was stored, as far as its daemon knew. */
static void a_job_for_a_new_owners_host_is_told_to_it(void **state)
{
    struct peers *all = *state;
    struct peer *a = &all->peer[0], *b = &all->peer[1];
    peer_open(a, &(struct store_config){.lease_ns = 60 * NS_PER_SEC});
    peers_settle(all, 1);
    peer_open(b, &(struct store_config){.lease_ns = 60 * NS_PER_SEC});
    peer_wait(b, EVENT_GAINED);
    const char *host = host_of(b, 0);
    b->read = b->count;
    submit_to(as(a), host);
    uint64_t before = clock_now();
    peer_wait(b, EVENT_HOST);
    assert_true(clock_now() - before < 15 * NS_PER_SEC); /* not by its walk of every 30 s */
}

/* By pages, in an order of the store's own; rows that are due later count as well. */
static void hosts_come_by_pages(void **state)
{
    struct peers *all = *state;
    struct peer *a = &all->peer[0];
    enum { N = 40 };
    bool seen[N] = {false};
    char host[32], last[32] = "";
    peer_open(a, &(struct store_config){.workers = 8});
    peers_settle(all, 1);
    for (int i = 0; i < N; i++) {
        snprintf(host, sizeof host, "x%d.test%d", i, i % 7);
        struct store_job job = job_for(host);
        job.due = i % 3 ? 0 : INT64_MAX;
        submit_job(as(a), &job);
    }
    int count = 0;
    for (size_t got = 3; got == 3;) {
        struct store_hosts page = {.limit = 3, .after = last[0] ? last : NULL};
        assert_int_equal(CALL(as(a), hosts, &page), 0);
        got = page.count;
        for (size_t i = 0; i < got; i++, count++) {
            int number = atoi(page.hosts[i] + 1);
            assert_false(seen[number]);
            seen[number] = true;
            snprintf(last, sizeof last, "%s", page.hosts[i]);
        }
        store_hosts_free(&page);
    }
    assert_int_equal(count, N);
}

static void what_falls_due_is_told_by_the_servers_clock(void **state)
{
    struct peers *all = *state;
    struct peer *a = &all->peer[0];
    open_two(all);
    int64_t now = SHARED(a)->now(a->store);
    int64_t there = atoll(ask("SELECT (extract(epoch FROM clock_timestamp())*1000000)::bigint"));
    assert_true(now <= there && there - now < 5000000);
    const char *host = host_of(a, 0);
    struct store_job job = job_for(host);
    job.due = SHARED(a)->now(a->store) + 300000;
    submit_job(as(a), &job);
    assert_string_equal(peer_wait(a, EVENT_HOST)->host, host);
    assert_true(SHARED(a)->now(a->store) >= job.due);
    assert_string_equal(ask("SELECT place FROM %s.jobs"), "1");
}

static void what_runs_elsewhere_is_counted(void **state)
{
    struct peers *all = *state;
    struct peer *a = &all->peer[0], *b = &all->peer[1];
    open_two(all);
    const char *host = host_of(a, 0), *other = host_of(a, 3);
    uint64_t id = submit_to(as(a), host);
    claim(as(a), id);
    submit_to(as(a), other);
    b->read = b->count;
    SHARED(a)->drain(a->store);
    WAIT_UNTIL(store_shards_has(&b->mine, store_shard(host)));
    struct store_event *gained = peer_wait(b, EVENT_GAINED);
    assert_int_equal(gained->elsewhere_count, 1);
    assert_string_equal(gained->elsewhere[0].host, host);
    assert_int_equal(gained->elsewhere[0].running, 1);
    assert_int_equal(finish(as(a), id, 1, JOB_DONE), 0);
    assert_int_equal(peer_wait(b, EVENT_ELSEWHERE)->elsewhere_count, 0);
}

static int cancel(struct peer *p, uint64_t id)
{
    struct store_cancel call = {.id = id, .why = "cancelled by uid 1000"};
    return SHARED_CALL(p, cancel, &call);
}

static void a_cancel_comes_to_who_runs_the_job(void **state)
{
    struct peers *all = *state;
    struct peer *a = &all->peer[0], *b = &all->peer[1];
    open_two(all);
    const char *host = host_of(a, 0);
    assert_int_equal(cancel(b, 4711), -ENOENT);
    uint64_t id = submit_to(as(a), host);
    assert_int_equal(cancel(b, id), -EAGAIN);
    claim(as(a), id);
    assert_int_equal(cancel(b, id), 0);
    struct store_event *event = peer_wait(a, EVENT_CANCEL);
    assert_int_equal(event->id, id);
    assert_string_equal(event->why, "cancelled by uid 1000");
    assert_int_equal(finish(as(a), id, 1, JOB_CANCELLED), 0);
    assert_int_equal(cancel(b, id), -ESTALE);
}

/* An attempt that had just ended otherwise: whoever owns the host ends the job. */
static void a_cancel_outlives_the_attempt(void **state)
{
    struct peers *all = *state;
    struct peer *a = &all->peer[0], *b = &all->peer[1];
    open_two(all);
    const char *host = host_of(a, 0);
    uint64_t id = submit_to(as(a), host);
    claim(as(b), id); /* as what it runs yet of what was its own */
    assert_int_equal(cancel(a, id), 0);
    assert_int_equal(postpone(as(b), id, 1, 0), 0);
    assert_int_equal(peer_wait(a, EVENT_CANCEL)->id, id);
    struct store_window_host window = rows_of(host, 5);
    assert_string_equal(window_ids(as(a), &window, INT64_MAX), "");
    struct store_claim again = {.id = id, .attempt = 1};
    assert_int_equal(CALL(as(a), claim, &again), -ESTALE);
    assert_int_equal(finish_waiting(as(a), id, 1), 0);
}

static void an_awaited_end_is_told(void **state)
{
    struct peers *all = *state;
    struct peer *a = &all->peer[0], *b = &all->peer[1];
    open_two(all);
    uint64_t id = submit_to(as(a), host_of(a, 0)), other = submit_to(as(a), host_of(a, 1));
    claim(as(a), id);
    claim(as(a), other);
    SHARED(b)->await(b->store, id, true);
    SHARED(b)->await(b->store, id, true);
    SHARED(b)->await(b->store, other, true);
    SHARED(b)->await(b->store, other, false);
    assert_int_equal(finish(as(a), other, 1, JOB_DONE), 0);
    assert_int_equal(finish(as(a), id, 1, JOB_DONE), 0);
    assert_int_equal(peer_wait(b, EVENT_ENDED)->id, id);
    assert_int_equal(peer_told(b, EVENT_ENDED), 1);
}

static struct store_health health_of(struct peer *p)
{
    struct store_health health;
    SHARED(p)->health(p->store, &health);
    return health;
}

static PGconn *connect_as(const char *more)
{
    char text[256];
    snprintf(text, sizeof text, "%s %s", dsn, more);
    PGconn *conn = PQconnectdb(text);
    if (PQstatus(conn) != CONNECTION_OK)
        fail_msg("%s", PQerrorMessage(conn));
    return conn;
}

static void a_standby_that_nobody_waits_for_is_seen(void **state)
{
    struct peers *all = *state;
    struct peer *a = &all->peer[0], *b = &all->peer[1];
    PGconn *other = connect_as(""), *backup = connect_as("replication=true "
                                                         "application_name=pg_basebackup");
    PQclear(PQexec(other, "BEGIN; SELECT txid_current()"));
    peer_open(a, &(struct store_config){.lease_ns = 60 * NS_PER_SEC});
    while (health_of(a).oldest_ns == 0) /* it has looked */
        peer_poll(a);
    assert_false(health_of(a).standby_lags);
    PGconn *standby = connect_as("replication=true application_name=standby");
    peer_open(b, &(struct store_config){.lease_ns = 60 * NS_PER_SEC});
    while (!health_of(b).standby_lags)
        peer_poll(b);
    PQfinish(standby);
    PQfinish(backup);
    PQfinish(other);
}

static void how_it_stands_is_known(void **state)
{
    struct peers *all = *state;
    struct peer *a = &all->peer[0], *b = &all->peer[1];
    open_two(all);
    while (health_of(b).members != 2 || health_of(a).members != 2)
        peer_poll(a);
    assert_true(health_of(a).first && !health_of(b).first);
    SHARED(b)->drain(b->store);
    while (health_of(a).draining != 1)
        peer_poll(a);
    struct store_health health = health_of(a);
    assert_int_equal(health.members, 2);
    assert_true(health.beats.sum_ns > 0);
    assert_int_equal(health.reconnects + health.unanswered_lost + health.unanswered_stood, 0);
}

/* As while a standby that commits wait for has gone. */
static void a_change_that_gets_no_answer_is_seen(void **state)
{
    struct peers *all = *state;
    struct peer *a = &all->peer[0];
    char sql[128];
    peer_open(a, &(struct store_config){.lease_ns = 60 * NS_PER_SEC});
    peers_settle(all, 1);
    submit_to(as(a), "h");
    while (health_of(a).unanswered_ns > 0)
        ;
    struct histogram changes = health_of(a).roundtrips[STORE_CHANGES];
    assert_true(changes.sum_ns > 0);
    assert_int_equal(health_of(a).roundtrips[STORE_RECORDS].sum_ns, 0);

    PGconn *conn = connect_as("");
    snprintf(sql, sizeof sql, "BEGIN; LOCK TABLE %s.jobs IN EXCLUSIVE MODE", schema);
    PQclear(PQexec(conn, sql));
    struct store_job job = job_for("h");
    struct store_submit_item item = {.job = &job, .result = 777};
    struct store_submit call = {.items = &item, .count = 1};
    expect_call(&call.call);
    a->store->engine->submit(a->store, &call);
    uint64_t first, then;
    while ((first = health_of(a).unanswered_ns) == 0)
        ;
    while ((then = health_of(a).unanswered_ns) == first)
        ;
    assert_true(then > first);
    PQfinish(conn);
    wait_calls(a->f, 1);
    assert_int_equal(result_of(&call.call), 0);
    while (health_of(a).unanswered_ns > 0)
        ;
    assert_true(health_of(a).roundtrips[STORE_CHANGES].sum_ns >= changes.sum_ns + then);
}

static void all_count_the_same(void **state)
{
    struct peers *all = *state;
    struct peer *a = &all->peer[0], *b = &all->peer[1];
    struct store_counts counts;
    open_two(all);
    uint64_t id = submit_to(as(a), host_of(a, 0));
    claim(as(a), id);
    submit_to(as(b), host_of(a, 0));
    do {
        peer_poll(b);
        b->store->engine->counts(b->store, &counts);
    } while (counts.by_state[JOB_RUNNING] != 1 || counts.by_state[JOB_QUEUED] != 1);
}

static void a_change_of_schedules_is_told(void **state)
{
    struct peers *all = *state;
    struct peer *a = &all->peer[0], *b = &all->peer[1];
    open_two(all);
    peer_skip(b);
    struct store_schedule row = {
        .name = (char *)(uintptr_t) "s", .spec = (char *)(uintptr_t) "{}", .next_at = INT64_MAX};
    struct store_schedule *const rows[] = {&row};
    struct store_schedule_put put = {.rows = rows, .count = 1};
    assert_int_equal(CALL(as(a), schedule_put, &put), 0);
    peer_wait(b, EVENT_SCHEDULES);
    struct store_counts counts;
    do {
        peer_poll(b);
        b->store->engine->counts(b->store, &counts);
    } while (counts.schedules != 1);
    const char *const removed[] = {"s"};
    put = (struct store_schedule_put){.removed = removed, .removed_count = 1};
    peer_skip(b);
    assert_int_equal(CALL(as(a), schedule_put, &put), 0);
    peer_wait(b, EVENT_SCHEDULES);
}

/* Their version goes on before the change is committed: a beat may see one without the other. */
static void a_change_that_was_seen_too_early_is_told_again(void **state)
{
    struct peers *all = *state;
    struct peer *b = &all->peer[1];
    open_two(all);
    peer_skip(b);
    ask("SELECT nextval('%s.schedule_version')");
    peer_wait(b, EVENT_SCHEDULES);
    ask("SELECT pg_notify(concat_ws('_','penstock',f.id,m.id),'s') FROM %s.members m,"
        "(SELECT value AS id FROM %s.meta WHERE name='fleet') f WHERE m.name='b' AND NOT m.gone");
    peer_wait(b, EVENT_SCHEDULES);
}

/* Two members that make the same schedule: the second is told that it is there. */
static void one_schedule_is_made_once(void **state)
{
    struct peers *all = *state;
    struct peer *a = &all->peer[0], *b = &all->peer[1];
    open_two(all);
    struct store_schedule row[2] = {
        {.name = (char *)(uintptr_t) "s", .spec = (char *)(uintptr_t) "{}", .next_at = INT64_MAX}};
    row[1] = row[0];
    struct store_schedule *const rows[] = {&row[0], &row[1]};
    struct store_schedule_put first = {.rows = &rows[0], .count = 1},
                              second = {.rows = &rows[1], .count = 1};
    char sql[128];
    PGconn *conn = PQconnectdb(dsn);
    snprintf(sql, sizeof sql, "BEGIN; SELECT pg_advisory_xact_lock(hashtext('%s'),-1)", schema);
    PQclear(PQexec(conn, sql));
    expect_call(&first.call);
    as(a)->store->engine->schedule_put(a->store, &first);
    expect_call(&second.call);
    as(b)->store->engine->schedule_put(b->store, &second);
    while (strcmp(ask("SELECT count(*) FROM pg_locks WHERE locktype='advisory' AND NOT granted"),
                  "2") != 0)
        ;
    PQfinish(conn);
    wait_calls(a->f, 2);
    int r = result_of(&first.call), s = result_of(&second.call);
    assert_true((r == 0 && s == -ESTALE) || (r == -ESTALE && s == 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares_are_by_workers),
        FLEET_TEST(the_first_has_all_and_the_second_its_share),
        FLEET_TEST(a_shard_is_given_once_nothing_can_start_there),
        FLEET_TEST(who_leaves_gives_all_at_once),
        FLEET_TEST(a_job_for_anothers_host_is_told_to_its_owner),
        FLEET_TEST(a_job_for_a_new_owners_host_is_told_to_it),
        FLEET_TEST(hosts_come_by_pages),
        FLEET_TEST(what_falls_due_is_told_by_the_servers_clock),
        FLEET_TEST(what_runs_elsewhere_is_counted),
        FLEET_TEST(a_cancel_comes_to_who_runs_the_job),
        FLEET_TEST(a_cancel_outlives_the_attempt),
        FLEET_TEST(an_awaited_end_is_told),
        FLEET_TEST(a_standby_that_nobody_waits_for_is_seen),
        FLEET_TEST(how_it_stands_is_known),
        FLEET_TEST(a_change_that_gets_no_answer_is_seen),
        FLEET_TEST(all_count_the_same),
        FLEET_TEST(a_change_of_schedules_is_told),
        FLEET_TEST(a_change_that_was_seen_too_early_is_told_again),
        FLEET_TEST(one_schedule_is_made_once),
    };
    if (getenv("PENSTOCK_TEST"))
        cmocka_set_test_filter(getenv("PENSTOCK_TEST"));
    int r = pg_begin();
    if (r != 0)
        return r;
    int failed = cmocka_run_group_tests_name("postgresql, shared", tests, NULL, NULL);
    pg_end();
    return failed;
}
