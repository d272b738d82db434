/* Commits whose answers are lost: the server has carried them out, the connection is cut before it
 * says so, and a new one asks after them. Each call is told as it would have been. */
#include "base/log.h"
#include "pg_gate.h"
#include "schedule_support.h"

static struct gate gate;

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    gate_open(&gate);
    store_dsn = gate.dsn;
    f->open = open_new;
    fixture_open(f, &(struct store_config){.retry_ns = 2 * NS_PER_MS, .max_jobs = 100});
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture_close(*state);
    gate_close(&gate);
    free(*state);
    return 0;
}

/* --- the loss --------------------------------------------------------------------------------- */

/* Batches wait at the server for whoever this is. */
static PGconn *hold(void)
{
    PGconn *conn = PQconnectdb(dsn);
    char sql[128];
    snprintf(sql, sizeof sql, "BEGIN; SELECT FROM %s.counts WHERE member<>0 FOR UPDATE", schema);
    PGresult *result = PQexec(conn, sql);
    assert_int_equal(PQresultStatus(result), PGRES_TUPLES_OK);
    PQclear(result);
    return conn;
}

static long long batches(void)
{
    return atoll(ask("SELECT max(batch) FROM %s.counts"));
}

/* The batch that has just been asked for stands, and its answer goes nowhere. */
static void lose_answer(PGconn *holder, long long before)
{
    while (strcmp(ask("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type='Lock'"), "1") !=
           0)
        ;
    gate_set(&gate, true);
    PQclear(PQexec(holder, "COMMIT"));
    PQfinish(holder);
    while (batches() == before)
        ;
    gate_cut(&gate);
}

/* One call whose answer is lost; its result. */
#define UNANSWERED(f, method, c)                                                    \
    (lost_before = batches(), holder = hold(), expect_call(&(c)->call),             \
     (f)->store->engine->method((f)->store, (c)), lose_answer(holder, lost_before), \
     wait_calls((f), 1), result_of(&(c)->call))

static long long lost_before;
static PGconn *holder;

static struct store_counts counts_of(struct fixture *f)
{
    struct store_counts counts;
    f->store->engine->counts(f->store, &counts);
    return counts;
}

/* --- jobs ------------------------------------------------------------------------------------- */

static void a_submission_stands_once(void **state)
{
    struct fixture *f = *state;
    struct store_job jobs[3] = {job_for("a"), job_for("b"), job_for("c")};
    struct store_submit_item items[3] = {
        {.job = &jobs[0], .claim = true}, {.job = &jobs[1]}, {.job = &jobs[2]}};
    struct store_submit call = {.items = items, .count = 3};
    jobs[2].key = (char *)(uintptr_t) "k";
    assert_int_equal(UNANSWERED(f, submit, &call), 0);
    assert_string_equal(ask("SELECT string_agg(id||' '||host,',' ORDER BY id) FROM %s.jobs"),
                        "1 a,2 b,3 c");
    for (uint64_t i = 0; i < 3; i++) {
        assert_int_equal(jobs[i].id, i + 1);
        assert_int_equal(items[i].result, 0);
        assert_false(items[i].existing);
    }
    assert_int_equal(jobs[0].state, JOB_RUNNING);
    assert_int_equal(jobs[0].attempt, 1);
    assert_int_equal(jobs[1].state, JOB_QUEUED);
    assert_int_equal(counts_of(f).by_state[JOB_QUEUED], 2);
    assert_int_equal(counts_of(f).by_state[JOB_RUNNING], 1);
}

static void a_known_key_is_told_as_one(void **state)
{
    struct fixture *f = *state;
    struct store_submit_item item;
    uint64_t known = submit_keyed(f, 1000, "k", "{\"a\":1}", &item);
    struct store_job jobs[2] = {job_for("h"), job_for("h")};
    struct store_submit_item items[2] = {{.job = &jobs[0], .claim = true}, {.job = &jobs[1]}};
    struct store_submit call = {.items = items, .count = 2};
    for (int i = 0; i < 2; i++)
        jobs[i].key = (char *)(uintptr_t) "k";
    jobs[0].spec = (char *)(uintptr_t) "{\"a\":1}";
    jobs[1].spec = (char *)(uintptr_t) "{\"a\":2}";
    assert_int_equal(UNANSWERED(f, submit, &call), 0);
    assert_true(items[0].existing);
    assert_int_equal(jobs[0].id, known);
    assert_int_equal(jobs[0].attempt, 0); /* it is not claimed by that */
    assert_int_equal(items[1].result, -EEXIST);
    assert_string_equal(ask("SELECT count(*) FROM %s.jobs"), "1");
}

static void a_claim_stands_once(void **state)
{
    struct fixture *f = *state;
    struct store_claim call = {.id = submit_to(f, "h")};
    assert_int_equal(UNANSWERED(f, claim, &call), 0);
    assert_string_equal(ask("SELECT attempt||' '||state FROM %s.jobs"), "1 1");
    assert_int_equal(finish(f, call.id, 1, JOB_DONE), 0);
}

static void a_claim_of_nothing_is_refused(void **state)
{
    struct fixture *f = *state;
    struct store_claim call = {.id = 12345};
    assert_int_equal(UNANSWERED(f, claim, &call), -ENOENT);
    assert_string_equal(call.call.error.text, "there is no job 12345");
}

/* Somebody has asked for its end meanwhile: it is not to be started. */
static void a_claim_that_was_refused_starts_nothing(void **state)
{
    struct fixture *f = *state;
    struct store_claim call = {.id = submit_to(f, "h")};
    ask("UPDATE %s.jobs SET cancel='by uid 1'");
    assert_int_equal(UNANSWERED(f, claim, &call), -ESTALE);
    assert_string_equal(call.call.error.text, "job 1 cannot be claimed: it is queued");
    assert_int_equal(state_of(f, call.id), JOB_QUEUED);
}

static struct store_finish end_of(uint64_t id, uint32_t attempt)
{
    return (struct store_finish){.id = id,
                                 .attempt = attempt,
                                 .running = true,
                                 .state = JOB_FAILED,
                                 .error = KIND_TRUNCATED,
                                 .verdict = "{\"event\":\"verdict\"}",
                                 .finished = clock_real_us()};
}

static void an_end_stands_once(void **state)
{
    struct fixture *f = *state;
    uint64_t id = submit_to(f, "h");
    claim(f, id);
    struct store_finish call = end_of(id, 1);
    assert_int_equal(UNANSWERED(f, finish, &call), 0);
    assert_string_equal(ask("SELECT string_agg(id||' '||state,',') FROM %s.ended"), "1 4");
    assert_int_equal(counts_of(f).by_state[JOB_FAILED], 1);
    assert_int_equal(counts_of(f).by_state[JOB_RUNNING], 0);
    assert_int_equal(counts_of(f).pending_bytes, 0);
}

static void an_end_of_a_ghost_is_refused(void **state)
{
    struct fixture *f = *state;
    uint64_t id = submit_to(f, "h");
    claim(f, id);
    struct store_finish ghost = end_of(id, 7), nobodys = end_of(99, 1);
    assert_int_equal(UNANSWERED(f, finish, &ghost), -ESTALE);
    assert_string_equal(ghost.call.error.text, "job 1 is not at that attempt here: it is running");
    assert_int_equal(UNANSWERED(f, finish, &nobodys), -ENOENT);
    assert_string_equal(ask("SELECT count(*) FROM %s.ended"), "0");
}

static void a_postponement_stands_once(void **state)
{
    struct fixture *f = *state;
    uint64_t id = submit_to(f, "h");
    claim(f, id);
    struct store_postpone call = {
        .id = id, .attempt = 1, .due = 5000, .line = "{\"n\":1}", .torn = true, .ran = 9};
    assert_int_equal(UNANSWERED(f, postpone, &call), 0);
    assert_string_equal(ask("SELECT concat_ws(' ',state,due,torn,ran,history) FROM %s.jobs"),
                        "2 5000 1 9 {\"n\":1}");
    assert_int_equal(counts_of(f).by_state[JOB_WAITING], 1);
    struct store_postpone ghost = {.id = 99, .attempt = 1};
    assert_int_equal(UNANSWERED(f, postpone, &ghost), -ENOENT);
}

/* A batch of several: each of its calls is told its own. */
static void each_of_a_batch_is_told_its_own(void **state)
{
    struct fixture *f = *state;
    uint64_t first = submit_to(f, "h"), second = submit_to(f, "h"), third = submit_to(f, "h");
    claim(f, first);
    struct store_finish end = end_of(first, 1);
    struct store_claim good = {.id = second}, bad = {.id = 77};
    struct store_get question = {.id = third};
    lost_before = batches();
    holder = hold();
    /* The first is a batch of its own, and what comes while it waits is the next one. */
    expect_call(&end.call);
    f->store->engine->finish(f->store, &end);
    while (strcmp(ask("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type='Lock'"), "1") !=
           0)
        ;
    expect_call(&good.call);
    expect_call(&bad.call);
    expect_call(&question.call);
    f->store->engine->claim(f->store, &good);
    f->store->engine->claim(f->store, &bad);
    f->store->engine->get(f->store, &question);
    lose_answer(holder, lost_before);
    wait_calls(f, 4);
    assert_int_equal(result_of(&end.call), 0);
    /* These were not sent, as the connection was lost before: they may be refused for that. */
    assert_true(good.call.result == 0 || good.call.result == -EIO);
    assert_true(bad.call.result == -ENOENT || bad.call.result == -EIO);
    assert_true(question.call.result == 0 || question.call.result == -EIO);
    assert_int_equal(state_of(f, second), good.call.result == 0 ? JOB_RUNNING : JOB_QUEUED);
    store_job_free(question.job);
}

/* --- schedules -------------------------------------------------------------------------------- */

static void a_schedule_is_made_once(void **state)
{
    struct fixture *f = *state;
    struct store_schedule a = schedule_for("a"), b = schedule_for("b");
    struct store_schedule *const rows[] = {&a, &b};
    struct store_schedule_put call = {.rows = rows, .count = 2};
    assert_int_equal(UNANSWERED(f, schedule_put, &call), 0);
    assert_string_equal(schedule_names(f), "a b");
    assert_true(a.version > 0 && b.version > 0 && a.version != b.version);
    struct store_schedule *row = get_schedule(f, "b");
    assert_int_equal(row->version, b.version);
    store_schedule_free(row);
    assert_int_equal(counts_of(f).schedules, 2);
}

static int put_unanswered(struct fixture *f, struct store_schedule *row, const char *removed)
{
    struct store_schedule_put call = {
        .rows = &row, .count = 1, .removed = &removed, .removed_count = removed ? 1 : 0};
    return UNANSWERED(f, schedule_put, &call);
}

/* Somebody else was quicker: the transaction stands, and has changed nothing. */
static void a_change_that_was_refused_is_told_so(void **state)
{
    struct fixture *f = *state;
    struct store_schedule a = schedule_for("a"), mine = schedule_for("a");
    put_schedule(f, &a);
    mine.version = a.version;
    a.paused = true;
    put_schedule(f, &a); /* theirs */
    assert_int_equal(put_unanswered(f, &mine, NULL), -ESTALE);
    struct store_schedule *row = get_schedule(f, "a");
    assert_true(row->paused);
    store_schedule_free(row);
    struct store_schedule again = schedule_for("a"), gone = schedule_for("gone");
    again.revision = 2;
    assert_int_equal(put_unanswered(f, &again, NULL), -ESTALE); /* it was not to be there */
    gone.version = 3;
    assert_int_equal(put_unanswered(f, &gone, NULL), -ESTALE); /* it was to be there */
    assert_string_equal(schedule_names(f), "a");
}

/* Each member of what was asked for is looked at. */
static void a_change_of_any_part_is_seen(void **state)
{
    struct fixture *f = *state;
    struct store_schedule there = schedule_for("a");
    put_schedule(f, &there);
    for (int part = 0; part < 5; part++) {
        struct store_schedule mine = schedule_for("a");
        mine.version = there.version + 1000;
        if (part == 0)
            mine.spec = (char *)(uintptr_t) "{\"every\":\"6min\"}";
        mine.uid += part == 1;
        mine.gid += part == 2;
        mine.paused = part == 3;
        mine.revision += part == 4;
        assert_int_equal(put_unanswered(f, &mine, NULL), -ESTALE);
    }
}

static void a_removal_stands_or_does_not(void **state)
{
    struct fixture *f = *state;
    struct store_schedule a = schedule_for("a"), b = schedule_for("b"), c = schedule_for("c");
    put_schedule(f, &a);
    put_schedule(f, &b);
    assert_int_equal(put_unanswered(f, &c, "a"), 0);
    assert_string_equal(schedule_names(f), "b c");
    c.version += 1000; /* another has it by now, so b stays as well */
    assert_int_equal(put_unanswered(f, &c, "b"), -ESTALE);
    assert_string_equal(schedule_names(f), "b c");
    assert_int_equal(counts_of(f).schedules, 2);
    c.version -= 1000;
    assert_int_equal(put_unanswered(f, &c, "c"), 0); /* what is put as well is not removed */
    assert_string_equal(schedule_names(f), "b c");
}

static int pass_unanswered(struct fixture *f, uint64_t version, const char *problem)
{
    struct store_schedule_pass call = {
        .name = "a", .version = version, .expected = 1000, .next_at = 2000, .problem = problem};
    return UNANSWERED(f, schedule_pass, &call);
}

static void a_time_is_passed_over_once(void **state)
{
    struct fixture *f = *state;
    struct store_schedule a = schedule_for("a");
    put_schedule(f, &a);
    assert_int_equal(pass_unanswered(f, a.version, "no parser"), 0);
    struct store_schedule *row = get_schedule(f, "a");
    assert_int_equal(row->next_at, 2000);
    assert_string_equal(row->problem, "no parser");
    store_schedule_free(row);
    assert_int_equal(counts_of(f).schedules_failing, 1);
}

static void a_time_that_was_not_passed_over_is_told_so(void **state)
{
    struct fixture *f = *state;
    struct store_schedule a = schedule_for("a");
    assert_int_equal(pass_unanswered(f, 1, NULL), -ESTALE); /* there is none */
    put_schedule(f, &a);
    assert_int_equal(pass_unanswered(f, a.version + 1, NULL), -ESTALE);
    struct store_schedule *row = get_schedule(f, "a");
    assert_int_equal(row->next_at, 1000);
    store_schedule_free(row);
    assert_int_equal(pass_unanswered(f, a.version, NULL), 0);
    assert_int_equal(pass_unanswered(f, a.version, "another reason"), -ESTALE);
}

/* --- runs ------------------------------------------------------------------------------------- */

static int run_unanswered(struct fixture *f, uint64_t version, struct store_job *job)
{
    struct store_schedule_run run = {
        .name = "a", .version = version, .expected = 1000, .at = 1000, .next_at = 2000};
    struct store_submit_item item = {.job = job, .claim = true};
    struct store_submit call = {.items = &item, .count = 1, .run = &run};
    *job = job_for("h");
    job->schedule = (char *)(uintptr_t) "a";
    return UNANSWERED(f, submit, &call);
}

static void a_run_is_made_once(void **state)
{
    struct fixture *f = *state;
    struct store_schedule a = schedule_for("a");
    struct store_job job;
    put_schedule(f, &a);
    assert_int_equal(run_unanswered(f, a.version, &job), 0);
    assert_int_equal(job.state, JOB_RUNNING);
    assert_non_null(job.definition);
    assert_string_equal(job.definition->name, "a");
    store_schedule_free(job.definition);
    assert_string_equal(ask("SELECT concat_ws(' ',job,runs,next_at) FROM %s.schedules"),
                        "1 1 2000");
    assert_string_equal(ask("SELECT count(*) FROM %s.jobs"), "1");
}

static void a_run_that_was_refused_is_none(void **state)
{
    struct fixture *f = *state;
    struct store_schedule a = schedule_for("a");
    struct store_job job;
    put_schedule(f, &a);
    assert_int_equal(run_unanswered(f, a.version + 1, &job), -ESTALE);
    assert_int_equal(job.id, 0);
    assert_int_equal(job.state, JOB_QUEUED);
    assert_string_equal(ask("SELECT count(*) FROM %s.jobs"), "0");
    assert_string_equal(ask("SELECT concat_ws(' ',job,runs,next_at) FROM %s.schedules"),
                        "0 0 1000");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_submission_stands_once),
        TEST(a_known_key_is_told_as_one),
        TEST(a_claim_stands_once),
        TEST(a_claim_of_nothing_is_refused),
        TEST(a_claim_that_was_refused_starts_nothing),
        TEST(an_end_stands_once),
        TEST(an_end_of_a_ghost_is_refused),
        TEST(a_postponement_stands_once),
        TEST(each_of_a_batch_is_told_its_own),
        TEST(a_schedule_is_made_once),
        TEST(a_change_that_was_refused_is_told_so),
        TEST(a_change_of_any_part_is_seen),
        TEST(a_removal_stands_or_does_not),
        TEST(a_time_is_passed_over_once),
        TEST(a_time_that_was_not_passed_over_is_told_so),
        TEST(a_run_is_made_once),
        TEST(a_run_that_was_refused_is_none),
    };
    log_set_level(LOG_LEVEL_ERROR);
    int r = pg_begin();
    if (r != 0)
        return r;
    int failed = cmocka_run_group_tests_name("postgresql, unanswered", tests, NULL, NULL);
    pg_end();
    return failed;
}
