/* Jobs from a source to the daemon, in batches: so many under way and no more, answered in the
 * order of the source, whatever the daemon says. */
#include "ctl/submit.h"

#include "base/fd.h"
#include "support/testlib.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define MANY 3000

static struct conn conn;
static struct source source;
static struct submit submit;
static json_t *common;
static struct buf told; /* a line for each item that was answered */

/* "URL|line id" or "URL|line: why (code field) raw". */
static int note(struct submit *s, const struct submit_item *item, const struct submit_reply *reply)
{
    assert_ptr_equal(s, &submit);
    if (item->name)
        buf_printf(&told, "%s ", item->name);
    else
        buf_printf(&told, "%llu ", (unsigned long long)item->line);
    if (reply->id)
        buf_printf(&told, "%llu\n", (unsigned long long)reply->id);
    else
        buf_printf(&told, "%s (%d %s) %.*s\n", reply->why, reply->code,
                   reply->field ? reply->field : "-", (int)reply->raw_len, reply->raw);
    return 0;
}

static void begin(const char **urls, size_t count, const char *from)
{
    struct error err;
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    close(ends[1]); /* what is sent stays in conn.wire.out */
    conn = (struct conn){.wire = {.fd = ends[0], .path = "/run/x"}};
    jsonl_init(&conn.wire.in, 1 << 20);
    assert_int_equal(source_init(&source, from, urls, count, &err), 0);
    common = json_pack("{s:s}", "parser", "csv");
    submit = (struct submit){.conn = &conn,
                             .source = &source,
                             .common = common,
                             .batch_size = SUBMIT_BATCH,
                             .answered = note};
    assert_int_equal(submit_init(&submit), 0);
}

static int end(void **state)
{
    submit_deinit(&submit);
    source_deinit(&source);
    wire_close(&conn.wire);
    json_decref(common);
    common = NULL;
    buf_deinit(&told);
    return 0;
}

/* The first request that was sent and not looked at yet, as JSON; NULL: there is none. */
static json_t *next_request(void)
{
    const char *newline =
        memchr(conn.wire.out.data ? conn.wire.out.data : "", '\n', conn.wire.out.len);
    if (!newline)
        return NULL;
    size_t len = (size_t)(newline - conn.wire.out.data);
    json_t *request = json_loadb(conn.wire.out.data, len, 0, NULL);
    assert_non_null(request);
    buf_drop(&conn.wire.out, len + 1);
    return request;
}

static size_t jobs_in(const json_t *request)
{
    return json_array_size(json_object_get(request, "params"));
}

static void fill(void)
{
    struct error err = {""};
    if (submit_fill(&submit, &err) != 0)
        fail_msg("%s", err.text);
}

static int answer(const char *line, struct error *err)
{
    return submit_answer(&submit, line, strlen(line), err);
}

static void answer_well(const char *line)
{
    struct error err = {""};
    if (answer(line, &err) != 0)
        fail_msg("%s", err.text);
}

/* --- the window ------------------------------------------------------------------------------- */

static void test_no_more_than_the_window(void **state)
{
    static char text[MANY][16];
    static const char *urls[MANY];
    size_t sent = 0, taken = 0;
    uint64_t ids = 0;
    json_t *request;
    for (int i = 0; i < MANY; i++) {
        snprintf(text[i], sizeof text[i], "http://a/%d", i);
        urls[i] = text[i];
    }
    begin(urls, MANY, NULL);
    for (unsigned round = 1; !submit_done(&submit); round++) {
        struct buf line = BUF_INIT;
        struct error err = {""};
        fill();
        while ((request = next_request())) {
            assert_int_equal(jobs_in(request), SUBMIT_BATCH);
            assert_int_equal(json_integer_value(json_object_get(request, "id")), ++sent);
            json_decref(request);
        }
        if (sent < MANY / SUBMIT_BATCH)
            assert_false(submit_has_room(&submit));
        assert_in_range(sent - taken, 1, SUBMIT_WINDOW);
        buf_printf(&line, "{\"jsonrpc\":\"2.0\",\"id\":%u,\"result\":[", round);
        for (int i = 0; i < SUBMIT_BATCH; i++)
            buf_printf(&line, "%s{\"id\":%llu}", i ? "," : "", (unsigned long long)++ids);
        buf_puts(&line, "]}");
        assert_int_equal(submit_answer(&submit, line.data, line.len, &err), 0);
        taken++;
        buf_deinit(&line);
    }
    assert_int_equal(ids, MANY);
    /* Each URL with its own id. */
    char *at = told.data;
    for (int i = 0; i < MANY; i++) {
        char expected[40];
        int len = snprintf(expected, sizeof expected, "http://a/%d %d\n", i, i + 1);
        assert_memory_equal(at, expected, (size_t)len);
        at += len;
    }
}

/* What is not full is sent only when it is asked for, and a request has so many bytes at most. */
static void test_batches(void **state)
{
    static char big[SUBMIT_BYTES / 2 + 1000];
    const char *urls[] = {"a", big, big, "b"};
    json_t *request;
    struct error err;
    memset(big, 'x', sizeof big - 1);
    begin(urls, 4, NULL);
    fill();
    request = next_request();
    assert_int_equal(jobs_in(request), 2); /* "a" and the first big one */
    json_decref(request);
    assert_null(next_request());
    assert_int_equal(submit_flush(&submit, &err), 0);
    request = next_request();
    assert_int_equal(jobs_in(request), 2);
    json_t *last = json_array_get(json_object_get(request, "params"), 1);
    assert_string_equal(json_string_value(json_object_get(last, "url")), "b");
    assert_string_equal(json_string_value(json_object_get(last, "parser")), "csv");
    json_decref(request);
    assert_int_equal(submit_flush(&submit, &err), 0); /* there is nothing more */
    assert_null(next_request());
    assert_false(submit_done(&submit));
    answer_well("{\"id\":1,\"result\":[{\"id\":1},{\"id\":2}]}");
    answer_well("{\"id\":2,\"result\":[{\"id\":3},{\"id\":4}]}");
    assert_true(submit_done(&submit));
}

/* --- answers ---------------------------------------------------------------------------------- */

static void begin_three(void)
{
    static const char *urls[] = {"a", "b", "c"};
    struct error err;
    begin(urls, 3, NULL);
    submit.batch_size = 2;
    fill();
    assert_int_equal(submit_flush(&submit, &err), 0);
    buf_reset(&conn.wire.out);
}

static void test_answers(void **state)
{
    begin_three();
    answer_well("{\"jsonrpc\":\"2.0\",\"method\":\"event\",\"params\":{}}"); /* none of ours */
    answer_well("{\"id\":1,\"result\":[{\"id\":7},{\"error\":{\"code\":-32602,\"message\":\"no\","
                "\"data\":{\"field\":\"url\"}}}]}");
    answer_well("{\"id\":2,\"error\":{\"code\":-32004,\"message\":\"full\"}}");
    assert_true(submit_done(&submit));
    buf_putc(&told, '\0');
    assert_string_equal(told.data,
                        "a 7\n"
                        "b no (-32602 url) {\"code\":-32602,\"message\":\"no\",\"data\":{\"field\":"
                        "\"url\"}}\n"
                        "c full (-32004 -) {\"code\":-32004,\"message\":\"full\"}\n");
}

/* Whatever is not an answer to what was asked ends it: no id is given to another URL. */
static void test_answers_that_are_none(void **state)
{
    static const struct {
        const char *line;
        int code;
        const char *text;
    } rows[] = {
        {"{\"id\":2,\"result\":[{\"id\":7}]}", -EBADMSG, "does not speak penstock's protocol"},
        {"{\"id\":9,\"error\":{\"code\":-1,\"message\":\"too long a line\"}}", -EPROTO,
         "too long a line"},
        {"{\"id\":1,\"result\":[{\"id\":7}]}", -EBADMSG, "does not speak penstock's protocol"},
        {"{\"id\":1,\"result\":{\"id\":7}}", -EBADMSG, "does not speak penstock's protocol"},
        {"{\"id\":1}", -EBADMSG, "does not speak penstock's protocol"},
        {"SMTP", -EBADMSG, "does not speak penstock's protocol"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct error err = {""};
        begin_three();
        int r = answer(rows[i].line, &err);
        if (r != rows[i].code || !strstr(err.text, rows[i].text))
            fail_msg("%s: %d '%s'", rows[i].line, r, err.text);
        assert_false(submit_done(&submit));
        end(NULL);
    }
}

/* An element that says neither an id nor an error is a refusal without a reason. */
static void test_elements_that_say_nothing(void **state)
{
    begin_three();
    answer_well("{\"id\":1,\"result\":[{\"id\":-5},7]}");
    buf_putc(&told, '\0');
    assert_string_equal(told.data, "a the daemon gave no reason (0 -) \n"
                                   "b the daemon gave no reason (0 -) \n");
}

/* --- lines ------------------------------------------------------------------------------------ */

/* What is refused here keeps its place among what the daemon answers, and costs no request. */
static void test_lines_that_are_not_sent(void **state)
{
    static const char lines[] = "{oops\nhttp://a/\n\n\xff\nhttp://b/\n";
    const char *path = test_path("lines");
    struct error err;
    test_write_file(path, lines, sizeof lines - 1);
    begin(NULL, 0, path);
    while (!source_done(&source)) {
        fill();
        if (source_dry(&source))
            assert_int_equal(source_read(&source), 0);
    }
    assert_int_equal(told.len, 0); /* the first one waits for its batch */
    assert_int_equal(submit_flush(&submit, &err), 0);
    json_t *request = next_request();
    assert_int_equal(jobs_in(request), 2);
    json_decref(request);
    answer_well("{\"id\":1,\"result\":[{\"id\":1},{\"id\":2}]}");
    assert_true(submit_done(&submit));
    buf_putc(&told, '\0');
    assert_int_equal(strncmp(told.data, "1 not a JSON object", 19), 0);
    assert_non_null(strstr(told.data, "\n2 1\n4 the URL is not UTF-8 (0 -) \n5 2\n"));
}

static void test_nothing_but_bad_lines(void **state)
{
    const char *path = test_path("bad");
    struct error err;
    test_write_file(path, "{1\n{2", 5);
    begin(NULL, 0, path);
    while (!source_done(&source)) {
        fill();
        if (source_dry(&source))
            assert_int_equal(source_read(&source), 0);
    }
    assert_int_equal(submit_flush(&submit, &err), 0);
    assert_int_equal(conn.wire.out.len, 0); /* nothing was asked */
    assert_true(submit_done(&submit));
    buf_putc(&told, '\0');
    assert_non_null(strstr(told.data, "2 not a JSON object"));
}

int main(void)
{
#define CASE(test) cmocka_unit_test_teardown(test, end)
    const struct CMUnitTest tests[] = {
        CASE(test_no_more_than_the_window),
        CASE(test_batches),
        CASE(test_answers),
        CASE(test_answers_that_are_none),
        CASE(test_elements_that_say_nothing),
        CASE(test_lines_that_are_not_sent),
        CASE(test_nothing_but_bad_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
