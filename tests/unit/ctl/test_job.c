/* A job in words. */
#include "base/clock.h"
#include "ctl/job.h"

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

static void life_has(const char *job, const char *const *parts)
{
    struct buf b = BUF_INIT;
    json_t *object = json_loads(job, 0, NULL);
    int64_t now;
    assert_non_null(object);
    assert_int_equal(clock_parse("2026-11-21T22:32:05Z", &now), 0);
    job_put_life(&b, object, now);
    for (; *parts; parts++)
        if (!strstr(b.data, *parts))
            fail_msg("'%s' lacks '%s'", b.data, *parts);
    buf_deinit(&b);
    json_decref(object);
}

static void test_lives(void **state)
{
    static const char *const done[] = {"Job 42 downloads http://a/ into the parser csv.",
                                       "by uid 1000, 2 min 05 s ago (2026-11-21T22:30:00Z)",
                                       "It is done, 2 min 00 s ago",
                                       "in attempt 2.",
                                       "status 200",
                                       "1.0 MiB have arrived, the parser has found 9000 records",
                                       "as many bytes as Content-Length announced",
                                       "it took 0.734 s",
                                       "0.400 s waiting for the origin",
                                       NULL};
    static const char *const waiting[] = {"Attempt 1 failed; the next one is due, 10.0 s from now",
                                          "copy of job 7", NULL};
    static const char *const failed[] = {"It has ended failed", ": truncated: cut\\u0007", NULL};
    life_has("{\"id\":42,\"state\":\"done\",\"url\":\"http://a/\",\"parser\":\"csv\",\"uid\":1000,"
             "\"attempt\":2,\"created\":\"2026-11-21T22:30:00Z\",\"finished\":"
             "\"2026-11-21T22:30:05Z\",\"verdict\":{\"status\":200,\"bytes\":1048576,"
             "\"records\":9000,\"verified_by\":\"length\",\"seconds\":{\"total\":0.734,"
             "\"wait_origin\":0.4,\"queued\":0.0}}}",
             done);
    life_has("{\"id\":8,\"state\":\"waiting\",\"attempt\":1,\"retry_of\":7,\"due\":"
             "\"2026-11-21T22:32:15Z\"}",
             waiting);
    life_has("{\"id\":8,\"state\":\"failed\",\"verdict\":{\"error\":{\"kind\":\"truncated\","
             "\"message\":\"cut\\u0007\"}}}",
             failed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verdicts),
        cmocka_unit_test(test_view_of_a_running_job),
        cmocka_unit_test(test_lives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
