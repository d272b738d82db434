#include "base/error.h"

#include "base/utf8.h"

#include <errno.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void test_sentence_and_code(void **state)
{
    struct error err;
    assert_int_equal(error_set(&err, -EINVAL, "%s: %d is wrong", "field", 3), -EINVAL);
    assert_string_equal(err.text, "field: 3 is wrong");
    assert_int_equal(error_set(NULL, -ENOMEM, "%s", "x"), -ENOMEM);
}

static void test_control_characters(void **state)
{
    struct error err;
    error_set(&err, -1, "a%sb", "\r\n\t\x1b[31m\x7f");
    assert_string_equal(err.text, "a?\?\?\?[31m?b");
}

static void test_cut_at_a_character(void **state)
{
    for (int pad = 0; pad < 8; pad++) {
        struct error err;
        char text[700];
        memset(text, 'x', (size_t)pad);
        for (size_t i = (size_t)pad; i + 3 < sizeof text; i += 3)
            memcpy(text + i, "\xe2\x9c\x93", 4);
        error_set(&err, -1, "%s", text);
        assert_int_equal(strlen(err.text), sizeof err.text - 1);
        assert_int_equal(utf8_valid(err.text, sizeof err.text - 1), sizeof err.text - 1);
    }
}

static void test_not_utf8(void **state)
{
    struct error err;
    error_set(&err, -1, "a\xff\xc3(\xe2\x82");
    assert_string_equal(err.text, "a?\?(?\?");
    error_set(&err, -1, "%.4s", "abc\xc3\xa9");
    assert_string_equal(err.text, "abc?");
}

static void test_own_text_as_argument(void **state)
{
    struct error err;
    error_set(&err, -1, "inner");
    error_set(&err, -1, "outer: %s", err.text);
    assert_string_equal(err.text, "outer: inner");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sentence_and_code),    cmocka_unit_test(test_control_characters),
        cmocka_unit_test(test_cut_at_a_character),   cmocka_unit_test(test_not_utf8),
        cmocka_unit_test(test_own_text_as_argument),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
