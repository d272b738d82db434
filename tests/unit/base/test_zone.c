/* zone.c against the C library, which reads the same files and rules, for one zone a process at a
 * time. */
#include "base/zone.h"
#include "base/zone_rule.h"
#include "support/testlib.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static void be_in(const char *tz)
{
    if (tz)
        setenv("TZ", tz, 1);
    else
        unsetenv("TZ");
    tzset();
}

/* From 1900 to 2100 in steps that fall on every hour of the week, and beyond on both sides. */
static void compare(const struct zone *zone, const char *name)
{
    int64_t from = INT64_C(-2208988800), until = INT64_C(4102444800);
    for (int64_t t = from; t < until; t += 86400 * 9 + 3600 + 1) {
        time_t libc_time = (time_t)t;
        struct tm tm;
        assert_non_null(localtime_r(&libc_time, &tm));
        if (zone_offset(zone, t) != tm.tm_gmtoff)
            fail_msg("%s at %lld: %lld, and libc says %ld", name, (long long)t,
                     (long long)zone_offset(zone, t), tm.tm_gmtoff);
    }
}

/* Each hour of some years that have odd changes. */
static void compare_years(const struct zone *zone, const char *name)
{
    static const int64_t begins[] = {INT64_C(1230768000), INT64_C(1767225600), INT64_C(2208988800)};
    for (size_t i = 0; i < sizeof begins / sizeof begins[0]; i++) {
        for (int64_t t = begins[i]; t < begins[i] + INT64_C(367) * 86400; t += 3600) {
            time_t libc_time = (time_t)t;
            struct tm tm;
            assert_non_null(localtime_r(&libc_time, &tm));
            if (zone_offset(zone, t) != tm.tm_gmtoff || zone_offset(zone, t - 1) > 86400)
                fail_msg("%s at %lld: %lld, and libc says %ld", name, (long long)t,
                         (long long)zone_offset(zone, t), tm.tm_gmtoff);
        }
    }
}

static void named_zones(void **state)
{
    static const char *const names[] = {
        "Europe/Berlin",
        "Europe/Dublin",
        "America/New_York",
        "America/St_Johns",
        "America/Sao_Paulo",
        "Asia/Kolkata",
        "Asia/Kathmandu",
        "Asia/Gaza",
        "Africa/Casablanca",
        "Africa/Cairo",
        "Australia/Lord_Howe",
        "Australia/Sydney",
        "Pacific/Apia",
        "Pacific/Kiritimati",
        "Pacific/Chatham",
        "Antarctica/Troll",
        "America/Scoresbysund",
        "Asia/Tehran",
        "Europe/Moscow",
        "Etc/GMT+12",
        "UTC",
        "Atlantic/Azores",
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct zone *zone, *local;
        if (zone_open(names[i], &zone) < 0)
            fail_msg("there is no zone %s here (tzdata)", names[i]);
        be_in(names[i]);
        compare(zone, names[i]);
        compare_years(zone, names[i]);
        assert_int_equal(zone_open(NULL, &local), 0);
        assert_ptr_equal(local, zone); /* what is open is shared */
        zone_free(local);
        zone_free(zone);
    }
    be_in("UTC");
}

/* TZ as POSIX has it. */
static void rules(void **state)
{
    static const char *const good[] = {"CET-1CEST,M3.5.0,M10.5.0/3",
                                       "America/New_York",
                                       "AEST-10AEDT,M10.1.0,M4.1.0/3",
                                       "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0",
                                       "IST-2IDT,M3.4.4/26,M10.5.0",
                                       "<-02>2<-01>,M3.5.0/-1,M10.5.0/0",
                                       "XYZ-1:15:20",
                                       "AAA0BBB,J60,J300",
                                       "AAA0BBB,59/5,300",
                                       "WGT3WGST,M3.5.0/-2,M10.5.0/-1",
                                       "NZST-12NZDT,M9.5.0,M4.1.0/3"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct zone *zone;
        be_in(good[i]);
        assert_int_equal(zone_open(NULL, &zone), 0);
        compare_years(zone, good[i]);
        zone_free(zone);
    }
    be_in("UTC");
}

/* Summer all the year round, as RFC 8536 writes it; here glibc errs at the year's end. */
static void summer_for_ever(void **state)
{
    struct zone_rule rule;
    assert_int_equal(zone_rule_parse("XXX3EDT4,0/0,J365/23", &rule), 0);
    for (int64_t t = 0; t < INT64_C(4102444800); t += 3600)
        assert_int_equal(zone_rule_offset(&rule, t), -4 * 3600);
}

static void what_is_no_rule(void **state)
{
    static const char *const bad[] = {
        "",
        "C",
        "CE-1",
        "CET",
        "CET-25",
        "CET-1CEST,M3.5.0",
        "<+01-1",
        "CET-1CEST,",
        "CET-1C,1,2",
        "CET-1:60",
        "CET-1 ",
        "CET-1CEST,M13.5.0,M10.5.0",
        "CET-1CEST,M3.6.0,M10.5.0",
        "CET-1CEST,M3.5.7,M10.5.0",
        "CET-1CEST,J0,J5",
        "CET-1CEST,J366,J5",
        "CET-1CEST,366,5",
        "CET-1CEST,M3.5.0/168,M10.5.0",
        "CET-1CEST,M3.5.0,M10.5.0x",
        "CET-99999999999999999999",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct zone_rule rule;
        if (zone_rule_parse(bad[i], &rule) != -EINVAL)
            fail_msg("'%s' is taken for a rule", bad[i]);
    }
}

/* TZ with a colon, a path, or nonsense, which is UTC. */
static void the_local_zone(void **state)
{
    static const struct {
        const char *tz;
        int64_t july;
    } cases[] = {{":Europe/Berlin", 7200},
                 {"/usr/share/zoneinfo/Europe/Berlin", 7200},
                 {"", 0},
                 {"Mars/Olympus", 0},
                 {"/etc/passwd", 0},
                 {"/no/such/file", 0},
                 {"JST-9", 32400}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct zone *zone;
        setenv("TZ", cases[i].tz, 1);
        assert_int_equal(zone_open(NULL, &zone), 0);
        if (zone_offset(zone, INT64_C(1784116800)) != cases[i].july)
            fail_msg("TZ='%s': %lld", cases[i].tz,
                     (long long)zone_offset(zone, INT64_C(1784116800)));
        zone_free(zone);
    }
    unsetenv("TZ");
    struct zone *zone;
    assert_int_equal(zone_open(NULL, &zone), 0);
    zone_free(zone);
}

/* A zone's file, cut at each byte and with each byte changed, is read or refused, and no more. */
static void broken_files(void **state)
{
    static unsigned char whole[8192], data[8192];
    const char *path = test_path("Zone");
    FILE *in = fopen("/usr/share/zoneinfo/Europe/Berlin", "re");
    assert_non_null(in);
    size_t len = fread(whole, 1, sizeof whole, in);
    fclose(in);
    setenv("TZDIR", test_dir(), 1);
    unsigned refused = 0;
    for (size_t i = 0; i < 2 * len; i++) {
        size_t n = i < len ? i : len;
        memcpy(data, whole, len);
        if (i >= len)
            data[i - len] ^= 0x81;
        unlink(path); /* to write over a file makes some file systems write the old one out first */
        FILE *out = fopen(path, "we");
        assert_non_null(out);
        assert_int_equal(fwrite(data, 1, n, out), n);
        assert_int_equal(fclose(out), 0);
        struct zone *zone;
        int r = zone_open("Zone", &zone);
        assert_true(r == 0 || r == -ENOENT);
        refused += r < 0;
        if (r < 0)
            continue;
        assert_true(zone_offset(zone, INT64_C(1784116800)) < 26 * 3600);
        zone_free(zone);
    }
    assert_true(refused >= len - 1); /* a cut one at least */
    unlink(path);
    assert_int_equal(mkdir(path, 0700), 0); /* a folder, as Europe is */
    struct zone *zone;
    assert_int_equal(zone_open("Zone", &zone), -ENOENT);
    rmdir(path);
    assert_int_equal(zone_open("UTC", &zone), 0); /* also where no zone files are */
    assert_int_equal(zone_offset(zone, 0), 0);
    zone_free(zone);
    unsetenv("TZDIR");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(named_zones),     cmocka_unit_test(rules),
        cmocka_unit_test(summer_for_ever), cmocka_unit_test(what_is_no_rule),
        cmocka_unit_test(the_local_zone),  cmocka_unit_test(broken_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
