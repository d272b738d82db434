#include "base/suggest.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static const char *nearest(const char *word)
{
    static const char *const names[] = {"drain", "log_level", "max_body", "max_jobs", "url"};
    struct suggest s;
    suggest_init(&s, word);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        suggest_offer(&s, names[i]);
    return s.best;
}

static void test_slips(void **state)
{
    assert_string_equal(nearest("drian"), "drain");
    assert_string_equal(nearest("drains"), "drain");
    assert_string_equal(nearest("loglevel"), "log_level");
    assert_string_equal(nearest("max-body"), "max_body");
    assert_string_equal(nearest("max_job"), "max_jobs");
    assert_string_equal(nearest("uri"), "url");
}

static void test_no_slips(void **state)
{
    char longer[200];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    assert_null(nearest("colour"));
    assert_null(nearest(""));
    assert_null(nearest(longer));
}

static void test_text(void **state)
{
    struct suggest s;
    char text[64];
    suggest_init(&s, "drian");
    assert_string_equal(suggest_text(&s, text, sizeof text), "");
    suggest_offer(&s, "drain");
    assert_string_equal(suggest_text(&s, text, sizeof text), "; did you mean drain?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slips),
        cmocka_unit_test(test_no_slips),
        cmocka_unit_test(test_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
