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

/* It went with its client, and there is nothing that `retry` could make a copy of. */
static void test_failed_as_a_head(void **state)
{
    life_is("{\"id\":8,\"state\":\"failed\",\"url\":\"u\",\"parser\":\"p\",\"attempt\":1,"
            "\"verdict\":{\"bytes\":0,\"records\":0,\"head\":{\"proxied\":false},\"error\":{"
            "\"kind\":\"dns\",\"message\":\"no such host\"}}}",
            "Job 8: u into the parser p\n"
            "                           submitted\n"
            "                           failed: dns: no such host\n"
            "                           0 B had arrived, 0 records\n"
            "What to do: The name was not found. Check the URL's host, and the machine's resolver "
            "(`getent hosts NAME`).\n");
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

/* --- words for every word of the daemon's ----------------------------------------------------- */

static char *life_of(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static char *life_of(const char *fmt, ...)
{
    char text[512];
    struct buf b = BUF_INIT;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    json_t *job = json_loads(text, 0, NULL);
    assert_non_null(job);
    life_put(&b, job, 0);
    json_decref(job);
    assert_int_equal(buf_putc(&b, '\0'), 0);
    return b.data; /* the caller's */
}

/* Each way in which the daemon verifies an end is told in words. */
static void test_every_end_has_words(void **state)
{
    struct buf b = BUF_INIT;
    size_t ways = 0;
    char way[64];
    assert_true(test_read_file(TESTS_DIR "/../daemon/record/kind.c", &b));
    for (const char *p = b.data; (p = strstr(p, "[VERIFIED_")); p++) {
        if (sscanf(p, "[VERIFIED_%*[A-Z_0-9]] = \"%63[a-z_0-9]\"", way) != 1)
            continue;
        ways++;
        char *life =
            life_of("{\"id\":1,\"state\":\"done\",\"verdict\":{\"verified_by\":\"%s\"}}", way);
        if (!strstr(life, "how its end was verified: "))
            fail_msg("%s has no words", way);
        free(life);
    }
    assert_true(ways >= 8);
    buf_deinit(&b);
}

/* Each thing that PROTOCOL.md says a job waits for is explained. */
static void test_every_wait_has_words(void **state)
{
    struct buf b = BUF_INIT;
    size_t words = 0;
    char word[64];
    assert_true(test_read_file(TESTS_DIR "/../daemon/control/PROTOCOL.md", &b));
    char *p = strstr(b.data, "\n| `waiting_for` | `worker`"), *end = p ? strchr(p + 1, '\n') : NULL;
    assert_non_null(end);
    *end = '\0';
    for (p += 17; (p = strchr(p, '`')); p += strcspn(p, "`") + 1) {
        if (sscanf(++p, "%63[a-z_]`", word) != 1 || strcmp(word, "backpressure") == 0)
            continue;
        words++;
        char *life = life_of("{\"id\":1,\"state\":\"running\",\"waiting_for\":\"%s\"}", word);
        const char *told = strstr(life, "it waits for: ");
        if (!told || !strchr(told, '('))
            fail_msg("%s has no words", word);
        free(life);
    }
    assert_true(words >= 12);
    buf_deinit(&b);
}

static void test_what_it_waits_for(void **state)
{
    static const struct {
        const char *job, *told;
    } rows[] = {
        {"{\"state\":\"queued\",\"waiting_for\":\"host\",\"host_retry_in\":21.4}",
         "; at the moment it waits for: host, which is broken and tried again in 21 s\n"},
        {"{\"state\":\"queued\",\"waiting_for\":\"parser\"}",
         "parser (this daemon's config has no such parser; another's of the fleet may)\n"},
        {"{\"state\":\"running\",\"waiting_for\":\"parser\"}",
         "parser (the parser reads more slowly than the origin sends)\n"},
        {"{\"state\":\"queued\",\"waiting_for\":\"user\",\"uid\":1000,\"user_running\":2,"
         "\"max_running\":2,\"max_running_of\":\"[user \\\"anna\\\"]\"}",
         "waits for: user (uid 1000 has 2 running: max_running of [user \"anna\"] is 2)\n"},
        {"{\"state\":\"queued\",\"waiting_for\":\"able_member\",\"needs\":\"parser a and "
         "credential "
         "b\"}",
         "waits for: able_member (a member of the fleet with parser a and credential b)\n"},
        {"{\"state\":\"queued\",\"waiting_for\":\"paused\"}",
         "waits for: paused (somebody has paused it: `penstockctl resume`)\n"},
        {"{\"state\":\"queued\",\"waiting_for\":\"paused\",\"pause\":{\"uid\":0,\"all\":true,"
         "\"at\":\"1970-01-01T00:00:05Z\"}}",
         "paused (uid 0 has paused everything 5.000 s from now: `penstockctl resume`)\n"},
        {"{\"state\":\"queued\",\"waiting_for\":\"paused\",\"pause\":{\"uid\":7,\"host\":\"h\","
         "\"by\":\"a\",\"at\":\"1970-01-01T00:00:05Z\"}}",
         "paused (uid 7 has paused host h 5.000 s from now, at a: `penstockctl resume`)\n"},
        {"{\"state\":\"queued\",\"waiting_for\":\"rain\\u0007\"}", "waits for: rain\\u0007\n"},
        {"{\"state\":\"queued\"}", "when a worker and a slot of its host are free together\n"},
        {"{\"state\":\"queued\",\"due\":\"1970-01-01T00:01:30Z\"}", "together, due 1 min 30 s from "
                                                                    "now\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *life = life_of("%s", rows[i].job);
        if (!strstr(life, rows[i].told))
            fail_msg("'%s' lacks '%s'", life, rows[i].told);
        free(life);
    }
}

static void test_the_last_attempt(void **state)
{
    static const struct {
        const char *verdict, *told;
    } rows[] = {
        {"{\"seconds\":{\"total\":3,\"queued\":1}}",
         "attempt 1 began, after 1.000 s in the queue\n"},
        {"{\"seconds\":{\"total\":3,\"queued\":1},\"redirects\":1,\"final_url\":\"http://b/"
         "\\u001b\"}",
         "1 redirect, to http://b/\\u001b; 0 resumes after a broken connection\n"},
        {"{\"seconds\":{\"total\":3,\"queued\":1},\"redirects\":2,\"resumes\":1}",
         "2 redirects; 1 resume after a broken connection\n"},
        {"{\"unchanged\":true}",
         "the origin has nothing new since the last run, so no parser ran\n"},
        {"{\"bytes\":1024,\"length\":2048,\"records\":2}",
         "1.0 KiB of 2.0 KiB had arrived, 2 records\n"},
        {"{\"status\":404,\"bytes\":0}", "status 404; 0 B had arrived, 0 records\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *life =
            life_of("{\"id\":1,\"state\":\"done\",\"attempt\":1,\"verdict\":%s}", rows[i].verdict);
        if (!strstr(life, rows[i].told))
            fail_msg("'%s' lacks '%s'", life, rows[i].told);
        free(life);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_done_in_the_second_attempt),
        cmocka_unit_test(test_failed_and_what_to_do),
        cmocka_unit_test(test_failed_as_a_head),
        cmocka_unit_test(test_waiting),
        cmocka_unit_test(test_running),
        cmocka_unit_test(test_every_kind_has_a_remedy),
        cmocka_unit_test(test_every_end_has_words),
        cmocka_unit_test(test_every_wait_has_words),
        cmocka_unit_test(test_what_it_waits_for),
        cmocka_unit_test(test_the_last_attempt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
