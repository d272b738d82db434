#include "parse/json_check.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int setup(void **state)
{
    *state = json_new(JSON_DEPTH);
    return *state ? 0 : -1;
}

static int teardown(void **state)
{
    json_free(*state);
    json_free(NULL);
    return 0;
}

/* An exact copy, so that a sanitizer sees a byte read beyond it. */
static int check(struct json *json, const char *text, size_t len, const char *wanted,
                 struct error *err, size_t *offset)
{
    char *copy = malloc(len ? len : 1);
    memcpy(copy, text, len);
    const char *value = NULL;
    size_t value_len = 0;
    int r = json_check(json, copy, len, &value, &value_len, offset, err);
    if (r == 0 && wanted) {
        assert_int_equal(value_len, strlen(wanted));
        assert_memory_equal(value, wanted, value_len);
    }
    free(copy);
    return r;
}

static void test_values(void **state)
{
    static const char *const values[][2] = {
        {"1", "1"},
        {" \t\r\n-0.10e+07 ", "-0.10e+07"},
        {"123456789012345678901234567890.5e999", "123456789012345678901234567890.5e999"},
        {"true", "true"},
        {"null\n", "null"},
        {"\"\"", "\"\""},
        {"\"\\u0000\\ud834\\udd1e\\/\"", "\"\\u0000\\ud834\\udd1e\\/\""},
        {"{\"a\" : 1,\n\n \"a\":[\r\n]}", "{\"a\" : 1,\"a\":[]}"},
        {"\"\xc3\xa9\xe2\x82\xac\xf0\x9d\x84\x9e\x7f\"",
         "\"\xc3\xa9\xe2\x82\xac\xf0\x9d\x84\x9e\x7f\""},
    };
    for (int round = 0; round < 3; round++)
        for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
            struct error err;
            size_t at;
            assert_int_equal(
                check(*state, values[i][0], strlen(values[i][0]), values[i][1], &err, &at), 0);
        }
}

static void test_no_values(void **state)
{
    static const struct {
        const char *text;
        int code;
        const char *reason;
    } texts[] = {
        {"", -EINVAL, "no JSON value"},
        {" \n", -EINVAL, "no JSON value"},
        {"1 2", -EINVAL, "more than one"},
        {"[] []", -EINVAL, "more than one"},
        {"{}1", -EINVAL, "more than one"},
        {"01", -EINVAL, "more than one"},
        {"[1] \"abc", -EINVAL, "more than one"},
        {"[1] \"abc}", -EINVAL, "more than one"},
        {"[1] tru", -EINVAL, NULL},
        {"[1] 2", -EINVAL, "more than one"},
        {"[1]]", -EINVAL, NULL},
        {"\"abc", -EINVAL, "cut short"},
        {"\"a\nb\"", -EINVAL, NULL},
        {"{\"a\":1", -EINVAL, "cut short"},
        {"[1,]", -EINVAL, NULL},
        {"{\"a\":1,}", -EINVAL, NULL},
        {"{a:1}", -EINVAL, NULL},
        {"{1:1}", -EINVAL, NULL},
        {"'a'", -EINVAL, NULL},
        {"1.", -EINVAL, NULL},
        {".5", -EINVAL, NULL},
        {"+1", -EINVAL, NULL},
        {"-", -EINVAL, NULL},
        {"1e", -EINVAL, NULL},
        {"0x10", -EINVAL, NULL},
        {"NaN", -EINVAL, NULL},
        {"-Infinity", -EINVAL, NULL},
        {"/* no */ 1", -EINVAL, NULL},
        {"\"\\x\"", -EINVAL, NULL},
        {"\"\\u12g4\"", -EINVAL, NULL},
        {"\"\x01\"", -EINVAL, NULL},
        {"\xef\xbb\xbf"
         "1",
         -EINVAL, NULL},
        {"\"\xff\"", -EILSEQ, "not UTF-8"},
        {"\"\xc0\x80\"", -EILSEQ, "not UTF-8"},
        {"\"\xed\xa0\x80\"", -EILSEQ, "not UTF-8"},
        {"\"\xf4\x90\x80\x80\"", -EILSEQ, "not UTF-8"},
        {"\"\xe2\x82\"", -EILSEQ, "not UTF-8"},
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct error err = {""};
        size_t at = 12345, len = strlen(texts[i].text);
        assert_int_equal(check(*state, texts[i].text, len, NULL, &err, &at), texts[i].code);
        assert_true(at <= len);
        assert_string_not_equal(err.text, "");
        assert_null(strchr(err.text, '\n'));
        if (texts[i].reason && !strstr(err.text, texts[i].reason))
            fail_msg("%s: %s", texts[i].text, err.text);
        /* what failed leaves nothing behind */
        assert_int_equal(check(*state, "[2]", 3, "[2]", &err, &at), 0);
    }
}

static void test_nul_byte(void **state)
{
    struct error err;
    size_t at;
    assert_int_equal(check(*state, "1\0", 2, NULL, &err, &at), -EINVAL);
    assert_int_equal(check(*state, "\"\0\"", 3, NULL, &err, &at), -EINVAL);
}

static void test_depth(void **state)
{
    char text[2 * 200];
    struct error err;
    size_t at;
    for (size_t depth = 120; depth < 200; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        int r = check(*state, text, 2 * depth, NULL, &err, &at);
        assert_int_equal(r, depth <= JSON_DEPTH ? 0 : -E2BIG);
        if (r < 0)
            assert_string_equal(err.text, "nested deeper than 128 levels");
    }
}

static void test_offset(void **state)
{
    struct error err;
    size_t at;
    assert_int_equal(check(*state, "  [1, x]", 8, NULL, &err, &at), -EINVAL);
    assert_in_range(at, 6, 7);
    assert_int_equal(check(*state, "  \"\xc3\xa9\xff\"", 7, NULL, &err, &at), -EILSEQ);
    assert_int_equal(at, 5);
    const char *value;
    size_t len;
    assert_int_equal(json_check(*state, "x", 1, &value, &len, NULL, NULL), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),   cmocka_unit_test(test_no_values),
        cmocka_unit_test(test_nul_byte), cmocka_unit_test(test_depth),
        cmocka_unit_test(test_offset),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
