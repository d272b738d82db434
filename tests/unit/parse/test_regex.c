/* What a pattern may cost to compile: it is checked on the control loop, which others wait for. */
#include "parse/regex.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define CPU_MS 20 /* many times what the dearest takes; without bounds it is seconds */

static uint64_t cpu_ns(void)
{
    struct timespec now;
    assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now), 0);
    return (uint64_t)now.tv_sec * NS_PER_SEC + (uint64_t)now.tv_nsec;
}

/* `head`, as many `unit`s as a pattern has room for, and `tail`. */
static int check_full(const char *head, const char *unit, const char *tail, struct error *err)
{
    char pattern[REGEX_LENGTH + 1];
    size_t len = strlen(head), size = strlen(unit), end = strlen(tail);
    memcpy(pattern, head, len);
    for (; len + size + end <= REGEX_LENGTH; len += size)
        memcpy(pattern + len, unit, size);
    memcpy(pattern + len, tail, end + 1);
    uint64_t least = UINT64_MAX;
    int r = 0;
    for (int i = 0; i < 3; i++) {
        uint64_t before = cpu_ns();
        r = regex_check(pattern, err);
        uint64_t took = cpu_ns() - before;
        least = took < least ? took : least;
    }
    if (least > CPU_MS * NS_PER_MS)
        fail_msg("%.60s... takes %llu us", pattern, (unsigned long long)least / 1000);
    return r;
}

static void test_any_pattern_is_checked_soon(void **state)
{
    static const char *const patterns[][3] = {
        {"", "foo|", ""},
        {"(?i)", "a\xc3\xa9", ""},
        {"(?i)[", "\xc2\x80-\xf4\x8f\xbf\xbf", "]"},
        {"", "(?i:[\xc2\x80-\xf4\x8f\xbf\xbf])", ""},
        {"(?s-xi)", "[\xc2\x80-\xf4\x8f\xbf\xbf]", ""},
        {"(?^i)", "[\\x{80}-\\x{10ffff}]", ""},
        {"(?i)", "[\\x80-\\o{4177777}]", ""},
        {"(?i)", "[!-\\N{U+10FFFF}]", ""},
        {"(?i)", "[!-\\Q\xf4\x8f\xbf\xbf\\E]", ""},
        {"(?ixx)[", "! - \xf4\x8f\xbf\xbf", "]"},
        {"[", "\xc2\x80-\xf4\x8f\xbf\xbf", "]"},
        {"", "\\w*\\d*", ""},
        {"", "a*b*", ""},
        {"", "(?<=a|bc)", ""},
        {"(?|(a)|(b))", "(?<=(?1)(?1))", ""},
        {"(a)", "(?1)*", ""},
        {"", "a{65535}", ""},
        {"(?:", "\\w*\\d*\\pL*", "){9}"},
        {"(*UCP)(?i)", "[[:alpha:]]*", ""},
    };
    struct error err;
    (void)state;
    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++)
        (void)check_full(patterns[i][0], patterns[i][1], patterns[i][2], &err);
}

static void test_wide_ranges_without_case_are_refused(void **state)
{
    static const char *const good[] = {
        "(?i)[a-z0-9]+@[a-z.-]+", "(?i)[\xd0\xb0-\xd1\x8f]", "(?i)[\\x{4e00}-\\x{9fff}]",
        "(?i)[^\\x00-\\x7f]",     "[\\x{80}-\\x{10ffff}]",   "(?<id>\\d+)-[\\x{80}-\\x{10ffff}]"};
    struct error err;
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        if (regex_check(good[i], &err) < 0)
            fail_msg("%s: %s", good[i], err.text);
    assert_true(check_full("(?i)[", "\xc2\x80-\xf4\x8f\xbf\xbf", "]", &err) < 0);
    assert_non_null(strstr(err.text, "too wide"));
    assert_non_null(strstr(err.text, "[^\\x00-\\x7f]"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_pattern_is_checked_soon),
        cmocka_unit_test(test_wide_ranges_without_case_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
