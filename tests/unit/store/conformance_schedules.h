/* Part of the conformance suite: schedules, and what their runs change. */
#ifndef TESTS_UNIT_STORE_CONFORMANCE_SCHEDULES_H
#define TESTS_UNIT_STORE_CONFORMANCE_SCHEDULES_H

#include "store_support.h"
#include "store/schedule_row.h"

/* Its strings are literals, as those of job_for. */
static struct store_schedule schedule_for(const char *name)
{
    return (struct store_schedule){.name = (char *)(uintptr_t)name,
                                   .spec = (char *)(uintptr_t) "{\"every\":\"5min\"}",
                                   .uid = 1000,
                                   .gid = 100,
                                   .revision = 1,
                                   .created = 7,
                                   .next_at = 1000};
}

static void put_schedule(struct fixture *f, const struct store_schedule *schedule)
{
    struct store_schedule_put call = {.rows = &schedule, .count = 1};
    assert_int_equal(CALL(f, schedule_put, &call), 0);
}

static void remove_schedule(struct fixture *f, const char *name)
{
    struct store_schedule_put call = {.removed = &name, .removed_count = 1};
    assert_int_equal(CALL(f, schedule_put, &call), 0);
}

/* "a b": the names, in the store's order. */
static const char *schedule_names(struct fixture *f)
{
    static char text[256];
    struct store_schedules call = {.count = 99};
    int len = 0;
    text[0] = '\0';
    assert_int_equal(CALL(f, schedules, &call), 0);
    for (size_t i = 0; i < call.count; i++)
        len += snprintf(text + len, sizeof text - (size_t)len, "%s%s", i ? " " : "",
                        call.rows[i]->name);
    store_schedules_free(call.rows, call.count);
    return text;
}

/* Ends of long ago would be forgotten. */
static int64_t moment(int64_t n)
{
    static int64_t start;
    if (!start)
        start = clock_real_us();
    return start + n;
}

/* A copy to be freed, or NULL. */
static struct store_schedule *get_schedule(struct fixture *f, const char *name)
{
    struct store_schedules call = {.count = 99};
    struct store_schedule *found = NULL;
    assert_int_equal(CALL(f, schedules, &call), 0);
    for (size_t i = 0; i < call.count; i++)
        if (strcmp(call.rows[i]->name, name) == 0)
            found = store_schedule_copy(call.rows[i]);
    store_schedules_free(call.rows, call.count);
    return found;
}

static uint64_t submit_run(struct fixture *f, const char *name, int64_t at, int64_t next_at)
{
    struct store_schedule_run run = {.name = name, .at = at, .next_at = next_at, .skipped = 3};
    struct store_job job = job_for("h");
    job.schedule = (char *)(uintptr_t)name;
    struct store_submit_item item = {.job = &job};
    struct store_submit call = {.items = &item, .count = 1, .run = &run};
    assert_int_equal(CALL(f, submit, &call), 0);
    return job.id;
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

static void schedules_are_kept_by_name(void **state)
{
    struct fixture *f = *state;
    assert_string_equal(schedule_names(f), "");
    struct store_schedule b = schedule_for("b"), a = schedule_for("a"),
                          c = schedule_for("B\xc3\xa9");
    const struct store_schedule *rows[] = {&b, &a, &c};
    struct store_schedule_put call = {.rows = rows, .count = 3};
    assert_int_equal(CALL(f, schedule_put, &call), 0);
    assert_string_equal(schedule_names(f), "B\xc3\xa9 a b");

    struct store_schedule *row = get_schedule(f, "a");
    assert_non_null(row);
    assert_string_equal(row->spec, a.spec);
    assert_int_equal(row->uid, 1000);
    assert_int_equal(row->gid, 100);
    assert_false(row->paused);
    assert_int_equal(row->revision, 1);
    assert_int_equal(row->created, 7);
    assert_int_equal(row->next_at, 1000);
    assert_int_equal(row->job, 0);
    assert_int_equal(row->runs, 0);
    assert_int_equal(row->last_state, JOB_QUEUED);
    assert_null(row->etag);
    store_schedule_free(row);

    /* One call changes, makes and removes. */
    static const char *const gone[] = {"b", "never was"};
    struct store_schedule d = schedule_for("d");
    a.paused = true;
    a.spec = (char *)(uintptr_t) "{}";
    const struct store_schedule *more[] = {&a, &d};
    call =
        (struct store_schedule_put){.rows = more, .count = 2, .removed = gone, .removed_count = 2};
    assert_int_equal(CALL(f, schedule_put, &call), 0);
    assert_string_equal(schedule_names(f), "B\xc3\xa9 a d");
    row = get_schedule(f, "a");
    assert_true(row->paused);
    assert_string_equal(row->spec, "{}");
    store_schedule_free(row);
}

static void a_run_changes_its_schedule_with_it(void **state)
{
    struct fixture *f = *state;
    struct store_schedule a = schedule_for("a");
    put_schedule(f, &a);
    uint64_t id = submit_run(f, "a", 1001, 2000);

    struct store_job *job = get(f, id);
    assert_string_equal(job->schedule, "a");
    store_job_free(job);
    struct store_schedule *row = get_schedule(f, "a");
    assert_int_equal(row->job, id);
    assert_int_equal(row->last_job, id);
    assert_int_equal(row->runs, 1);
    assert_int_equal(row->skipped, 3);
    assert_int_equal(row->last_run, 1001);
    assert_int_equal(row->next_at, 2000);
    store_schedule_free(row);

    /* One whose schedule is gone is a job all the same. */
    uint64_t orphan = submit_run(f, "gone", 1, 2);
    assert_int_equal(
        finish_run(f, orphan, JOB_DONE, moment(9), &(struct store_schedule_end){.name = "gone"}),
        0);
    assert_string_equal(schedule_names(f), "a");
}

static void a_run_that_is_refused_changes_nothing(void **state)
{
    struct fixture *f = *state;
    fixture_close(f);
    fixture_open(f, &(struct store_config){.max_jobs = 1});
    struct store_schedule a = schedule_for("a");
    put_schedule(f, &a);
    submit_to(f, "h");
    struct store_schedule_run run = {.name = "a", .at = 1, .next_at = 2};
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
    assert_int_equal(finish_run(f, submit_run(f, "a", 1, 2), JOB_FAILED, moment(10), &plain), 0);
    assert_int_equal(finish_run(f, submit_run(f, "a", 1, 2), JOB_FAILED, moment(20), &plain), 0);
    struct store_schedule *row = get_schedule(f, "a");
    assert_int_equal(row->job, 0);
    assert_int_equal(row->last_state, JOB_FAILED);
    assert_int_equal(row->last_error, KIND_TRUNCATED);
    assert_int_equal(row->last_end, moment(20));
    assert_int_equal(row->last_done, 0);
    assert_int_equal(row->failures, 2);
    assert_null(row->etag);
    store_schedule_free(row);

    assert_int_equal(finish_run(f, submit_run(f, "a", 1, 2), JOB_DONE, moment(30), &whole), 0);
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
    uint64_t other = submit_run(f, "a", 1, 2), id = submit_run(f, "a", 1, 2);
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
    assert_int_equal(finish_run(f, submit_run(f, "a", 1, 2), JOB_DONE, moment(30), &whole), 0);

    a.paused = true; /* that is no other thing to download */
    put_schedule(f, &a);
    struct store_schedule *row = get_schedule(f, "a");
    assert_string_equal(row->etag, "\"1\"");
    assert_int_equal(row->runs, 1);
    assert_int_equal(row->last_state, JOB_DONE);
    store_schedule_free(row);

    a.revision = 2;
    uint64_t late = submit_run(f, "a", 1, 2);
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
    assert_int_equal(finish_run(f, submit_run(f, "a", 1, 2), JOB_DONE, moment(32), &whole), 0);
    whole.etag = whole.validated = NULL;
    assert_int_equal(finish_run(f, submit_run(f, "a", 1, 2), JOB_DONE, moment(33), &whole), 0);
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
    struct store_schedule a = schedule_for("a");
    put_schedule(f, &a);
    submit_run(f, "a", 1, 2);
    submit_to(f, "h");
    submit_run(f, "b", 1, 2);
    uint64_t last = submit_run(f, "a", 1, 2);
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
