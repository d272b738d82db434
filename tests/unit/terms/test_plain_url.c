/* A plain URL is one that libcurl gives back as it stands. */
#include "terms/plain_url.h"

#include <curl/curl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* What libcurl makes of it, with its host; false: it takes it for none. */
static bool curl_takes(const char *text, char **ret_url, char **ret_host)
{
    CURLU *u = curl_url();
    assert_non_null(u);
    bool good = curl_url_set(u, CURLUPART_URL, text, CURLU_URLENCODE) == CURLUE_OK &&
                curl_url_get(u, CURLUPART_URL, ret_url, 0) == CURLUE_OK;
    if (good)
        assert_int_equal(curl_url_get(u, CURLUPART_HOST, ret_host, 0), CURLUE_OK);
    curl_url_cleanup(u);
    return good;
}

/* True if it is plain; then libcurl agrees. */
static bool is_plain(const char *text)
{
    const char *host;
    size_t len;
    char *url = NULL, *name = NULL;
    if (!plain_url(text, 8192, &host, &len))
        return false;
    if (!curl_takes(text, &url, &name))
        fail_msg("'%s': libcurl refuses it", text);
    if (strcmp(url, text) != 0 || strlen(name) != len || strncmp(name, host, len) != 0)
        fail_msg("'%s' of '%.*s': to libcurl it is '%s' of '%s'", text, (int)len, host, url, name);
    curl_free(url);
    curl_free(name);
    return true;
}

static void test_plain(void **state)
{
    (void)state;
    static const char *const good[] = {"http://a/",
                                       "https://example.org/",
                                       "http://h1.localhost:8080/small",
                                       "http://127.0.0.1:80/a//b/",
                                       "http://255.0.10.1:65535/",
                                       "https://xn--bcher-kva.example/A-Z_~.tar.gz?a=b&c=/d",
                                       "http://1.2.3.4.example/x"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        if (!is_plain(good[i]))
            fail_msg("'%s' is plain", good[i]);
}

static void test_not_plain(void **state)
{
    (void)state;
    static const char *const others[] = {"",
                                         "http://",
                                         "http:///a",
                                         "http://a",
                                         "HTTP://a/",
                                         "ftp://a/",
                                         "http://A/",
                                         "http://a./",
                                         "http://.a/",
                                         "http://a..b/",
                                         "http://a:0/",
                                         "http://a:08/",
                                         "http://a:65536/",
                                         "http://a:/",
                                         "http://u@a/",
                                         "http://[::1]/",
                                         "http://0x7f.1/",
                                         "http://127.1/",
                                         "http://2130706433/",
                                         "http://0177.0.0.1/",
                                         "http://256.0.0.1/",
                                         "http://1.2.3.4.5/",
                                         "http://a.0x1/",
                                         "http://a/../b",
                                         "http://a/./b",
                                         "http://a/b/..",
                                         "http://a/%2e%2e/",
                                         "http://a/b c",
                                         "http://a/b#c",
                                         "http://a/?",
                                         "http://a/?q=%20",
                                         "http://a/?q=a+b",
                                         "http://a/\xc3\xa4"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (is_plain(others[i]))
            fail_msg("'%s' is not plain", others[i]);
}

/* Texts put together of what has a meaning in URLs: whatever is plain, libcurl gives back. */
static void test_together(void **state)
{
    (void)state;
    static const char *const pieces[] = {"a", "0", "1", "255", "256", "0x1", ".",  "..", "/",
                                         "-", "~", "?", "=",   "&",   ":80", ":0", "x.y"};
    const size_t count = sizeof pieces / sizeof pieces[0];
    size_t plain = 0;
    for (size_t n = 0; n < count * count * count * count; n++) {
        char text[64] = "http://";
        for (size_t rest = n, i = 0; i < 4; i++, rest /= count)
            strcat(text, pieces[rest % count]);
        plain += is_plain(text);
        strcat(text, "/");
        plain += is_plain(text);
    }
    assert_true(plain > 1000);
}

static void test_max(void **state)
{
    (void)state;
    const char *host;
    size_t len;
    char long_host[300] = "http://";
    assert_true(plain_url("http://a/b", 10, &host, &len));
    assert_false(plain_url("http://a/bc", 10, &host, &len));
    memset(long_host + 7, 'a', 254);
    strcpy(long_host + 7 + 254, "/");
    assert_false(plain_url(long_host, 8192, &host, &len));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_not_plain),
        cmocka_unit_test(test_together),
        cmocka_unit_test(test_max),
    };
    return cmocka_run_group_tests_name("plain_url", tests, NULL, NULL);
}
