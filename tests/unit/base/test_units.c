#include "base/config.h"
#include "base/units.h"

#include <errno.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void duration(const char *text, uint64_t ns)
{
    uint64_t got = 12345;
    struct error err = {""};
    if (parse_duration(text, false, &got, &err) != 0)
        fail_msg("%s", err.text);
    assert_int_equal(got, ns);
}

static void size(const char *text, uint64_t bytes)
{
    uint64_t got = 12345;
    struct error err = {""};
    if (parse_size(text, false, &got, &err) != 0)
        fail_msg("%s", err.text);
    assert_int_equal(got, bytes);
}

static void test_durations(void **state)
{
    duration("0", 0);
    duration("90", UINT64_C(90000000000));
    duration("90s", UINT64_C(90000000000));
    duration("90 s", UINT64_C(90000000000));
    duration("500ms", 500000000);
    duration("250us", 250000);
    duration("7ns", 7);
    duration("0.5", 500000000);
    duration("1.5min", UINT64_C(90000000000));
    duration("0.1h", UINT64_C(360000000000));
    duration("1h", UINT64_C(3600000000000));
    duration("7d", UINT64_C(604800000000000));
    duration("1w", UINT64_C(604800000000000));
    duration("0.123456789s", 123456789);
    duration("0.1234567891234567891234567890s", 123456789);
    duration("18446744073ns", UINT64_C(18446744073));
    duration("18446744073.709551615", UINT64_MAX);
}

static void assert_reads_back(uint64_t ns, const char *duration_text, const char *size_text)
{
    char text[UNITS_TEXT];
    assert_string_equal(format_duration(ns, text), duration_text);
    duration(text, ns);
    assert_string_equal(format_size(ns, text), size_text);
    size(text, ns);
}

static void test_written(void **state)
{
    assert_reads_back(0, "0", "0");
    assert_reads_back(1, "1ns", "1");
    assert_reads_back(1024, "1024ns", "1K");
    assert_reads_back(UINT64_C(1500000000), "1500ms", "1500000000");
    assert_reads_back(UINT64_C(90000000000), "90s", "87890625K");
    assert_reads_back(UINT64_C(604800000000000), "7d", "590625000000K");
    assert_reads_back(UINT64_C(3) << 40, "3298534883328ns", "3T");
    assert_reads_back(UINT64_MAX, "18446744073709551615ns", "18446744073709551615");
}

static void test_durations_refused(void **state)
{
    static const char *const bad[] = {
        "",
        " ",
        "x",
        "-1",
        "+1",
        "1 2",
        "1e3",
        "1.",
        ".5",
        "1..2",
        "5 days",
        "1H",
        "1h2m",
        "0x10",
        "none",
        "1 h ",
        "18446744073.709551616",
        "99999999999999999999",
        "1000000w",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint64_t got = 12345;
        struct error err = {""};
        assert_int_equal(parse_duration(bad[i], false, &got, &err), -EINVAL);
        assert_int_equal(got, 12345);
        assert_string_not_equal(err.text, "");
    }
    struct error err;
    uint64_t got;
    parse_duration("5 days", true, &got, &err);
    assert_string_equal(
        err.text, "'5 days' is not a duration; did you mean 5d? write 90 or 90s, 500ms, 5min, 1h, "
                  "7d or none");
    parse_duration("1000000w", true, &got, &err);
    assert_string_equal(err.text, "'1000000w' is too long a time");
    assert_int_equal(parse_duration("x", false, &got, NULL), -EINVAL);
}

static void test_sizes(void **state)
{
    size("0", 0);
    size("4096", 4096);
    size("4096B", 4096);
    size("64K", 65536);
    size("64KiB", 65536);
    size("1.5M", 1572864);
    size("1G", 1073741824);
    size("1T", UINT64_C(1099511627776));
    size("18446744073709551615", UINT64_MAX);
    size("16777215T", UINT64_C(16777215) << 40);
}

static void test_sizes_refused(void **state)
{
    static const char *const bad[] = {
        "", "K", "-1K", "1k", "1KB", "1P", "1 G B", "none", "18446744073709551616", "16777216T"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint64_t got = 12345;
        struct error err = {""};
        assert_int_equal(parse_size(bad[i], false, &got, &err), -EINVAL);
        assert_int_equal(got, 12345);
        assert_string_not_equal(err.text, "");
    }
}

static void test_none(void **state)
{
    uint64_t got = 1;
    assert_int_equal(parse_duration("none", true, &got, NULL), 0);
    assert_int_equal(got, 0);
    got = 1;
    assert_int_equal(parse_size("none", true, &got, NULL), 0);
    assert_int_equal(got, 0);
}

static void test_u64(void **state)
{
    uint64_t got = 0;
    struct error err;
    assert_int_equal(parse_u64("18446744073709551615", 0, UINT64_MAX, &got, &err), 0);
    assert_int_equal(got, UINT64_MAX);
    assert_int_equal(parse_u64("1", 1, 5, &got, &err), 0);
    assert_int_equal(parse_u64("5", 1, 5, &got, &err), 0);
    assert_int_equal(parse_u64("0", 1, 5, &got, &err), -EINVAL);
    assert_string_equal(err.text, "'0' is not a whole number from 1 to 5");
    assert_int_equal(parse_u64("6", 1, 5, &got, &err), -EINVAL);
    assert_int_equal(parse_u64("5.0", 1, 5, &got, &err), -EINVAL);
    assert_int_equal(parse_u64("5x", 1, 5, &got, &err), -EINVAL);
    assert_int_equal(parse_u64("-1", 0, UINT64_MAX, &got, &err), -EINVAL);
    assert_string_equal(err.text, "'-1' is not a whole number from 0");
    assert_int_equal(got, 5);
}

static void test_bool(void **state)
{
    bool got = false;
    assert_int_equal(parse_bool("yes", &got, NULL), 0);
    assert_true(got);
    assert_int_equal(parse_bool("off", &got, NULL), 0);
    assert_false(got);
    assert_int_equal(parse_bool("maybe", &got, NULL), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_durations),
        cmocka_unit_test(test_written),
        cmocka_unit_test(test_durations_refused),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_sizes_refused),
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_u64),
        cmocka_unit_test(test_bool),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
