/* A job in words. */
#include "ctl/job_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void verdict_is(const char *job, const char *expected)
{
    struct buf b = BUF_INIT;
    struct job_view view;
    json_t *object = json_loads(job, 0, NULL);
    assert_non_null(object);
    job_view_read(object, &view);
    job_put_verdict(&b, &view);
    assert_string_equal(b.data, expected);
    buf_deinit(&b);
    json_decref(object);
}

static void test_verdicts(void **state)
{
    verdict_is("{\"id\":42,\"state\":\"done\",\"verdict\":{\"bytes\":1048576,\"records\":9000,"
               "\"verified_by\":\"length\",\"seconds\":{\"total\":0.734}}}",
               "42 done 1048576 bytes 9000 records length 0.734 s");
    verdict_is("{\"id\":43,\"state\":\"failed\",\"verdict\":{\"bytes\":5,\"error\":{\"kind\":"
               "\"truncated\",\"message\":\"5 of 9\\u001b[2J\"}}}",
               "43 failed truncated: 5 of 9\\u001b[2J");
    verdict_is("{\"id\":44,\"state\":\"cancelled\"}", "44 cancelled");
    verdict_is("{\"job\":45,\"state\":\"done\",\"bytes\":1,\"records\":1}",
               "45 done 1 bytes 1 records");
    verdict_is("{}", "0 ");
}

static void test_view_of_a_running_job(void **state)
{
    struct job_view view;
    json_t *object =
        json_loads("{\"id\":1,\"state\":\"running\",\"attempt\":2,\"waiting_for\":"
                   "\"origin\",\"running\":{\"bytes\":10,\"records\":2,\"length\":null,"
                   "\"seconds\":1.5}}",
                   0, NULL);
    job_view_read(object, &view);
    assert_false(view.ended);
    assert_int_equal(view.attempt, 2);
    assert_int_equal(view.bytes, 10);
    assert_int_equal(view.records, 2);
    assert_int_equal(view.length, -1);
    assert_string_equal(view.waiting_for, "origin");
    json_decref(object);
}

/* A verdict's figures come before those of the attempt that runs, and these before the job's. */
static void test_whose_figure_it_is(void **state)
{
    static const struct {
        const char *job;
        int64_t bytes, records;
        double seconds;
    } rows[] = {
        {"{\"bytes\":1,\"running\":{\"bytes\":2},\"verdict\":{\"bytes\":3}}", 3, -1, -1},
        {"{\"bytes\":1,\"running\":{\"bytes\":2,\"records\":7}}", 2, 7, -1},
        {"{\"bytes\":1,\"running\":{\"records\":7},\"verdict\":{}}", 1, 7, -1},
        {"{\"bytes\":\"many\",\"records\":null,\"seconds\":{\"total\":2.5}}", -1, -1, 2.5},
        {"{\"verdict\":7,\"running\":[],\"seconds\":3}", -1, -1, -1},
        {"{\"bytes\":9007199254740992,\"records\":0.9}", INT64_C(9007199254740992), 0, -1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct job_view view;
        json_t *job = json_loads(rows[i].job, 0, NULL);
        assert_non_null(job);
        job_view_read(job, &view);
        if (view.bytes != rows[i].bytes || view.records != rows[i].records)
            fail_msg("%s: %lld, %lld", rows[i].job, (long long)view.bytes, (long long)view.records);
        assert_true(view.seconds > rows[i].seconds - 1e-9 && view.seconds < rows[i].seconds + 1e-9);
        json_decref(job);
    }
}

static void test_states(void **state)
{
    static const struct {
        const char *state;
        bool ended, done;
    } rows[] = {{"queued", false, false}, {"waiting", false, false}, {"running", false, false},
                {"done", true, true},     {"failed", true, false},   {"cancelled", true, false},
                {"undone", false, false}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct job_view view;
        json_t *job = json_pack("{s:s, s:i}", "state", rows[i].state, "id", -7);
        job_view_read(job, &view);
        assert_int_equal(view.ended, rows[i].ended);
        assert_int_equal(view.done, rows[i].done);
        assert_int_equal(view.id, 0); /* there is no such id */
        assert_string_equal(view.url, "");
        json_decref(job);
    }
    struct job_view none;
    job_view_read(NULL, &none);
    assert_string_equal(none.state, "");
    assert_int_equal(none.bytes, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verdicts),
        cmocka_unit_test(test_view_of_a_running_job),
        cmocka_unit_test(test_whose_figure_it_is),
        cmocka_unit_test(test_states),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
