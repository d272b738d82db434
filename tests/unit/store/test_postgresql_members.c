/* Several stores of one schema, as of several daemons: who is a member, who lives, and what becomes
 * of one that does not. */
#include "pg_peers.h"

/* --- names ------------------------------------------------------------------------------------ */

static void a_name_is_one_members(void **state)
{
    struct peers *all = *state;
    struct peer *a = &all->peer[0], *b = &all->peer[1];
    struct error err = {""};
    peer_open(a, &(struct store_config){.workers = 8});
    assert_int_equal(peer_try(b, &(struct store_config){.name = "a"}, &err), -EBUSY);
    assert_non_null(strstr(err.text, "a is in the fleet already, from "));
    assert_non_null(strstr(err.text, a->path));
    assert_string_equal(ask("SELECT count(*) FROM %s.members"), "1");

    /* A daemon that is alone has no place beside them, nor they beside it. */
    struct store_config alone = {.path = b->path, .dsn = dsn, .schema = schema, .name = "alone"};
    peers_settle(all, 1);
    assert_int_equal(module->open(&alone, &all->f.mailbox, &b->store, &err), -EBUSY);
    assert_non_null(strstr(err.text, "in use by the daemon a, from "));
    peer_close(a);
    assert_int_equal(module->open(&alone, &all->f.mailbox, &b->store, &err), 0);
    assert_int_equal(peer_try(a, &(struct store_config){.workers = 1}, &err), -EBUSY);
    assert_non_null(strstr(err.text, "in use by the daemon alone, from "));
}

/* Of a run that was killed its place tells, as that is locked; of another machine its beats do. */
static void a_dead_namesake_is_replaced(void **state)
{
    struct peers *all = *state;
    struct peer *a = &all->peer[0], *b = &all->peer[1];
    peer_open(a, &(struct store_config){.lease_ns = 600 * NS_PER_SEC});
    peers_settle(all, 1);
    peer_close(a);
    ask("UPDATE %s.members SET gone=false");
    ask("INSERT INTO %s.beats VALUES(1,7)");
    peer_open(a, &(struct store_config){.lease_ns = NS_PER_SEC});
    assert_string_equal(ask("SELECT count(*) FROM %s.members WHERE NOT gone"), "1");
    peer_close(a);
    ask("UPDATE %s.members SET gone=false WHERE id=2");
    ask("INSERT INTO %s.beats VALUES(2,7)");
    uint64_t before = clock_now();
    peer_open(b, &(struct store_config){.name = "a", .lease_ns = 600 * NS_PER_SEC});
    assert_true(clock_now() - before >= NS_PER_SEC);
    assert_string_equal(ask("SELECT count(*) FROM %s.members WHERE NOT gone"), "1");
}

/* --- who lives -------------------------------------------------------------------------------- */

/* When it gained the shard, among all that the peers were told; from its event `from` on. SIZE_MAX:
 * not yet. */
static size_t gained_at(const struct peer *p, size_t from, unsigned shard)
{
    for (size_t i = from; i < p->count; i++)
        if (p->events[i]->kind == EVENT_GAINED && store_shards_has(&p->events[i]->shards, shard))
            return p->at[i];
    return SIZE_MAX;
}

static void a_member_that_says_nothing_is_dead(void **state)
{
    struct peers *all = *state;
    struct peer *a = &all->peer[0], *b = &all->peer[1];
    peer_open(a, &(struct store_config){.lease_ns = 2 * NS_PER_SEC});
    peer_open(b, &(struct store_config){.lease_ns = 2 * NS_PER_SEC});
    peers_settle(all, 2);
    const char *host = host_of(b, 0);
    uint64_t id = submit_to(as(b), host), lost = submit_to(as(b), host);
    claim(as(b), id);
    claim(as(b), lost);

    /* It knows for itself before anybody else takes its hosts. */
    size_t from = a->count;
    gate_set(&b->gate, true);
    struct store_event *fenced = peer_wait(b, EVENT_FENCED);
    size_t fenced_at = b->at[b->read - 1];
    assert_non_null(strstr(fenced->why, "no beat was answered for 1.4 s"));
    assert_true(gained_at(a, from, store_shard(host)) > fenced_at);
    assert_true(SHARED(b)->lease_left(b->store) <= 0);
    assert_int_equal(SHARED(b)->owner(b->store, host, NULL) == OWNER_MINE, false);

    /* Its attempts are closed once, by who owns their shard now. */
    peer_wait(a, EVENT_TORN);
    assert_int_equal(shards_count(&a->mine), STORE_SHARDS);
    struct store_torn torn = {.limit = 10};
    assert_int_equal(SHARED_CALL(a, torn, &torn), 0);
    assert_int_equal(torn.count, 2);
    assert_int_equal(torn.jobs[0]->id, id);
    assert_int_equal(torn.jobs[0]->state, JOB_RUNNING);
    assert_string_equal(torn.members[0], "b");
    for (size_t i = 0; i < torn.count; i++)
        free(torn.members[i]);
    free(torn.members);
    store_jobs_free(torn.jobs, torn.count);
    struct store_close_torn closing = {.id = id, .attempt = 1, .ran = 5, .line = "{\"torn\":1}"};
    assert_int_equal(SHARED_CALL(a, close_torn, &closing), 0);
    assert_int_equal(SHARED_CALL(a, close_torn, &closing), -ESTALE);
    struct store_job *job = get(as(a), id);
    assert_int_equal(job->state, JOB_QUEUED);
    assert_int_equal(job->torn, 1);
    assert_string_equal(job->history, "{\"torn\":1}");
    store_job_free(job);

    /* The ghost's verdicts are refused, whether its attempt was closed or not. */
    struct store_finish ends[2] = {{.id = id, .attempt = 1, .running = true, .state = JOB_DONE},
                                   {.id = lost, .attempt = 1, .running = true, .state = JOB_DONE}};
    for (int i = 0; i < 2; i++) {
        expect_call(&ends[i].call);
        b->store->engine->finish(b->store, &ends[i]);
    }
    gate_set(&b->gate, false);
    wait_calls(b->f, 2);
    assert_int_equal(ends[0].call.result, -ESTALE);
    assert_int_equal(ends[1].call.result, -ESTALE);
    peer_wait(b, EVENT_JOINED);
    assert_true(SHARED(b)->lease_left(b->store) > 0);
    assert_int_equal(claim(as(a), id), 2);

    /* What it may have written of that attempt does not count. */
    struct store_void page = {.limit = 5};
    assert_int_equal(SHARED_CALL(b, voided, &page), 0);
    assert_int_equal(page.count, 1);
    assert_int_equal(page.attempts[0].job, id);
    assert_int_equal(page.attempts[0].attempt, 1);
    struct store_void_attempt *told = page.attempts;
    page = (struct store_void){.limit = 5, .told = told, .told_count = 1};
    assert_int_equal(SHARED_CALL(b, voided, &page), 0);
    assert_int_equal(page.count, 0);
    free(page.attempts);
    free(told);
    peers_settle(all, 2);
    assert_true(shards_count(&b->mine) > 0);
}

/* An end of a job of this peer's that waits at the server until it is let go. */
static PGconn *hold_end(struct peer *p, struct store_finish *end)
{
    uint64_t id = submit_to(as(p), host_of(p, 0));
    claim(as(p), id);
    PGconn *conn = PQconnectdb(dsn);
    char sql[128];
    snprintf(sql, sizeof sql, "BEGIN; SELECT FROM %s.jobs WHERE id=%llu FOR UPDATE", schema,
             (unsigned long long)id);
    PQclear(PQexec(conn, sql));
    *end = (struct store_finish){
        .id = id, .attempt = 1, .running = true, .state = JOB_DONE, .finished = clock_real_us()};
    expect_call(&end->call);
    p->store->engine->finish(p->store, end);
    while (strcmp(ask("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type='Lock'"), "1"))
        ;
    return conn;
}

static void let_end(PGconn *conn)
{
    PQclear(PQexec(conn, "COMMIT"));
    PQfinish(conn);
    while (strcmp(ask("SELECT count(*) FROM %s.ended"), "1") != 0)
        ;
}

/* Cut off between a change and its answer, and declared dead meanwhile: what stands is told so. */
static void a_ghosts_end_that_stands_is_told_so(void **state)
{
    struct peers *all = *state;
    struct peer *a = &all->peer[0], *b = &all->peer[1];
    peer_open(a, &(struct store_config){.lease_ns = NS_PER_SEC});
    peer_open(b, &(struct store_config){.lease_ns = NS_PER_SEC});
    peers_settle(all, 2);
    struct store_finish end;
    PGconn *conn = hold_end(b, &end);
    gate_set(&b->gate, true);
    let_end(conn);
    peer_wait(b, EVENT_FENCED);
    WAIT_UNTIL(shards_count(&a->mine) == STORE_SHARDS);
    gate_cut(&b->gate);
    wait_calls(b->f, 1);
    assert_int_equal(end.call.result, 0);
    peer_wait(b, EVENT_JOINED);
}

/* The connections stay, and nothing comes by them any more: with its lease their member has no more
 * patience either. */
static void what_is_never_answered_ends_with_the_lease(void **state)
{
    struct peers *all = *state;
    struct peer *b = &all->peer[1];
    peer_open(b, &(struct store_config){.lease_ns = NS_PER_SEC});
    WAIT_UNTIL(shards_count(&b->mine) == STORE_SHARDS);
    struct store_finish end;
    PGconn *conn = hold_end(b, &end);
    gate_stick(&b->gate, 0);
    let_end(conn);
    peer_wait(b, EVENT_FENCED);
    wait_calls(b->f, 1);
    assert_int_equal(end.call.result, 0);
    peer_wait(b, EVENT_JOINED);
}

/* Half a batch has come to the server, which waits for the rest of it with its locks held, and
 * knows of no loss. */
static void a_lost_batch_holds_nothing_up(void **state)
{
    struct peers *all = *state;
    struct peer *a = &all->peer[0];
    peer_open(a, &(struct store_config){.lease_ns = 600 * NS_PER_SEC});
    peers_settle(all, 1);
    char *spec = calloc(1, 300001);
    memset(spec, ' ', 300000);
    memcpy(spec, "{}", 2);
    struct store_job job = job_for("h.test");
    job.spec = spec;
    struct store_submit_item item = {.job = &job};
    struct store_submit call = {.items = &item, .count = 1};
    submit_to(as(a), "h.test"); /* ids are there */
    gate_stick(&a->gate, 100000);
    expect_call(&call.call);
    a->store->engine->submit(a->store, &call);
    while (strcmp(ask("SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid=l.relation JOIN "
                      "pg_stat_activity s ON s.pid=l.pid WHERE c.relname='members' AND "
                      "l.mode='RowShareLock' AND s.wait_event='ClientRead'"),
                  "1") != 0)
        ;
    gate_lose(&a->gate);
    wait_calls(a->f, 1);
    assert_int_equal(call.call.result, 0); /* it does not stand, and is said again */
    assert_string_equal(ask("SELECT count(*) FROM %s.jobs"), "2");
    free(spec);
}

/* The same with half a beat, wherever it was cut off. */
static void a_lost_beat_holds_nothing_up(void **state)
{
    struct peers *all = *state;
    struct peer *a = &all->peer[0];
    peer_open(a, &(struct store_config){.lease_ns = 2 * NS_PER_SEC});
    peers_settle(all, 1);
    for (size_t more = 50; more <= 450; more += 50) {
        gate_stick(&a->gate, more);
        while (!gate_is_stuck(&a->gate))
            uv_run(&all->f.loop, UV_RUN_NOWAIT);
        gate_lose(&a->gate);
        expect_it_works(a);
    }
}

/* Ids of members are small: each fleet of a cluster has one of the same. */
static void another_fleet_is_left_alone(void **state)
{
    struct peers *all = *state;
    struct peer *a = &all->peer[0], *b = &all->peer[1];
    struct store_config with = {.dsn = dsn, .schema = "another", .name = "alone"};
    struct store *other = NULL;
    struct error err = {""};
    char path[160], sql[320];
    snprintf(path, sizeof path, "%s/other", all->f.dir);
    with.path = path;
    assert_int_equal(module->migrate(&with, &err), 0);
    assert_int_equal(module->open(&with, &all->f.mailbox, &other, &err), 0);
    snprintf(sql, sizeof sql, "SELECT count(*) FROM pg_stat_activity WHERE pid=%s",
             ask("SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'penstock/%%'"));
    open_two(all);
    struct store_evict evict = {.name = "a"};
    assert_int_equal(SHARED_CALL(b, evict, &evict), 0);
    peer_wait(a, EVENT_JOINED);
    assert_string_equal(ask("SELECT min(id) FROM another.members"), "1");
    assert_string_equal(ask(sql), "1");
    other->engine->free(other);
    remove(path);
}

/* What was asked before the loop knew is a ghost's. */
static void a_claim_of_a_fenced_member_starts_nothing(void **state)
{
    struct peers *all = *state;
    struct peer *b = &all->peer[1];
    open_two(all);
    const char *host = host_of(b, 0);
    uint64_t id = submit_to(as(b), host);
    ask("UPDATE %s.members SET gone=true WHERE name='b'");
    struct store_claim claim = {.id = id};
    struct store_job job = job_for(host);
    struct store_submit_item item = {.job = &job, .claim = true};
    struct store_submit submit = {.items = &item, .count = 1};
    expect_call(&claim.call);
    expect_call(&submit.call);
    b->store->engine->claim(b->store, &claim);
    b->store->engine->submit(b->store, &submit);
    wait_calls(b->f, 2);
    assert_int_equal(claim.call.result, -EIO);
    assert_int_equal(submit.call.result, -EIO);
    assert_int_equal(job.state, JOB_QUEUED);
    peer_wait(b, EVENT_JOINED);
    assert_string_equal(ask("SELECT count(*) FROM %s.jobs WHERE state=1"), "0");
}

static void a_member_can_be_evicted(void **state)
{
    struct peers *all = *state;
    struct peer *a = &all->peer[0], *b = &all->peer[1];
    open_two(all);
    struct store_evict evict = {.name = "nobody"};
    assert_int_equal(SHARED_CALL(a, evict, &evict), -ENOENT);
    evict.name = "a";
    assert_int_equal(SHARED_CALL(a, evict, &evict), -EINVAL);
    evict.name = "b";
    assert_int_equal(SHARED_CALL(a, evict, &evict), 0);
    assert_non_null(strstr(peer_wait(b, EVENT_FENCED)->why, "declared this member"));
    peer_wait(b, EVENT_JOINED);
    peer_wait(b, EVENT_SCHEDULES); /* they may have changed meanwhile */
    peers_settle(all, 2);
    assert_string_equal(ask("SELECT count(*) FROM %s.members WHERE NOT gone"), "2");
}

/* An outage that is shorter than the lease ends nothing, and nobody is dead after one. */
static void a_restart_of_the_server_reaps_nobody(void **state)
{
    struct peers *all = *state;
    struct peer *a = &all->peer[0], *b = &all->peer[1];
    peer_open(a, &(struct store_config){.lease_ns = 20 * NS_PER_SEC});
    peer_open(b, &(struct store_config){.lease_ns = 20 * NS_PER_SEC});
    peers_settle(all, 2);
    uint64_t id = submit_to(as(a), host_of(a, 0));
    claim(as(a), id);
    assert_int_equal(cluster_do("stop", "immediate"), 0);
    assert_int_equal(cluster_do("start", "fsync=off"), 0);
    assert_int_equal(finish(as(a), id, 1, JOB_DONE), 0);
    int before = atoi(ask("SELECT sum(n) FROM %s.beats"));
    while (atoi(ask("SELECT sum(n) FROM %s.beats")) < before + 4)
        ;
    assert_int_equal(peer_told(a, EVENT_FENCED) + peer_told(b, EVENT_FENCED), 0);
    assert_string_equal(ask("SELECT string_agg(id||name||gone,' ' ORDER BY id) FROM %s.members"),
                        "1afalse 2bfalse");
}

static void after_a_long_outage_all_join_anew(void **state)
{
    struct peers *all = *state;
    struct peer *a = &all->peer[0], *b = &all->peer[1];
    peer_open(a, &(struct store_config){.lease_ns = NS_PER_SEC});
    peer_open(b, &(struct store_config){.lease_ns = NS_PER_SEC});
    peers_settle(all, 2);
    uint64_t id = submit_to(as(a), host_of(a, 0)), open = submit_to(as(a), host_of(a, 1));
    claim(as(a), id);
    claim(as(a), open);
    assert_int_equal(cluster_do("stop", "immediate"), 0);
    struct store_finish end = {.id = id, .attempt = 1, .running = true, .state = JOB_DONE};
    expect_call(&end.call);
    a->store->engine->finish(a->store, &end); /* its line is written; it is held */
    peer_wait(a, EVENT_FENCED);
    peer_wait(b, EVENT_FENCED);
    assert_int_equal(cluster_do("start", "fsync=off"), 0);
    wait_calls(a->f, 1);
    assert_int_equal(end.call.result, 0); /* nobody had declared it dead */
    peer_wait(a, EVENT_JOINED);
    peer_wait(b, EVENT_JOINED);
    peers_settle(all, 2);
    struct peer *owner = store_shards_has(&a->mine, store_shard(host_of(a, 1))) ? a : b;
    assert_string_equal(ask("SELECT count(*) FROM %s.members WHERE NOT gone"), "2");
    struct store_close_torn closing = {.id = open, .attempt = 1};
    assert_int_equal(SHARED_CALL(owner, close_torn, &closing), 0);
}

static void see_beats(int count)
{
    const char *beats = "SELECT n FROM %s.beats ORDER BY member DESC LIMIT 1";
    int before = atoi(ask(beats));
    while (atoi(ask(beats)) < before + count)
        ;
}

/* Nobody could beat while the server was away, so that says nothing of those who are not there yet
 * when the first is. */
static void an_outage_is_nobodys_death(void **state)
{
    struct peers *all = *state;
    struct peer *a = &all->peer[0], *b = &all->peer[1];
    peer_open(a, &(struct store_config){.lease_ns = 4 * NS_PER_SEC});
    peer_open(b, &(struct store_config){.lease_ns = 4 * NS_PER_SEC});
    peers_settle(all, 2);
    assert_int_equal(cluster_do("stop", "immediate"), 0);
    peer_wait(a, EVENT_FENCED);
    peer_wait(b, EVENT_FENCED);
    gate_set(&a->gate, true);
    assert_int_equal(cluster_do("start", "fsync=off"), 0);
    peer_wait(b, EVENT_JOINED);
    see_beats(2);
    assert_string_equal(ask("SELECT gone FROM %s.members WHERE id=1"), "f");
    gate_set(&a->gate, false);
    peer_wait(a, EVENT_JOINED);
}

/* Configs may differ: who promised to stop after ten minutes is not dead after a second. */
static void a_lease_is_its_members_own(void **state)
{
    struct peers *all = *state;
    struct peer *a = &all->peer[0], *b = &all->peer[1];
    peer_open(b, &(struct store_config){.lease_ns = 600 * NS_PER_SEC});
    peer_open(a, &(struct store_config){.lease_ns = NS_PER_SEC});
    peers_settle(all, 2);
    gate_set(&b->gate, true);
    see_beats(10); /* a's: twice its own lease */
    assert_string_equal(ask("SELECT count(*) FROM %s.members WHERE NOT gone"), "2");
}

static void a_server_without_the_last_commits_is_told_from_its_own(void **state)
{
    struct peers *all = *state;
    struct peer *a = &all->peer[0];
    peer_open(a, &(struct store_config){.workers = 8});
    peers_settle(all, 1);
    while (atoi(ask("SELECT n FROM %s.beats")) < 4)
        ;
    ask("UPDATE %s.beats SET n=1"); /* as after a failover to a standby that was behind */
    assert_non_null(strstr(peer_wait(a, EVENT_FENCED)->why, "lost commits"));
    peer_wait(a, EVENT_JOINED);
    ask("UPDATE %s.meta SET value='x' WHERE name='timeline'");
    uint64_t before = submit_to(as(a), "h");
    ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE "
        "'penstock/%%'");
    struct store_job job = job_for("h");
    struct store_submit_item item = {.job = &job};
    struct store_submit call = {.items = &item, .count = 1};
    while (CALL(as(a), submit, &call) < 0)
        ;
    assert_true(job.id > before + 1000000);
    assert_true(job.id < before + 1100000);
}

/* They are counted apart from the beats, which must not wait for whoever holds the table. */
static void schedules_that_are_locked_fence_nobody(void **state)
{
    struct peers *all = *state;
    struct peer *a = &all->peer[0];
    char sql[128];
    peer_open(a, &(struct store_config){.lease_ns = 2 * NS_PER_SEC});
    peers_settle(all, 1);
    peer_skip(a);
    PGconn *conn = PQconnectdb(dsn);
    snprintf(sql, sizeof sql, "BEGIN; LOCK TABLE %s.schedules", schema);
    PQclear(PQexec(conn, sql));
    ask("SELECT nextval('%s.schedule_version')"); /* as if some had changed */
    peer_wait(a, EVENT_SCHEDULES);
    uint64_t lease = clock_now() + 3 * NS_PER_SEC;
    while (clock_now() < lease && peer_told(a, EVENT_FENCED) == 0)
        uv_run(&all->f.loop, UV_RUN_NOWAIT);
    assert_int_equal(peer_told(a, EVENT_FENCED), 0);
    PQfinish(conn);
}

/* --- a standby -------------------------------------------------------------------------------- */

static bool waits_for_standby(const char *but)
{
    char sql[400];
    snprintf(sql, sizeof sql,
             "SELECT count(*) FROM pg_stat_activity WHERE wait_event='SyncRep' AND pid<>%s", but);
    return strcmp(ask(sql), "0") != 0;
}

/* From here on commits wait for a standby, which there is not. The server takes notice of that a
 * little later. */
static void need_standby(void)
{
    PGconn *conn = PQconnectdb(dsn);
    char sql[96];
    snprintf(sql, sizeof sql, "UPDATE %s.meta SET value=value", schema);
    ask("ALTER SYSTEM SET synchronous_standby_names='nobody'");
    ask("SELECT pg_reload_conf()");
    while (!waits_for_standby("0")) {
        PGresult *result = PQgetResult(conn);
        PQclear(result);
        if (!result)
            assert_int_equal(PQsendQuery(conn, sql), 1);
        while (PQconsumeInput(conn) && PQisBusy(conn) && !waits_for_standby("0"))
            ;
    }
    ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event='SyncRep'");
    PQfinish(conn);
    while (waits_for_standby("0"))
        ;
}

static void need_no_standby(void)
{
    ask("ALTER SYSTEM RESET synchronous_standby_names");
    ask("SELECT pg_reload_conf()");
}

/* Who submits waits; but all live, and who wants to leave can. */
static void without_a_standby_all_live(void **state)
{
    struct peers *all = *state;
    struct peer *a = &all->peer[0], *b = &all->peer[1];
    for (int i = 0; i < 3; i++)
        peer_open(&all->peer[i], &(struct store_config){.lease_ns = 2 * NS_PER_SEC});
    peers_settle(all, 3);
    uint64_t id = submit_to(as(a), "h.test");
    claim(as(a), id);
    need_standby();
    struct store_finish end = {.id = id, .attempt = 1, .running = true, .state = JOB_DONE};
    expect_call(&end.call);
    a->store->engine->finish(a->store, &end);
    uint64_t lease = clock_now() + 3 * NS_PER_SEC;
    while (clock_now() < lease && peer_told(a, EVENT_FENCED) + peer_told(b, EVENT_FENCED) == 0)
        uv_run(&all->f.loop, UV_RUN_NOWAIT);
    peer_close(&all->peer[2]);
    assert_string_equal(ask("SELECT string_agg(id||name||gone,' ' ORDER BY id) FROM %s.members"),
                        "1afalse 2bfalse 3ctrue");
    while (shards_count(&a->mine) + shards_count(&b->mine) < STORE_SHARDS)
        uv_run(&all->f.loop, UV_RUN_ONCE); /* what it had is taken */
    bool told = delivered_count > 0;
    need_no_standby();
    assert_false(told);
    wait_calls(a->f, 1);
    assert_int_equal(end.call.result, 0);
    assert_int_equal(peer_told(a, EVENT_FENCED) + peer_told(b, EVENT_FENCED), 0);
}

/* The server is told to wait no longer, and answers; a new connection asks, and waits. */
static void a_commit_without_its_copy_is_no_answer(void **state)
{
    struct peers *all = *state;
    struct peer *a = &all->peer[0];
    char pid[256];
    peer_open(a, &(struct store_config){.lease_ns = 60 * NS_PER_SEC});
    peers_settle(all, 1);
    uint64_t id = submit_to(as(a), "h.test");
    claim(as(a), id);
    need_standby();
    struct store_finish end = {
        .id = id, .attempt = 1, .running = true, .state = JOB_DONE, .finished = clock_real_us()};
    expect_call(&end.call);
    a->store->engine->finish(a->store, &end);
    while (!waits_for_standby("0"))
        ;
    snprintf(pid, sizeof pid, "%s",
             ask("SELECT pid FROM pg_stat_activity WHERE wait_event='SyncRep'"));
    ask("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event='SyncRep'");
    while (delivered_count == 0 && !waits_for_standby(pid))
        uv_run(&all->f.loop, UV_RUN_NOWAIT);
    bool told = delivered_count > 0;
    need_no_standby();
    assert_false(told);
    wait_calls(a->f, 1);
    assert_int_equal(end.call.result, 0);
    assert_string_equal(ask("SELECT count(*) FROM %s.ended"), "1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FLEET_TEST(a_name_is_one_members),
        FLEET_TEST(a_dead_namesake_is_replaced),
        FLEET_TEST(a_member_that_says_nothing_is_dead),
        FLEET_TEST(a_ghosts_end_that_stands_is_told_so),
        FLEET_TEST(what_is_never_answered_ends_with_the_lease),
        FLEET_TEST(a_lost_batch_holds_nothing_up),
        FLEET_TEST(a_lost_beat_holds_nothing_up),
        FLEET_TEST(another_fleet_is_left_alone),
        FLEET_TEST(a_claim_of_a_fenced_member_starts_nothing),
        FLEET_TEST(a_member_can_be_evicted),
        FLEET_TEST(a_restart_of_the_server_reaps_nobody),
        FLEET_TEST(after_a_long_outage_all_join_anew),
        FLEET_TEST(an_outage_is_nobodys_death),
        FLEET_TEST(a_lease_is_its_members_own),
        FLEET_TEST(a_server_without_the_last_commits_is_told_from_its_own),
        FLEET_TEST(schedules_that_are_locked_fence_nobody),
        FLEET_TEST(without_a_standby_all_live),
        FLEET_TEST(a_commit_without_its_copy_is_no_answer),
    };
    if (getenv("PENSTOCK_TEST"))
        cmocka_set_test_filter(getenv("PENSTOCK_TEST"));
    int r = pg_begin();
    if (r != 0)
        return r;
    int failed = cmocka_run_group_tests_name("postgresql, members", tests, NULL, NULL);
    pg_end();
    return failed;
}
