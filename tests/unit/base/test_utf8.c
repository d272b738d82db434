#include "base/utf8.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static size_t encode(uint32_t c, char out[4])
{
    if (c < 0x80)
        return out[0] = (char)c, 1;
    if (c < 0x800)
        return out[0] = (char)(0xc0 | c >> 6), out[1] = (char)(0x80 | (c & 63)), 2;
    if (c < 0x10000)
        return out[0] = (char)(0xe0 | c >> 12), out[1] = (char)(0x80 | (c >> 6 & 63)),
               out[2] = (char)(0x80 | (c & 63)), 3;
    return out[0] = (char)(0xf0 | c >> 18), out[1] = (char)(0x80 | (c >> 12 & 63)),
           out[2] = (char)(0x80 | (c >> 6 & 63)), out[3] = (char)(0x80 | (c & 63)), 4;
}

/* Every code point: valid whole unless a surrogate, never valid cut. */
static void test_every_code_point(void **state)
{
    for (uint32_t c = 1; c <= 0x10ffff; c++) {
        char s[4];
        size_t n = encode(c, s);
        char ours[4];
        if (utf8_encode(ours, c) != n || memcmp(ours, s, n) != 0)
            fail_msg("U+%04X written", c);
        size_t expected = c >= 0xd800 && c <= 0xdfff ? 0 : n;
        if (utf8_valid(s, n) != expected)
            fail_msg("U+%04X", c);
        for (size_t cut = 1; cut < n; cut++)
            if (utf8_valid(s, cut) != 0)
                fail_msg("U+%04X cut at %zu", c, cut);
    }
}

static void test_ill_formed(void **state)
{
    static const char *const bad[] = {
        "\x80",
        "\xbf",
        "\xc0\x80",
        "\xc1\xbf",
        "\xe0\x80\x80",
        "\xe0\x9f\xbf",
        "\xf0\x80\x80\x80",
        "\xf0\x8f\xbf\xbf",
        "\xed\xa0\x80",
        "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80",
        "\xff",
        "\xc3(",
        "\xe2\x82(",
        "\xf0\x9f\x98(",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(utf8_valid(bad[i], strlen(bad[i])), 0);
}

static void test_prefix(void **state)
{
    assert_int_equal(utf8_valid("", 0), 0);
    assert_int_equal(utf8_valid("a\0b", 3), 3);
    assert_int_equal(utf8_valid("na\xc3\xafve\xff", 7), 6);
}

/* Wherever it stands in text that is looked at in steps of 16 and 64. */
static void test_every_place(void **state)
{
    static const char *const parts[] = {"\u00e4", "\u20ac",   "\ud7ff",  "\U0001f600",
                                        "\xff",   "\xed\xa0", "\xe2\x82"};
    char s[200];
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        for (size_t len = 4; len < sizeof s; len++)
            for (size_t at = 0; at + 4 <= len; at++) {
                memset(s, 'a', sizeof s);
                memcpy(s + at, parts[i], strlen(parts[i]));
                assert_int_equal(utf8_valid(s, len), i < 4 ? len : at);
            }
}

static void test_copy(void **state)
{
    char text[6];
    utf8_copy(text, sizeof text, "");
    assert_string_equal(text, "");
    utf8_copy(text, sizeof text, "whole");
    assert_string_equal(text, "whole");
    utf8_copy(text, sizeof text, "\u00e4\u00e4\u00e4");
    assert_string_equal(text, "\u00e4\u00e4");
    utf8_copy(text, sizeof text, "ab\U0001f600");
    assert_string_equal(text, "ab");
    utf8_copy(text, 1, "ab");
    assert_string_equal(text, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_code_point),
        cmocka_unit_test(test_every_place),
        cmocka_unit_test(test_copy),
        cmocka_unit_test(test_ill_formed),
        cmocka_unit_test(test_prefix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
