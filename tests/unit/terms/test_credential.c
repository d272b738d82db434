/* Credentials without a daemon: netrc files, what is sent, what is struck out, whom they are for;
 * and proxies. */
#include "terms/credential.h"
#include "terms/netrc.h"
#include "terms/proxy.h"
#include "terms/secret.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

/* "login password", or "-" and the errno. */
static void assert_netrc(const char *text, const char *host, const char *wanted)
{
    char *copy = strdup(text), got[256];
    const char *login, *password;
    int r = netrc_find(copy, host, &login, &password);
    if (r < 0)
        snprintf(got, sizeof got, "-%s", strerrorname_np(-r));
    else
        snprintf(got, sizeof got, "%s %s", login, password);
    assert_string_equal(got, wanted);
    free(copy);
}

static void test_netrc(void **state)
{
    assert_netrc("machine a login l password p", "a", "l p");
    assert_netrc("machine A.Example login l password p\n", "a.example", "l p");
    assert_netrc("machine a password p login l\n", "a", "l p");
    assert_netrc("machine a password p\n", "a", " p");
    assert_netrc("machine b login x password y\nmachine a\n\tlogin l\n\taccount z\n\tpassword p\n",
                 "a", "l p");
    assert_netrc("machine a login l password p machine a login m password q", "a", "l p");
    assert_netrc("default login d password e\nmachine a login l password p", "a", "l p");
    assert_netrc("machine b login x password y\ndefault login d password e", "a", "d e");
    assert_netrc("machine a login l password \"p \\\"q\\\\ r\"", "a", "l p \"q\\ r");
    assert_netrc("# machine a login x password y\nmachine a login l password p#1 # no\n", "a",
                 "l p#1");
    assert_netrc(
        "machine b macdef init\nmachine a login x password y\n\nmachine a login l password p", "a",
        "l p");
    assert_netrc("macdef init\nmachine a", "a", "-ENOENT");
    assert_netrc("machine a login l\nmachine b login x password y", "a", "-ENOENT");
    assert_netrc("", "a", "-ENOENT");
    assert_netrc("machine a.b login l password p", "a", "-ENOENT");
    assert_netrc("machine", "a", "-EINVAL");
    assert_netrc("machine a login", "a", "-EINVAL");
    assert_netrc("hunter2\n", "a", "-EINVAL");
    assert_netrc("hunter2 x\n", "a", "-EINVAL");
}

static struct credential *make(enum credential_type type, const char *path)
{
    struct settings_credential settings = {.name = (char *)"c",
                                           .type = type,
                                           .user = (char *)"me",
                                           .header =
                                               (char *)(type == CREDENTIAL_HEADER ? "X-Key" : NULL),
                                           .query = (char *)"key",
                                           .secret_file = (char *)path};
    struct credential *c = NULL;
    assert_int_equal(credential_new(&settings, "a", &c), 0);
    return c;
}

static void write_file(const char *path, const char *text)
{
    unlink(path);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, 0600), 0);
}

static char path[] = "/tmp/penstock-test-secret.XXXXXX";

static int begin(void **state)
{
    int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int end(void **state)
{
    return unlink(path);
}

static void test_sent(void **state)
{
    static const struct {
        enum credential_type type;
        const char *file, *header, *query;
    } cases[] = {
        {CREDENTIAL_BASIC, "pass word\r\n", "Authorization: Basic bWU6cGFzcyB3b3Jk", NULL},
        {CREDENTIAL_BEARER, "token", "Authorization: Bearer token", NULL},
        {CREDENTIAL_HEADER, "value\n", "X-Key: value", NULL},
        {CREDENTIAL_QUERY, "a b&c/\xc3\xa4~\n", NULL, "key=a%20b%26c%2F%C3%A4~"},
        {CREDENTIAL_NETRC, "machine a login l password p", "Authorization: Basic bDpw", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct error err;
        write_file(path, cases[i].file);
        struct credential *c = make(cases[i].type, path);
        assert_int_equal(credential_read(c, &err), 0);
        assert_int_equal(!c->header, !cases[i].header);
        assert_int_equal(!c->query, !cases[i].query);
        if (c->header)
            assert_string_equal(c->header, cases[i].header);
        else
            assert_string_equal(c->query, cases[i].query);
        credential_wipe(c);
        assert_null(c->header);
        assert_null(c->query);
        credential_free(c);
    }
}

/* A URL that an origin has said back, without the parameter; or it is found out that more of it is
 * there. */
static void test_said_back(void **state)
{
    static const struct {
        const char *url, *stripped;
        bool shows;
    } cases[] = {
        {"http://a/x", "http://a/x", false},
        {"http://a/x?key=s%2Fcret+%3Dvalue", "http://a/x", false},
        {"http://a/x?b=1&key=s%2fcret%20=value", "http://a/x?b=1", false},
        {"http://a/x?key=s/cret%20%3dvalue;b=1#f", "http://a/x?b=1#f", false},
        {"http://a/x?%6Bey=s%2Fcret%20%3Dvalue&key=s%2Fcret%20%3Dvalue&c", "http://a/x?c", false},
        {"http://a/x?key=other&key", "http://a/x?key=other&key", false},
        {"http://a/x?&&", "http://a/x?&&", false},
        {"http://a/x?notkey=s%2Fcret%20%3Dvalue", "http://a/x?notkey=s%2Fcret%20%3Dvalue", true},
        {"http://a/s%2Fcret%20%3Dvalue/", "http://a/s%2Fcret%20%3Dvalue/", true},
        {"http://b/?r=http%3A%2F%2Fa%2F%3Fkey%3Ds%252Fcret%2520%253Dvalue",
         "http://b/?r=http%3A%2F%2Fa%2F%3Fkey%3Ds%252Fcret%2520%253Dvalue", true},
        {"http://b/#key=s/cret =value", "http://b/#key=s/cret =value", true},
    };
    struct error err;
    write_file(path, "s/cret =value");
    struct credential *c = make(CREDENTIAL_QUERY, path);
    assert_int_equal(credential_read(c, &err), 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *url = credential_strip(c, cases[i].url);
        assert_string_equal(url, cases[i].stripped);
        assert_int_equal(credential_shows(c, url), cases[i].shows);
        free(url);
    }
    write_file(path, "abc"); /* as good as any word, but as the parameter's value */
    assert_int_equal(credential_read(c, &err), 0);
    assert_false(credential_shows(c, "http://b/abc?abc=abc"));
    assert_true(credential_shows(c, "http://b/?r=http%3A%2F%2Fa%2F%3Fkey%3Dabc"));
    credential_free(c);
    write_file(path, "as-long-as-a-token");
    c = make(CREDENTIAL_BEARER, path);
    assert_int_equal(credential_read(c, &err), 0);
    assert_true(credential_shows(c, "http://b/as-long%2das-a-token"));
    credential_free(c);
    write_file(path, "As-Long-As-A-Token");
    c = make(CREDENTIAL_BEARER, path);
    assert_int_equal(credential_read(c, &err), 0);
    assert_true(
        credential_shows(c, "http://as-long-as-a-token.test/")); /* a host has small letters */
    assert_false(credential_shows(c, "http://b/as-long"));
    credential_free(c);
}

static void test_url(void **state)
{
    static const char *const cases[][2] = {{"http://a/", "http://a/?k=1"},
                                           {"http://a/?", "http://a/?&k=1"},
                                           {"http://a/?x=y", "http://a/?x=y&k=1"},
                                           {"http://a/?k=2", "http://a/?k=1"},
                                           {"http://a/?%6b=2&x&k&k=1#f", "http://a/?x&k=1#f"},
                                           {"http://a/#f?", "http://a/?k=1#f?"}};
    struct credential c = {.field = (char *)"k", .query = (char *)"k=1"};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *url = credential_url(&c, cases[i][0]);
        assert_string_equal(url, cases[i][1]);
        free(url);
    }
}

static void test_redact(void **state)
{
    struct credential c = {.marks = {(char *)"hunter2", (char *)"bWU6aHVudGVyMg=="}};
    static const char *const cases[][2] = {
        {"nothing", "nothing"},
        {"a hunter2 b hunter2", "a ******* b *******"},
        {"hunter2hunter2", "**************"},
        {"x bWU6aHVudGVyMg==", "x ****************"},
        {"cut hunt", "cut ****"}, /* its beginning, where the text ends */
        {"cut hun", "cut hun"},
        {"hunter", "******"},
        {"hunter1", "hunter1"},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[64];
        strcpy(text, cases[i][0]);
        credential_redact(&c, text);
        assert_string_equal(text, cases[i][1]);
    }
    credential_redact(NULL, NULL);
}

static void test_choice(void **state)
{
    char *hosts[] = {(char *)"a.example", (char *)"*.b.example"};
    struct settings_credential credential = {.name = (char *)"c", .hosts = {hosts, 2}};
    struct settings settings = {.credentials = &credential, .credential_count = 1};
    struct spec spec = {.host = (char *)"a.example", .effective = {.credential = (char *)"c"}};
    const struct settings_credential *chosen;
    struct error err;
    assert_int_equal(credential_choose(&settings, &spec, &chosen, &err), 0);
    assert_ptr_equal(chosen, &credential);
    spec.host = (char *)"x.b.example";
    assert_int_equal(credential_choose(&settings, &spec, &chosen, &err), 0);
    assert_ptr_equal(chosen, &credential);
    spec.host = (char *)"b.example"; /* from a section: it goes without */
    assert_int_equal(credential_choose(&settings, &spec, &chosen, &err), 0);
    assert_null(chosen);
    spec.own.set = UINT64_C(1) << PARAM_CREDENTIAL;
    assert_int_equal(credential_choose(&settings, &spec, &chosen, &err), -EACCES);
    assert_non_null(strstr(err.text, "b.example"));
    spec.effective.credential = (char *)"d";
    assert_int_equal(credential_choose(&settings, &spec, &chosen, &err), -EACCES);
    spec.effective.credential = NULL;
    assert_int_equal(credential_choose(&settings, &spec, &chosen, &err), 0);
    assert_null(chosen);
}

static void test_proxies(void **state)
{
    struct proxy *p;
    assert_int_equal(proxy_new(NULL, &p), 0);
    assert_null(proxy_for(p, "http://a/", "a"));
    proxy_free(p);
    assert_int_equal(proxy_new("none", &p), 0);
    assert_null(proxy_for(p, "https://a/", "a"));
    proxy_free(p);
    setenv("no_proxy", "*", 1);
    assert_int_equal(proxy_new("http://p:1", &p), 0);
    assert_string_equal(proxy_for(p, "https://a/", "a"), "http://p:1");
    proxy_free(p);
    setenv("http_proxy", "http://h:1", 1);
    setenv("HTTPS_PROXY", "http://s:1", 1);
    setenv("all_proxy", "http://all:1", 1);
    setenv("no_proxy", "one.example,.two.example 10.0.0.1", 1);
    unsetenv("https_proxy");
    assert_int_equal(proxy_new("env", &p), 0);
    assert_string_equal(proxy_for(p, "http://a/", "a"), "http://h:1");
    assert_string_equal(proxy_for(p, "https://a/", "a"), "http://s:1");
    static const char *const direct[] = {"one.example", "x.one.example", "two.example",
                                         "x.two.example", "10.0.0.1"};
    for (size_t i = 0; i < 5; i++)
        assert_null(proxy_for(p, "http://x/", direct[i]));
    assert_non_null(proxy_for(p, "http://x/", "xone.example"));
    assert_non_null(proxy_for(p, "http://x/", "110.0.0.1"));
    assert_non_null(proxy_for(p, "http://x/", "example"));
    proxy_free(p);
    unsetenv("http_proxy");
    assert_int_equal(proxy_new("env", &p), 0);
    assert_string_equal(proxy_for(p, "http://a/", "a"), "http://all:1");
    proxy_free(p);
}

/* As libcurl reads it. */
static void test_no_proxy(void **state)
{
    static const struct {
        const char *list, *host;
        bool direct;
    } cases[] = {
        {"*", "anything", true},
        {"*", "10.0.0.1", true},
        {"*,x", "anything", false},
        {" *", "anything", false},
        {"*.example.org", "a.example.org", false},
        {"", "a", false},
        {"a", "a", true},
        {"A.b", "a.B", true},
        {"a.b.", "a.b", true},
        {".a.b.", "a.b", true},
        {"a.b", "x.y.a.b", true},
        {"a.b", "xa.b", false},
        {"a.b", "b", false},
        {"x, a.b ,y", "a.b", true},
        {"x\ta.b", "a.b", true},
        {",,a.b", "a.b", true},
        {"10.0.0.1", "10.0.0.1", true},
        {"10.0.0.1", "110.0.0.1", false},
        {"0.0.1", "10.0.0.1", false},
        {".0.0.1", "10.0.0.1", false},
        {"10.0.0.0/8", "10.200.3.4", true},
        {"10.9.9.9/8", "10.200.3.4", true},
        {"10.0.0.0/8", "11.0.0.1", false},
        {"10.0.0.0/31,192.168.0.0/16", "192.168.255.1", true},
        {"10.0.0.2/31", "10.0.0.3", true},
        {"10.0.0.2/31", "10.0.0.4", false},
        {"10.0.0.0/32", "10.0.0.0", true},
        {"10.0.0.0/33", "10.0.0.0", false},
        {"0.0.0.0/0", "10.0.0.0", false},
        {"10.0.0.0/8", "a.10.0.0.0", false},
        {"10.0.0.0/8", "ten.example", false},
        {"fd00::/8", "fd12:3456::1", true},
        {"fd00::/8", "fc00::1", false},
        {"fd00::/7", "fc00::1", true},
        {"::1", "::1", true},
        {"0:0:0:0:0:0:0:1", "::1", true},
        {"::/129", "::1", false},
        {"fd00::/8", "10.0.0.1", false},
        {"10.0.0.0/8", "::ffff:10.0.0.1", false},
    };
    unsetenv("no_proxy");
    unsetenv("NO_PROXY");
    setenv("http_proxy", "http://h:1", 1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct proxy *p;
        setenv("NO_PROXY", cases[i].list, 1);
        assert_int_equal(proxy_new("env", &p), 0);
        if (!proxy_for(p, "http://x/", cases[i].host) != cases[i].direct)
            fail_msg("no_proxy=%s, %s", cases[i].list, cases[i].host);
        proxy_free(p);
    }
    unsetenv("NO_PROXY");
    unsetenv("http_proxy");
}

static void test_proxy_host(void **state)
{
    static const char *const good[][2] = {{"http://P.example:3128", "p.example"},
                                          {"https://p", "p"},
                                          {"p:3128", "p"},
                                          {"me:pw@p:3128", "p"},
                                          {"socks5h://me@[::1]:1080", "::1"}};
    char *host = NULL;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_int_equal(proxy_host(good[i][0], &host), 0);
        assert_string_equal(host, good[i][1]);
        free(host);
    }
    assert_int_equal(proxy_host("http://[::1", &host), -EINVAL);
    assert_int_equal(proxy_host("http://", &host), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_netrc),      cmocka_unit_test(test_sent),
        cmocka_unit_test(test_said_back),  cmocka_unit_test(test_url),
        cmocka_unit_test(test_redact),     cmocka_unit_test(test_choice),
        cmocka_unit_test(test_proxies),    cmocka_unit_test(test_no_proxy),
        cmocka_unit_test(test_proxy_host),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
