/* When schedules run: no clock but the one that the test says. */
#include "schedule/definition.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define S INT64_C(1000000)
static const int64_t start = 1790000000 * S + 123456; /* 2026-09-21T14:13:20Z */

static struct timing timing_of(const char *json)
{
    struct timing t;
    struct error err = {""};
    const char *field;
    json_t *value = json_loads(json, 0, NULL);
    assert_non_null(value);
    if (timing_parse(value, &t, &err, &field) < 0)
        fail_msg("%s: %s", json, err.text);
    json_decref(value);
    return t;
}

static void members_are_read(void **state)
{
    struct timing t = timing_of("{\"every\":\"5min\"}");
    assert_int_equal(t.every, 300 * S);
    assert_int_equal(t.jitter, 300 * S);
    timing_deinit(&t);
    t = timing_of("{\"every\":90}");
    assert_int_equal(t.every, 90 * S);
    assert_int_equal(t.jitter, 90 * S);
    timing_deinit(&t);
    t = timing_of("{\"every\":\"1d\",\"jitter\":\"1h\"}");
    assert_int_equal(t.jitter, 3600 * S);
    timing_deinit(&t);
    t = timing_of("{\"every\":\"1d\"}");
    assert_int_equal(t.jitter, 300 * S);
    timing_deinit(&t);
    t = timing_of("{\"cron\":\"0 4 * * *\",\"timezone\":\"Europe/Berlin\"}");
    assert_int_equal(t.every, 0);
    assert_int_equal(t.jitter, 30 * S);
    timing_deinit(&t);
    t = timing_of("{\"cron\":\"@daily\",\"jitter\":\"none\"}");
    assert_int_equal(t.jitter, 0);
    timing_deinit(&t);
}

static void what_is_wrong_is_named(void **state)
{
    static const char *const bad[][3] = {
        {"{}", "every", "missing"},
        {"{\"every\":\"1h\",\"cron\":\"@daily\"}", "every", "both"},
        {"{\"every\":\"soon\"}", "every", "duration"},
        {"{\"every\":\"99ms\"}", "every", "100ms"},
        {"{\"every\":0}", "every", "100ms"},
        {"{\"every\":-5}", "every", "ten years"},
        {"{\"every\":\"none\"}", "every", "duration"},
        {"{\"every\":\"99999d\"}", "every", "ten years"},
        {"{\"every\":true}", "every", "seconds"},
        {"{\"every\":\"1h\",\"jitter\":\"2h\"}", "jitter", "longer"},
        {"{\"every\":\"1h\",\"timezone\":\"UTC\"}", "timezone", "cron"},
        {"{\"cron\":\"* * *\"}", "cron", "month"},
        {"{\"cron\":5}", "cron", "expression"},
        {"{\"cron\":\"@daily\",\"timezone\":\"Mars/Olympus\"}", "timezone", "Mars"},
        {"{\"cron\":\"@daily\",\"timezone\":1}", "timezone", "zone"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct timing t;
        struct error err = {""};
        const char *field = NULL;
        json_t *value = json_loads(bad[i][0], 0, NULL);
        assert_int_equal(timing_parse(value, &t, &err, &field), -EINVAL);
        json_decref(value);
        if (strcmp(field, bad[i][1]) != 0 || !strstr(err.text, bad[i][2]) ||
            strncmp(err.text, field, strlen(field)) != 0)
            fail_msg("%s: %s: %s", bad[i][0], field, err.text);
    }
}

static void many_are_spread(void **state)
{
    struct timing t = timing_of("{\"every\":\"5min\"}");
    unsigned in_second[301] = {0}, most = 0, used = 0;
    for (int i = 0; i < 400; i++) {
        char name[32];
        snprintf(name, sizeof name, "feed%d", i);
        int64_t first = timing_first(&t, name, start) - start;
        assert_true(first > 0 && first <= 300 * S);
        assert_int_equal(timing_offset(&t, name), first - 1); /* always the same */
        unsigned n = ++in_second[first / S];
        most = n > most ? n : most;
        used += n == 1;
    }
    assert_true(most <= 8); /* 1.3 on the average */
    assert_true(used > 180);
    timing_deinit(&t);
}

static void a_period_is_kept_to(void **state)
{
    struct timing t = timing_of("{\"every\":\"10s\"}");
    int64_t due = timing_first(&t, "a", start), first = due;
    for (int i = 1; i < 1000; i++) { /* however late the run is had */
        due = timing_next(&t, "a", due, due + i * 9999);
        assert_int_equal(due, first + i * 10 * S);
    }
    /* What was missed is left out, and the rhythm stays. */
    assert_int_equal(timing_next(&t, "a", due, due + 10 * S), due + 20 * S);
    assert_int_equal(timing_next(&t, "a", due, due + 86404 * S), due + 86410 * S);
    /* A clock that was set back. */
    assert_int_equal(timing_next(&t, "a", due, due - 86400 * S), due + 10 * S);
    timing_deinit(&t);
}

static void a_clock_that_was_set_back(void **state)
{
    struct timing t = timing_of("{\"every\":\"1h\",\"jitter\":\"none\"}");
    assert_false(timing_too_far(&t, "a", start + 3600 * S, start));
    assert_true(timing_too_far(&t, "a", start + 3602 * S, start));
    timing_deinit(&t);

    t = timing_of("{\"cron\":\"0 3 * * *\",\"timezone\":\"Europe/Berlin\"}");
    int64_t now = start;
    for (int day = 0; day < 800; day++, now += 86400 * S - 77 * S) {
        int64_t due = timing_first(&t, "a", now);
        assert_false(timing_too_far(&t, "a", due, now));
        /* A second run within a minute of the first is no remedy. */
        due = timing_next(&t, "a", due, due);
        assert_false(timing_too_far(&t, "a", due, due - 86400 * S - 60 * S));
        assert_true(timing_too_far(&t, "a", due, due - 3 * 86400 * S));
        assert_true(timing_too_far(&t, "a", due, due - 4000 * 86400 * S));
    }
    timing_deinit(&t);
}

static const char *utc_of(int64_t us)
{
    static char text[32];
    time_t seconds = (time_t)(us / S);
    struct tm tm;
    strftime(text, sizeof text, "%m-%d %H:%M:%S", gmtime_r(&seconds, &tm));
    return text;
}

static void cron_times_and_their_jitter(void **state)
{
    struct timing t =
        timing_of("{\"cron\":\"30 2 * * *\",\"timezone\":\"Europe/Berlin\",\"jitter\":\"none\"}");
    int64_t due = timing_first(&t, "a", start);
    assert_string_equal(utc_of(due), "09-22 00:30:00");
    due = timing_next(&t, "a", due, due);
    assert_string_equal(utc_of(due), "09-23 00:30:00");
    due = timing_next(&t, "a", due, due + 40 * 86400 * S); /* the clocks have gone back */
    assert_string_equal(utc_of(due), "11-02 01:30:00");
    timing_deinit(&t);

    /* With jitter each time comes once, wherever within its minute one looks. */
    t = timing_of("{\"cron\":\"* * * * *\",\"timezone\":\"UTC\"}");
    int64_t offset = timing_offset(&t, "name");
    assert_true(offset > 0 && offset < 30 * S);
    int64_t minute = start - start % (60 * S);
    for (int64_t at = minute; at < minute + 60 * S; at += 777777) {
        int64_t next = timing_first(&t, "name", at);
        assert_int_equal(next, (at < minute + offset ? minute : minute + 60 * S) + offset);
        assert_int_equal(timing_next(&t, "name", next, next), next + 60 * S);
    }
    assert_int_equal(timing_first(&t, "name", minute + offset), minute + 60 * S + offset);
    assert_int_equal(timing_first(&t, "name", minute + offset - 1), minute + offset);
    timing_deinit(&t);
}

/* --- the whole of a schedule ------------------------------------------------------------------ */

static void a_wish_has_one_text(void **state)
{
    static const char *const same[] = {
        "{\"name\":\"a\",\"url\":\"http://x/\",\"every\":\"1h\",\"label\":{\"k\":\"v\"}}",
        " { \"labels\" : {\"k\":\"v\"}, \"every\":\"1h\", \"url\":\"http://x/\",\"name\":\"a\"}"};
    struct schedule_spec s[2];
    struct error err;
    const char *field;
    for (int i = 0; i < 2; i++) {
        json_t *json = json_loads(same[i], 0, NULL);
        assert_int_equal(schedule_spec_parse(json, &s[i], &err, &field), 0);
        json_decref(json);
    }
    assert_string_equal(s[0].text, s[1].text);
    assert_string_equal(s[0].when, "{\"every\":\"1h\"}");
    assert_string_equal(s[0].job_text, "{\"labels\":{\"k\":\"v\"},\"url\":\"http://x/\"}");
    assert_string_equal(s[0].job_text, s[1].job_text);
    schedule_spec_deinit(&s[0]);
    schedule_spec_deinit(&s[1]);
}

static void names_and_members_are_checked(void **state)
{
    static const char *const bad[][2] = {
        {"[]", NULL},
        {"{\"url\":\"http://x/\",\"every\":1}", "name"},
        {"{\"name\":\"\",\"every\":1}", "name"},
        {"{\"name\":7,\"every\":1}", "name"},
        {"{\"name\":\"a b\",\"every\":1}", "name"},
        {"{\"name\":\"-a\",\"every\":1}", "name"},
        {"{\"name\":\"a\",\"every\":1,\"key\":\"k\"}", "key"},
        {"{\"name\":\"a\",\"every\":1,\"not_before\":5}", "not_before"},
        {"{\"name\":\"a\",\"every\":1,\"follow\":true}", "follow"},
        {"{\"name\":\"a\"}", "every"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct schedule_spec s;
        struct error err = {""};
        const char *field = "?";
        json_t *json = json_loads(bad[i][0], 0, NULL);
        assert_int_equal(schedule_spec_parse(json, &s, &err, &field), -EINVAL);
        json_decref(json);
        if (!err.text[0] || (bad[i][1] ? !field || strcmp(field, bad[i][1]) != 0 : field != NULL))
            fail_msg("%s: %s: %s", bad[i][0], field, err.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_are_read),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(many_are_spread),
        cmocka_unit_test(a_period_is_kept_to),
        cmocka_unit_test(a_clock_that_was_set_back),
        cmocka_unit_test(cron_times_and_their_jitter),
        cmocka_unit_test(a_wish_has_one_text),
        cmocka_unit_test(names_and_members_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
