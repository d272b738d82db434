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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verdicts),
        cmocka_unit_test(test_view_of_a_running_job),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
