#include "base/json_string.h"
#include "base/utf8.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void expect_json(const char *in, size_t len, const char *json)
{
    struct buf b = BUF_INIT;
    json_put_string(&b, in, len);
    assert_false(b.failed);
    assert_string_equal(b.data, json);
    if (utf8_valid(in, len) == len) {
        buf_reset(&b);
        json_put_utf8(&b, in, len);
        assert_string_equal(b.data, json);
    }
    buf_deinit(&b);
}

#define EXPECT(in, json) expect_json(in, sizeof(in) - 1, json)
#define FFFD             "\xef\xbf\xbd"

static void strings_are_escaped(void **state)
{
    EXPECT("", "\"\"");
    EXPECT("plain", "\"plain\"");
    EXPECT("a\"b\\c/d", "\"a\\\"b\\\\c/d\"");
    EXPECT("\b\f\n\r\t", "\"\\b\\f\\n\\r\\t\"");
    EXPECT("\0\x01\x1f\x7f", "\"\\u0000\\u0001\\u001f\x7f\"");
    EXPECT("12345678\"12345678", "\"12345678\\\"12345678\"");
    EXPECT("1234567\n", "\"1234567\\n\"");
    EXPECT("\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", "\"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\"");
}

static void a_special_byte_is_found_at_every_place_of_a_word(void **state)
{
    static const char *const specials[][2] = {
        {"\"", "\\\""}, {"\\", "\\\\"}, {"\n", "\\n"}, {"\x80", FFFD}, {"\x1f", "\\u001f"}};
    for (size_t s = 0; s < sizeof specials / sizeof specials[0]; s++)
        for (size_t at = 0; at < 24; at++) {
            char in[24], out[64];
            memset(in, ' ', sizeof in); /* the lowest plain byte: borrows would show */
            in[at] = specials[s][0][0];
            int n = snprintf(out, sizeof out, "\"%.*s%s%.*s\"", (int)at, "                        ",
                             specials[s][1], (int)(23 - at), "                        ");
            assert_true(n > 0);
            expect_json(in, sizeof in, out);
        }
}

/* The examples of the Unicode standard, section 3.9, tables 3-8 to 3-11. */
static void ill_formed_parts_are_replaced_as_unicode_recommends(void **state)
{
    EXPECT("\xc0\xaf\xe0\x80\xbf\xf0\x81\x82\x41",
           "\"" FFFD FFFD FFFD FFFD FFFD FFFD FFFD FFFD "A\"");
    EXPECT("\xed\xa0\x80\xed\xbf\xbf\xed\xaf\x41",
           "\"" FFFD FFFD FFFD FFFD FFFD FFFD FFFD FFFD "A\"");
    EXPECT("\xf4\x91\x92\x93\xff\x41\x80\xbf\x42",
           "\"" FFFD FFFD FFFD FFFD FFFD "A" FFFD FFFD "B\"");
    EXPECT("\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41", "\"" FFFD FFFD FFFD FFFD "A\"");
    EXPECT("\xf0\x9f\x98", "\"" FFFD "\"");
    EXPECT("\xc3", "\"" FFFD "\"");
    EXPECT("\xf5\x80", "\"" FFFD FFFD "\"");
}

static void every_two_bytes_make_valid_json(void **state)
{
    struct buf b = BUF_INIT;
    for (unsigned i = 0; i < 65536; i++) {
        char in[3] = {(char)(i >> 8), (char)i, 'x'};
        buf_reset(&b);
        json_put_string(&b, in, sizeof in);
        json_t *value = json_loadb(b.data, b.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        assert_non_null(value);
        json_decref(value);
    }
    buf_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_are_escaped),
        cmocka_unit_test(a_special_byte_is_found_at_every_place_of_a_word),
        cmocka_unit_test(ill_formed_parts_are_replaced_as_unicode_recommends),
        cmocka_unit_test(every_two_bytes_make_valid_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
