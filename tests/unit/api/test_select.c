/* SELECT: by which members jobs are chosen, and kinds of lines. */
#include "api/select.h"

#include <errno.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define NOW  INT64_C(1767225600000000) /* 2026-01-01, µs */
#define HOUR INT64_C(3600000000)

static json_t *params;
static struct store_select s;
static struct error err;
static const char *field;

static int clean(void **state)
{
    json_decref(params);
    params = NULL;
    return 0;
}

/* `text` has ' in place of ". */
static void take(const char *text)
{
    char copy[256];
    clean(NULL);
    strcpy(copy, text);
    for (char *at = copy; *at; at++)
        if (*at == '\'')
            *at = '"';
    params = json_loads(copy, JSON_DECODE_ANY, NULL);
    assert_non_null(params);
}

static int parse(const char *text)
{
    static const char *const allowed[] = {"limit", "ids", NULL};
    take(text);
    s = (struct store_select){.state = 77};
    field = "none";
    return select_parse(params, allowed, NOW, &s, &err, &field);
}

static void nothing_chooses_all(void **state)
{
    assert_int_equal(parse("{}"), 0);
    assert_int_equal(s.state, -1);
    assert_int_equal(s.error, -1);
    assert_null(s.host);
    assert_null(s.label_key);
    assert_int_equal(s.since, 0);
    assert_null(field);
}

static void all_together(void **state)
{
    assert_int_equal(parse("{'state':'failed','error':'truncated','label':{'team':'data'},"
                           "'host':'a.test','parser':'csv','schedule':'s','limit':3}"),
                     0);
    assert_int_equal(s.state, JOB_FAILED);
    assert_int_equal(s.error, KIND_TRUNCATED);
    assert_string_equal(s.label_key, "team");
    assert_string_equal(s.label_value, "data");
    assert_string_equal(s.host, "a.test");
    assert_string_equal(s.parser, "csv");
    assert_string_equal(s.schedule, "s");
}

static void since(void **state)
{
    assert_int_equal(parse("{'since':'1h'}"), 0);
    assert_int_equal(s.since, NOW - HOUR); /* so long ago */
    assert_int_equal(parse("{'since':'2025-12-31T22:00:00Z'}"), 0);
    assert_int_equal(s.since, NOW - 2 * HOUR);
    assert_int_equal(parse("{'since':'2025-12-31T23:00:00+01:00'}"), 0);
    assert_int_equal(s.since, NOW - 2 * HOUR);
}

static void what_is_wrong_is_named(void **state)
{
    static const struct {
        const char *text, *field, *words;
    } cases[] = {
        {"{'state':'finished'}", "state", "one of queued, waiting"},
        {"{'state':'fialed'}", "state", "failed"},
        {"{'state':3}", "state", "one of queued"},
        {"{'error':'trunkated'}", "error", "truncated"},
        {"{'error':null}", "error", "an error kind is wanted"},
        {"{'label':'a'}", "label", "one string member"},
        {"{'label':{}}", "label", "one string member"},
        {"{'label':{'a':'1','b':'2'}}", "label", "one string member"},
        {"{'label':{'a':1}}", "label", "one string member"},
        {"{'host':7}", "host", "a string is wanted"},
        {"{'parser':[]}", "parser", "a string is wanted"},
        {"{'schedule':null}", "schedule", "a string is wanted"},
        {"{'since':'yesterday'}", "since", "so long ago"},
        {"{'since':5}", "since", "so long ago"},
        {"{'limits':5}", "limits", "not known here"},
        {"{'State':'done'}", "State", "not known here"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (parse(cases[i].text) != -EINVAL)
            fail_msg("%s is taken", cases[i].text);
        assert_string_equal(field, cases[i].field);
        if (!strstr(err.text, cases[i].words))
            fail_msg("%s: %s", cases[i].text, err.text);
        assert_int_equal(s.state, 77); /* as it was */
    }
}

static void without_others(void **state)
{
    take("{'limit':3}");
    assert_int_equal(select_parse(params, NULL, NOW, &s, &err, &field), -EINVAL);
    assert_string_equal(field, "limit");
}

/* --- kinds of lines --------------------------------------------------------------------------- */

static int events(const char *text, unsigned *mask)
{
    take(text);
    return select_events(params, mask, &err);
}

static void kinds_of_lines(void **state)
{
    unsigned mask = 99;
    assert_int_equal(select_events(NULL, &mask, &err), 0);
    assert_int_equal(mask, 99); /* as it was */
    assert_int_equal(events("['verdict']", &mask), 0);
    assert_int_equal(mask, EVENT_VERDICT);
    assert_int_equal(events("['verdict','record','verdict']", &mask), 0);
    assert_int_equal(mask, EVENT_VERDICT | EVENT_RECORD);
    mask = 99;
    assert_int_equal(events("[]", &mask), -EINVAL);
    assert_int_equal(events("'verdict'", &mask), -EINVAL);
    assert_int_equal(events("['verdict',7]", &mask), -EINVAL);
    assert_non_null(strstr(err.text, "events[1]: "));
    assert_int_equal(events("['verdicts']", &mask), -EINVAL);
    assert_non_null(strstr(err.text, "verdict"));
    assert_int_equal(mask, 99);
}

int main(void)
{
#define EACH(test) cmocka_unit_test_teardown(test, clean)
    const struct CMUnitTest tests[] = {
        EACH(nothing_chooses_all),    EACH(all_together),   EACH(since),
        EACH(what_is_wrong_is_named), EACH(without_others), EACH(kinds_of_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
