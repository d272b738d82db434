/* Job parameters: each in each place where it can be said, the nearest of which wins; ceilings; and
 * what a parser wants otherwise. */
#include "terms/params.h"

#include "base/buf.h"
#include "flow/decode.h"
#include "parse/registry.h"
#include "settings_text.h"
#include "terms/spec.h"

#include <errno.h>
#include <stdio.h>

/* Two values of each, as the config has them, neither of which is the default. */
static const struct {
    const char *name, *one, *other;
} values[] = {
    {"parser", "lines", "csv"},
    {"deliver", "commit", "stream"},
    {"unverified", "accept", "fail"},
    {"max_attempts", "2", "3"},
    {"connect_timeout", "1s", "2s"},
    {"first_byte_timeout", "1s", "2s"},
    {"stall_timeout", "1s", "2s"},
    {"parse_timeout", "1s", "none"},
    {"timeout", "1s", "none"},
    {"max_body", "1M", "2M"},
    {"max_redirects", "1", "2"},
    {"min_bytes", "1K", "2K"},
    {"min_records", "1", "2"},
    {"expect_type", "text/csv", "text/*"},
    {"accept_status", "404", "410 5xx"},
    {"digest", "sha256", "sha512"},
    {"priority", "-1", "2"},
    {"keep_body", "failed", "never"},
    {"user_agent", "one", "other"},
    {"credential", "one", "other"},
    {"decode", "gzip", "none"},
    {"max_decoded", "1M", "none"},
    {"compress", "yes", "no"},
    {"commit_max", "1M", "2M"},
    {"ip", "4", "6"},
    {"digest_headers", "ignore", "verify"},
    {"allow_downgrade", "yes", "no"},
    {"charset", "windows-1252", "utf-16!"},
    {"charset_errors", "replace", "fail"},
    {"keep_records", "yes", "no"},
};

static const char credentials[] =
    "[credential \"one\"]\ntype = bearer\nhosts = *\n[credential \"other\"]\ntype = bearer\n"
    "hosts = *\n";

static void every_one_is_tried(void **state)
{
    assert_int_equal(sizeof values / sizeof values[0], PARAM_COUNT_);
    for (int i = 0; i < PARAM_COUNT_; i++) {
        assert_string_equal(values[i].name, params_fields[i].name);
        assert_int_equal(params_find(values[i].name), i);
    }
    assert_int_equal(params_find("time_out"), -1);
    assert_int_equal(params_find(""), -1);
}

/* How the job's own parameter stands in the end, as the config would have it. */
static void effective(const char *config, const char *job, int param, char ret[256])
{
    struct settings *s = load(config);
    struct registry *registry = registry_new();
    struct spec *spec = NULL;
    struct error err = {""};
    const char *field;
    struct buf b = BUF_INIT;
    json_t *value = json_loads(job, 0, NULL);
    assert_non_null(value);
    if (spec_parse(value, s, registry, &spec, &err, &field) < 0)
        fail_msg("%s: %s", job, err.text);
    field_put(&params_fields[param], &spec->effective, 0, &b);
    snprintf(ret, 256, "%s", b.len > 0 ? b.data : "");
    buf_deinit(&b);
    json_decref(value);
    spec_free(spec);
    registry_unref(registry);
    settings_free(s);
}

/* Where a value may stand, nearest first: the job; its parser's section; its host's, the exact one
 * first; the defaults. The places in `mask` say `one`, the nearer ones nothing. */
static void said_in(int param, unsigned mask, const char *expected)
{
    enum { JOB = 1, PARSER = 2, HOST = 4, WIDER_HOST = 8, DEFAULTS = 16 };
    static const char *const sections[] = {"[parser \"lines\"]", "[host \"a.test\"]",
                                           "[host \"*.test\"]", "[defaults]"};
    char config[2048], job[512], got[256];
    const char *name = values[param].name;
    bool first = true;
    snprintf(config, sizeof config, "%s", credentials);
    for (unsigned i = 0; i < 4; i++) {
        if (!(mask & PARSER << i))
            continue;
        size_t len = strlen(config);
        bool nearest = first && !(mask & JOB);
        snprintf(config + len, sizeof config - len, "%s\n%s = %s\n", sections[i], name,
                 nearest ? values[param].one : values[param].other);
        first = false;
    }
    snprintf(job, sizeof job, "{\"url\":\"http://a.test/\"%s%s%s%s%s%s}",
             param == PARAM_PARSER ? "" : ",\"parser\":\"lines\"", mask & JOB ? ",\"" : "",
             mask & JOB ? name : "", mask & JOB ? "\":\"" : "", mask & JOB ? values[param].one : "",
             mask & JOB ? "\"" : "");
    effective(config, job, param, got);
    if (strcmp(got, expected) != 0)
        fail_msg("%s with %u: %s instead of %s\n%s%s", name, mask, got, expected, config, job);
}

static void the_nearest_that_says_it_wins(void **state)
{
    for (int param = 0; param < PARAM_COUNT_; param++) {
        struct job_params alone = {.set = 0};
        struct buf b = BUF_INIT;
        assert_int_equal(params_set(&alone, values[param].name, values[param].one, NULL), 0);
        field_put(&params_fields[param], &alone, 0, &b);
        for (unsigned mask = 1; mask < 32; mask++)
            if (!(param == PARAM_PARSER && mask & 2)) /* a parser's section names no parser */
                said_in(param, mask, b.data);
        buf_deinit(&b);
        params_deinit(&alone);
    }
}

/* --- ceilings --------------------------------------------------------------------------------- */

/* The limit, what is just within it, and what is just above. */
static const struct {
    const char *name, *limit, *within, *above;
} limits[] = {
    {"max_attempts", "3", "3", "4"},
    {"connect_timeout", "2s", "2s", "2001ms"},
    {"first_byte_timeout", "2s", "2s", "2001ms"},
    {"stall_timeout", "2s", "2s", "2001ms"},
    {"parse_timeout", "2s", "2s", "none"},
    {"timeout", "2s", "2s", "none"},
    {"max_body", "1M", "1M", "none"},
    {"max_redirects", "3", "3", "4"},
    {"priority", "5", "5", "6"},
    {"max_decoded", "1M", "1M", "1025K"},
    {"commit_max", "1M", "1M", "1025K"},
};
#define LIMITS (sizeof limits / sizeof limits[0])

static void what_is_above_its_ceiling_is_refused_or_lowered(void **state)
{
    for (size_t i = 0; i < LIMITS; i++) {
        struct job_params ceilings = {.set = 0}, p = {.set = 0};
        struct error err = {""};
        char head[64];
        assert_int_equal(params_set(&ceilings, limits[i].name, limits[i].limit, &err), 0);
        assert_int_equal(params_set(&p, limits[i].name, limits[i].within, &err), 0);
        assert_int_equal(params_check_ceilings(&p, &ceilings, &err), 0);
        assert_int_equal(params_set(&p, limits[i].name, limits[i].above, &err), 0);
        assert_int_equal(params_check_ceilings(&p, &ceilings, &err), -EINVAL);
        snprintf(head, sizeof head, "%s: at most ", limits[i].name);
        assert_memory_equal(err.text, head, strlen(head));
        assert_non_null(strstr(err.text, " here (ceilings."));
        params_lower(&p, &ceilings);
        assert_int_equal(params_check_ceilings(&p, &ceilings, &err), 0);
        params_deinit(&p);
        params_deinit(&ceilings);
    }
}

/* A ceiling is for what was said; what nobody said, or nobody bounds, stays. */
static void others_are_left_alone(void **state)
{
    struct job_params ceilings = {.set = 0}, p = {.set = 0};
    struct error err = {""};
    size_t bounded = 0;
    for (size_t i = 0; i < PARAM_COUNT_; i++)
        bounded += params_has_ceiling(i);
    assert_int_equal(bounded, LIMITS);
    for (size_t i = 0; i < LIMITS; i++)
        assert_true(params_has_ceiling((size_t)params_find(limits[i].name)));
    assert_int_equal(params_set(&ceilings, "timeout", "1s", &err), 0);
    assert_int_equal(params_check_ceilings(&p, &ceilings, &err), 0);
    assert_int_equal(params_set(&p, "stall_timeout", "5s", &err), 0);
    params_lower(&p, &ceilings);
    assert_int_equal(p.timeout, 0);
    assert_int_equal(p.set, UINT64_C(1) << PARAM_STALL_TIMEOUT);
    assert_int_equal(params_check_ceilings(&p, &ceilings, &err), 0);
    params_deinit(&p);
    params_deinit(&ceilings);
}

/* --- the rest --------------------------------------------------------------------------------- */

/* What is published beside a file is the digest of it as it is, not of what is in it. */
static void a_parser_may_want_its_file_as_it_is(void **state)
{
    static const struct {
        const struct penstock_parser *parser;
        int decode;
        bool asked;
        int becomes;
        bool as_published;
    } cases[] = {
        {&parser_digest, DECODE_FILE_AUTO, false, DECODE_FILE_NONE, true},
        {&parser_digest, DECODE_FILE_AUTO, true, DECODE_FILE_AUTO, false},
        {&parser_digest, DECODE_FILE_GZIP, true, DECODE_FILE_GZIP, false},
        {&parser_digest, DECODE_FILE_GZIP, false, DECODE_FILE_GZIP, false}, /* by [defaults] */
        {&parser_csv, DECODE_FILE_AUTO, false, DECODE_FILE_AUTO, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct job_params p = {.decode = cases[i].decode};
        params_fit(&p, cases[i].asked ? UINT64_C(1) << PARAM_DECODE : 0, cases[i].parser);
        assert_int_equal(p.decode, cases[i].becomes);
        assert_int_equal(p.as_published, cases[i].as_published);
    }
}

static void names_of_parsers_sinks_and_the_like(void **state)
{
    struct error err;
    char name[66];
    memset(name, 'x', sizeof name);
    name[65] = '\0';
    assert_int_equal(check_name(name, &err), -EINVAL);
    name[64] = '\0';
    assert_int_equal(check_name(name, &err), 0);
    assert_int_equal(check_name("A.b_c-9", &err), 0);
    static const char *const bad[] = {"", " ", "a b", "a/b", "\xc3\xbc", "a\n", "a:b", "a\"b"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(check_name(bad[i], &err), -EINVAL);
}

/* Refused values that a word list cannot hold: by their form. */
static void forms(void **state)
{
    static const struct {
        const char *name, *text;
        bool good;
    } cases[] = {
        {"expect_type", "a/b", true},
        {"expect_type", "text/", false},
        {"expect_type", "/csv", false},
        {"expect_type", "a/b/c", false},
        {"expect_type", "text/c v", false},
        {"accept_status", "200", true},
        {"accept_status", "599", true},
        {"accept_status", "5xX", false},
        {"accept_status", "50x", false},
        {"accept_status", "5x5", false},
        {"accept_status", "199", false},
        {"accept_status", "206", false},
        {"accept_status", "4040", false},
        {"accept_status", "", true},
        {"digest", "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", true},
        {"digest", "sha256:E3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
         false},
        {"digest", "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b85", false},
        {"digest", "sha512:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
         false},
        {"digest", "sha256:", false},
        {"digest", ":", false},
        {"digest", "sha256-of-a-long-name", false},
        {"user_agent", "~ !", true},
        {"user_agent", "a\x7f", false},
        {"user_agent", "a\tb", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct job_params p = {.set = 0};
        struct error err = {""};
        int r = params_set(&p, cases[i].name, cases[i].text, &err);
        if (r != (cases[i].good ? 0 : -EINVAL))
            fail_msg("%s = %s: %s", cases[i].name, cases[i].text, err.text);
        assert_int_equal(p.set != 0, cases[i].good);
        params_deinit(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_one_is_tried),
        cmocka_unit_test(the_nearest_that_says_it_wins),
        cmocka_unit_test(what_is_above_its_ceiling_is_refused_or_lowered),
        cmocka_unit_test(others_are_left_alone),
        cmocka_unit_test(a_parser_may_want_its_file_as_it_is),
        cmocka_unit_test(names_of_parsers_sinks_and_the_like),
        cmocka_unit_test(forms),
    };
    return cmocka_run_group_tests(tests, begin, NULL);
}
