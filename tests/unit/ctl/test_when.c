/* Points in time around the hours that a summer time takes and gives, and words for what is
 * none. */
#include "ctl/when.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define BERLIN "CET-1CEST,M3.5.0,M10.5.0/3"

struct row {
    const char *now, *text; /* now: as RFC 3339 has it */
    int direction;
    const char *then;
};

static int64_t moment(const char *stamp)
{
    struct tm tm = {0};
    const char *end = strptime(stamp, "%Y-%m-%dT%H:%M:%SZ", &tm);
    assert_true(end && *end == '\0');
    return (int64_t)timegm(&tm) * 1000000;
}

static void gives(const char *zone, const struct row *rows, size_t count)
{
    setenv("TZ", zone, 1);
    for (size_t i = 0; i < count; i++) {
        struct error err = {""};
        int64_t us = 0;
        if (when_parse(rows[i].text, moment(rows[i].now), rows[i].direction, &us, &err) < 0)
            fail_msg("%s: %s", rows[i].text, err.text);
        if (us != moment(rows[i].then))
            fail_msg("%s at %s is %+lld s from %s", rows[i].text, rows[i].now,
                     (long long)(us - moment(rows[i].then)) / 1000000, rows[i].then);
    }
    unsetenv("TZ");
    tzset();
}

/* On the day that has 23 hours, and on the one that has 25. */
static void test_days_that_are_short_or_long(void **state)
{
    static const struct row rows[] = {
        {"2026-03-29T10:00:00Z", "today", -1, "2026-03-28T23:00:00Z"},
        {"2026-03-29T10:00:00Z", "yesterday", -1, "2026-03-27T23:00:00Z"},
        {"2026-03-29T10:00:00Z", "tomorrow", 1, "2026-03-29T22:00:00Z"},
        {"2026-10-25T10:00:00Z", "today", -1, "2026-10-24T22:00:00Z"},
        {"2026-10-25T10:00:00Z", "tomorrow", 1, "2026-10-25T23:00:00Z"},
        /* The clock's own time, before and after the change. */
        {"2026-03-29T10:00:00Z", "01:30", -1, "2026-03-29T00:30:00Z"},
        {"2026-03-29T10:00:00Z", "03:30", -1, "2026-03-29T01:30:00Z"},
        {"2026-10-25T10:00:00Z", "04:00", -1, "2026-10-25T03:00:00Z"},
        {"2026-06-01T10:00:00Z", "2026-01-15 12:00", -1, "2026-01-15T11:00:00Z"},
        {"2026-01-15T10:00:00Z", "2026-07-15 12:00", 1, "2026-07-15T10:00:00Z"},
        /* A duration is one, whatever the clocks do meanwhile. */
        {"2026-03-29T10:00:00Z", "1d", -1, "2026-03-28T10:00:00Z"},
        {"2026-03-28T23:30:00Z", "2h", 1, "2026-03-29T01:30:00Z"},
        /* Near midnight the day is the one that people have, not Greenwich's. */
        {"2026-06-01T22:30:00Z", "today", -1, "2026-06-01T22:00:00Z"},
        {"2026-06-01T22:30:00Z", "00:15", -1, "2026-06-01T22:15:00Z"},
        {"2026-06-01T22:30:00Z", "00:15 UTC", -1, "2026-06-01T00:15:00Z"},
        {"2026-12-31T23:30:00Z", "tomorrow", 1, "2027-01-01T23:00:00Z"},
        {"2028-02-28T12:00:00Z", "tomorrow", 1, "2028-02-28T23:00:00Z"},
        {"2028-02-28T12:00:00Z", "2028-02-29", 1, "2028-02-28T23:00:00Z"},
    };
    gives(BERLIN, rows, sizeof rows / sizeof *rows);
}

static void test_zones_of_half_hours(void **state)
{
    static const struct row rows[] = {
        {"2026-06-01T20:00:00Z", "today", -1, "2026-06-01T18:30:00Z"},
        {"2026-06-01T20:00:00Z", "2026-06-02T07:45", 1, "2026-06-02T02:15:00Z"},
        {"2026-06-01T20:00:00Z", "2026-06-02 07:45 UTC", 1, "2026-06-02T07:45:00Z"},
    };
    gives("IST-5:30", rows, sizeof rows / sizeof *rows);
}

/* Each of the two directions is named in the remedy, and tomorrow only where it makes sense. */
static void test_remedies(void **state)
{
    static const struct {
        const char *text;
        int direction;
        const char *says, *lacks;
    } rows[] = {
        {"tody", -1, "'tody' is no time; did you mean today? Write", NULL},
        {"zzzzzzzzzzzz", -1, "'zzzzzzzzzzzz' is no time. Write 2026-11-21 22:30", "tomorrow"},
        {"zzzzzzzzzzzz", -1, "or how long ago: 90s, 5min, 1h, 7d", "from now"},
        {"zzzzzzzzzzzz", 1, "today, yesterday, tomorrow, or how long from now: 90s", "ago"},
        {"5m", 1, "'5m' is no time; did you mean 5min? Write", NULL},
        {"2026-02-30", -1, "'2026-02-30' is no time. Write", NULL},
        {"2026-11-21T22:30:00+25:00", -1, "is no time", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct error err = {""};
        int64_t us = 7;
        assert_int_equal(when_parse(rows[i].text, 0, rows[i].direction, &us, &err), -EINVAL);
        assert_int_equal(us, 7);
        if (!strstr(err.text, rows[i].says) || (rows[i].lacks && strstr(err.text, rows[i].lacks)))
            fail_msg("%s: %s", rows[i].text, err.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_days_that_are_short_or_long),
        cmocka_unit_test(test_zones_of_half_hours),
        cmocka_unit_test(test_remedies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
