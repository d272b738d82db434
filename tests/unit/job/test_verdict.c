/* The lines about a job: their members, and that the memory set aside for them is enough for the
 * worst that can stand in them. */
#include "job/verdict.h"

#include "jobs_world.h"

#include <jansson.h>

static struct world *w;

static int begin(void **state)
{
    w = world_new("", true);
    return 0;
}

static int end(void **state)
{
    world_free(w);
    return 0;
}

/* A job of this text that is in nobody's list; json_t's strings are the caller's to free. */
static struct job *new_job(const char *text)
{
    struct store_job *row = NULL;
    struct spec *spec = NULL;
    struct error err;
    const char *field;
    json_t *json = json_loads(text, 0, NULL);
    struct submission s = {.json = json, .peer = {.uid = 12}};
    assert_int_equal(submission_row(w->jobs, &s, &row, &spec, &err, &field), 0);
    json_decref(json);
    static uint64_t id = 1000000;
    row->id = id++;
    row->attempt = 3;
    return job_new(w->jobs, row, spec, &err);
}

static void drop(struct job *job)
{
    job_set_place(job, PLACE_ENDING); /* as the end of its life wants it */
    job_free(job);
}

/* The line as JSON; it is one line. */
static json_t *read_line(const struct buf *b)
{
    assert_false(b->failed);
    assert_int_equal(b->data[b->len - 1], '\n');
    assert_null(memchr(b->data, '\n', b->len - 1));
    json_t *line = json_loadb(b->data, b->len, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(line);
    return line;
}

static const char *text_of(const json_t *line, const char *member)
{
    return json_string_value(json_object_get(line, member));
}

static json_int_t number_of(const json_t *line, const char *member)
{
    return json_integer_value(json_object_get(line, member));
}

static json_t *verdict_of(const struct job *job, const struct cause *cause)
{
    struct buf b = BUF_INIT;
    verdict_line(&b, job, cause);
    json_t *line = read_line(&b);
    buf_deinit(&b);
    return line;
}

static void test_verdict(void **state)
{
    struct job *job = new_job("{\"url\":\"http://a.test/?token=very-secret\",\"parser\":\"csv\","
                              "\"labels\":{\"x\":\"y\"}}");
    const struct cause cause = {
        .kind = KIND_DNS, .message = "no http://a.test/?token=very-secret\nhere, nor very-secret"};
    job->final = JOB_FAILED;
    job->row->retry_of = 5;
    json_t *line = verdict_of(job, &cause);
    assert_string_equal(text_of(line, "event"), "verdict");
    assert_int_equal(number_of(line, "job"), job->id);
    assert_int_equal(number_of(line, "attempt"), 3);
    assert_string_equal(text_of(line, "state"), "failed");
    assert_string_equal(text_of(line, "parser"), "csv");
    assert_string_equal(text_of(line, "host"), "a.test");
    assert_int_equal(number_of(line, "uid"), 12);
    assert_int_equal(number_of(line, "retry_of"), 5);
    assert_int_equal(number_of(line, "bytes"), 0);
    assert_int_equal(number_of(line, "records"), 0);
    assert_string_equal(text_of(json_object_get(line, "labels"), "x"), "y");
    const json_t *error = json_object_get(line, "error");
    assert_string_equal(text_of(error, "kind"), "dns");
    assert_null(strstr(text_of(error, "message"), "secret"));
    assert_null(strstr(text_of(line, "url"), "secret"));
    const json_t *seconds = json_object_get(line, "seconds");
    assert_true(json_is_number(json_object_get(seconds, "total")));
    assert_true(json_is_number(json_object_get(seconds, "queued")));
    assert_null(json_object_get(line, "reason"));
    assert_null(json_object_get(line, "by")); /* there is no fleet */
    json_decref(line);
    drop(job);
}

/* Why it was cancelled is a reason and no error; labels are an object, always. */
static void test_cancelled(void **state)
{
    struct job *job = new_job("{\"url\":\"http://a.test/\"}");
    const struct cause cause = {.cancelled = true, .message = "by \"root\""};
    job->final = JOB_CANCELLED;
    free(job->row->labels);
    job->row->labels = NULL;
    json_t *line = verdict_of(job, &cause);
    assert_string_equal(text_of(line, "state"), "cancelled");
    assert_string_equal(text_of(line, "reason"), "by \"root\"");
    assert_null(json_object_get(line, "error"));
    assert_null(json_object_get(line, "retry_of"));
    assert_true(json_is_object(json_object_get(line, "labels")));
    json_decref(line);
    drop(job);
}

static void test_attempt(void **state)
{
    struct job *job = new_job("{\"url\":\"http://a.test/\"}");
    const struct cause cause = {.kind = KIND_TRUNCATED, .message = "m"};
    struct buf b = BUF_INIT;
    attempt_line(&b, job, "retry", &cause, 2100000);
    json_t *line = read_line(&b);
    assert_string_equal(text_of(line, "event"), "attempt");
    assert_string_equal(text_of(line, "outcome"), "retry");
    assert_string_equal(text_of(json_object_get(line, "error"), "kind"), "truncated");
    assert_true(json_real_value(json_object_get(line, "retry_in")) > 2.09);
    assert_true(json_real_value(json_object_get(line, "retry_in")) < 2.11);
    json_decref(line);
    buf_reset(&b);
    attempt_line(&b, job, "interrupted", NULL, -1);
    line = read_line(&b);
    assert_null(json_object_get(line, "retry_in"));
    assert_null(json_object_get(line, "error"));
    json_decref(line);
    buf_deinit(&b);
    drop(job);
}

/* A job whose config cannot be read any more has its verdict as well. */
static void test_without_a_spec(void **state)
{
    struct job *job = new_job("{\"url\":\"http://a.test/\"}");
    const struct cause cause = {.kind = KIND_INTERNAL, .message = "m"};
    spec_free(job->spec);
    job->spec = NULL;
    job->final = JOB_FAILED;
    assert_int_equal(verdict_reserve(job, NULL), 0);
    json_t *line = verdict_of(job, &cause);
    assert_null(json_object_get(line, "url"));
    assert_string_equal(text_of(line, "host"), "a.test");
    json_decref(line);
    drop(job);
}

/* The worst of messages: each byte takes six in JSON. No byte more is allocated than was set
 * aside. */
static void test_what_is_set_aside_is_enough(void **state)
{
    struct buf text = BUF_INIT;
    buf_puts(&text, "{\"url\":\"http://a.test/\",\"labels\":{\"l\":\"");
    for (int i = 0; i < 100; i++)
        buf_puts(&text, "\\\"");
    buf_puts(&text, "\"}}");
    buf_putc(&text, '\0');
    struct job *job = new_job(text.data);
    buf_deinit(&text);
    struct cause cause = {.kind = KIND_PARSER_FAILED};
    memset(cause.message, 1, sizeof cause.message - 1);
    job->final = JOB_FAILED;
    assert_int_equal(verdict_reserve(job, NULL), 0);
    size_t attempt = job->attempt_line.text.size, verdict = job->verdict_line.text.size;
    attempt_line(&job->attempt_line.text, job, "retry", &cause, INT64_MAX / 1000);
    verdict_line(&job->verdict_line.text, job, &cause);
    assert_false(job->attempt_line.text.failed || job->verdict_line.text.failed);
    assert_int_equal(job->attempt_line.text.size, attempt);
    assert_int_equal(job->verdict_line.text.size, verdict);
    assert_true(job->verdict_line.text.len > 6 * sizeof cause.message);
    drop(job);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verdict),
        cmocka_unit_test(test_cancelled),
        cmocka_unit_test(test_attempt),
        cmocka_unit_test(test_without_a_spec),
        cmocka_unit_test(test_what_is_set_aside_is_enough),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
