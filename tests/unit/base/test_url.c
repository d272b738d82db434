/* Passwords in what somebody took for a URL. */
#include "base/url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void test_users(void **state)
{
    /* The text, and what stays of it. */
    static const char *const cases[][2] = {
        {"http://me:pw@h/p", "http://@h/p"},
        {"HTTPS://me@h", "HTTPS://@h"},
        {"ftp://me:pw@h/", "ftp://@h/"},
        {"//me:pw@h/", "//@h/"},
        {"me:pw@h/", "@h/"},
        {"me:pw@h", "@h"},
        {"http:me:pw@h", "http:@h"},
        {"http:/me:pw@h", "http:/@h"},
        {"http:////me:pw@h", "http:////@h"},
        {"http:\\\\me:pw@h/", "http:\\\\@h/"},
        {"x+y-z.1://me:pw@h", "x+y-z.1://@h"},
        {"http://a@b:c@h/", "http://@h/"},
        {"http://h/me@there", "http://h/me@there"},
        {"http://h?me@there", "http://h?me@there"},
        {"http://h#me@there", "http://h#me@there"},
        {"h/me@there", "h/me@there"},
        {"http://h/", "http://h/"},
        {"", ""},
        {"@", "@"},
        {":@", "@"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *text = cases[i][0], *start = text;
        char left[64];
        const char *at = url_find_user(text, &start);
        snprintf(left, sizeof left, "%.*s%s", (int)(start - text), text, at ? at : text);
        assert_string_equal(left, cases[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_users),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
