/* What a job's members may hold, and how much of it: labels, options, headers, texts, parameters,
 * times. */
#include "terms/spec_values.h"

#include "terms/spec_headers.h"
#include "terms/spec_time.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static struct spec *spec;
static struct error err;

static int begin(void **state)
{
    spec = calloc(1, sizeof *spec);
    err.text[0] = '\0';
    return spec ? 0 : -1;
}

static int end(void **state)
{
    spec_free(spec);
    return 0;
}

static json_t *json(const char *text)
{
    json_t *value = json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    if (!value)
        fail_msg("%s", text);
    return value;
}

typedef int reader(const json_t *value, struct spec *spec, struct error *err);

static int read_headers(const json_t *value, struct spec *to, struct error *why)
{
    return spec_read_headers(value, &to->headers, why);
}

static void takes(reader *read, json_t *value)
{
    end(NULL);
    begin(NULL);
    if (read(value, spec, &err) < 0)
        fail_msg("%s", err.text);
    json_decref(value);
}

static void refuses(reader *read, json_t *value, const char *sentence)
{
    end(NULL);
    begin(NULL);
    assert_int_equal(read(value, spec, &err), -EINVAL);
    assert_string_equal(err.text, sentence);
    json_decref(value);
}

/* {"m0":"v", "m1":"v", …} */
static json_t *members(size_t count)
{
    json_t *object = json_object();
    char name[16];
    for (size_t i = 0; i < count; i++) {
        snprintf(name, sizeof name, "m%zu", i);
        json_object_set_new(object, name, json_string("v"));
    }
    return object;
}

/* {"name":"xxx…"} */
static json_t *member_of(size_t name_len, size_t value_len)
{
    char *name = malloc(name_len + 1), *value = malloc(value_len + 1);
    memset(name, 'n', name_len);
    memset(value, 'x', value_len);
    name[name_len] = value[value_len] = '\0';
    json_t *object = json_object();
    json_object_set_new(object, name, json_string(value));
    free(name);
    free(value);
    return object;
}

/* --- how much --------------------------------------------------------------------------------- */

static void so_many_members_and_no_more(void **state)
{
    takes(spec_read_labels, members(64));
    assert_int_equal(spec->label_count, 64);
    refuses(spec_read_labels, members(65), "it has more than 64 members");
    takes(spec_read_options, members(64));
    assert_int_equal(spec->option_count, 64);
    refuses(spec_read_options, members(65), "it has more than 64 members");
    takes(read_headers, members(64));
    assert_int_equal(spec->headers.count, 64);
    refuses(read_headers, members(65), "at most 64 headers, each up to 8192 bytes");
    takes(spec_read_labels, members(0));
    takes(read_headers, members(0));
}

static void so_long_and_no_longer(void **state)
{
    char why[256], name[66];
    takes(spec_read_labels, member_of(64, 512));
    memset(name, 'n', 64);
    name[64] = '\0';
    snprintf(why, sizeof why, "%s: it is over 512 bytes", name);
    refuses(spec_read_labels, member_of(64, 513), why);
    snprintf(why, sizeof why, "%s: '%s' is no name; it has 1 to 64 of A-Z a-z 0-9 _ - .", name,
             name);
    refuses(spec_read_labels, member_of(65, 1), why);
    refuses(spec_read_options, member_of(65, 1), why);
    takes(spec_read_options, member_of(1, 65536));
    refuses(spec_read_options, member_of(1, 65537), "n: it is over 65536 bytes");
    takes(read_headers, member_of(100, 8092));
    refuses(read_headers, member_of(100, 8093), "at most 64 headers, each up to 8192 bytes");
}

/* --- options ---------------------------------------------------------------------------------- */

/* A number or a boolean is a text that needs no quotes. */
static void options_are_texts(void **state)
{
    static const char *const cases[][2] = {
        {"\"a b\"", "a b"},     {"\"\"", ""},
        {"\"\\t\\n\"", "\t\n"}, {"true", "yes"},
        {"false", "no"},        {"7", "7"},
        {"-7", "-7"},           {"1.5", "1.500000000"},
        {"2.0", "2"},           {"9007199254740993", "9007199254740993"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[64];
        snprintf(text, sizeof text, "{\"o\":%s}", cases[i][0]);
        takes(spec_read_options, json(text));
        assert_string_equal(spec->options[0].name, "o");
        assert_string_equal(spec->options[0].value, cases[i][1]);
    }
    refuses(spec_read_options, json("{\"o\":[]}"), "o: it is not a string, a number or a boolean");
    refuses(spec_read_options, json("{\"o\":{}}"), "o: it is not a string, a number or a boolean");
    refuses(spec_read_options, json("{\"o\":\"a\\u0000\"}"), "o: it has a NUL");
    refuses(spec_read_options, json("{\"o\":1e16}"), "o: the number is out of all bounds");
    refuses(spec_read_options, json("[]"), "write an object {\"name\":\"value\"}");
    refuses(spec_read_options, json("\"a=b\""), "write an object {\"name\":\"value\"}");
}

static void bodies_hold_any_text(void **state)
{
    json_t *value = json("\"a\\r\\n\\tb\\u00fc\\u007f\"");
    char *body = NULL;
    size_t len = 0;
    assert_int_equal(spec_read_body(value, &body, &len, &err), 0);
    assert_int_equal(len, 8);
    assert_string_equal(body, "a\r\n\tb\xc3\xbc\x7f");
    free(body);
    json_decref(value);
    body = NULL;
    value = json("\"\"");
    assert_int_equal(spec_read_body(value, &body, &len, &err), 0);
    assert_string_equal(body, "");
    assert_int_equal(len, 0);
    free(body);
    json_decref(value);
}

/* --- headers ---------------------------------------------------------------------------------- */

/* RFC 9110, 5.6.2: a token. */
static void a_headers_name_is_a_token(void **state)
{
    for (int c = 1; c < 256; c++) {
        const char name[] = {'X', (char)c};
        bool alphanumeric = (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
        bool token = c < 128 && (alphanumeric || strchr("!#$%&'*+-.^_`|~", c));
        assert_int_equal(spec_check_header_name(name, 2, false, &err), token ? 0 : -EINVAL);
    }
    assert_int_equal(spec_check_header_name("", 0, false, &err), -EINVAL);
    assert_int_equal(spec_check_header_name("X\0", 2, false, &err), -EINVAL);
}

/* A credential may be one of the first three, a job's header none. */
static void headers_that_are_not_the_jobs(void **state)
{
    static const char *const secrets[] = {"authorization", "Proxy-Authorization", "COOKIE"};
    static const char *const others[] = {"Connection",
                                         "keep-alive",
                                         "Proxy-Connection",
                                         "Proxy-Authenticate",
                                         "TE",
                                         "Trailer",
                                         "transfer-encoding",
                                         "Upgrade",
                                         "HTTP2-Settings",
                                         "Content-Length",
                                         "Expect",
                                         "Host",
                                         "User-Agent",
                                         "Accept-Encoding",
                                         "Range",
                                         "If-Range"};
    static const char *const free_ones[] = {"Accept", "Cookie2", "Range-X", "X-Host", "If-Match"};
    for (size_t i = 0; i < 3; i++) {
        size_t len = strlen(secrets[i]);
        assert_int_equal(spec_check_header_name(secrets[i], len, false, &err), -EINVAL);
        assert_non_null(strstr(err.text, "is refused: it would carry a secret; use `credential`"));
        assert_int_equal(spec_check_header_name(secrets[i], len, true, &err), 0);
    }
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        for (int secret = 0; secret < 2; secret++) {
            size_t len = strlen(others[i]);
            assert_int_equal(spec_check_header_name(others[i], len, secret, &err), -EINVAL);
            assert_non_null(strstr(err.text, " is refused: "));
        }
    for (size_t i = 0; i < sizeof free_ones / sizeof free_ones[0]; i++)
        assert_int_equal(spec_check_header_name(free_ones[i], strlen(free_ones[i]), false, &err),
                         0);
}

static void values_of_headers(void **state)
{
    takes(read_headers, json("{\"A\":\" \\t x\\ty \\t\",\"B\":\"\\u00fc\",\"C\":\" \"}"));
    assert_string_equal(spec->headers.items[0], "A: x\ty");
    assert_string_equal(spec->headers.items[1], "B: \xc3\xbc");
    assert_string_equal(spec->headers.items[2], "C: ");
    refuses(read_headers, json("{\"A\":\"x\\u007f\"}"),
            "the value of A has a control character (CR, LF, NUL …)");
    refuses(read_headers, json("[\"A: x\\n y\"]"),
            "the value of A has a control character (CR, LF, NUL …)");
    refuses(read_headers, json("[\"A : x\"]"), "'A ' is no header's name");
    refuses(read_headers, json("[\": x\"]"), "'' is no header's name");
}

/* --- times ------------------------------------------------------------------------------------ */

#define S   INT64_C(1000000)
#define NOW (INT64_C(1795300200) * S) /* 2026-11-21T22:30:00Z */

static void assert_time(const char *text, int64_t us)
{
    json_t *value = json(text);
    int64_t got = -1;
    int r = spec_read_time(value, NOW, &got, &err);
    if (r != (us < 0 ? -EINVAL : 0) || (r == 0 && got != us))
        fail_msg("%s: %d %lld %s", text, r, (long long)got, err.text);
    json_decref(value);
}

/* By the examples of RFC 3339, 5.8, and durations from now. */
static void times(void **state)
{
    assert_time("\"1985-04-12T23:20:50.52Z\"", INT64_C(482196050520000));
    assert_time("\"1996-12-19T16:39:57-08:00\"", INT64_C(851042397) * S);
    assert_time("\"1990-12-31T23:59:60Z\"", INT64_C(662688000) * S);
    assert_time("\"1990-12-31T15:59:60-08:00\"", INT64_C(662688000) * S);
    assert_time("\"1969-12-31T23:59:59Z\"", -1);
    assert_time("\"1970-01-01T00:00:00+23:59\"", 0); /* before there were any: at once */
    assert_time("\"2000-02-29T00:00:00Z\"", INT64_C(951782400) * S);
    assert_time("\"2026-11-21T22:30:00+24:00\"", -1);
    assert_time("\"2026-11-21T22:30:61Z\"", -1);
    assert_time("\"2026-11-21T22:30:00.0000019Z\"", NOW + 1);
    assert_time("0", NOW);
    assert_time("\"+0\"", NOW);
    assert_time("\"90\"", NOW + 90 * S);
    assert_time("\"+1.5s\"", NOW + 3 * S / 2);
    assert_time("0.25", NOW + S / 4);
    assert_time("\"3660d\"", NOW + INT64_C(3660) * 86400 * S);
    assert_time("\"3661d\"", -1);
    assert_time("\"none\"", -1);
    assert_time("null", -1);
}

int main(void)
{
#define EACH(test) cmocka_unit_test_setup_teardown(test, begin, end)
    const struct CMUnitTest tests[] = {
        EACH(so_many_members_and_no_more), EACH(so_long_and_no_longer),
        EACH(options_are_texts),           EACH(bodies_hold_any_text),
        EACH(a_headers_name_is_a_token),   EACH(headers_that_are_not_the_jobs),
        EACH(values_of_headers),           EACH(times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
