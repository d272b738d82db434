/* How far an attempt has come, as others see it: while it runs, and once nothing of it does. */
#include "attempt/progress.h"

#include "base/clock.h"
#include "download_trial.h"

#define JOB "{\"url\":\"http://a.test/\",\"parser\":\"lines\"}"

static int begin(void **state)
{
    return request_spec_begin("");
}

static int new_trial(void **state)
{
    trial_begin(JOB, NULL);
    return 0;
}

/* The loop writes for each piece of a body: nothing that others read may be on that line. */
static void it_has_a_line_of_its_own(void **state)
{
    assert_int_equal(sizeof(struct progress), PROGRESS_LINE);
    assert_int_equal((uintptr_t)&trial->progress % PROGRESS_LINE, 0);
}

static struct attempt_report report_of(bool engaged, enum attempt_wait waits)
{
    struct attempt_report r = {.engaged = engaged, .waits = waits}; /* as reading_report */
    download_report(d, false, &r);
    return r;
}

static void what_came_is_told_while_it_runs(void **state)
{
    progress_set_bytes(&trial->progress, 12345);
    atomic_store(&trial->progress.length, -1);
    d->resume.count = 2;
    d->status = 200; /* the fetch loop's: not read before that has done */
    struct attempt_report r = report_of(false, WAITS_ORIGIN);
    assert_int_equal(r.bytes, 12345);
    assert_int_equal(r.length, -1);
    assert_int_equal(r.resumes, 2);
    assert_int_equal(r.status, 0);
}

static void whom_it_waits_for(void **state)
{
    assert_int_equal(report_of(true, WAITS_ORIGIN).waits, WAITS_ORIGIN);
    atomic_store(&d->transfer.throttled, true);
    assert_int_equal(report_of(true, WAITS_ORIGIN).waits, WAITS_HOST);
    progress_set_paused(&trial->progress, true); /* the nearer reason */
    assert_int_equal(report_of(true, WAITS_ORIGIN).waits, WAITS_PARSER);
    /* The parser itself waits: that is why the pipe is full. */
    assert_int_equal(report_of(true, WAITS_SINK).waits, WAITS_SINK);
    assert_int_equal(report_of(true, WAITS_READER).waits, WAITS_READER);
    /* There is no parser so far. */
    assert_int_equal(report_of(false, WAITS_ORIGIN).waits, WAITS_ORIGIN);
    progress_set_paused(&trial->progress, false);
    atomic_store(&d->transfer.throttled, false);
    assert_int_equal(report_of(true, WAITS_ORIGIN).waits, WAITS_ORIGIN);
}

static void what_it_came_to(void **state)
{
    struct attempt_report r = {.wait_sink = 3 * NS_PER_SEC, .wait_origin = NS_PER_SEC};
    d->status = 503;
    d->retry_after = strdup("7");
    d->end.connect_ns = NS_PER_SEC;
    d->end.first_byte_ns = 2 * NS_PER_SEC;
    d->pipe_full_ns = 5 * NS_PER_SEC;
    d->verified = VERIFIED_CHUNKED;
    download_report(d, true, &r);
    assert_int_equal(r.status, 503);
    assert_string_equal(r.retry_after, "7");
    assert_null(r.address); /* none was connected to */
    assert_int_equal(r.verified, VERIFIED_CHUNKED);
    assert_int_equal(r.connect, NS_PER_SEC);
    assert_int_equal(r.first_byte, 2 * NS_PER_SEC);
    assert_int_equal(r.wait_origin, 3 * NS_PER_SEC); /* the first byte was waited for as well */
    /* Of the time that the pipe was full the sink's part is no parser's. */
    assert_int_equal(r.wait_parser, 2 * NS_PER_SEC);
    d->pipe_full_ns = 2 * NS_PER_SEC;
    strcpy(d->end.address, "192.0.2.1");
    download_report(d, true, &r);
    assert_int_equal(r.wait_parser, 0);
    assert_string_equal(r.address, "192.0.2.1");
}

int main(void)
{
#define EACH(test) cmocka_unit_test_setup_teardown(test, new_trial, trial_free)
    const struct CMUnitTest tests[] = {
        EACH(it_has_a_line_of_its_own),
        EACH(what_came_is_told_while_it_runs),
        EACH(whom_it_waits_for),
        EACH(what_it_came_to),
    };
    return cmocka_run_group_tests(tests, begin, request_spec_end);
}
