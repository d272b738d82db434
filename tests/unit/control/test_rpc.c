#include "control/rpc.h"

#include "control/message.h"
#include "fake_api.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

/* A conversation with its owner's part. */
struct talk {
    struct api api;
    struct rpc_host host;
    struct stream stream;
    struct rpc rpc;
    struct buf out;
};

static void ignore_rpc(struct rpc *rpc)
{
}

static void ignore_stream(struct stream *stream)
{
}

static void setup(struct talk *t)
{
    static const struct peer peer = {.uid = 1000, .gid = 1000, .pid = 7};
    memset(t, 0, sizeof *t);
    t->host = (struct rpc_host){.api = &t->api, .version = "1.2.3", .instance = "abc"};
    stream_init(&t->stream, &t->api, ignore_stream);
    rpc_init(&t->rpc, &t->host, &peer, &t->stream, ignore_rpc);
}

static void teardown(struct talk *t)
{
    rpc_abandon(&t->rpc);
    while (t->api.count > 0)
        fake_default(&t->api, 0);
    assert_true(rpc_idle(&t->rpc));
    assert_int_equal(t->rpc.bytes, 0);
    assert_int_equal(t->rpc.calls, 0);
    stream_deinit(&t->stream);
    buf_deinit(&t->out);
    fake_deinit(&t->api);
}

static void say(struct talk *t, const char *line)
{
    assert_int_equal(rpc_line(&t->rpc, line, strlen(line)), 0);
}

static const char *hear(struct talk *t)
{
    buf_reset(&t->out);
    assert_int_equal(rpc_take(&t->rpc, &t->out, SIZE_MAX), 0);
    return t->out.len > 0 ? t->out.data : "";
}

#define ERROR_OF(id, code, kind, message)                                                  \
    "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"error\":{\"code\":" code ",\"message\":" message \
    ",\"data\":{\"kind\":\"" kind "\""

/* Lines and how their answers begin; "" for none. */
static const struct {
    const char *line, *answer;
} table[] = {
    {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"show\",\"params\":{\"id\":5}}",
     "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"id\":5}}\n"},
    {"{\"jsonrpc\":\"2.0\",\"id\":\"a\\\"b\",\"method\":\"list\"}",
     "{\"jsonrpc\":\"2.0\",\"id\":\"a\\\"b\",\"result\":{}}\n"},
    {"{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"stats\",\"params\":{}}",
     "{\"jsonrpc\":\"2.0\",\"id\":null,\"result\":{}}\n"},
    {"{\"jsonrpc\":\"2.0\",\"id\":1.5,\"method\":\"list\"}",
     "{\"jsonrpc\":\"2.0\",\"id\":1.5,\"result\":{}}\n"},
    /* notifications: no answer, not even to what is wrong with them */
    {"{\"jsonrpc\":\"2.0\",\"method\":\"show\",\"params\":{\"id\":5}}", ""},
    {"{\"jsonrpc\":\"2.0\",\"method\":\"nosuch\"}", ""},
    {"{\"jsonrpc\":\"2.0\",\"method\":\"ping\",\"params\":{\"x\":1}}", ""},
    {"", ""},
    {" \t", ""},
    /* no JSON */
    {"{", ERROR_OF("null", "-32700", "parse_error", "\"byte ")},
    {"x", ERROR_OF("null", "-32700", "parse_error", "\"byte ")},
    {"", ""},
    {"5", ERROR_OF("null", "-32600", "invalid_request", "\"a request is")},
    {"\"text\"", ERROR_OF("null", "-32600", "invalid_request", "\"a request is")},
    {"{\"jsonrpc\":\"2.0\"} {}", ERROR_OF("null", "-32700", "parse_error", "\"byte ")},
    {"{\"id\":1,\"id\":2}", ERROR_OF("null", "-32700", "parse_error", "\"byte ")},
    {"{\"a\":\"\\u0000\"}", ERROR_OF("null", "-32700", "parse_error", "\"byte ")},
    {"{\"a\":\"\xff\"}", ERROR_OF("null", "-32700", "parse_error", "\"byte ")},
    /* no request */
    {"{}", ERROR_OF("null", "-32600", "invalid_request", "\"jsonrpc: ")},
    {"[]", ERROR_OF("null", "-32600", "invalid_request", "\"an empty array")},
    {"{\"id\":3}", ERROR_OF("3", "-32600", "invalid_request", "\"jsonrpc: ")},
    {"{\"jsonrpc\":\"1.0\",\"id\":3,\"method\":\"ping\"}",
     ERROR_OF("3", "-32600", "invalid_request", "\"jsonrpc: ")},
    {"{\"jsonrpc\":\"2.0\",\"id\":3}", ERROR_OF("3", "-32600", "invalid_request", "\"method: ")},
    {"{\"jsonrpc\":\"2.0\",\"method\":1}",
     ERROR_OF("null", "-32600", "invalid_request", "\"method: ")},
    {"{\"jsonrpc\":\"2.0\",\"id\":[],\"method\":\"ping\"}",
     ERROR_OF("null", "-32600", "invalid_request", "\"id: ")},
    {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"params\":5}",
     ERROR_OF("1", "-32600", "invalid_request", "\"params: ")},
    {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"parms\":{}}",
     ERROR_OF("1", "-32600", "invalid_request", "\"parms: ")},
    /* requests that can't be carried out */
    {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"nosuch\"}",
     ERROR_OF("1", "-32601", "method_not_found", "\"method nosuch is not known; there are submit")},
    {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"params\":{\"x\":1}}",
     ERROR_OF("1", "-32602", "invalid_params", "\"params: ping takes none")},
    {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"show\",\"params\":[5]}",
     ERROR_OF("1", "-32602", "invalid_params", "\"params: show takes an object")},
    {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"submit\"}",
     ERROR_OF("1", "-32602", "invalid_params", "\"params: give a job")},
    {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"run\"}",
     ERROR_OF("1", "-32602", "invalid_params", "\"params: give a job")},
    {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"head\"}",
     ERROR_OF("1", "-32602", "invalid_params", "\"params: give a job")},
    {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"submit\",\"params\":[]}",
     ERROR_OF("1", "-32602", "invalid_params", "\"jobs: an empty")},
    {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"submit\",\"params\":{\"jobs\":5}}",
     ERROR_OF("1", "-32602", "invalid_params", "\"jobs: must be")},
    {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"submit\",\"params\":{\"jobs\":[{}],\"url\":\"u\"}"
     "}",
     ERROR_OF("1", "-32602", "invalid_params", "\"beside `jobs`")},
    {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"submit\",\"params\":{\"url\":\"u\",\"follow\":1}}",
     ERROR_OF("1", "-32602", "invalid_params", "\"follow: true, false")},
    {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"follow\",\"params\":{\"ids\":[]}}",
     ERROR_OF("1", "-32602", "invalid_params", "\"ids: an array")},
    {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"follow\",\"params\":{\"ids\":[3,-1]}}",
     ERROR_OF("1", "-32602", "invalid_params", "\"ids[1]: must be")},
    /* arrays */
    {"[1]", "[{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32600,"},
    {"[{\"jsonrpc\":\"2.0\",\"method\":\"stats\"},{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":"
     "\"list\"},"
     "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"list\"},{\"jsonrpc\":\"2.0\",\"method\":\"stats\"}"
     "]",
     "[{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}},{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{}}]"
     "\n"},
    {"[{\"jsonrpc\":\"2.0\",\"method\":\"stats\"}]", ""},
};

/* "message":"…" of an ERROR_OF stands open: compares what is before, and what follows the sentence.
 */
static void expect_answer(const char *answer, const char *expected)
{
    const char *open = strstr(expected, ",\"data\":");
    if (!open) {
        assert_int_equal(strncmp(answer, expected, strlen(expected)), 0);
        return;
    }
    if (strncmp(answer, expected, (size_t)(open - expected)) != 0)
        fail_msg("%s instead of %s", answer, expected);
    assert_non_null(strstr(answer, open));
    assert_int_equal(answer[strlen(answer) - 1], '\n');
}

static void test_table(void **state)
{
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct talk t;
        setup(&t);
        say(&t, table[i].line);
        fake_run(&t.api);
        const char *answer = hear(&t);
        if (table[i].answer[0] == '\0')
            assert_string_equal(answer, "");
        else
            expect_answer(answer, table[i].answer);
        assert_true(rpc_idle(&t.rpc));
        teardown(&t);
    }
}

static void test_ping(void **state)
{
    struct talk t;
    setup(&t);
    say(&t, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}");
    json_t *answer = json_loads(hear(&t), 0, NULL);
    json_t *result = json_object_get(answer, "result");
    assert_true(json_is_true(json_object_get(result, "pong")));
    assert_string_equal(json_string_value(json_object_get(result, "version")), "1.2.3");
    assert_string_equal(json_string_value(json_object_get(result, "instance")), "abc");
    assert_true(json_integer_value(json_object_get(result, "pid")) > 0);
    json_decref(answer);
    teardown(&t);
}

/* A result that comes as text is spliced in as it stands. */
static void test_text_results(void **state)
{
    struct talk t;
    setup(&t);
    say(&t, "[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"show\",\"params\":{\"id\":9}},"
            "{\"jsonrpc\":\"2.0\",\"method\":\"show\",\"params\":{\"id\":9}}]");
    fake_answer_text(&t.api, 0, "{\"id\":9, \"seconds\":0.10}");
    fake_answer_text(&t.api, 0, "{}"); /* to nobody */
    assert_string_equal(
        hear(&t), "[{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"id\":9, \"seconds\":0.10}}]\n");
    assert_true(rpc_idle(&t.rpc));
    /* `follow` asks for a job before it begins, and wants to know no more than that it is there */
    say(&t, "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"follow\",\"params\":{\"ids\":[9]}}");
    fake_answer_text(&t.api, 0, "{\"id\":9}");
    assert_null(strstr(hear(&t), "\"id\":9"));
    say(&t, "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"show\",\"params\":{\"id\":9}}");
    rpc_abandon(&t.rpc);
    fake_answer_text(&t.api, 0, "{\"id\":9}"); /* whoever asked has gone */
    assert_true(rpc_idle(&t.rpc));
    teardown(&t);
}

static void test_errors_of_calls(void **state)
{
    struct talk t;
    setup(&t);
    say(&t, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"show\",\"params\":{\"id\":9}}");
    assert_int_equal(t.api.pending[0]->peer.uid, 1000);
    fake_refuse(&t.api, 0, API_NOT_FOUND, "no job 9", "id");
    assert_string_equal(hear(&t), "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32001,"
                                  "\"message\":\"no job 9\",\"data\":{\"kind\":\"not_found\","
                                  "\"field\":\"id\"}}}\n");
    /* one of an array of jobs gets its kind here */
    say(&t, "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"submit\",\"params\":[{\"url\":\"u\"},{}]}");
    fake_default(&t.api, 0);
    assert_string_equal(hear(&t),
                        "{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":[{\"id\":1},{\"error\":{\"code\":"
                        "-32602,\"message\":\"url: missing\",\"data\":{\"kind\":\"invalid_params\"}"
                        "}}]}\n");
    teardown(&t);
}

static void test_order(void **state)
{
    struct talk t;
    setup(&t);
    for (int i = 0; i < 4; i++)
        say(&t, i == 2 ? "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"nosuch\"}"
                       : "{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"list\"}");
    assert_int_equal(t.api.count, 3);
    fake_answer(&t.api, 2, json_integer(33));
    fake_answer(&t.api, 1, json_integer(22));
    assert_string_equal(hear(&t), "");
    fake_answer(&t.api, 0, json_integer(11));
    char *text = strdup(hear(&t));
    char *first = strstr(text, "11"), *second = strstr(text, "22"), *third = strstr(text, "33");
    assert_true(first && second && third && first < second && second < third);
    assert_true(strstr(text, "-32601") > second && strstr(text, "-32601") < third);
    free(text);
    teardown(&t);
}

static void test_batch_waits_for_all(void **state)
{
    struct talk t;
    setup(&t);
    say(&t, "[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"list\"},{\"jsonrpc\":\"2.0\",\"id\":2,"
            "\"method\":\"list\"}]");
    fake_answer(&t.api, 0, json_true());
    assert_string_equal(hear(&t), "");
    fake_answer(&t.api, 0, json_false());
    assert_string_equal(hear(&t), "[{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":true},"
                                  "{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":false}]\n");
    teardown(&t);
}

static char *many(const char *item, int n)
{
    struct buf b = BUF_INIT;
    buf_putc(&b, '[');
    for (int i = 0; i < n; i++)
        buf_printf(&b, "%s%s", i ? "," : "", item);
    buf_putc(&b, ']');
    return buf_steal(&b);
}

static void test_batch_bounds(void **state)
{
    struct talk t;
    setup(&t);
    char *line = many("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"parsers\"}", MESSAGE_MAX_BATCH);
    say(&t, line);
    fake_run(&t.api);
    json_t *answers = json_loads(hear(&t), 0, NULL);
    assert_int_equal(json_array_size(answers), MESSAGE_MAX_BATCH);
    json_decref(answers);
    free(line);

    line = many("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"parsers\"}", MESSAGE_MAX_BATCH + 1);
    say(&t, line);
    assert_non_null(strstr(hear(&t), "-32600"));
    assert_int_equal(t.api.made, MESSAGE_MAX_BATCH);
    free(line);
    teardown(&t);
}

/* An array whose answers exceed the budget leaves in pieces, and still is one array in order. */
static void test_batch_beyond_budget(void **state)
{
    struct talk t;
    setup(&t);
    char *line =
        many("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"list\",\"params\":{\"limit\":1000}}", 50);
    char *big = malloc(500000);
    memset(big, 'x', 499999);
    big[499999] = '\0';
    struct buf all = BUF_INIT;
    say(&t, line);
    assert_false(rpc_wants(&t.rpc));
    size_t most = 0;
    while (t.api.made < 50 || t.api.count > 0) {
        assert_true(t.api.count > 0);
        fake_answer(&t.api, t.api.count - 1, json_string(big));
        if (t.rpc.bytes > most)
            most = t.rpc.bytes;
        buf_puts(&all, hear(&t));
    }
    assert_true(most <= RPC_BYTES + (1 << 20));
    assert_true(rpc_wants(&t.rpc));
    json_t *answers = json_loadb(all.data, all.len, 0, NULL);
    assert_int_equal(json_array_size(answers), 50);
    json_decref(answers);
    buf_deinit(&all);
    free(big);
    free(line);
    teardown(&t);
}

static void test_pipeline_bound(void **state)
{
    struct talk t;
    setup(&t);
    size_t lines = 0;
    while (rpc_wants(&t.rpc)) {
        say(&t, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"wait\",\"params\":{\"ids\":[1]}}");
        lines++;
        assert_true(lines <= RPC_CALLS + 1);
    }
    assert_true(lines >= 800);
    assert_true(t.api.count <= RPC_CALLS);
    /* one answer makes room for one request: not before it has left */
    fake_answer(&t.api, 0, json_object());
    hear(&t);
    assert_true(rpc_wants(&t.rpc));
    teardown(&t);
    assert_int_equal(t.api.abandoned, lines - 1);
}

static void test_values_and_depth(void **state)
{
    struct talk t;
    setup(&t);
    struct buf b = BUF_INIT;
    for (int i = 0; i < MESSAGE_MAX_DEPTH + 1; i++)
        buf_putc(&b, '[');
    say(&t, b.data);
    assert_non_null(strstr(hear(&t), "nested more than"));
    buf_reset(&b);
    buf_puts(&b, "{\"a\":[0");
    for (int i = 0; i < MESSAGE_MAX_VALUES; i++)
        buf_puts(&b, ",0");
    buf_puts(&b, "]}");
    say(&t, b.data);
    assert_non_null(strstr(hear(&t), "more than 100000 values"));
    buf_reset(&b);
    buf_puts(&b, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"wait\",\"params\":{\"ids\":[1");
    for (int i = 0; i < MESSAGE_MAX_IDS; i++)
        buf_puts(&b, ",1");
    buf_puts(&b, "]}}");
    say(&t, b.data);
    assert_non_null(strstr(hear(&t), "ids: 1001, and at most 1000"));
    /* brackets in strings are none */
    say(&t, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"list\",\"params\":{\"label\":"
            "\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[[[\"}}");
    fake_run(&t.api);
    assert_non_null(strstr(hear(&t), "\"result\""));
    buf_deinit(&b);
    teardown(&t);
}

static void test_submit_unwraps(void **state)
{
    struct talk t;
    setup(&t);
    say(&t,
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"submit\",\"params\":{\"jobs\":[{\"url\":\"u\"}"
        "],\"follow\":true}}");
    assert_true(json_is_array(t.api.pending[0]->params));
    assert_ptr_equal(t.api.pending[0]->follower, &t.stream.follower);
    assert_int_equal(t.stream.follower.events, EVENT_ALL);
    fake_default(&t.api, 0);
    say(&t, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"submit\",\"params\":{\"url\":\"u\","
            "\"follow\":false}}");
    assert_int_equal(json_object_size(t.api.pending[0]->params), 1);
    assert_null(t.api.pending[0]->follower);
    teardown(&t);
}

/* Events of a job that `submit` made come after its answer, whenever they happened. */
static void test_events_after_the_answer(void **state)
{
    struct talk t;
    setup(&t);
    say(&t, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"wait\",\"params\":{\"ids\":[7]}}");
    say(&t, "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"submit\",\"params\":{\"url\":\"u\","
            "\"follow\":true}}");
    fake_line(&t.api, EVENT_VERDICT, 1, "{\"event\":\"verdict\",\"job\":1}\n");
    assert_false(stream_pending(&t.stream));
    fake_default(&t.api, 1);
    hear(&t);
    assert_false(stream_pending(&t.stream));
    fake_answer(&t.api, 0, json_object());
    assert_non_null(strstr(hear(&t), "{\"id\":1}"));
    assert_true(stream_pending(&t.stream));
    struct buf out = BUF_INIT;
    stream_take(&t.stream, &out);
    assert_string_equal(out.data, "{\"jsonrpc\":\"2.0\",\"method\":\"event\",\"params\":{\"event\":"
                                  "\"verdict\",\"job\":1}}\n"
                                  "{\"jsonrpc\":\"2.0\",\"method\":\"end\",\"params\":{}}\n");
    buf_deinit(&out);
    teardown(&t);
}

/* `follow` by ids is answered once it is known that there are such jobs. */
static void test_follow_is_checked(void **state)
{
    struct talk t;
    setup(&t);
    say(&t, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"follow\",\"params\":{\"ids\":[5,6]}}");
    assert_int_equal(t.api.count, 1);
    assert_string_equal(hear(&t), "");
    fake_unknown(&t.api, 6);
    fake_default(&t.api, 0);
    assert_string_equal(hear(&t), "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32001,"
                                  "\"message\":\"ids: there is no job 6\",\"data\":{\"kind\":"
                                  "\"not_found\",\"field\":\"ids\"}}}\n");
    say(&t, "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"follow\",\"params\":{\"ids\":[5]}}");
    fake_default(&t.api, 0);
    assert_string_equal(hear(&t),
                        "{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{\"following\":true}}\n");
    /* a store that fails is no answer to it */
    fake_line(&t.api, EVENT_VERDICT, 5, "{}\n");
    struct buf out = BUF_INIT;
    stream_take(&t.stream, &out);
    buf_deinit(&out);
    say(&t, "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"follow\",\"params\":{\"ids\":[5]}}");
    fake_refuse(&t.api, 0, API_UNAVAILABLE, "the store says no", NULL);
    assert_non_null(strstr(hear(&t), "\"code\":-32006"));
    assert_int_equal(t.stream.mode, STREAM_IDLE);
    teardown(&t);
}

static void test_abandon(void **state)
{
    struct talk t;
    setup(&t);
    say(&t, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"wait\",\"params\":{\"ids\":[7]}}");
    say(&t, "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"ping\"}");
    rpc_abandon(&t.rpc);
    assert_int_equal(t.api.abandoned, 1);
    assert_false(rpc_idle(&t.rpc));
    fake_answer(&t.api, 0, json_object());
    assert_true(rpc_idle(&t.rpc));
    teardown(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_ping),
        cmocka_unit_test(test_text_results),
        cmocka_unit_test(test_errors_of_calls),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_batch_waits_for_all),
        cmocka_unit_test(test_batch_bounds),
        cmocka_unit_test(test_batch_beyond_budget),
        cmocka_unit_test(test_pipeline_bound),
        cmocka_unit_test(test_values_and_depth),
        cmocka_unit_test(test_submit_unwraps),
        cmocka_unit_test(test_events_after_the_answer),
        cmocka_unit_test(test_follow_is_checked),
        cmocka_unit_test(test_abandon),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
