/* A job's life in words. */
#include "base/clock.h"
#include "ctl/life.h"
#include "ctl/remedy.h"
#include "support/testlib.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void life_is(const char *job, const char *expected)
{
    struct buf b = BUF_INIT;
    json_t *object = json_loads(job, 0, NULL);
    int64_t now;
    assert_non_null(object);
    assert_int_equal(clock_parse("2026-11-21T22:32:05Z", &now), 0);
    life_put(&b, object, now);
    assert_string_equal(b.data, expected);
    buf_deinit(&b);
    json_decref(object);
}

static void test_done_in_the_second_attempt(void **state)
{
    life_is(
        "{\"id\":42,\"state\":\"done\",\"url\":\"http://a/\",\"parser\":\"csv\",\"uid\":1000,"
        "\"attempt\":2,\"created\":\"2026-11-21T22:30:00Z\",\"finished\":"
        "\"2026-11-21T22:30:05Z\",\"attempts\":[{\"ts\":\"2026-11-21T22:30:01Z\",\"attempt\":1,"
        "\"outcome\":\"retry\",\"error\":{\"kind\":\"truncated\",\"message\":\"cut\\u0007\"},"
        "\"retry_in\":2.5,\"status\":200,\"bytes\":1024,\"records\":1,\"address\":\"192.0.2.1\"}],"
        "\"verdict\":{\"ts\":\"2026-11-21T22:30:05Z\",\"status\":200,\"bytes\":1048576,"
        "\"records\":9000,\"verified_by\":\"length\",\"resumes\":1,\"seconds\":{\"total\":5.0,"
        "\"running\":1.5,\"attempt\":0.732,\"wait_origin\":0.4,\"queued\":3.5}}}",
        "Job 42: http://a/ into the parser csv\n"
        "  2026-11-21 22:30:00.000  submitted by uid 1000, 2 min 05 s ago\n"
        "  2026-11-21 22:30:01.000  attempt 1 failed: truncated: cut\\u0007\n"
        "                           status 200; 1.0 KiB had arrived, 1 record from 192.0.2.1; the "
        "next attempt was due after 2.500 s\n"
        "  2026-11-21 22:30:04.268  attempt 2 began, after 3.500 s of waiting in all\n"
        "                           0.400 s waiting for the origin\n"
        "                           0 redirects; 1 resume after a broken connection\n"
        "  2026-11-21 22:30:05.000  done, 2 min 00 s ago\n"
        "                           status 200; 1.0 MiB had arrived, 9000 records\n"
        "                           how its end was verified: it has as many bytes as "
        "Content-Length announced\n");
}

static void test_failed_and_what_to_do(void **state)
{
    life_is("{\"id\":8,\"state\":\"failed\",\"url\":\"u\",\"parser\":\"p\",\"attempt\":1,"
            "\"verdict\":{\"bytes\":0,\"records\":0,\"kept\":\"/k\",\"error\":{\"kind\":\"dns\","
            "\"message\":\"no such host\"}}}",
            "Job 8: u into the parser p\n"
            "                           submitted\n"
            "                           failed: dns: no such host\n"
            "                           0 B had arrived, 0 records\n"
            "                           the body is kept: /k\n"
            "What to do: The name was not found. Check the URL's host, and the machine's resolver "
            "(`getent hosts NAME`).\n"
            "Then: penstockctl retry 8\n");
}

static void test_waiting(void **state)
{
    life_is("{\"id\":8,\"state\":\"waiting\",\"url\":\"u\",\"parser\":\"p\",\"attempt\":3,"
            "\"retry_of\":7,\"schedule\":\"daily\",\"priority\":5,\"due\":\"2026-11-21T22:32:15Z\","
            "\"waiting_for\":\"retry\",\"attempts\":[{\"ts\":\"2026-11-21T22:32:00Z\",\"attempt\":"
            "1,\"outcome\":\"interrupted\",\"bytes\":5,\"records\":2}]}",
            "Job 8: u into the parser p\n"
            "                           submitted as a run of the schedule daily as a copy of job "
            "7, made by `retry`, with priority 5\n"
            "  2026-11-21 22:32:00.000  attempt 1 was interrupted: the daemon stopped or died; its "
            "records do not count\n"
            "                           5 B had arrived, 2 records\n"
            "                           (2 more attempts: the log has what came of them)\n"
            "  2026-11-21 22:32:05.000  it waits for its next attempt, due 10.0 s from now; at the "
            "moment it waits for: retry (the next attempt is not due)\n");
}

static void test_running(void **state)
{
    life_is("{\"id\":8,\"state\":\"running\",\"url\":\"u\",\"parser\":\"p\",\"attempt\":1,"
            "\"waiting_for\":\"parser\",\"running\":{\"bytes\":512,\"length\":1024,\"records\":1,"
            "\"seconds\":12}}",
            "Job 8: u into the parser p\n"
            "                           submitted\n"
            "  2026-11-21 22:32:05.000  attempt 1 is running since 12.0 s: 512 B of 1.0 KiB had "
            "arrived, 1 record; at the moment it waits for: parser (the parser reads more slowly "
            "than the origin sends)\n");
}

/* Each kind of the daemon's list. */
static void test_every_kind_has_a_remedy(void **state)
{
    struct buf b = BUF_INIT;
    size_t kinds = 0;
    char kind[64];
    assert_true(test_read_file(TESTS_DIR "/../daemon/record/kind.c", &b));
    for (const char *p = b.data; (p = strstr(p, "[KIND_")); p++) {
        if (sscanf(p, "[KIND_%*[A-Z_]] = \"%63[a-z_]\"", kind) != 1)
            continue;
        kinds++;
        if (!remedy_for(kind) && strcmp(kind, "none") != 0)
            fail_msg("%s has no remedy", kind);
    }
    assert_true(kinds >= 23);
    assert_null(remedy_for("rain"));
    buf_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_done_in_the_second_attempt),
        cmocka_unit_test(test_failed_and_what_to_do),
        cmocka_unit_test(test_waiting),
        cmocka_unit_test(test_running),
        cmocka_unit_test(test_every_kind_has_a_remedy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
