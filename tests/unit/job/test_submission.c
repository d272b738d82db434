/* What somebody asks for as the row of a job: what is copied, and what is refused by which name. */
#include "job/submission.h"

#include "jobs_world.h"

#include "base/clock.h"

#define HOUR_US (3600 * INT64_C(1000000))

static struct world *w;

static int begin(void **state)
{
    w = world_new("[credential \"c\"]\ntype = basic\nuser = u\nsecret_file = /p\nhosts = a.test\n",
                  true);
    return 0;
}

static int end(void **state)
{
    world_free(w);
    return 0;
}

/* The row of this text, as uid 5 and gid 6 ask for it. */
static struct store_job *row_of(const char *text, struct submission *s, struct spec **ret_spec)
{
    struct store_job *row = NULL;
    struct error err = {""};
    const char *field = NULL;
    json_t *json = json_loads(text, 0, NULL);
    assert_non_null(json);
    s->json = json;
    s->peer.uid = 5;
    s->peer.gid = 6;
    if (submission_row(w->jobs, s, &row, ret_spec, &err, &field) < 0)
        fail_msg("%s: %s", text, err.text);
    assert_null(field);
    json_decref(json);
    return row;
}

static void test_row(void **state)
{
    struct submission s = {.retry_of = 3, .schedule = "daily"};
    struct spec *spec = NULL;
    int64_t before = clock_real_us();
    struct store_job *row =
        row_of("{\"url\":\"http://A.test:80/x\",\"parser\":\"csv\",\"key\":\"k\","
               "\"priority\":7,\"labels\":{\"b\":\"2\",\"a\":\"\\\"1\\\"\"},"
               "\"not_before\":\"+1h\"}",
               &s, &spec);
    assert_int_equal(row->state, JOB_QUEUED);
    assert_int_equal(row->priority, 7);
    assert_int_equal(row->uid, 5);
    assert_int_equal(row->gid, 6);
    assert_true(row->created >= before && row->created <= clock_real_us());
    assert_in_range(row->due, before + HOUR_US, clock_real_us() + HOUR_US);
    assert_int_equal(row->retry_of, 3);
    assert_string_equal(row->host, "a.test");
    assert_string_equal(row->parser, "csv");
    assert_string_equal(row->key, "k");
    assert_string_equal(row->schedule, "daily");
    assert_string_equal(row->labels, "{\"b\":\"2\",\"a\":\"\\\"1\\\"\"}");
    assert_non_null(strstr(row->spec, "\"priority\":7"));
    assert_int_equal(row->attempt, 0);
    store_job_free(row);
    spec_free(spec);
}

static void test_least(void **state)
{
    struct submission s = {0};
    struct spec *spec = NULL;
    struct store_job *row = row_of("{\"url\":\"http://a.test/\"}", &s, &spec);
    assert_string_equal(row->parser, "count");
    assert_string_equal(row->labels, "{}");
    assert_null(row->key);
    assert_null(row->schedule);
    assert_int_equal(row->retry_of, 0);
    assert_int_equal(row->due, 0);
    store_job_free(row);
    spec_free(spec);
}

/* A row is read again as what was asked for. */
static void test_again(void **state)
{
    struct submission s = {0};
    struct spec *spec = NULL, *again = NULL;
    struct store_job *row =
        row_of("{\"options\":{\"header\":false},\"url\":\"http://a.test/%20\",\"parser\":\"csv\"}",
               &s, &spec);
    struct error err;
    const char *field;
    json_t *json = json_loads(row->spec, 0, NULL);
    assert_int_equal(spec_parse(json, w->settings, w->registry, &again, &err, &field), 0);
    json_decref(json);
    assert_string_equal(again->url, spec->url);
    assert_int_equal(again->option_count, 1);
    assert_string_equal(again->options[0].value, spec->options[0].value);
    spec_free(again);
    store_job_free(row);
    spec_free(spec);
}

static void test_for_a_command(void **state)
{
    struct submission s = {.run = true};
    struct spec *spec = NULL;
    struct store_job *row = row_of("{\"url\":\"http://a.test/\",\"run\":true}", &s, &spec);
    assert_string_equal(row->parser, "run");
    assert_true(spec->run);
    store_job_free(row);
    spec_free(spec);
}

static const struct {
    const char *text, *field, *message; /* field NULL: none */
    bool run;
} refused[] = {
    {"[]", NULL, "a job is an object", false},
    {"{}", "url", "url", false},
    {"{\"url\":\"http://a.test/\",\"nonsense\":1}", "nonsense", "nonsense", false},
    {"{\"url\":\"http://b.test/\",\"credential\":\"c\"}", "credential", "c", false},
    {"{\"url\":\"http://a.test/\",\"credential\":\"no\"}", "credential", "no", false},
    {"{\"url\":\"http://a.test/\",\"run\":true}", "run", "brings a pipe along", false},
    {"{\"url\":\"http://a.test/\"}", "run", "brings a pipe along", true},
    {"{\"url\":\"http://a.test/\",\"run\":true,\"parser\":\"csv\",\"options\":{\"header\":true}}",
     "options", "a command reads the body", true},
    {"{\"url\":\"http://a.test/\",\"run\":true,\"parser\":\"csv\"}", "parser", "with `run`", true},
    {"{\"url\":\"http://a.test/\",\"run\":true,\"min_records\":1}", "min_records", "with `run`",
     true},
    {"{\"url\":\"http://a.test/\",\"run\":true,\"deliver\":\"commit\"}", "deliver", "with `run`",
     true},
    {"{\"url\":\"http://a.test/\",\"run\":true,\"commit_max\":\"1M\"}", "commit_max", "with `run`",
     true},
    {"{\"url\":\"http://a.test/\",\"run\":true,\"charset\":\"utf-8\"}", "charset", "with `run`",
     true},
    {"{\"url\":\"http://a.test/\",\"run\":true,\"keep_body\":\"failed\"}", "keep_body",
     "with `run`", true},
    {"{\"url\":\"http://a.test/\",\"compress\":\"yes\",\"decode\":\"none\"}", "compress",
     "decode = none", false},
};

/* Nothing is handed out, and the member that is at fault is named. */
static void test_refused(void **state)
{
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        struct store_job *row = NULL;
        struct spec *spec = NULL;
        struct error err = {""};
        const char *field = "untouched";
        json_t *json = json_loads(refused[i].text, 0, NULL);
        struct submission s = {.json = json, .run = refused[i].run};
        int r = submission_row(w->jobs, &s, &row, &spec, &err, &field);
        if (r != -EINVAL || !strstr(err.text, refused[i].message))
            fail_msg("%s: %d, %s", refused[i].text, r, err.text);
        if (refused[i].field ? !field || strcmp(field, refused[i].field) != 0 : field != NULL)
            fail_msg("%s: the field is %s", refused[i].text, field ? field : "none");
        assert_null(row);
        assert_null(spec);
        json_decref(json);
    }
}

/* What goes together: compress and decode each by itself, or decoding what was compressed. */
static void test_compress(void **state)
{
    static const char *const good[] = {
        "{\"url\":\"http://a.test/\",\"compress\":\"yes\"}",
        "{\"url\":\"http://a.test/\",\"decode\":\"none\"}",
        "{\"url\":\"http://a.test/\",\"compress\":\"no\",\"decode\":\"none\"}",
        "{\"url\":\"http://a.test/\",\"compress\":\"yes\",\"decode\":\"auto\"}"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct submission s = {0};
        struct spec *spec = NULL;
        store_job_free(row_of(good[i], &s, &spec));
        spec_free(spec);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_row),     cmocka_unit_test(test_least),
        cmocka_unit_test(test_again),   cmocka_unit_test(test_for_a_command),
        cmocka_unit_test(test_refused), cmocka_unit_test(test_compress),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
