/* What a redirect changes in a request. */
#include "attempt/redirect.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_origins(void **state)
{
    static const struct {
        const char *a, *b;
        bool same;
    } list[] = {
        {"http://h/a", "http://h/b?c", true},
        {"http://h", "http://h:80/", true},
        {"https://h:443/", "https://h", true},
        {"http://H/", "HTTP://h/", true},
        {"http://h./", "http://h/", true},
        {"http://h.:80/", "http://H:0080/", true},
        {"http://[::1]/", "http://[::1]:80/", true},
        {"http://h", "http://h?x", true},
        {"http://h:81/", "http://h/", false},
        {"http://h:443/", "https://h:443/", false},
        {"https://h:80/", "http://h:80/", false},
        {"http://h/", "http://h.x/", false},
        {"http://h/", "http://hh/", false},
        {"http://h/", "https://h/", false},
        {"http://h@x/", "http://h/", false},
        {"http://h/", "nonsense", false},
        {"", "", false},
    };
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
        if (redirect_same_origin(list[i].a, list[i].b) != list[i].same ||
            redirect_same_origin(list[i].b, list[i].a) != list[i].same)
            fail_msg("%s and %s", list[i].a, list[i].b);
    }
}

static void test_downgrades(void **state)
{
    assert_true(redirect_downgrades("https://a/", "http://a/"));
    assert_true(redirect_downgrades("HTTPS://a/", "HTTP://b/"));
    assert_false(redirect_downgrades("http://a/", "http://a/"));
    assert_false(redirect_downgrades("http://a/", "https://a/"));
    assert_false(redirect_downgrades("https://a/", "Https://b/"));
}

static void test_forbidden(void **state)
{
    assert_true(redirect_is_forbidden("ftp://a/"));
    assert_true(redirect_is_forbidden("file:///etc/passwd"));
    assert_true(redirect_is_forbidden("http://me@a/"));
    assert_false(redirect_is_forbidden("http://a/?@"));
    assert_false(redirect_is_forbidden("https://a/me@here"));
}

static void test_methods(void **state)
{
    static const int statuses[] = {301, 302, 303};
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++)
        assert_string_equal(redirect_method(statuses[i], "POST"), "GET");
    assert_string_equal(redirect_method(307, "POST"), "POST");
    assert_string_equal(redirect_method(308, "POST"), "POST");
    assert_string_equal(redirect_method(308, "GET"), "GET");
}

static void test_headers(void **state)
{
    static const char type[] = "content-type: text/csv", own[] = "X-Content-Type: 1";
    /* A body that is sent on goes with what tells of it, wherever. */
    assert_true(redirect_keeps_header(type, false, true, true));
    assert_true(redirect_keeps_header(type, true, true, true));
    assert_false(redirect_keeps_header(type, false, true, false));
    assert_false(redirect_keeps_header(type, true, true, false));
    /* On a request that never had a body it is a header like any other. */
    assert_true(redirect_keeps_header(type, false, false, false));
    assert_false(redirect_keeps_header(type, true, false, false));
    assert_true(redirect_keeps_header(own, false, true, false));
    assert_false(redirect_keeps_header(own, true, true, true));
    assert_false(redirect_keeps_header("Content-Encoding: gzip", false, true, false));
    assert_true(redirect_keeps_header("Content-Types: x", false, true, false));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_origins),   cmocka_unit_test(test_downgrades),
        cmocka_unit_test(test_forbidden), cmocka_unit_test(test_methods),
        cmocka_unit_test(test_headers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
