/* cron.c against its definition: every minute of half a year and more, in zones whose clocks do odd
 * things. */
#include "base/cron.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static struct zone *zone_of(const char *name)
{
    struct zone *zone;
    if (zone_open(name, &zone) < 0)
        fail_msg("there is no zone %s here (tzdata)", name);
    return zone;
}

static int64_t utc(const char *text)
{
    struct tm tm = {0};
    assert_non_null(strptime(text, "%Y-%m-%d %H:%M", &tm));
    return timegm(&tm);
}

/* --- reading ---------------------------------------------------------------------------------- */

static void expressions_are_read(void **state)
{
    struct cron c, d;
    struct error err;
    assert_int_equal(cron_parse("0,30 8-17/3 1-7 jan,Mar-MAY mon-5", &c, &err), 0);
    assert_int_equal(c.minutes, UINT64_C(1) | UINT64_C(1) << 30);
    assert_int_equal(c.hours, 1 << 8 | 1 << 11 | 1 << 14 | 1 << 17);
    assert_int_equal(c.days, 0xfe);
    assert_int_equal(c.months, 1 << 1 | 1 << 3 | 1 << 4 | 1 << 5);
    assert_int_equal(c.weekdays, 0x3e);
    assert_int_equal(cron_parse("  */15\t*  *   * 7", &c, &err), 0);
    assert_int_equal(c.minutes, UINT64_C(1) | 1 << 15 | 1 << 30 | UINT64_C(1) << 45);
    assert_int_equal(c.weekdays, 1);
    assert_true(c.every_hour);
    assert_int_equal(cron_parse("@hourly", &c, &err), 0);
    assert_int_equal(cron_parse("0 * * * *", &d, &err), 0);
    assert_memory_equal(&c, &d, sizeof c);
    assert_int_equal(cron_parse("5 0-23 * * *", &c, &err), 0);
    assert_false(c.every_hour);
    assert_int_equal(cron_parse("59 23 29 2 *", &c, &err), 0);
}

static void nonsense_is_refused_with_the_field(void **state)
{
    static const char *const bad[][2] = {
        {"", "minute is missing"},
        {"* * * *", "weekday is missing"},
        {"* * * * * *", "too much"},
        {"60 * * * *", "0 to 59"},
        {"* 24 * * *", "hour '24'"},
        {"* * 0 * *", "1 to 31"},
        {"* * * 13 *", "1 to 12"},
        {"* * * * 8", "0 to 7"},
        {"* * * foo *", "month 'foo'"},
        {"9-5 * * * *", "smaller"},
        {"5/3 * * * *", "range"},
        {"*/0 * * * *", "steps"},
        {"*/99999999999999999999 * * * *", "minute"},
        {"1,, * * * *", "minute"},
        {"1- * * * *", "minute"},
        {"-1 * * * *", "minute"},
        {"1x * * * *", "minute"},
        {"@reboot", "@hourly"},
        {"0 0 30 feb *", "never"},
        {"0 0 31 4,6,9,11 *", "never"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct cron c;
        struct error err = {""};
        assert_int_equal(cron_parse(bad[i][0], &c, &err), -EINVAL);
        if (!strstr(err.text, bad[i][1]))
            fail_msg("'%s': %s", bad[i][0], err.text);
    }
}

static void zones_are_known_by_name(void **state)
{
    static const char *const bad[] = {
        "",    "Europe/Nowhere", "../../etc/passwd", "/etc/localtime", ":UTC", "Europe/Berlin ",
        "a..b"};
    struct zone *zone;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (zone_open(bad[i], &zone) != -ENOENT)
            fail_msg("'%s' is taken for a zone", bad[i]);
    zone = zone_of("Europe/Berlin");
    assert_int_equal(zone_offset(zone, utc("2026-01-15 12:00")), 3600);
    assert_int_equal(zone_offset(zone, utc("2026-07-15 12:00")), 7200);
    zone_free(zone);
    zone_free(NULL);
}

/* --- single cases ----------------------------------------------------------------------------- */

static void expect(const char *expression, const char *zone_name, const char *after,
                   const char *const *wanted)
{
    struct zone *zone = zone_of(zone_name);
    struct cron c;
    struct error err;
    assert_int_equal(cron_parse(expression, &c, &err), 0);
    int64_t t = utc(after);
    for (; *wanted; wanted++) {
        char text[32];
        t = cron_next(&c, zone, t);
        time_t at = t;
        struct tm tm;
        strftime(text, sizeof text, "%Y-%m-%d %H:%M", gmtime_r(&at, &tm));
        if (strcmp(text, *wanted) != 0)
            fail_msg("%s in %s: %s, not %s", expression, zone_name, text, *wanted);
    }
    zone_free(zone);
}
#define EXPECT(expression, zone, after, ...) \
    expect(expression, zone, after, (const char *const[]){__VA_ARGS__, NULL})

static void clocks_that_go_forward(void **state)
{
    /* 2026-03-29 in Berlin: 01:59:59 CET (00:59:59 UTC) is followed by 03:00 CEST. */
    EXPECT("30 2 * * *", "Europe/Berlin", "2026-03-27 12:00", "2026-03-28 01:30",
           "2026-03-29 01:00", "2026-03-30 00:30");
    EXPECT("0,30 2,3 * * *", "Europe/Berlin", "2026-03-29 00:00", "2026-03-29 01:00",
           "2026-03-29 01:30", "2026-03-30 00:00");
    EXPECT("30 * * * *", "Europe/Berlin", "2026-03-28 23:40", "2026-03-29 00:30",
           "2026-03-29 01:30", "2026-03-29 02:30");
}

static void clocks_that_go_back(void **state)
{
    /* 2026-10-25 in Berlin: 02:00 to 02:59 is from 00:00 and again from 01:00 UTC. */
    EXPECT("30 2 * * *", "Europe/Berlin", "2026-10-24 12:00", "2026-10-25 00:30",
           "2026-10-26 01:30");
    EXPECT("30 2 * * *", "Europe/Berlin", "2026-10-25 01:10", "2026-10-26 01:30");
    EXPECT("20,40 * * * *", "Europe/Berlin", "2026-10-25 00:00", "2026-10-25 00:20",
           "2026-10-25 00:40", "2026-10-25 01:20", "2026-10-25 01:40", "2026-10-25 02:20");
}

static void other_calendars(void **state)
{
    EXPECT("0 0 29 2 *", "UTC", "2096-03-01 00:00", "2104-02-29 00:00");
    EXPECT("0 0 13 * fri", "UTC", "2026-02-07 00:00", "2026-02-13 00:00", "2026-02-20 00:00");
    EXPECT("0 12 */2 * mon", "UTC", "2026-06-01 12:00", "2026-06-15 12:00", "2026-06-29 12:00");
    EXPECT("@yearly", "UTC", "2026-01-01 00:00", "2027-01-01 00:00");
    EXPECT("* * 29 2 *", "Asia/Kathmandu", "2026-01-01 00:00", "2028-02-28 18:15");
    /* Apia went from 29 to 31 December 2011 over the date line. */
    EXPECT("0 12 30 12 *", "Pacific/Apia", "2011-12-01 00:00", "2011-12-30 10:00",
           "2012-12-29 22:00");
}

/* --- against brute force ---------------------------------------------------------------------- */

struct span {
    const char *zone, *from;
    int days;
};

static bool day_fits_as_told(const struct cron *c, int64_t naive)
{
    struct tm tm;
    time_t t = naive;
    gmtime_r(&t, &tm);
    bool day = c->days >> tm.tm_mday & 1, weekday = c->weekdays >> tm.tm_wday & 1;
    if (!(c->months >> (tm.tm_mon + 1) & 1))
        return false;
    return !c->every_day && !c->every_weekday ? day || weekday : day && weekday;
}

static bool naive_fits(const struct cron *c, int64_t naive)
{
    return (c->minutes >> (naive / 60 % 60) & 1) && (c->hours >> (naive / 3600 % 24) & 1) &&
           day_fits_as_told(c, naive);
}

/* Marks the minutes of the span that are times of the expression. Naive minutes are looked at one
 * by one: when does the clock show it first? If never, when is it past? */
static void mark(const struct cron *c, const int64_t *local, int count, bool *marks)
{
    memset(marks, 0, (size_t)count);
    if (c->every_hour) {
        for (int i = 0; i < count; i++)
            marks[i] = naive_fits(c, local[i]);
        return;
    }
    int64_t passed = local[0];
    for (int i = 0; i < count; i++)
        for (; passed <= local[i]; passed += 60)
            marks[i] |= naive_fits(c, passed);
}

static unsigned seed = 20261121;

static int pick(int n)
{
    return rand_r(&seed) % n;
}

static void random_field(char *out, size_t size, int min, int max)
{
    int a = min + pick(max - min + 1), b = a + pick(max - a + 1);
    switch (pick(6)) {
    case 0:
    case 1:
        snprintf(out, size, "*");
        break;
    case 2:
        snprintf(out, size, "*/%d", 1 + pick(max > 9 ? 9 : max));
        break;
    case 3:
        snprintf(out, size, "%d,%d", a, b);
        break;
    case 4:
        snprintf(out, size, a < b ? "%d-%d/%d" : "%d", a, b, 1 + pick(4));
        break;
    default:
        snprintf(out, size, "%d", a);
    }
}

static void random_expression(char *out, size_t size)
{
    char f[5][16];
    random_field(f[0], 16, 0, 59);
    random_field(f[1], 16, 0, pick(2) ? 4 : 23); /* the small hours are where clocks change */
    random_field(f[2], 16, 1, 28);
    random_field(f[3], 16, 1, 12);
    random_field(f[4], 16, 0, 7);
    if (pick(3)) /* else most have no date in the span */
        strcpy(f[3], "*");
    snprintf(out, size, "%s %s %s %s %s", f[0], f[1], f[2], f[3], f[4]);
}

static void compare(const struct span *span, const char *expression, const struct zone *zone,
                    int64_t start, const int64_t *local, int count, bool *marks)
{
    struct cron c;
    struct error err;
    if (cron_parse(expression, &c, &err) < 0)
        fail_msg("%s: %s", expression, err.text);
    mark(&c, local, count, marks);
    int at = 3 * 1440; /* what a gap before the span has left over is not seen */
    int64_t next = cron_next(&c, zone, start + at * INT64_C(60) + pick(60));
    for (at++; at < count; at++) {
        int64_t t = start + at * INT64_C(60);
        if (marks[at] != (next == t))
            fail_msg("%s in %s: at minute %d of %s: %d, next %lld", expression, span->zone, at,
                     span->from, marks[at], (long long)(next - start) / 60);
        if (next == t)
            next = cron_next(&c, zone, t + (pick(2) ? pick(60) : 0));
    }
    assert_true(next >= start + count * INT64_C(60));
}

static void it_agrees_with_brute_force(void **state)
{
    static const struct span spans[] = {
        {"UTC", "2026-01-01 00:00", 60},
        {"Europe/Berlin", "2026-03-01 00:00", 250},
        {"America/New_York", "2027-02-20 00:00", 270},
        {"Australia/Lord_Howe", "2026-03-20 00:00", 220}, /* by half an hour */
        {"America/Havana", "2026-03-01 00:00", 260},      /* at midnight */
        {"Asia/Beirut", "2026-03-15 00:00", 240},         /* from midnight back to the day before */
        {"Africa/Casablanca", "2026-02-01 00:00", 60},    /* for Ramadan */
        {"Pacific/Apia", "2011-12-20 00:00", 30},         /* a day that never was */
        {"Asia/Kathmandu", "2026-06-01 00:00", 30},
    };
    for (size_t i = 0; i < sizeof spans / sizeof spans[0]; i++) {
        const struct span *span = &spans[i];
        struct zone *zone = zone_of(span->zone);
        int count = span->days * 1440;
        int64_t start = utc(span->from), *local = calloc((size_t)count, sizeof *local);
        bool *marks = calloc((size_t)count, sizeof *marks);
        for (int m = 0; m < count; m++)
            local[m] = start + m * INT64_C(60) + zone_offset(zone, start + m * INT64_C(60));
        for (int n = 0; n < 25; n++) {
            char expression[96];
            random_expression(expression, sizeof expression);
            compare(span, expression, zone, start, local, count, marks);
        }
        free(local);
        free(marks);
        zone_free(zone);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(expressions_are_read),
        cmocka_unit_test(nonsense_is_refused_with_the_field),
        cmocka_unit_test(zones_are_known_by_name),
        cmocka_unit_test(clocks_that_go_forward),
        cmocka_unit_test(clocks_that_go_back),
        cmocka_unit_test(other_calendars),
        cmocka_unit_test(it_agrees_with_brute_force),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
