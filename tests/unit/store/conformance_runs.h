/* Part of the conformance suite: what the runs of schedules change, and their ends. */
#ifndef TESTS_UNIT_STORE_CONFORMANCE_RUNS_H
#define TESTS_UNIT_STORE_CONFORMANCE_RUNS_H

#include "conformance_schedules.h"

/* Ends of long ago would be forgotten. */
static int64_t moment(int64_t n)
{
    static int64_t start;
    if (!start)
        start = clock_real_us();
    return start + n;
}

/* A run of the schedule as it stands, by the clock. */
static int try_run(struct fixture *f, struct store_schedule_run *run, uint64_t *ret_id)
{
    struct store_job job = job_for("h");
    job.schedule = (char *)(uintptr_t)run->name;
    struct store_submit_item item = {.job = &job};
    struct store_submit call = {.items = &item, .count = 1, .run = run};
    int r = CALL(f, submit, &call);
    *ret_id = job.id;
    return r;
}

static struct store_schedule_run run_of(struct fixture *f, const char *name)
{
    struct store_schedule *row = get_schedule(f, name);
    assert_non_null(row);
    struct store_schedule_run run = {.name = name,
                                     .version = row->version,
                                     .expected = row->next_at,
                                     .at = 1,
                                     .next_at = row->next_at + 1000};
    store_schedule_free(row);
    return run;
}

static uint64_t submit_run(struct fixture *f, const char *name)
{
    struct store_schedule_run run = run_of(f, name);
    uint64_t id;
    assert_int_equal(try_run(f, &run, &id), 0);
    return id;
}

static int finish_run(struct fixture *f, uint64_t id, enum job_state state, int64_t finished,
                      const struct store_schedule_end *end)
{
    struct store_finish call = {.id = id,
                                .state = state,
                                .error = state == JOB_FAILED ? KIND_TRUNCATED : KIND_NONE,
                                .verdict = "{}",
                                .finished = finished,
                                .end = end};
    return CALL(f, finish, &call);
}

/* All jobs: what was refused has left none behind. */
static const char *ids_there(struct fixture *f)
{
    struct store_list list = {.select = any, .limit = 10};
    return list_ids(f, &list);
}

static void a_run_changes_its_schedule_with_it(void **state)
{
    struct fixture *f = *state;
    struct store_schedule a = schedule_for("a");
    put_schedule(f, &a);
    struct store_schedule_run run = {
        .name = "a", .version = a.version, .expected = 1000, .at = 1001, .next_at = 2000};
    uint64_t id, other;
    assert_int_equal(try_run(f, &run, &id), 0);

    struct store_job *job = get(f, id);
    assert_string_equal(job->schedule, "a");
    store_job_free(job);
    struct store_schedule *row = get_schedule(f, "a");
    assert_int_equal(row->job, id);
    assert_int_equal(row->last_job, id);
    assert_int_equal(row->runs, 1);
    assert_int_equal(row->last_run, 1001);
    assert_int_equal(row->next_at, 2000);
    assert_int_equal(row->version, a.version);
    assert_int_equal(row->forced, 0);
    store_schedule_free(row);

    /* The end of a run whose schedule has gone changes nothing. */
    remove_schedule(f, "a");
    assert_int_equal(
        finish_run(f, id, JOB_DONE, moment(9), &(struct store_schedule_end){.name = "a"}), 0);
    assert_string_equal(schedule_names(f), "");
    assert_int_equal(try_run(f, &run, &other), -ESTALE);
    assert_int_equal(other, 0);
    assert_string_equal(ids_there(f), id_text(1, &id));
}

/* Whoever else sees that it is due: one time is one run. */
static void a_time_is_had_once(void **state)
{
    struct fixture *f = *state;
    struct store_schedule a = schedule_for("a");
    put_schedule(f, &a);
    struct store_schedule_run run = run_of(f, "a"), same = run;
    uint64_t id, other;
    assert_int_equal(try_run(f, &run, &id), 0);
    assert_int_equal(try_run(f, &same, &other), -ESTALE);
    assert_int_equal(finish_run(f, id, JOB_DONE, moment(1), NULL), 0);
    assert_int_equal(try_run(f, &same, &other), -ESTALE);
    assert_string_equal(ids_there(f), id_text(1, &id));

    /* Of what was changed, or paused, there is no run by the clock. */
    struct store_schedule *row = get_schedule(f, "a");
    row->paused = true;
    put_schedule(f, row);
    run = run_of(f, "a");
    assert_int_equal(try_run(f, &run, &other), -ESTALE);
    run.version--;
    run.asked = true;
    assert_int_equal(try_run(f, &run, &other), -ESTALE);
    store_schedule_free(row);
}

static void a_time_is_passed_over_while_a_run_has_not_ended(void **state)
{
    struct fixture *f = *state;
    struct store_schedule a = schedule_for("a");
    put_schedule(f, &a);
    uint64_t id = submit_run(f, "a"), other;
    for (uint64_t n = 1; n <= 2; n++) {
        struct store_schedule_run run = run_of(f, "a");
        assert_int_equal(try_run(f, &run, &other), -EBUSY);
        assert_int_equal(run.job, id);
        assert_int_equal(run.left_out, n);
        struct store_schedule *row = get_schedule(f, "a");
        assert_int_equal(row->next_at, run.next_at);
        assert_int_equal(row->skipped, n);
        assert_int_equal(row->left_out, n);
        assert_int_equal(row->runs, 1);
        store_schedule_free(row);
    }
    /* Who asks for one changes nothing by that. */
    struct store_schedule_run asked = run_of(f, "a");
    int64_t at = asked.expected;
    asked.next_at = at;
    asked.asked = true;
    assert_int_equal(try_run(f, &asked, &other), -EBUSY);
    struct store_schedule *row = get_schedule(f, "a");
    assert_int_equal(row->skipped, 2);
    assert_int_equal(row->next_at, at);
    store_schedule_free(row);
    assert_string_equal(ids_there(f), id_text(1, &id));
    assert_int_equal(
        finish_run(f, id, JOB_DONE, moment(1), &(struct store_schedule_end){.name = "a"}), 0);
    asked.forced = true;
    assert_int_equal(try_run(f, &asked, &other), 0);
    row = get_schedule(f, "a");
    assert_int_equal(row->left_out, 0);
    assert_int_equal(row->skipped, 2);
    assert_int_equal(row->job, other);
    assert_int_equal(row->forced, other);
    assert_int_equal(row->next_at, at);
    store_schedule_free(row);
}

/* What a run needs of its schedule comes with its claim. */
static void a_claim_brings_the_schedule(void **state)
{
    struct fixture *f = *state;
    struct store_schedule a = schedule_for("a");
    put_schedule(f, &a);
    uint64_t id = submit_run(f, "a");
    struct store_claim claim = {.id = id};
    assert_int_equal(CALL(f, claim, &claim), 0);
    assert_non_null(claim.definition);
    assert_string_equal(claim.definition->spec, a.spec);
    assert_int_equal(claim.definition->job, id);
    store_schedule_free(claim.definition);
    claim.definition = NULL;
    assert_int_equal(CALL(f, claim, &claim), -ESTALE);
    assert_null(claim.definition);
    assert_int_equal(postpone(f, id, 1, 0), 0);
    remove_schedule(f, "a");
    claim.attempt = 1;
    assert_int_equal(CALL(f, claim, &claim), 0);
    assert_null(claim.definition);
    claim = (struct store_claim){.id = submit_to(f, "h")};
    assert_int_equal(CALL(f, claim, &claim), 0);
    assert_null(claim.definition);

    /* Or with a submission that claims as well. */
    put_schedule(f, &a);
    struct store_schedule_run run = run_of(f, "a");
    struct store_job job = job_for("h");
    job.schedule = (char *)(uintptr_t) "a";
    struct store_submit_item item = {.job = &job, .claim = true};
    struct store_submit call = {.items = &item, .count = 1, .run = &run};
    assert_int_equal(CALL(f, submit, &call), 0);
    assert_int_equal(job.state, JOB_RUNNING);
    assert_non_null(job.definition);
    assert_int_equal(job.definition->job, job.id);
    store_schedule_free(job.definition);
}

static int pass(struct fixture *f, struct store_schedule *row, int64_t next_at, const char *problem)
{
    struct store_schedule_pass call = {.name = row->name,
                                       .version = row->version,
                                       .expected = row->next_at,
                                       .next_at = next_at,
                                       .problem = problem};
    return CALL(f, schedule_pass, &call);
}

static void a_problem_is_kept_until_a_run(void **state)
{
    struct fixture *f = *state;
    struct store_schedule a = schedule_for("a"), b = schedule_for("b");
    put_schedule(f, &a);
    put_schedule(f, &b);
    assert_int_equal(pass(f, &a, 5000, "no parser"), 0);
    assert_int_equal(pass(f, &a, 5000, "no parser"), -ESTALE); /* it is due at another time now */
    struct store_schedule *row = get_schedule(f, "a");
    assert_string_equal(row->problem, "no parser");
    assert_int_equal(row->next_at, 5000);
    assert_int_equal(row->version, a.version);
    assert_int_equal(schedule_counts(f).schedules_failing, 1);
    struct store_schedules failing = {.failing = true, .limit = 9};
    assert_string_equal(page_names(f, &failing), "a");
    row->paused = true; /* that is no mend */
    put_schedule(f, row);
    assert_int_equal(schedule_counts(f).schedules_failing, 1);
    row->spec = (free(row->spec), strdup("{}")); /* this may be one */
    row->paused = false;
    put_schedule(f, row);
    assert_int_equal(schedule_counts(f).schedules_failing, 0);
    assert_string_equal(page_names(f, &failing), "");
    assert_int_equal(pass(f, row, 6000, "still none"), 0);
    assert_int_equal(schedule_counts(f).schedules_failing, 1);
    store_schedule_free(row);
    submit_run(f, "a");
    assert_int_equal(schedule_counts(f).schedules_failing, 0);
    row = get_schedule(f, "a");
    assert_null(row->problem);
    store_schedule_free(row);
    assert_int_equal(pass(f, &b, 7000, NULL), 0);
    assert_int_equal(pass(f, &b, 7000, "x"), -ESTALE);
    remove_schedule(f, "b");
    assert_int_equal(pass(f, &b, 7000, NULL), -ESTALE);
}

static void failing_schedules_are_counted(void **state)
{
    struct fixture *f = *state;
    struct store_schedule rows[] = {schedule_for("a"), schedule_for("b"), schedule_for("c")};
    struct store_schedules failing = {.failing = true, .limit = 1};
    struct store_schedule_end end = {.name = "b"};
    for (int i = 0; i < 3; i++)
        put_schedule(f, &rows[i]);
    assert_int_equal(finish_run(f, submit_run(f, "b"), JOB_FAILED, moment(1), &end), 0);
    end.name = "a";
    assert_int_equal(finish_run(f, submit_run(f, "a"), JOB_FAILED, moment(2), &end), 0);
    assert_int_equal(schedule_counts(f).schedules_failing, 2);
    assert_string_equal(page_names(f, &failing), "a ...");
    failing.after = "a";
    assert_string_equal(page_names(f, &failing), "b");
    assert_int_equal(finish_run(f, submit_run(f, "a"), JOB_DONE, moment(3), &end), 0);
    failing.after = NULL;
    assert_string_equal(page_names(f, &failing), "b");
    remove_schedule(f, "b");
    assert_string_equal(page_names(f, &failing), "");
    assert_int_equal(schedule_counts(f).schedules_failing, 0);
    assert_int_equal(schedule_counts(f).schedules, 2);
}

static void a_run_that_is_refused_changes_nothing(void **state)
{
    struct fixture *f = *state;
    fixture_close(f);
    fixture_open(f, &(struct store_config){.max_jobs = 1});
    struct store_schedule a = schedule_for("a");
    put_schedule(f, &a);
    submit_to(f, "h");
    struct store_schedule_run run = run_of(f, "a");
    struct store_job job = job_for("h");
    struct store_submit_item item = {.job = &job};
    struct store_submit call = {.items = &item, .count = 1, .run = &run};
    assert_int_equal(CALL(f, submit, &call), -EDQUOT);
    struct store_schedule *row = get_schedule(f, "a");
    assert_int_equal(row->next_at, 1000);
    assert_int_equal(row->runs, 0);
    store_schedule_free(row);
}

static void an_end_changes_its_schedule_with_it(void **state)
{
    struct fixture *f = *state;
    struct store_schedule a = schedule_for("a");
    put_schedule(f, &a);
    const struct store_schedule_end plain = {.name = "a"};
    const struct store_schedule_end whole = {.name = "a",
                                             .whole = true,
                                             .revision = 1,
                                             .etag = "\"1\"",
                                             .modified = "yesterday",
                                             .validated = "http://x/"};
    assert_int_equal(finish_run(f, submit_run(f, "a"), JOB_FAILED, moment(10), &plain), 0);
    assert_int_equal(finish_run(f, submit_run(f, "a"), JOB_FAILED, moment(20), &plain), 0);
    struct store_schedule *row = get_schedule(f, "a");
    assert_int_equal(row->job, 0);
    assert_int_equal(row->last_state, JOB_FAILED);
    assert_int_equal(row->last_error, KIND_TRUNCATED);
    assert_int_equal(row->last_end, moment(20));
    assert_int_equal(row->last_done, 0);
    assert_int_equal(row->failures, 2);
    assert_null(row->etag);
    store_schedule_free(row);

    assert_int_equal(finish_run(f, submit_run(f, "a"), JOB_DONE, moment(30), &whole), 0);
    row = get_schedule(f, "a");
    assert_int_equal(row->last_state, JOB_DONE);
    assert_int_equal(row->last_error, KIND_NONE);
    assert_int_equal(row->last_done, moment(30));
    assert_int_equal(row->failures, 0);
    assert_string_equal(row->etag, "\"1\"");
    assert_string_equal(row->modified, "yesterday");
    assert_string_equal(row->validated, "http://x/");
    store_schedule_free(row);

    /* Another run's end does not end the one that runs; without a body the validators stay. */
    struct store_job copy = job_for("h"); /* of `retry` */
    copy.schedule = (char *)(uintptr_t) "a";
    submit_job(f, &copy);
    uint64_t other = copy.id, id = submit_run(f, "a");
    assert_int_equal(finish_run(f, other, JOB_CANCELLED, moment(40), &plain), 0);
    row = get_schedule(f, "a");
    assert_int_equal(row->job, id);
    assert_int_equal(row->last_state, JOB_CANCELLED);
    assert_int_equal(row->failures, 0);
    assert_string_equal(row->etag, "\"1\"");
    store_schedule_free(row);

    /* A verdict that comes twice changes nothing twice. */
    assert_int_equal(finish_run(f, id, JOB_FAILED, moment(50), &plain), 0);
    assert_int_equal(finish_run(f, id, JOB_FAILED, moment(60), &plain), -ESTALE);
    row = get_schedule(f, "a");
    assert_int_equal(row->failures, 1);
    assert_int_equal(row->last_end, moment(50));
    store_schedule_free(row);
}

static void validators_are_of_one_revision(void **state)
{
    struct fixture *f = *state;
    struct store_schedule a = schedule_for("a");
    put_schedule(f, &a);
    struct store_schedule_end whole = {
        .name = "a", .whole = true, .revision = 1, .etag = "\"1\"", .validated = "http://x/"};
    assert_int_equal(finish_run(f, submit_run(f, "a"), JOB_DONE, moment(30), &whole), 0);

    a.paused = true; /* that is no other thing to download */
    put_schedule(f, &a);
    struct store_schedule *row = get_schedule(f, "a");
    assert_string_equal(row->etag, "\"1\"");
    assert_int_equal(row->runs, 1);
    assert_int_equal(row->last_state, JOB_DONE);
    store_schedule_free(row);

    a.paused = false;
    put_schedule(f, &a);
    a.revision = 2;
    uint64_t late = submit_run(f, "a");
    put_schedule(f, &a);
    row = get_schedule(f, "a");
    assert_null(row->etag);
    assert_null(row->validated);
    assert_int_equal(row->job, late);
    store_schedule_free(row);
    assert_int_equal(finish_run(f, late, JOB_DONE, moment(31), &whole),
                     0); /* of the revision before */
    row = get_schedule(f, "a");
    assert_null(row->etag);
    assert_int_equal(row->last_end, moment(31));
    store_schedule_free(row);

    /* A body without validators replaces those of the one before it. */
    whole.revision = 2;
    assert_int_equal(finish_run(f, submit_run(f, "a"), JOB_DONE, moment(32), &whole), 0);
    whole.etag = whole.validated = NULL;
    assert_int_equal(finish_run(f, submit_run(f, "a"), JOB_DONE, moment(33), &whole), 0);
    row = get_schedule(f, "a");
    assert_null(row->etag);
    store_schedule_free(row);

    /* A schedule made anew is a new one. */
    remove_schedule(f, "a");
    put_schedule(f, &a);
    row = get_schedule(f, "a");
    assert_int_equal(row->runs, 0);
    assert_int_equal(row->last_state, JOB_QUEUED);
    store_schedule_free(row);
}

static void jobs_are_found_by_schedule(void **state)
{
    struct fixture *f = *state;
    static const char *const of[] = {"a", NULL, "b", "a"};
    uint64_t last = 0;
    for (int i = 0; i < 4; i++) {
        struct store_job job = job_for("h");
        job.schedule = (char *)(uintptr_t)of[i];
        submit_job(f, &job);
        last = job.id;
    }
    struct store_list call = {.select = any, .limit = 10};
    call.select.schedule = "a";
    assert_string_equal(list_ids(f, &call), "4 1");
    call = (struct store_list){.select = any, .limit = 1};
    call.select.schedule = "a";
    assert_string_equal(list_ids(f, &call), "4");
    call.before = call.next;
    assert_string_equal(list_ids(f, &call), "1");
    assert_int_equal(finish_run(f, last, JOB_FAILED, moment(9), NULL), 0);
    call = (struct store_list){.select = any, .limit = 10};
    call.select.schedule = "a";
    call.select.state = JOB_FAILED;
    assert_string_equal(list_ids(f, &call), "4");
    call.select.state = JOB_QUEUED;
    call.before = 0;
    assert_string_equal(list_ids(f, &call), "1");
}

#endif
