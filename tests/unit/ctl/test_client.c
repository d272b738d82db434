/* The client against a daemon of paper: what it asks, prints and exits with. */
#include "client_fixture.h"

#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* --- single requests -------------------------------------------------------------------------- */

static void test_ping(void **state)
{
    CLIENT(&child, &daemon_, "ping");
    serve("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}", "{\"version\":\"9.9\\u001b\"}");
    assert_int_equal(test_finish(&child, PATIENCE), 0);
    file_has(child.out, "penstockd 9.9\\u001b answers at ");
}

static void test_show(void **state)
{
    CLIENT(&child, &daemon_, "show", "7");
    serve("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"show\",\"params\":{\"id\":7}}",
          "{\"id\":7,\"state\":\"done\",\"verdict\":{\"bytes\":3}}");
    client_ends(&child, 0, "id             7\nstate          done\nverdict.bytes  3\n", NULL);
}

static void test_json_is_not_encoded_again(void **state)
{
    CLIENT(&child, &daemon_, "--json", "show", "7");
    serve("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"show\",\"params\":{\"id\":7}}",
          "{ \"b\":1.50,\"a\":1E400}");
    /* A number that no double holds: the answer is refused, not altered. */
    assert_int_equal(test_finish(&child, PATIENCE), 3);
    talk_end(&talk);
    CLIENT(&child, &daemon_, "show", "7", "--json");
    serve("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"show\",\"params\":{\"id\":7}}",
          "{ \"b\":1.50,\"a\":1E4}");
    client_ends(&child, 0, "{ \"b\":1.50,\"a\":1E4}\n", NULL);
}

static void test_refusal(void **state)
{
    CLIENT(&child, &daemon_, "explain", "7");
    fake_accept(&daemon_, &talk);
    talk_hear(&talk);
    talk_say(&talk, "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32001,\"message\":\"job 7: "
                    "there is none\\u0007\"}}");
    client_ends(&child, 3, "", "penstockctl: job 7: there is none\\u0007\n");
}

static void test_method_of_another_version(void **state)
{
    CLIENT(&child, &daemon_, "pause", "host", "example.org");
    fake_accept(&daemon_, &talk);
    talk_expect(&talk, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"pause\",\"params\":{\"host\":"
                       "\"example.org\"}}");
    talk_say(&talk, "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32601,\"message\":\"method "
                    "not found\"}}");
    client_ends(&child, 3, "", "method not found");
}

static void test_daemon_that_hangs_up(void **state)
{
    CLIENT(&child, &daemon_, "ping");
    fake_accept(&daemon_, &talk);
    talk_hear(&talk);
    talk_end(&talk);
    client_ends(&child, 3, "", "has closed the connection");
}

static void test_something_else_at_the_socket(void **state)
{
    CLIENT(&child, &daemon_, "ping");
    fake_accept(&daemon_, &talk);
    talk_say(&talk, "220 mail.example.org ESMTP");
    client_ends(&child, 3, "", "does not speak penstock's protocol");
}

static void test_list_pages(void **state)
{
    CLIENT(&child, &daemon_, "list", "--state", "done", "--limit", "103");
    serve("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"list\",\"params\":{\"state\":\"done\","
          "\"limit\":100}}",
          "{\"jobs\":[{\"id\":12,\"state\":\"done\",\"attempt\":1,\"parser\":\"csv\",\"url\":"
          "\"http://a/\\u001b[2J\",\"created\":\"1990-01-01T00:00:00Z\",\"verdict\":{\"bytes\":5}}"
          "],\"next\":12}");
    talk_expect(&talk, "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"list\",\"params\":{\"state\":"
                       "\"done\",\"limit\":100,\"before\":12}}");
    talk_answer(&talk, 2, "{\"jobs\":[{\"id\":3,\"state\":\"done\",\"url\":\"x\"}],\"next\":null}");
    assert_int_equal(test_finish(&child, PATIENCE), 0);
    file_has(child.out, "ID  STATE  ATTEMPT  PARSER  AGE  BYTES  ERROR  URL\n");
    file_has(child.out, "12  done         1  csv     ");
    file_has(child.out, "y      5  -      http://a/\\u001b[2J\n");
    file_has(child.out, " 3  done         -");
}

static void test_list_stops_at_its_limit(void **state)
{
    CLIENT(&child, &daemon_, "list", "--limit", "1", "--json");
    serve("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"list\",\"params\":{\"limit\":1}}",
          "{\"jobs\":[{\"id\":12, \"x\":1.0}],\"next\":12}");
    client_ends(&child, 0, "{\"id\":12, \"x\":1.0}\n", NULL);
}

static void test_cancel_and_retry(void **state)
{
    CLIENT(&child, &daemon_, "cancel", "1", "2", "3");
    serve("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"cancel\",\"params\":{\"ids\":[1,2,3]}}",
          "{\"cancelled\":[1],\"ended\":[2],\"missing\":[3]}");
    client_ends(&child, 3, "1 cancelled\n2 had ended\n", "3: no such job");
    talk_end(&talk);
    CLIENT(&child, &daemon_, "retry", "--error", "truncated");
    serve("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"retry\",\"params\":{\"error\":\"truncated\","
          "\"limit\":1000}}",
          "{\"retried\":[{\"id\":9,\"retry_of\":4}],\"not_ended\":[],\"missing\":[]}");
    client_ends(&child, 0, "9 retries 4\n", NULL);
}

static void test_parsers(void **state)
{
    CLIENT(&child, &daemon_, "parsers");
    serve("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"parsers\"}",
          "{\"parsers\":[{\"name\":\"csv\",\"summary\":\"Rows\",\"type\":\"builtin\",\"options\":["
          "{\"name\":\"delimiter\",\"default\":\",\",\"help\":\"between fields\"}]}]}");
    client_ends(&child, 0,
                "NAME, option   TYPE     SUMMARY\n"
                "csv            builtin  Rows\n"
                "  delimiter=,           between fields\n",
                NULL);
}

/* --- submit ----------------------------------------------------------------------------------- */

static void test_submit(void **state)
{
    CLIENT(&child, &daemon_, "submit", "http://a/", "http://b/", "--parser", "csv");
    serve("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"submit\",\"params\":[{\"url\":\"http://a/\","
          "\"parser\":\"csv\"},{\"url\":\"http://b/\",\"parser\":\"csv\"}]}",
          "[{\"id\":5},{\"error\":{\"code\":-32602,\"message\":\"url: no\"}}]");
    client_ends(&child, 3, "5\n", "penstockctl: http://b/: url: no\n");
}

static void test_submit_refused_as_a_whole(void **state)
{
    CLIENT(&child, &daemon_, "submit", "http://a/", "http://b/", "--json");
    fake_accept(&daemon_, &talk);
    talk_hear(&talk);
    talk_say(&talk, "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32004,\"message\":\"the "
                    "queue is full\"}}");
    client_ends(&child, 3,
                "{\"error\":{\"code\":-32004,\"message\":\"the queue is full\"}}\n"
                "{\"error\":{\"code\":-32004,\"message\":\"the queue is full\"}}\n",
                "http://b/: the queue is full");
}

static void test_submit_from_lines(void **state)
{
    static const char lines[] = "http://a/\n\n{\"url\":\"http://b/\",\"priority\":1}\n{oops\n"
                                "http://c/";
    test_write_file(test_path("lines"), lines, sizeof lines - 1);
    CLIENT(&child, &daemon_, "submit", "--from", test_path("lines"), "--priority=7");
    serve("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"submit\",\"params\":[{\"url\":\"http://a/\","
          "\"priority\":7},{\"url\":\"http://b/\",\"priority\":1},{\"url\":\"http://c/\","
          "\"priority\":7}]}",
          "[{\"id\":5},{\"error\":{\"code\":-32602,\"message\":\"no\"}},{\"id\":6}]");
    client_ends(&child, 3, "5\n6\n", "line 4: not a JSON object");
    file_has(child.err, "line 3: no\n");
}

static void test_submit_bad_lines_only(void **state)
{
    static const char lines[] = "a\0b\n\xff\n";
    test_write_file(test_path("lines"), lines, sizeof lines - 1);
    CLIENT(&child, &daemon_, "submit", "--json", "--from", test_path("lines"));
    fake_accept(&daemon_, &talk);
    assert_null(talk_hear(&talk));
    client_ends(&child, 3,
                "{\"error\":{\"message\":\"there is a NUL byte in the line\"},\"line\":1}\n"
                "{\"error\":{\"message\":\"the URL is not UTF-8\"},\"line\":2}\n",
                "line 1: there is a NUL byte in the line");
}

static void test_submit_line_too_long(void **state)
{
    struct buf b = BUF_INIT;
    for (int i = 0; i < 2 << 20; i++)
        buf_putc(&b, 'x');
    buf_puts(&b, "\nhttp://a/\n");
    test_write_file(test_path("lines"), b.data, b.len);
    buf_deinit(&b);
    CLIENT(&child, &daemon_, "submit", "--from", test_path("lines"));
    serve(
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"submit\",\"params\":[{\"url\":\"http://a/\"}]}",
        "[{\"id\":5}]");
    client_ends(&child, 3, "5\n", "line 1: the line is longer than 1 MiB");
}

static void test_submit_answers_a_slow_source_at_once(void **state)
{
    struct buf line = BUF_INIT;
    CLIENT(&child, &daemon_, "submit", "--from", "-");
    assert_int_equal(fd_write_all(child.in, "http://a/\n", 10), 0);
    serve(
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"submit\",\"params\":[{\"url\":\"http://a/\"}]}",
        "[{\"id\":5}]");
    test_wait_line(child.out, "5", PATIENCE, &line); /* while standard input is still open */
    assert_int_equal(fd_write_all(child.in, "http://b/", 9), 0);
    fd_close(&child.in);
    talk_expect(&talk, "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"submit\",\"params\":[{\"url\":"
                       "\"http://b/\"}]}");
    talk_answer(&talk, 2, "[{\"id\":6}]");
    client_ends(&child, 0, "5\n6\n", NULL);
    buf_deinit(&line);
}

/* Answers one batch with the ids from *next on. The number of its jobs. */
static size_t serve_batch(uint64_t *next)
{
    json_t *request = talk_hear_json(&talk), *results = json_array();
    size_t count = json_array_size(json_object_get(request, "params"));
    for (size_t i = 0; i < count; i++) {
        char url[32];
        json_t *job = json_array_get(json_object_get(request, "params"), i);
        snprintf(url, sizeof url, "http://a/%llu", (unsigned long long)*next);
        assert_string_equal(json_string_value(json_object_get(job, "url")), url);
        json_array_append_new(results, json_pack("{s:I}", "id", (json_int_t)(*next)++));
    }
    json_t *answer = json_pack("{s:s, s:O, s:o}", "jsonrpc", "2.0", "id",
                               json_object_get(request, "id"), "result", results);
    char *text = json_dumps(answer, JSON_COMPACT);
    talk_say(&talk, text);
    free(text);
    json_decref(answer);
    json_decref(request);
    return count;
}

static void test_submit_many_lines(void **state)
{
    enum { COUNT = 30000 }; /* more than is read at once */
    struct buf lines = BUF_INIT, ids = BUF_INIT;
    uint64_t next = 1;
    for (int i = 1; i <= COUNT; i++) {
        buf_printf(&lines, "http://a/%d\n", i);
        buf_printf(&ids, "%d\n", i);
    }
    test_write_file(test_path("lines"), lines.data, lines.len);
    CLIENT(&child, &daemon_, "submit", "--from", test_path("lines"));
    fake_accept(&daemon_, &talk);
    /* Nothing is answered yet: it sends what its window has room for, and no more. */
    fake_wait(talk.fd, POLLIN);
    while (next <= COUNT)
        assert_in_range(serve_batch(&next), 1, 100);
    client_ends(&child, 0, ids.data, NULL);
    buf_deinit(&lines);
    buf_deinit(&ids);
}

/* While nothing is answered, the client takes no more of its source than its window has room
 * for. */
static void test_submit_is_bounded(void **state)
{
    enum { LEAST = 66000 }; /* a pipe, and a line: batches are small where lines come slowly */
    static char lines[1000];
    size_t taken = 0;
    memset(lines, 'x', sizeof lines);
    for (size_t i = 99; i < sizeof lines; i += 100)
        lines[i] = '\n';
    CLIENT(&child, &daemon_, "submit", "--from", "-");
    fake_accept(&daemon_, &talk);
    fd_set_nonblock(child.in, true);
    while (taken < 4 << 20) {
        struct pollfd room = {.fd = child.in, .events = POLLOUT};
        /* What it must take it may take as late as a busy machine lets it. */
        int got = poll(&room, 1, taken < LEAST ? (int)PATIENCE : 300);
        if (got == 0)
            break; /* it takes no more */
        ssize_t n = write(child.in, lines, sizeof lines);
        assert_true(n > 0);
        taken += (size_t)n;
    }
    assert_in_range(taken, LEAST, 400000);
    talk_end(&talk);
    assert_int_equal(test_finish(&child, PATIENCE), 3);
}

static void test_refused_arguments_show_no_secrets(void **state)
{
    CLIENT(&child, &daemon_, "submit", "http://me:secret@a/b?token=secret#x", "http://a/?x@y");
    fake_accept(&daemon_, &talk);
    talk_hear(&talk);
    talk_answer(&talk, 1,
                "[{\"error\":{\"code\":-32602,\"message\":\"no\"}},"
                "{\"error\":{\"code\":-32602,\"message\":\"no\"}}]");
    client_ends(&child, 3, "", "");
    file_is(child.err, "penstockctl: http://***@a/b?***: no\npenstockctl: http://a/?***: no\n");
}

static void test_submit_and_wait(void **state)
{
    CLIENT(&child, &daemon_, "submit", "http://a/", "http://b/", "--wait");
    fake_accept(&daemon_, &talk);
    talk_hear(&talk);
    talk_answer(&talk, 1, "[{\"id\":5},{\"id\":6}]");
    talk_expect(&talk,
                "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"wait\",\"params\":{\"ids\":[5]}}");
    talk_expect(&talk,
                "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"wait\",\"params\":{\"ids\":[6]}}");
    talk_answer(&talk, 2,
                "{\"jobs\":[{\"id\":5,\"state\":\"done\",\"verdict\":{\"bytes\":3,"
                "\"records\":1,\"verified_by\":\"length\",\"seconds\":{\"total\":0.1}}}]}");
    talk_answer(&talk, 3,
                "{\"jobs\":[{\"id\":6,\"state\":\"failed\",\"verdict\":{\"error\":{"
                "\"kind\":\"truncated\",\"message\":\"cut\"}}}]}");
    client_ends(&child, 1,
                "5\n6\n5 done 3 bytes 1 records length 0.100 s\n6 failed truncated: cut\n", NULL);
}

/* Answers to all that is under way may come in one piece; then it is the client's turn to ask for
 * more. */
static void test_waits_answered_at_once(void **state)
{
    enum { COUNT = 100, WINDOW = 64 };
    struct buf lines = BUF_INIT, out = BUF_INIT;
    uint64_t next = 1;
    for (int i = 1; i <= COUNT; i++)
        buf_printf(&lines, "http://a/%d\n", i), buf_printf(&out, "%d\n", i);
    for (int i = 1; i <= COUNT; i++)
        buf_printf(&out, "%d done\n", i);
    test_write_file(test_path("lines"), lines.data, lines.len);
    CLIENT(&child, &daemon_, "submit", "--wait", "--from", test_path("lines"));
    fake_accept(&daemon_, &talk);
    while (next <= COUNT)
        serve_batch(&next);
    for (int id = 1, asked = 1; id <= COUNT; asked = id) {
        buf_reset(&lines);
        for (; id <= COUNT && id < asked + WINDOW; id++) {
            json_t *request = talk_hear_json(&talk);
            buf_printf(&lines,
                       "%s{\"jsonrpc\":\"2.0\",\"id\":%lld,\"result\":{\"jobs\":[{\"id\":%d,"
                       "\"state\":\"done\"}]}}",
                       id > asked ? "\n" : "", json_integer_value(json_object_get(request, "id")),
                       id);
            json_decref(request);
        }
        buf_putc(&lines, '\0');
        talk_say(&talk, lines.data);
    }
    client_ends(&child, 0, out.data, NULL);
    buf_deinit(&lines);
    buf_deinit(&out);
}

static void test_submit_and_follow(void **state)
{
    static const char record[] = "{\"event\":\"record\",\"job\":5,\"data\":{\"n\":1.10,\"a\":0}}";
    static const char verdict[] = "{\"event\":\"verdict\",\"job\":5,\"state\":\"done\"}";
    struct buf expected = BUF_INIT;
    CLIENT(&child, &daemon_, "submit", "http://a/", "--follow");
    serve("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"submit\",\"params\":{\"jobs\":[{\"url\":"
          "\"http://a/\"}],\"follow\":true,\"backpressure\":true}}",
          "[{\"id\":5}]");
    talk_event(&talk, record);
    talk_event(&talk, verdict);
    buf_printf(&expected, "%s\n%s\n", record, verdict);
    client_ends(&child, 0, expected.data, NULL);
    buf_deinit(&expected);
}

/* A daemon that is older than the program, and has not been restarted yet, knows no
 * `backpressure`: all that it refused for that is sent again without, in its order. */
static void test_submit_and_follow_an_older_daemon(void **state)
{
    static const char refusal[] =
        "{\"jsonrpc\":\"2.0\",\"id\":%d,\"error\":{\"code\":-32602,\"message\":\"beside `jobs` "
        "there "
        "may be `follow` only: other members go into each job\",\"data\":{\"kind\":"
        "\"invalid_params\",\"field\":\"params\"}}}";
    static const char *const urls[] = {"http://a/", "http://b/"};
    char text[512];
    FILE *lines = fopen(test_path("lines"), "we");
    assert_non_null(lines);
    fputs("{\"url\":\"http://a/\",\"labels\":{\"k\":\"", lines);
    for (int i = 0; i < 300000; i++) /* a request of its own */
        putc('x', lines);
    fputs("\"}}\nhttp://b/\n", lines);
    assert_int_equal(fclose(lines), 0);
    CLIENT(&child, &daemon_, "submit", "--from", test_path("lines"), "--follow");
    fake_accept(&daemon_, &talk);
    for (int id = 1; id <= 4; id++) {
        json_t *request = talk_hear_json(&talk);
        json_t *params = json_object_get(request, "params");
        json_t *job = json_array_get(json_object_get(params, "jobs"), 0);
        assert_int_equal(json_integer_value(json_object_get(request, "id")), id);
        assert_string_equal(json_string_value(json_object_get(job, "url")), urls[(id - 1) % 2]);
        assert_true(json_is_true(json_object_get(params, "follow")));
        assert_int_equal(json_is_true(json_object_get(params, "backpressure")), id <= 2);
        json_decref(request);
        for (int i = 1; id == 2 && i <= 2; i++) {
            snprintf(text, sizeof text, refusal, i);
            talk_say(&talk, text);
        }
    }
    talk_answer(&talk, 3, "[{\"id\":5}]");
    talk_answer(&talk, 4, "[{\"id\":6}]");
    talk_event(&talk, "{\"event\":\"verdict\",\"job\":5,\"state\":\"done\"}");
    talk_event(&talk, "{\"event\":\"verdict\",\"job\":6,\"state\":\"done\"}");
    client_ends(&child, 0,
                "{\"event\":\"verdict\",\"job\":5,\"state\":\"done\"}\n"
                "{\"event\":\"verdict\",\"job\":6,\"state\":\"done\"}\n",
                NULL);
}

static void test_verdict_before_the_answer(void **state)
{
    CLIENT(&child, &daemon_, "submit", "http://a/", "--follow", "--data");
    fake_accept(&daemon_, &talk);
    talk_hear(&talk);
    talk_event(&talk, "{\"event\":\"verdict\",\"job\":5,\"attempt\":3,\"state\":\"failed\"}");
    talk_answer(&talk, 1, "[{\"id\":5}]");
    client_ends(&child, 1, "", "job 5 failed (attempt 3)");
}

/* --- follow and wait -------------------------------------------------------------------------- */

static void test_follow_filters_and_still_knows(void **state)
{
    CLIENT(&child, &daemon_, "follow", "5", "--events", "attempt,record");
    follow("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"follow\",\"params\":{\"ids\":[5],"
           "\"events\":[\"attempt\",\"record\",\"verdict\"]}}");
    talk_event(&talk, "{\"event\":\"attempt\",\"job\":5}");
    talk_event(&talk, "{\"event\":\"verdict\",\"job\":5,\"state\":\"cancelled\"}");
    talk_say(&talk, "{\"jsonrpc\":\"2.0\",\"method\":\"end\",\"params\":{}}");
    client_ends(&child, 1, "{\"event\":\"attempt\",\"job\":5}\n", NULL);
}

static void test_follow_missed(void **state)
{
    CLIENT(&child, &daemon_, "follow", "5");
    follow("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"follow\",\"params\":{\"ids\":[5]}}");
    talk_say(&talk, "{\"jsonrpc\":\"2.0\",\"method\":\"missed\",\"params\":{\"lines\":17}}");
    talk_event(&talk, "{\"event\":\"verdict\",\"job\":5,\"state\":\"done\"}");
    talk_say(&talk, "{\"jsonrpc\":\"2.0\",\"method\":\"end\"}");
    client_ends(&child, 3, "{\"event\":\"verdict\",\"job\":5,\"state\":\"done\"}\n",
                "17 lines were missed");
}

static void test_follow_when_the_daemon_goes(void **state)
{
    CLIENT(&child, &daemon_, "follow");
    follow("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"follow\",\"params\":{}}");
    talk_event(&talk, "{\"event\":\"stop\"}");
    talk_end(&talk);
    client_ends(&child, 3, "{\"event\":\"stop\"}\n", "has closed the connection");
}

static void test_interrupted(void **state)
{
    struct buf line = BUF_INIT;
    CLIENT(&child, &daemon_, "follow", "5");
    follow("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"follow\",\"params\":{\"ids\":[5]}}");
    talk_event(&talk, "{\"event\":\"start\"}");
    test_wait_line(child.out, "start", PATIENCE, &line);
    test_signal(&child, SIGINT);
    client_ends(&child, 130, "{\"event\":\"start\"}\n", "interrupted; job 5 goes on");
    talk_end(&talk);
    CLIENT(&child, &daemon_, "wait", "5", "6");
    fake_accept(&daemon_, &talk);
    talk_hear(&talk);
    talk_hear(&talk);
    test_signal(&child, SIGINT);
    client_ends(&child, 130, "", "interrupted; 2 jobs go on");
    buf_deinit(&line);
}

static void test_wait_for_an_unknown_job(void **state)
{
    CLIENT(&child, &daemon_, "wait", "5", "6");
    fake_accept(&daemon_, &talk);
    talk_hear(&talk);
    talk_hear(&talk);
    talk_say(&talk,
             "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32001,\"message\":\"none\"}}");
    talk_answer(&talk, 2, "{\"jobs\":[{\"id\":6,\"state\":\"done\"}]}");
    client_ends(&child, 3, "6 done\n", "5: none");
}

/* A reader that goes ends the client, even while nothing is to be written. */
static void test_the_reader_goes(void **state)
{
    const char *argv[] = {
        "sh",        "-c",         "{ \"$0\" --socket \"$1\" follow; echo $? >&2; } | head -n 1",
        PENSTOCKCTL, daemon_.path, NULL};
    test_start(&child, argv);
    follow("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"follow\",\"params\":{}}");
    talk_event(&talk, "{\"event\":\"start\"}");
    client_ends(&child, 0, "{\"event\":\"start\"}\n", "141");
    file_is(child.err, "141\n");
}

static void test_full_disk(void **state)
{
    const char *argv[] = {"sh",        "-c",         "\"$0\" --socket \"$1\" show 1 >/dev/full",
                          PENSTOCKCTL, daemon_.path, NULL};
    test_start(&child, argv);
    serve("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"show\",\"params\":{\"id\":1}}", "{\"id\":1}");
    client_ends(&child, 3, "", "standard output cannot be written");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_ping),
        TEST(test_show),
        TEST(test_json_is_not_encoded_again),
        TEST(test_refusal),
        TEST(test_method_of_another_version),
        TEST(test_daemon_that_hangs_up),
        TEST(test_something_else_at_the_socket),
        TEST(test_list_pages),
        TEST(test_list_stops_at_its_limit),
        TEST(test_cancel_and_retry),
        TEST(test_parsers),
        TEST(test_submit),
        TEST(test_submit_refused_as_a_whole),
        TEST(test_submit_from_lines),
        TEST(test_submit_bad_lines_only),
        TEST(test_submit_line_too_long),
        TEST(test_submit_answers_a_slow_source_at_once),
        TEST(test_submit_many_lines),
        TEST(test_submit_is_bounded),
        TEST(test_refused_arguments_show_no_secrets),
        TEST(test_submit_and_wait),
        TEST(test_waits_answered_at_once),
        TEST(test_submit_and_follow),
        TEST(test_submit_and_follow_an_older_daemon),
        TEST(test_verdict_before_the_answer),
        TEST(test_follow_filters_and_still_knows),
        TEST(test_follow_missed),
        TEST(test_follow_when_the_daemon_goes),
        TEST(test_interrupted),
        TEST(test_wait_for_an_unknown_job),
        TEST(test_the_reader_goes),
        TEST(test_full_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
