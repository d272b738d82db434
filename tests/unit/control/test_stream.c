#include "control/stream.h"

#include "fake_api.h"

#include <stdio.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define EVENT_OF(params) "{\"jsonrpc\":\"2.0\",\"method\":\"event\",\"params\":" params "}\n"
#define END              "{\"jsonrpc\":\"2.0\",\"method\":\"end\",\"params\":{}}\n"

struct fixture {
    struct api api;
    struct stream stream;
    struct buf out;
};

static void ignore(struct stream *stream)
{
}

static void setup(struct fixture *f)
{
    memset(f, 0, sizeof *f);
    stream_init(&f->stream, &f->api, ignore);
}

static void teardown(struct fixture *f)
{
    stream_deinit(&f->stream);
    buf_deinit(&f->out);
    fake_deinit(&f->api);
}

static int follow(struct fixture *f, const char *params)
{
    struct error err = {""};
    const char *field = NULL;
    json_t *json = params ? json_loads(params, 0, NULL) : NULL, *result = NULL;
    int code = stream_follow(&f->stream, json, &result, &err, &field);
    if (code == 0)
        assert_true(json_is_true(json_object_get(result, "following")));
    else
        assert_true(err.text[0] != '\0');
    json_decref(result);
    json_decref(json);
    if (code == 0 && stream_needs_check(&f->stream))
        code = stream_checked(&f->stream, &err, &field);
    return code;
}

static const char *taken(struct fixture *f)
{
    buf_reset(&f->out);
    stream_take(&f->stream, &f->out);
    return f->out.len > 0 ? f->out.data : "";
}

static void test_splices(void **state)
{
    struct fixture f;
    setup(&f);
    assert_int_equal(follow(&f, NULL), 0);
    assert_true(json_is_object(f.api.follow_params));
    fake_line(&f.api, EVENT_RECORD, 1, "{\"data\":1.00}\n");
    fake_line(&f.api, EVENT_VERDICT, 1, "{\"v\":1}\n");
    assert_string_equal(taken(&f), EVENT_OF("{\"data\":1.00}") EVENT_OF("{\"v\":1}"));
    assert_string_equal(taken(&f), "");
    assert_true(stream_following(&f.stream));
    teardown(&f);
}

static void test_end_of_ids(void **state)
{
    struct fixture f;
    setup(&f);
    assert_int_equal(follow(&f, "{\"ids\":[3,4,3]}"), 0);
    fake_line(&f.api, EVENT_VERDICT, 4, "{\"v\":4}\n");
    fake_line(&f.api, EVENT_VERDICT, 4, "{\"v\":4}\n");
    assert_string_equal(taken(&f), EVENT_OF("{\"v\":4}") EVENT_OF("{\"v\":4}"));
    assert_true(stream_following(&f.stream));
    fake_line(&f.api, EVENT_VERDICT, 3, "{\"v\":3}\n");
    assert_string_equal(taken(&f), EVENT_OF("{\"v\":3}") END);
    assert_false(stream_following(&f.stream));
    teardown(&f);
}

/* Who wants no verdicts is told of the end all the same. */
static void test_end_without_verdicts(void **state)
{
    struct fixture f;
    setup(&f);
    assert_int_equal(follow(&f, "{\"ids\":[3],\"events\":[\"record\"]}"), 0);
    json_t *events = json_object_get(f.api.follow_params, "events");
    assert_int_equal(json_array_size(events), 2);
    assert_string_equal(json_string_value(json_array_get(events, 1)), "verdict");
    fake_line(&f.api, EVENT_RECORD, 3, "{\"r\":1}\n");
    fake_line(&f.api, EVENT_VERDICT, 3, "{\"v\":3}\n");
    assert_string_equal(taken(&f), EVENT_OF("{\"r\":1}") END);
    teardown(&f);
}

static void test_events_of_a_selection_are_left(void **state)
{
    struct fixture f;
    setup(&f);
    assert_int_equal(follow(&f, "{\"parser\":\"csv\",\"events\":[\"record\"]}"), 0);
    assert_int_equal(json_array_size(json_object_get(f.api.follow_params, "events")), 1);
    teardown(&f);
}

static void test_refusals(void **state)
{
    struct fixture f;
    setup(&f);
    f.api.follow_result = -EINVAL;
    assert_int_equal(follow(&f, "{\"ids\":[5]}"), API_INVALID_PARAMS);
    f.api.follow_result = -ENOENT;
    assert_int_equal(follow(&f, "{\"ids\":[5]}"), API_NOT_FOUND);
    f.api.follow_result = -ENOMEM;
    assert_int_equal(follow(&f, "{}"), API_INTERNAL);
    f.api.follow_result = 0;
    assert_int_equal(follow(&f, "{\"ids\":7}"), API_INVALID_PARAMS);
    assert_int_equal(follow(&f, "{\"ids\":[6]}"), 0); /* a refused one has left nothing behind */
    assert_int_equal(follow(&f, "{}"), API_CONFLICT);
    struct error err;
    assert_int_equal(stream_submit(&f.stream, EVENT_ALL, false, &err), API_CONFLICT);
    fake_line(&f.api, EVENT_VERDICT, 6, "{\"v\":6}\n");
    assert_string_equal(taken(&f), EVENT_OF("{\"v\":6}") END);
    teardown(&f);
}

static void test_again_after_the_end(void **state)
{
    struct fixture f;
    setup(&f);
    fake_unfollowed = 0;
    assert_int_equal(follow(&f, "{\"ids\":[3],\"events\":[\"record\"]}"), 0);
    fake_line(&f.api, EVENT_VERDICT, 3, "{\"v\":3}\n");
    assert_int_equal(fake_unfollowed, 0); /* not from within a line */
    assert_string_equal(taken(&f), END);
    assert_int_equal(fake_unfollowed, 1);
    assert_int_equal(follow(&f, "{\"ids\":[4]}"), 0);
    fake_line(&f.api, EVENT_VERDICT, 4, "{\"v\":4}\n");
    assert_string_equal(taken(&f), EVENT_OF("{\"v\":4}") END);
    teardown(&f);
}

static void test_unknown_id(void **state)
{
    struct fixture f;
    struct error err = {""};
    const char *field = NULL;
    setup(&f);
    json_t *params = json_loads("{\"ids\":[3,4,5]}", 0, NULL), *result = NULL;
    assert_int_equal(stream_follow(&f.stream, params, &result, &err, &field), 0);
    assert_true(stream_needs_check(&f.stream));
    fake_line(&f.api, EVENT_VERDICT, 3, "{\"v\":3}\n");
    fake_unknown(&f.api, 4);
    fake_unknown(&f.api, 5);
    assert_int_equal(stream_checked(&f.stream, &err, &field), API_NOT_FOUND);
    assert_non_null(strstr(err.text, "no job 4"));
    assert_string_equal(field, "ids");
    assert_string_equal(taken(&f), ""); /* a request that failed has no effect */
    assert_int_equal(follow(&f, "{}"), 0);
    json_decref(params);
    json_decref(result);
    teardown(&f);
}

/* Lines lost on the way here are told like those that are lost here. */
static void test_missed_before(void **state)
{
    struct fixture f;
    setup(&f);
    assert_int_equal(follow(&f, "{}"), 0);
    fake_line(&f.api, EVENT_RECORD, 1, "{}\n");
    f.api.follower->missed(f.api.follower, 17);
    fake_line(&f.api, EVENT_RECORD, 1, "{}\n");
    assert_string_equal(taken(&f),
                        EVENT_OF("{}") "{\"jsonrpc\":\"2.0\",\"method\":\"missed\",\"params\":{"
                                       "\"lines\":17}}\n" EVENT_OF("{}"));
    teardown(&f);
}

static void test_hold(void **state)
{
    struct fixture f;
    setup(&f);
    assert_int_equal(follow(&f, "{}"), 0);
    stream_hold(&f.stream);
    fake_line(&f.api, EVENT_RECORD, 1, "{}\n");
    assert_false(stream_pending(&f.stream));
    assert_string_equal(taken(&f), "");
    stream_release(&f.stream);
    assert_string_equal(taken(&f), EVENT_OF("{}"));
    teardown(&f);
}

static void submit(struct fixture *f)
{
    struct error err;
    assert_int_equal(stream_submit(&f->stream, EVENT_ALL, false, &err), 0);
    f->api.follower = &f->stream.follower;
}

static void submitted(struct fixture *f, const char *result)
{
    json_t *json = result ? json_loads(result, 0, NULL) : NULL;
    stream_submitted(&f->stream, json);
    json_decref(json);
}

static void test_submits(void **state)
{
    struct fixture f;
    setup(&f);
    submit(&f);
    submit(&f);
    fake_line(&f.api, EVENT_VERDICT, 1, "{\"v\":1}\n"); /* before the submit has answered */
    submitted(&f, "{\"id\":1}");
    assert_string_equal(taken(&f), EVENT_OF("{\"v\":1}"));
    submitted(&f, "[{\"id\":2},{\"error\":{}},{\"id\":3}]");
    fake_line(&f.api, EVENT_VERDICT, 2, "{\"v\":2}\n");
    assert_string_equal(taken(&f), EVENT_OF("{\"v\":2}"));
    fake_line(&f.api, EVENT_VERDICT, 3, "{\"v\":3}\n");
    assert_string_equal(taken(&f), EVENT_OF("{\"v\":3}") END);
    /* a known key names a job whose verdict has been told */
    submit(&f);
    submitted(&f, "{\"id\":9}");
    submit(&f);
    fake_line(&f.api, EVENT_VERDICT, 9, "{\"v\":9}\n");
    submitted(&f, "{\"id\":9,\"existing\":true}");
    assert_string_equal(taken(&f), EVENT_OF("{\"v\":9}") END);
    /* a refused one is followed by nothing */
    submit(&f);
    submitted(&f, NULL);
    assert_string_equal(taken(&f), "");
    assert_false(stream_following(&f.stream));
    teardown(&f);
}

/* Lines of 100 bytes, numbered. */
static void flood(struct fixture *f, enum event event, int from, int to)
{
    for (int i = from; i < to; i++) {
        char line[128];
        snprintf(line, sizeof line, "{\"n\":%-80d}\n", i);
        fake_line(&f->api, event, (uint64_t)i, line);
    }
}

static void test_missed(void **state)
{
    struct fixture f;
    setup(&f);
    f.stream.max_lines = 1000;
    assert_int_equal(follow(&f, "{}"), 0);
    flood(&f, EVENT_RECORD, 0, 100);
    size_t fit = 100 - f.stream.missed;
    assert_true(fit > 3 && fit < 12);
    assert_true(f.stream.lines.len <= 1000);
    /* a verdict finds no room and is kept; a record after it must not pass it */
    fake_line(&f.api, EVENT_VERDICT, 7, "{\"v\":7}\n");
    flood(&f, EVENT_RECORD, 100, 101);
    const char *first = taken(&f);
    assert_null(strstr(first, "missed"));
    assert_non_null(strstr(first, "\"n\":0 "));
    char expected[160];
    snprintf(expected, sizeof expected,
             "{\"jsonrpc\":\"2.0\",\"method\":\"missed\",\"params\":{\"lines\":%d}}\n%s",
             101 - (int)fit, EVENT_OF("{\"v\":7}"));
    assert_string_equal(taken(&f), expected);
    flood(&f, EVENT_RECORD, 200, 201);
    assert_non_null(strstr(taken(&f), "\"n\":200 "));
    teardown(&f);
}

/* Never a verdict less, however many while nobody reads. */
static void test_verdicts_are_kept(void **state)
{
    struct fixture f;
    setup(&f);
    f.stream.max_lines = 1000;
    assert_int_equal(follow(&f, "{}"), 0);
    for (int i = 0; i < 500; i++) {
        flood(&f, EVENT_RECORD, 0, 3);
        flood(&f, EVENT_VERDICT, 1000 + i, 1001 + i);
    }
    int next = 1000;
    uint64_t missed = 0;
    for (const char *text = taken(&f); text[0]; text = taken(&f)) {
        assert_true(strlen(text) <= 1000);
        for (const char *p = text; (p = strstr(p, "\"n\":")); p += 4)
            if (atoi(p + 4) >= 1000)
                assert_int_equal(atoi(p + 4), next++);
        const char *m = strstr(text, "{\"lines\":");
        missed += m ? strtoull(m + 9, NULL, 10) : 0;
    }
    assert_int_equal(next, 1500);
    assert_true(missed > 1000 && missed <= 1500);
    assert_int_equal(f.stream.kept_bytes, 0);
    teardown(&f);
}

static void test_overflow(void **state)
{
    struct fixture f;
    setup(&f);
    f.stream.max_lines = 1000;
    f.stream.max_verdicts = 5000;
    assert_int_equal(follow(&f, "{}"), 0);
    flood(&f, EVENT_VERDICT, 0, 40);
    assert_false(f.stream.overflowed);
    flood(&f, EVENT_VERDICT, 40, 100);
    assert_true(f.stream.overflowed);
    assert_int_equal(f.stream.kept_bytes, 0);
    const char *text = taken(&f);
    assert_non_null(strstr(text, "\"n\":0 "));
    const char *last =
        strstr(text, "{\"jsonrpc\":\"2.0\",\"method\":\"overflow\",\"params\":{\"lines\":");
    assert_non_null(last);
    assert_null(strstr(last + 10, "jsonrpc"));
    assert_string_equal(taken(&f), "");
    teardown(&f);
}

/* A line larger than the bound passes when it is alone. */
static void test_large_line(void **state)
{
    struct fixture f;
    setup(&f);
    f.stream.max_lines = 50;
    assert_int_equal(follow(&f, "{}"), 0);
    flood(&f, EVENT_RECORD, 5, 6);
    assert_non_null(strstr(taken(&f), "\"n\":5 "));
    teardown(&f);
}

static void test_shut(void **state)
{
    struct fixture f;
    setup(&f);
    submit(&f);
    stream_shut(&f.stream);
    flood(&f, EVENT_VERDICT, 1, 2);
    submitted(&f, "{\"id\":1}");
    assert_false(stream_pending(&f.stream));
    teardown(&f);
}

static void press(struct fixture *f, unsigned events)
{
    struct error err;
    fake_given_back = fake_most_owed = fake_let_go = 0;
    assert_int_equal(stream_submit(&f->stream, events, true, &err), 0);
    f->api.follower = &f->stream.follower;
}

/* Nothing of a job that is pressed on is dropped, whatever room there is; all comes in order, and
 * each record is given back once, when it is taken. */
static void test_owed_lines(void **state)
{
    struct fixture f;
    char line[32];
    int next = 0;
    size_t owed = 0;
    setup(&f);
    f.stream.max_lines = 1000;
    press(&f, EVENT_ALL);
    assert_int_equal(fake_most_owed, 500); /* half of the room: the rest is for other lines */
    for (int i = 0; i < 300; i++) {
        int len = snprintf(line, sizeof line, "{\"n\":%d}\n", i);
        if (i % 7 == 6) {
            fake_line(&f.api, i % 2 ? EVENT_ATTEMPT : EVENT_VERDICT, 7, line);
        } else {
            fake_owed(&f.api, 7, line);
            owed += (size_t)len;
        }
    }
    assert_int_equal(fake_given_back, 0); /* nobody has taken any */
    assert_true(f.stream.kept_bytes > 0);
    for (const char *text = taken(&f); text[0]; text = taken(&f))
        for (const char *p = text; (p = strstr(p, "\"n\":")); p += 4)
            assert_int_equal(atoi(p + 4), next++);
    assert_int_equal(next, 300);
    assert_int_equal(fake_given_back, owed);
    teardown(&f);
    assert_int_equal(fake_let_go, 1);
}

/* Its jobs do not wait for a client that has gone, that has lost what it was to get, or that wants
 * no records any more. */
static void test_pressing_ends(void **state)
{
    struct fixture f;
    setup(&f);
    press(&f, EVENT_ALL);
    fake_owed(&f.api, 1, "{}\n");
    stream_shut(&f.stream);
    assert_int_equal(fake_let_go, 1);
    teardown(&f);

    setup(&f);
    f.stream.max_lines = 100;
    f.stream.max_verdicts = 100;
    press(&f, EVENT_ALL);
    flood(&f, EVENT_VERDICT, 0, 10);
    assert_true(f.stream.overflowed);
    assert_int_equal(fake_let_go, 1);
    teardown(&f);

    setup(&f);
    press(&f, EVENT_VERDICT);
    fake_owed(&f.api, 1, "{}\n");
    assert_int_equal(fake_given_back, 3);
    assert_string_equal(taken(&f), "");
    teardown(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_splices),
        cmocka_unit_test(test_end_of_ids),
        cmocka_unit_test(test_end_without_verdicts),
        cmocka_unit_test(test_events_of_a_selection_are_left),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_again_after_the_end),
        cmocka_unit_test(test_unknown_id),
        cmocka_unit_test(test_missed_before),
        cmocka_unit_test(test_hold),
        cmocka_unit_test(test_submits),
        cmocka_unit_test(test_missed),
        cmocka_unit_test(test_verdicts_are_kept),
        cmocka_unit_test(test_overflow),
        cmocka_unit_test(test_large_line),
        cmocka_unit_test(test_shut),
        cmocka_unit_test(test_owed_lines),
        cmocka_unit_test(test_pressing_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
