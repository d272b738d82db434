#include "terms/spec.h"

#include "base/clock.h"
#include "base/config_ini.h"
#include "base/config_tree.h"
#include "terms/params.h"
#include "terms/settings_load.h"
#include "terms/spec_url.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static const char *const config_text = "[defaults]\ntimeout = 100s\nstall_timeout = 10s\n"
                                       "[ceilings]\ntimeout = 1h\nmax_body = 1G\n"
                                       "[host \"*\"]\nstall_timeout = 20s\nuser_agent = all\n"
                                       "[host \"*.example.org\"]\nstall_timeout = 30s\n"
                                       "parser = lines\n"
                                       "[host \"www.example.org\"]\nconnect_timeout = 1s\n"
                                       "[parser \"lines\"]\nconnect_timeout = 2s\ntimeout = 5h\n"
                                       "[policy]\nredact = token *key\n";

static struct settings *settings;
static struct registry *registry;

static int begin(void **state)
{
    struct config config = {0};
    struct error err = {""};
    setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
    setenv("HOME", "/home/u", 1);
    int r = config_parse(&config, config_text, strlen(config_text), "f.conf", &err);
    if (r == 0)
        r = settings_load(&config, &settings, &err);
    config_deinit(&config);
    registry = registry_new();
    if (r < 0)
        fprintf(stderr, "%s\n", err.text);
    return r < 0 || !registry;
}

static int end(void **state)
{
    settings_free(settings);
    registry_unref(registry);
    return 0;
}

static json_t *json(const char *text)
{
    json_error_t where;
    json_t *value = json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, &where);
    if (!value)
        fail_msg("%s: %s", text, where.text);
    return value;
}

static struct spec *parse(const char *text)
{
    struct spec *spec = NULL;
    struct error err = {""};
    const char *field = "x";
    json_t *job = json(text);
    int r = spec_parse(job, settings, registry, &spec, &err, &field);
    if (r != 0)
        fail_msg("%s", err.text);
    assert_null(field);
    json_decref(job);
    return spec;
}

static void refuse(const char *text, const char *expected_field, const char *sentence)
{
    struct spec *spec = NULL;
    struct error err = {""};
    const char *field = NULL;
    json_t *job = json(text);
    int r = spec_parse(job, settings, registry, &spec, &err, &field);
    assert_string_equal(err.text, sentence);
    assert_int_equal(r, -EINVAL);
    assert_null(spec);
    if (expected_field)
        assert_string_equal(field, expected_field);
    else
        assert_null(field);
    json_decref(job);
}

/* A member of its own beside the URL. */
static void refuse_member(const char *member, const char *value, const char *sentence)
{
    char text[1024], expected[1024];
    snprintf(text, sizeof text, "{\"url\":\"http://h/\",\"%s\":%s}", member, value);
    snprintf(expected, sizeof expected, "%s: %s", member, sentence);
    refuse(text, member, expected);
}

static void url(const char *given, const char *normal, const char *host)
{
    char text[1024];
    snprintf(text, sizeof text, "{\"url\":\"%s\"}", given);
    struct spec *spec = parse(text);
    if (strchr(normal, '%')) /* a byte that is escaped: by later libcurls in capitals */
        assert_int_equal(strcasecmp(spec->url, normal), 0);
    else
        assert_string_equal(spec->url, normal);
    assert_string_equal(spec->host, host);
    spec_free(spec);
}

static void test_least(void **state)
{
    struct spec *spec = parse("{\"url\":\"http://a/b\"}");
    assert_string_equal(spec->url, "http://a/b");
    assert_string_equal(spec->shown_url, "http://a/b");
    assert_string_equal(spec->method, "GET");
    assert_null(spec->body);
    assert_null(spec->key);
    assert_int_equal(spec->not_before, 0);
    assert_int_equal(spec->own.set, 0);
    assert_int_equal(spec->effective.set, (UINT64_C(1) << PARAM_COUNT_) - 1);
    assert_string_equal(spec->parser->name, "count");
    spec_free(spec);
    spec_free(NULL);
    refuse("[]", NULL, "a job is an object with at least the member url");
    refuse("{}", "url", "url: it is missing");
}

static void test_urls(void **state)
{
    url("HTTP://Example.ORG", "http://example.org/", "example.org");
    url("https://h.:8443/a?b=c#frag", "https://h.:8443/a?b=c", "h");
    url("http://[2001:DB8::1]:80/x", "http://[2001:db8::1]:80/x", "2001:db8::1");
    url("http://0x7f.1/", "http://127.0.0.1/", "127.0.0.1");
    url("http://2130706433/", "http://127.0.0.1/", "127.0.0.1");
    url("http://h/a/../b/./c", "http://h/b/c", "h");
    url("http://h/%41%zz?q=%20", "http://h/%41%zz?q=%20", "h");
    url("http://h/a@b?c=d@e", "http://h/a@b?c=d@e", "h");
    url("http://h/\\u00fc", "http://h/%c3%bc", "h");
}

static void test_url_is_shown_without_secrets(void **state)
{
    struct spec *spec = parse("{\"url\":\"http://h/?a=1&key=s\"}");
    assert_string_equal(spec->shown_url, "http://h/?a=1&key=***");
    assert_string_equal(spec->url, "http://h/?a=1&key=s");
    spec_free(spec);
}

static void refuse_url(const char *given, const char *sentence)
{
    char value[512];
    snprintf(value, sizeof value, "{\"url\":\"%s\"}", given);
    char expected[512];
    snprintf(expected, sizeof expected, "url: %s", sentence);
    refuse(value, "url", expected);
}

static void test_urls_refused(void **state)
{
    const char *white = "it has white space or a control character; percent-encode it";
    const char *relative = "it is not absolute; write http://HOST/PATH or https://…";
    const char *user = "it holds a user or password; use `credential`";
    refuse_url("", relative);
    refuse_url("example.org/x", "it is not absolute; did you mean https://example.org/x?");
    refuse_url("example.org/x?key=1", relative); /* which may be a secret */
    refuse_url("/x?u=http://h/", relative);
    refuse_url("http:/h/", relative);
    refuse_url("http:///x", "its host is missing");
    refuse_url("http://?x", "its host is missing");
    refuse_url("ftp://h/", "its scheme is not http or https");
    refuse_url("file:///etc/passwd", "its scheme is not http or https");
    refuse_url("httpsx://h/", "its scheme is not http or https");
    refuse_url("http://u:secret@h/", user);
    refuse_url("http://@h/", user);
    refuse_url("http://h\\\\@e/", user);
    refuse_url("http://h/a b", white);
    refuse_url("http://h/\\r\\nX: y", white);
    refuse_url("http://h/\\u007f", white);
    refuse_url("http://h/\\u0000", "it has a NUL");
    refuse_url("http://b\\u00fccher.de/",
               "its host is not ASCII; write an international name as xn--…");
    refuse_url("http://h:0/", "port 0 is none");
    refuse_url("http://h..", "its host is no valid name or address");
    refuse_url("http://./", "its host is no valid name or address");
    struct error err;
    char *host = NULL;
    assert_int_equal(spec_url_host("http://h:99999/", &host, &err), -EINVAL);
    assert_memory_equal(err.text, "the URL cannot be used: it is no valid URL: ", 44);
    assert_int_equal(spec_url_host("http://a%2fb/", &host, &err), -EINVAL);
    assert_int_equal(spec_url_host("http://a%00b/", &host, &err), -EINVAL);
    assert_int_equal(spec_url_host("http://a~b/", &host, &err), -EINVAL);
    assert_int_equal(spec_url_host("http://a%0db/", &host, &err), -EINVAL);
    assert_null(host);
    refuse_member("url", "5", "it is not a string");
}

static void test_long_url(void **state)
{
    char text[9000], path[8200];
    memset(path, 'x', sizeof path);
    path[8192 - strlen("http://h/")] = '\0';
    snprintf(text, sizeof text, "{\"url\":\"http://h/%s\"}", path);
    spec_free(parse(text));
    snprintf(text, sizeof text, "{\"url\":\"http://h/%sx\"}", path);
    refuse(text, "url", "url: it is over 8 KiB");
}

static void test_params(void **state)
{
    struct spec *spec =
        parse("{\"url\":\"http://h/\",\"timeout\":\"5min\",\"parse_timeout\":0.25,"
              "\"stall_timeout\":2,\"max_body\":1048576,\"min_bytes\":\"1K\","
              "\"max_attempts\":3.0,\"priority\":-7,\"accept_status\":[404,\"5xx\"],"
              "\"digest\":\"sha256\",\"unverified\":\"accept\",\"parser\":\"csv\"}");
    const struct job_params *p = &spec->effective;
    assert_int_equal(p->timeout, 300 * NS_PER_SEC);
    assert_int_equal(p->parse_timeout, 250 * NS_PER_MS);
    assert_int_equal(p->stall_timeout, 2 * NS_PER_SEC);
    assert_int_equal(p->max_body, 1 << 20);
    assert_int_equal(p->min_bytes, 1024);
    assert_int_equal(p->max_attempts, 3);
    assert_int_equal(p->priority, -7);
    assert_int_equal(p->accept_status.count, 2);
    assert_string_equal(p->accept_status.items[1], "5xx");
    assert_string_equal(p->digest, "sha256");
    assert_int_equal(p->unverified, UNVERIFIED_ACCEPT);
    assert_string_equal(spec->parser->name, "csv");
    spec_free(spec);

    refuse_member("timeout", "\"soon\"",
                  "'soon' is not a duration; write 90 or 90s, 500ms, 5min, 1h, 7d or none");
    refuse_member("timeout", "null", "it is not a string or a number");
    refuse_member("timeout", "true", "it is not a string or a number");
    refuse_member("timeout", "[5]", "it is not a string or a number");
    refuse_member("timeout", "-1",
                  "'-1' is not a duration; write 90 or 90s, 500ms, 5min, 1h, 7d or none");
    refuse_member("timeout", "1e300", "the number is out of all bounds");
    refuse_member("max_attempts", "2.5", "'2.500000000' is not a whole number from 1 to 1000");
    refuse_member("accept_status", "[404,{}]", "it is not a string or a number");
    refuse_member("user_agent", "\"a\\r\\nb\"", "it has a control character");
    refuse_member("user_agent", "\"a\\u0000\"", "it has a control character");
}

static void test_unknown(void **state)
{
    refuse("{\"url\":\"http://h/\",\"time_out\":5}", "time_out",
           "time_out: unknown member of a job; did you mean timeout?");
    refuse("{\"uri\":\"http://h/\"}", "uri", "uri: unknown member of a job; did you mean url?");
    refuse("{\"url\":\"http://h/\",\"colour\":5}", "colour", "colour: unknown member of a job");
    refuse("{\"url\":\"http://h/\",\"parser\":\"cvs\"}", "parser",
           "parser: there is none called 'cvs'; did you mean csv?");
    refuse("{\"url\":\"http://h/\",\"parser\":\"\"}", "parser", "parser: there is none called ''");
}

static void test_options_and_labels(void **state)
{
    struct spec *spec = parse("{\"url\":\"http://h/\",\"parser\":\"csv\","
                              "\"options\":{\"delimiter\":\";\",\"header\":false,"
                              "\"max_fields\":10},\"labels\":{\"team\":\"caf\\u00e9\"}}");
    assert_int_equal(spec->option_count, 3);
    assert_string_equal(spec->options[0].name, "delimiter");
    assert_string_equal(spec->options[0].value, ";");
    assert_string_equal(spec->options[1].value, "no");
    assert_string_equal(spec->options[2].value, "10");
    assert_int_equal(spec->label_count, 1);
    assert_string_equal(spec->labels[0].value, "caf\xc3\xa9");
    spec_free(spec);
    spec = parse("{\"url\":\"http://h/\",\"label\":{\"a\":\"b\"},\"header\":[\"X: y\"]}");
    assert_int_equal(spec->label_count, 1);
    assert_int_equal(spec->headers.count, 1);
    spec_free(spec);

    refuse("{\"url\":\"http://h/\",\"label\":{},\"labels\":{}}", "label",
           "label: `labels` says the same; give one of them");
    refuse_member("labels", "[]", "write an object {\"name\":\"value\"}");
    refuse_member("labels", "{\"a\":5}", "a: it is not a string");
    refuse_member("labels", "{\"a b\":\"x\"}",
                  "a b: 'a b' is no name; it has 1 to 64 of A-Z a-z 0-9 _ - .");
    refuse_member("labels", "{\"a\":\"x\\ny\"}", "a: it has a control character");
    refuse_member("options", "{\"a\":null}", "a: it is not a string, a number or a boolean");

    struct error err = {""};
    const char *field = NULL;
    json_t *job = json("{\"url\":\"http://h/\",\"options\":{\"no_such\":\"1\"}}");
    assert_int_equal(spec_parse(job, settings, registry, &spec, &err, &field), -EINVAL);
    assert_string_equal(field, "options");
    assert_memory_equal(err.text, "options: ", 9);
    assert_non_null(strstr(err.text, "no_such"));
    json_decref(job);
}

static void test_headers(void **state)
{
    struct spec *spec = parse("{\"url\":\"http://h/\",\"headers\":{\"X-A\":\"  1 \","
                              "\"Accept\":\"text/csv\",\"X-Empty\":\"\"}}");
    assert_int_equal(spec->headers.count, 3);
    assert_string_equal(spec->headers.items[0], "X-A: 1");
    assert_string_equal(spec->headers.items[1], "Accept: text/csv");
    assert_string_equal(spec->headers.items[2], "X-Empty: ");
    spec_free(spec);
    spec = parse("{\"url\":\"http://h/\",\"headers\":[\"X-A:1:2\",\"X-A: 2\"]}");
    assert_string_equal(spec->headers.items[0], "X-A: 1:2");
    assert_string_equal(spec->headers.items[1], "X-A: 2");
    spec_free(spec);
}

static void test_headers_refused(void **state)
{
    static const char *const secrets[] = {"Authorization", "proxy-authorization", "COOKIE"};
    static const char *const others[] = {"Connection", "TE",    "transfer-encoding", "Upgrade",
                                         "Host",       "Range", "Content-Length",    "User-Agent"};
    char text[256];
    for (size_t i = 0; i < 3; i++) {
        struct spec *spec = NULL;
        struct error err;
        const char *field = NULL;
        snprintf(text, sizeof text, "{\"url\":\"http://h/\",\"headers\":[\"%s: hunter2\"]}",
                 secrets[i]);
        json_t *job = json(text);
        assert_int_equal(spec_parse(job, settings, registry, &spec, &err, &field), -EINVAL);
        assert_non_null(strstr(err.text, "use `credential`"));
        assert_null(strstr(err.text, "hunter2"));
        assert_string_equal(field, "headers");
        json_decref(job);
    }
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        struct strings headers = {0};
        struct spec *spec = NULL;
        struct error err;
        const char *field = NULL;
        snprintf(text, sizeof text, "{\"url\":\"http://h/\",\"headers\":{\"%s\":\"x\"}}",
                 others[i]);
        json_t *job = json(text);
        assert_int_equal(spec_parse(job, settings, registry, &spec, &err, &field), -EINVAL);
        assert_non_null(strstr(err.text, " is refused: "));
        assert_int_equal(headers.count, 0);
        json_decref(job);
    }
    refuse_member("headers", "{\"X\":\"a\\r\\nY: b\"}",
                  "the value of X has a control character (CR, LF, NUL …)");
    refuse_member("headers", "{\"X\":\"a\\u0000b\"}",
                  "the value of X has a control character (CR, LF, NUL …)");
    refuse_member("headers", "[\"X: a\\u0000b\"]",
                  "the value of X has a control character (CR, LF, NUL …)");
    refuse_member("headers", "{\"X Y\":\"a\"}", "'X Y' is no header's name");
    refuse_member("headers", "{\"\":\"a\"}", "'' is no header's name");
    refuse_member("headers", "[\"X\"]", "item 0 is not \"Name: value\"");
    refuse_member("headers", "[\"X: 1\",5]", "item 1 is not \"Name: value\"");
    refuse_member("headers", "\"X: y\"",
                  "write an object {\"Name\":\"value\"} or an array [\"Name: value\"]");
    refuse_member("headers", "{\"X\":5}", "the value of X is not a string");
}

static void test_method_and_body(void **state)
{
    struct spec *spec =
        parse("{\"url\":\"http://h/\",\"method\":\"POST\",\"body\":\"a\\r\\nb\",\"key\":\"k 1\"}");
    assert_string_equal(spec->method, "POST");
    assert_int_equal(spec->body_len, 4);
    assert_string_equal(spec->body, "a\r\nb");
    assert_string_equal(spec->key, "k 1");
    spec_free(spec);
    refuse_member("method", "\"PUT\"", "it is \"GET\" or \"POST\"");
    refuse_member("method", "1", "it is \"GET\" or \"POST\"");
    refuse_member("body", "\"x\"", "it goes with method POST only");
    refuse_member("body", "{}", "it is not a string");
    refuse_member("body", "\"a\\u0000\"", "it has a NUL, which a JSON string here may not");
    refuse_member("key", "\"\"", "it is empty");
    refuse_member("key", "7", "it is not a string");
}

static int64_t time_of(const char *value)
{
    char text[256];
    snprintf(text, sizeof text, "{\"url\":\"http://h/\",\"not_before\":%s}", value);
    struct spec *spec = parse(text);
    int64_t us = spec->not_before;
    spec_free(spec);
    return us;
}

/* A time from now, give or take the test's own. */
static void assert_from_now(const char *value, int64_t us)
{
    int64_t before = clock_real_us(), got = time_of(value), after = clock_real_us();
    assert_true(got >= before + us && got <= after + us);
}

static void test_not_before(void **state)
{
    const char *sentence =
        "write a time as 2026-11-21T22:30:00Z, a duration from now as \"+5min\", "
        "or a number of seconds from now";
    static const char *const bad[] = {
        "\"\"",
        "\"tomorrow\"",
        "-1",
        "true",
        "\"2026-02-29T00:00:00Z\"",
        "\"2026-13-01T00:00:00Z\"",
        "\"2026-11-21\"",
        "\"2026-11-21T22:30:00\"",
        "\"2026-11-21T22:30:00.Z\"",
        "\"2026-11-21T22:30:00+2\"",
        "\"2026-11-21T24:00:00Z\"",
        "\"2026-11-21T22:30:00Zx\"",
        "\"+\"",
        "\"++5min\"",
        "\"5min\\u0000\"",
    };
    assert_int_equal(time_of("\"2026-11-21T22:30:00Z\""), INT64_C(1795300200000000));
    assert_int_equal(time_of("\"2026-11-21t23:30:00.5+01:00\""), INT64_C(1795300200500000));
    assert_int_equal(time_of("\"2026-11-21 20:00:00.1234567-02:30\""), INT64_C(1795300200123456));
    assert_int_equal(time_of("\"2024-02-29T00:00:00Z\""), INT64_C(1709164800000000));
    assert_int_equal(time_of("\"1970-01-01T00:00:00+01:00\""), 0);
    assert_from_now("\"+5min\"", INT64_C(300000000));
    assert_from_now("\"1h\"", INT64_C(3600000000));
    assert_from_now("90", 90000000);
    assert_from_now("0.5", 500000);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        refuse_member("not_before", bad[i], sentence);
    refuse_member("not_before", "1e12", "it is more than ten years away");
    refuse_member("not_before", "\"9999-01-01T00:00:00Z\"", "it is more than ten years away");
}

static void test_nearest_wins(void **state)
{
    struct spec *spec = parse("{\"url\":\"http://www.example.org/\"}");
    assert_string_equal(spec->parser->name, "lines");                  /* the wider host says so */
    assert_int_equal(spec->effective.connect_timeout, 2 * NS_PER_SEC); /* parser over host */
    assert_int_equal(spec->effective.stall_timeout, 30 * NS_PER_SEC);  /* near host over far */
    assert_string_equal(spec->effective.user_agent, "all");            /* far host over defaults */
    assert_int_equal(spec->effective.timeout,
                     18000 * NS_PER_SEC); /* the operator may exceed a ceiling */
    spec_free(spec);

    spec = parse("{\"url\":\"http://www.example.org/\",\"parser\":\"count\",\"stall_timeout\":1}");
    assert_string_equal(spec->parser->name, "count");
    assert_int_equal(spec->effective.connect_timeout, NS_PER_SEC); /* its own section of the host */
    assert_int_equal(spec->effective.stall_timeout, NS_PER_SEC);
    assert_int_equal(spec->effective.timeout, 100 * NS_PER_SEC);
    assert_int_equal(spec->effective.max_body, 1 << 30); /* the default, lowered to the ceiling */
    spec_free(spec);
}

static void test_ceilings(void **state)
{
    refuse_member("timeout", "\"2h\"", "at most 3600s here (ceilings.timeout)");
    refuse_member("max_body", "\"none\"", "at most 1073741824 bytes here (ceilings.max_body)");
}

static void store_text(const char *job_text, const char *expected)
{
    json_t *job = json(job_text);
    char *text = spec_store_text(job);
    assert_string_equal(text, expected);
    free(text);
    json_decref(job);
}

static void test_store_text(void **state)
{
    const char *canonical = "{\"labels\":{\"a\":\"1\",\"b\":\"2\"},\"timeout\":5,"
                            "\"url\":\"http://h/?b=1\"}";
    store_text(
        "{ \"url\": \"http://h/?b=1\", \"timeout\": 5, \"labels\": {\"b\":\"2\",\"a\":\"1\"}}",
        canonical);
    store_text("{\"label\":{\"a\":\"1\",\"b\":\"2\"},\"timeout\":5,\"url\":\"http://h/?b=1\"}",
               canonical);
    store_text(canonical, canonical);
}

static void test_url_host(void **state)
{
    char *host = NULL;
    struct error err = {""};
    assert_int_equal(spec_url_host("HTTPS://EXAMPLE.org.:443/x", &host, &err), 0);
    assert_string_equal(host, "example.org");
    free(host);
    host = NULL;
    assert_int_equal(spec_url_host("http://u:secret@h/", &host, &err), -EINVAL);
    assert_null(host);
    assert_null(strstr(err.text, "secret"));
    assert_int_equal(spec_url_host("gopher://h/", &host, NULL), -EINVAL);
}

static void test_status(void **state)
{
    struct job_params p = {0};
    assert_true(spec_status_accepted(&p, 200));
    assert_true(spec_status_accepted(&p, 203));
    assert_true(spec_status_accepted(&p, 204));
    assert_false(spec_status_accepted(&p, 206));
    assert_false(spec_status_accepted(&p, 201));
    assert_false(spec_status_accepted(&p, 404));
    assert_int_equal(params_set(&p, "accept_status", "2xx, 404", NULL), 0);
    assert_true(spec_status_accepted(&p, 201));
    assert_true(spec_status_accepted(&p, 404));
    assert_false(spec_status_accepted(&p, 206));
    assert_false(spec_status_accepted(&p, 410));
    params_deinit(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_least),
        cmocka_unit_test(test_urls),
        cmocka_unit_test(test_url_is_shown_without_secrets),
        cmocka_unit_test(test_urls_refused),
        cmocka_unit_test(test_long_url),
        cmocka_unit_test(test_params),
        cmocka_unit_test(test_unknown),
        cmocka_unit_test(test_options_and_labels),
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_headers_refused),
        cmocka_unit_test(test_method_and_body),
        cmocka_unit_test(test_not_before),
        cmocka_unit_test(test_nearest_wins),
        cmocka_unit_test(test_ceilings),
        cmocka_unit_test(test_store_text),
        cmocka_unit_test(test_url_host),
        cmocka_unit_test(test_status),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
