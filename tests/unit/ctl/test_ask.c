/* What the daemon is asked: the JSON of jobs and selections. */
#include "base/clock.h"
#include "ctl/commands.h"
#include "ctl/ask.h"
#include "ctl/ctl.h"
#include "ctl/when.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define ARGS(...)                                                                                \
    ({                                                                                           \
        static char *argv_[] = {(char *)"penstockctl", __VA_ARGS__, NULL};                       \
        struct args args_;                                                                       \
        struct error err_ = {""};                                                                \
        if (args_parse(&args_, commands, (int)(sizeof argv_ / sizeof *argv_) - 1, argv_, &err_)) \
            fail_msg("%s", err_.text);                                                           \
        args_;                                                                                   \
    })
#define A(s) (char *)(s)

static void same(json_t *value, const char *expected)
{
    json_t *other = json_loads(expected, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    assert_non_null(other);
    if (!json_equal(value, other)) {
        char *text = json_dumps(value, JSON_ENCODE_ANY);
        fail_msg("%s instead of %s", text, expected);
    }
    json_decref(value);
    json_decref(other);
}

static void options_give(struct args args, const char *expected)
{
    json_t *object = NULL;
    struct error err = {""};
    if (ask_options(&args, GROUP_JOB | GROUP_PARSED, &object, &err) != 0)
        fail_msg("%s", err.text);
    same(object, expected);
    args_deinit(&args);
}

static void options_refused(struct args args, const char *part)
{
    json_t *object = NULL;
    struct error err = {""};
    assert_true(ask_options(&args, GROUP_JOB | GROUP_PARSED, &object, &err) < 0);
    if (!strstr(err.text, part))
        fail_msg("'%s' lacks '%s'", err.text, part);
    assert_null(object);
    args_deinit(&args);
}

static void test_job_options(void **state)
{
    options_give(ARGS(A("submit"), A("u")), "{}");
    options_give(ARGS(A("submit"), A("u"), A("--parser"), A("csv"), A("--option"), A("delimiter=;"),
                      A("--option=header=a=b"), A("--label"), A("k="), A("--header"), A("A: b"),
                      A("--header"), A("C: d"), A("--max-attempts"), A("3"), A("--priority=-7"),
                      A("--min-bytes"), A("64K"), A("--max-body=1G"), A("--timeout"), A("5min"),
                      A("--accept-status"), A("404 5xx"), A("--digest=sha256"), A("--wait")),
                 "{\"parser\":\"csv\",\"options\":{\"delimiter\":\";\",\"header\":\"a=b\"},"
                 "\"labels\":{\"k\":\"\"},\"headers\":[\"A: b\",\"C: d\"],\"max_attempts\":3,"
                 "\"priority\":-7,\"min_bytes\":\"64K\",\"max_body\":\"1G\",\"timeout\":\"5min\","
                 "\"accept_status\":\"404 5xx\",\"digest\":\"sha256\"}");
    options_give(ARGS(A("submit"), A("u"), A("--not-before"), A("2031-02-03T04:05:06+01:00")),
                 "{\"not_before\":\"2031-02-03T03:05:06.000000Z\"}");
    options_refused(ARGS(A("submit"), A("u"), A("--label"), A("kv")), "K=V");
    options_refused(ARGS(A("submit"), A("u"), A("--label"), A("=v")), "K=V");
    options_refused(ARGS(A("submit"), A("u"), A("--priority"), A("1x")), "whole number");
    options_refused(ARGS(A("submit"), A("u"), A("--parser=\xff")), "UTF-8");
    options_refused(ARGS(A("submit"), A("u"), A("--label=\xff=v")), "UTF-8");
    options_refused(ARGS(A("submit"), A("u"), A("--not-before=soon")), "--not-before");
    options_refused(ARGS(A("submit"), A("u"), A("--body=/nonexistent/x")), "/nonexistent/x");
}

static void with_body(const void *data, size_t len, const char *expected)
{
    static char path[] = "/tmp/penstock-ask-XXXXXX";
    static char option[64];
    strcpy(path + strlen(path) - 6, "XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, len), (ssize_t)len);
    close(fd);
    strcpy(option, "--body=");
    strcat(option, path);
    struct args args = ARGS(A("submit"), A("u"), option);
    if (expected)
        options_give(args, expected);
    else
        options_refused(args, "UTF-8");
    unlink(path);
}

static void test_body(void **state)
{
    with_body("a\nb\0c", 5, "{\"body\":\"a\\nb\\u0000c\",\"method\":\"POST\"}");
    with_body("", 0, "{\"body\":\"\",\"method\":\"POST\"}");
    with_body("\xff", 1, NULL);
}

static void line_gives(const char *line, const char *expected)
{
    json_t *job = NULL;
    struct error err = {""};
    if (ask_job(line, strlen(line), &job, &err) != 0)
        fail_msg("%s", err.text);
    same(job, expected);
}

static void line_refused(const char *line, size_t len, const char *part)
{
    json_t *job;
    struct error err = {""};
    assert_int_equal(ask_job(line, len, &job, &err), -EINVAL);
    if (!strstr(err.text, part))
        fail_msg("'%s' lacks '%s'", err.text, part);
}

static void test_lines(void **state)
{
    line_gives("http://a/", "{\"url\":\"http://a/\"}");
    line_gives("  http://a/#x \t", "{\"url\":\"http://a/#x\"}");
    line_gives("{\"url\":\"http://a/\",\"priority\":2}", "{\"url\":\"http://a/\",\"priority\":2}");
    line_gives("{\"body\":\"\\u0000\"}", "{\"body\":\"\\u0000\"}");
    line_refused("{\"url\"", 6, "not a JSON object");
    line_refused("{} {}", 5, "not a JSON object");
    line_refused("{\"a\":1,\"a\":2}", 13, "not a JSON object");
    line_refused("http://a/\0b", 11, "NUL");
    line_refused("http://\xff/", 9, "UTF-8");
    line_refused("  ", 2, "empty");
}

static void test_nearest_wins(void **state)
{
    json_t *job =
        json_loads("{\"url\":\"u\",\"parser\":\"csv\",\"labels\":{\"a\":\"1\"}}", 0, NULL);
    json_t *common = json_loads("{\"parser\":\"count\",\"priority\":3,\"labels\":{\"a\":\"2\","
                                "\"b\":\"3\"},\"options\":{\"x\":\"y\"}}",
                                0, NULL);
    assert_int_equal(ask_merge(job, common), 0);
    same(job, "{\"url\":\"u\",\"parser\":\"csv\",\"labels\":{\"a\":\"1\",\"b\":\"3\"},"
              "\"options\":{\"x\":\"y\"},\"priority\":3}");
    same(common, "{\"parser\":\"count\",\"priority\":3,\"labels\":{\"a\":\"2\",\"b\":\"3\"},"
                 "\"options\":{\"x\":\"y\"}}");
}

static void jobs_give(struct args args, const char *expected)
{
    json_t *params = NULL;
    struct error err = {""};
    if (ask_jobs(&args, false, &params, &err) != 0)
        fail_msg("%s", err.text);
    same(params, expected);
    args_deinit(&args);
}

static void jobs_refused(struct args args, const char *part)
{
    json_t *params = NULL;
    struct error err = {""};
    assert_int_equal(ask_jobs(&args, false, &params, &err), -EINVAL);
    if (!strstr(err.text, part))
        fail_msg("'%s' lacks '%s'", err.text, part);
    args_deinit(&args);
}

static void test_selections(void **state)
{
    jobs_give(ARGS(A("cancel"), A("3"), A("1")), "{\"ids\":[3,1]}");
    jobs_give(ARGS(A("cancel"), A("--state"), A("queued"), A("--label=a=b"), A("--parser=csv")),
              "{\"state\":\"queued\",\"label\":{\"a\":\"b\"},\"parser\":\"csv\"}");
    jobs_give(ARGS(A("cancel"), A("--since=2026-11-21")),
              "{\"since\":\"2026-11-21T00:00:00.000000Z\"}");
    jobs_refused(ARGS(A("cancel")), "needs ids or a selection");
    jobs_refused(ARGS(A("cancel"), A("3"), A("--state=queued")), "not both");
    jobs_refused(ARGS(A("cancel"), A("3"), A("x")), "'x' is not a job's id");
    jobs_refused(ARGS(A("cancel"), A("--label=a=b"), A("--label=c=d")), "one label");
}

static void test_events(void **state)
{
    json_t *events;
    struct error err;
    assert_int_equal(ask_events("record,verdict", &events, &err), 0);
    same(events, "[\"record\",\"verdict\"]");
    assert_int_equal(ask_events(" record , verdict ", &events, &err), 0);
    same(events, "[\"record\",\"verdict\"]");
    assert_int_equal(ask_events(" , ", &events, &err), -EINVAL);
}

static void test_times(void **state)
{
    int64_t us, now = INT64_C(1700000000000000);
    struct error err;
    assert_int_equal(when_parse("1h", now, -1, &us, &err), 0);
    assert_true(us == now - INT64_C(3600000000));
    assert_int_equal(when_parse("1h", now, 1, &us, &err), 0);
    assert_true(us == now + INT64_C(3600000000));
    assert_int_equal(when_parse("999999h", now, -1, &us, &err), 0);
    assert_true(us == 0);
    assert_int_equal(when_parse("2026-11-21T22:30:00.5Z", now, -1, &us, &err), 0);
    assert_true(us == INT64_C(1795300200500000));
    assert_int_equal(when_parse("2026-13-01", now, -1, &us, &err), -EINVAL);
    assert_int_equal(when_parse("yesterdy", now, -1, &us, &err), -EINVAL);
    assert_non_null(strstr(err.text, "'yesterdy' is no time; did you mean yesterday?"));
    assert_int_equal(when_parse("5m", now, -1, &us, &err), -EINVAL);
    assert_non_null(strstr(err.text, "did you mean 5min?"));
}

/* 2023-11-14 22:13:20 UTC, and the same in a zone that is five and a half hours ahead. */
static void gives_time(const char *text, int direction, int64_t seconds)
{
    struct error err;
    int64_t us = 0;
    if (when_parse(text, INT64_C(1700000000000000), direction, &us, &err) < 0)
        fail_msg("%s: %s", text, err.text);
    if (us != seconds * 1000000)
        fail_msg("%s: %lld, not %lld", text, (long long)us / 1000000, (long long)seconds);
}

static void test_times_as_journalctl_has_them(void **state)
{
    const int64_t midnight = 1699920000;
    setenv("TZ", "UTC", 1);
    gives_time("now", -1, 1700000000);
    gives_time("today", -1, midnight);
    gives_time("yesterday", -1, midnight - 86400);
    gives_time("tomorrow", 1, midnight + 86400);
    gives_time("2023-11-13", -1, midnight - 86400);
    gives_time("2023-11-13 18:00", -1, midnight - 6 * 3600);
    gives_time("2023-11-13T18:00:05", -1, midnight - 6 * 3600 + 5);
    gives_time("06:30", -1, midnight + 6 * 3600 + 1800);
    gives_time("06:30:01", -1, midnight + 6 * 3600 + 1801);
    gives_time("-1h", -1, 1700000000 - 3600);
    gives_time("-1h", 1, 1700000000 - 3600);
    gives_time("+1h", -1, 1700000000 + 3600);
    gives_time("1h ago", 1, 1700000000 - 3600);
    setenv("TZ", "IST-5:30", 1);
    gives_time("today", -1, midnight + 86400 - 19800);
    gives_time("2023-11-13", -1, midnight - 86400 - 19800);
    gives_time("2023-11-13 UTC", -1, midnight - 86400);
    gives_time("2023-11-13 18:00 UTC", -1, midnight - 6 * 3600);
    gives_time("2023-11-13T18:00:00Z", -1, midnight - 6 * 3600);
    unsetenv("TZ");
}

static void test_times_that_are_none(void **state)
{
    static const char *const bad[] = {
        "",     "25:00", "2026-02-31", "2026-11-21 7", "12:00 CET",   "h ago", "1h 2m",
        "- 1h", "--1h",  "-",          "ago",          "2026-11-21 ", "noon"};
    struct error err;
    int64_t us = 7;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (when_parse(bad[i], INT64_C(1700000000000000), -1, &us, &err) != -EINVAL || us != 7)
            fail_msg("'%s' was taken", bad[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_job_options),
        cmocka_unit_test(test_body),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_nearest_wins),
        cmocka_unit_test(test_selections),
        cmocka_unit_test(test_events),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_times_as_journalctl_has_them),
        cmocka_unit_test(test_times_that_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
