/* The head's parser: what it takes, and what it refuses because two readers could disagree. */
#include "fetch/head.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Feeds text line by line; the first result that is not 0, or 0. */
static int feed(struct head *head, const char *text, size_t len)
{
    while (len) {
        const char *end = memchr(text, '\n', len);
        size_t n = end ? (size_t)(end - text) + 1 : len;
        int r = head_line(head, text, n);
        if (r)
            return r;
        text += n;
        len -= n;
    }
    return 0;
}

static int parse(struct head *head, const char *text)
{
    head_init(head, 1000);
    return feed(head, text, strlen(text));
}

static void test_plain(void **state)
{
    struct head head;
    assert_int_equal(parse(&head, "HTTP/1.1 200 OK\r\nContent-Length: 42\r\nA:b\r\n"
                                  "C: \t d e \t \r\nEmpty:\r\na: second\r\n\r\n"),
                     HEAD_DONE);
    assert_int_equal(head.status, 200);
    assert_int_equal(head.version, 11);
    assert_int_equal(head.content_length, 42);
    assert_int_equal(head.field_count, 5);
    assert_string_equal(head.headers[1].name, "A");
    assert_string_equal(head.headers[2].value, "d e");
    assert_string_equal(head.headers[3].value, "");
    assert_string_equal(head_get(&head, "a"), "b");
    assert_string_equal(head_get(&head, "EMPTY"), "");
    assert_null(head_get(&head, "nothing"));
    head_deinit(&head);
}

static void test_interim_responses_are_dropped(void **state)
{
    struct head head;
    assert_int_equal(parse(&head, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n"
                                  "Content-Length: 9\r\n\r\nHTTP/1.1 204\r\nB: c\r\n\r\n"),
                     HEAD_DONE);
    assert_int_equal(head.status, 204);
    assert_int_equal(head.content_length, -1);
    assert_int_equal(head.field_count, 1);
    assert_string_equal(head_get(&head, "B"), "c");
    assert_true(head_bodiless(&head));
    head_deinit(&head);
}

static void test_folds(void **state)
{
    struct head head;
    assert_int_equal(parse(&head, "HTTP/1.1 200 OK\nA: one\n  two \n\tthree\n \t \nB: x\n\n"),
                     HEAD_DONE);
    assert_string_equal(head_get(&head, "A"), "one two three");
    assert_string_equal(head_get(&head, "B"), "x");
    head_deinit(&head);
    /* A folded framing field is what it is as a whole. */
    assert_int_equal(parse(&head, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n 6\r\n\r\n"), -EPROTO);
    head_deinit(&head);
}

static void test_trailers_count_and_are_dropped(void **state)
{
    struct head head;
    char line[300];
    memset(line, 'x', sizeof line);
    line[5] = ':';
    assert_int_equal(parse(&head, "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n"),
                     HEAD_DONE);
    assert_int_equal(head.transfer_encodings, 1);
    assert_int_equal(head_line(&head, line, sizeof line), 0);
    assert_int_equal(head_line(&head, line, sizeof line), 0);
    assert_int_equal(head_line(&head, line, sizeof line), 0);
    assert_int_equal(head.field_count, 1);
    assert_int_equal(head_line(&head, line, sizeof line), -EMSGSIZE);
    head_deinit(&head);
}

static void test_limit(void **state)
{
    struct head head;
    char text[1200] = "HTTP/1.1 200 OK\r\nA: ";
    size_t len = strlen(text);
    memset(text + len, 'x', 1000 - len - 4);
    memcpy(text + 996, "\r\n\r\n", 5);
    assert_int_equal(parse(&head, text), HEAD_DONE); /* 1000 to the byte */
    head_deinit(&head);
    memcpy(text + 996, "x\r\n\r\n", 6);
    assert_int_equal(parse(&head, text), -EMSGSIZE);
    head_deinit(&head);
}

static const struct {
    const char *fields;
    int result;
    int64_t content_length;
} framings[] = {
    {"Content-Length: 0", HEAD_DONE, 0},
    {"Content-Length:5", HEAD_DONE, 5},
    {"Content-Length: 9223372036854775807", HEAD_DONE, INT64_MAX},
    {"Content-Length: 9223372036854775808", -EPROTO, 0},
    {"Content-Length: 99999999999999999999999", -EPROTO, 0},
    {"Content-Length: 5, 5", HEAD_DONE, 5},
    {"Content-Length: 5,5 ,\t5", HEAD_DONE, 5},
    {"Content-Length: 5\r\ncontent-length: 5", HEAD_DONE, 5},
    {"Content-Length: 5\r\nContent-Length: 05", HEAD_DONE, 5},
    {"Content-Length: 5, 6", -EPROTO, 0},
    {"Content-Length: 5\r\nContent-Length: 6", -EPROTO, 0},
    {"Content-Length: 5,", -EPROTO, 0},
    {"Content-Length:", -EPROTO, 0},
    {"Content-Length: -5", -EPROTO, 0},
    {"Content-Length: +5", -EPROTO, 0},
    {"Content-Length: 0x5", -EPROTO, 0},
    {"Content-Length: 5 6", -EPROTO, 0},
    {"Content-Length: 5.0", -EPROTO, 0},
    {"Content-Length : 5", -EPROTO, 0},
    {"Transfer-Encoding: chunked", HEAD_DONE, -1},
    {"Transfer-Encoding:\tCHUNKED ", HEAD_DONE, -1},
    {"Transfer-Encoding : chunked", -EPROTO, 0},
    {"Transfer-Encoding: gzip", -EPROTO, 0},
    {"Transfer-Encoding: gzip, chunked", -EPROTO, 0},
    {"Transfer-Encoding: chunked, chunked", -EPROTO, 0},
    {"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", -EPROTO, 0},
    {"Transfer-Encoding: identity", -EPROTO, 0},
    {"Transfer-Encoding:", -EPROTO, 0},
    {"Transfer-Encoding: xchunked", -EPROTO, 0},
    {"Transfer-Encoding: chunked\r\nContent-Length: 5", -EPROTO, 0},
    {"Content-Length: 5\r\nTransfer-Encoding: chunked", -EPROTO, 0},
    {": value", -EPROTO, 0},
    {"no colon", -EPROTO, 0},
    {"na me: x", -EPROTO, 0},
    {"A: b\rContent-Length: 5", -EPROTO, 0},
    {" folded first", -EPROTO, 0},
};

static void test_framing(void **state)
{
    for (size_t i = 0; i < sizeof framings / sizeof framings[0]; i++) {
        char text[400];
        struct head head;
        snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\n%s\r\n\r\n", framings[i].fields);
        int r = parse(&head, text);
        if (r != framings[i].result ||
            (r == HEAD_DONE && head.content_length != framings[i].content_length))
            fail_msg("%s: %d, length %lld", framings[i].fields, r, (long long)head.content_length);
        if (r < 0)
            assert_non_null(head.error);
        head_deinit(&head);
    }
}

static void test_chunks_need_1_1(void **state)
{
    struct head head;
    assert_int_equal(parse(&head, "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
                     -EPROTO);
    head_deinit(&head);
}

static void test_status_lines(void **state)
{
    static const struct {
        const char *line;
        int status, version; /* 0: refused */
    } list[] = {
        {"HTTP/1.1 200 OK", 200, 11},
        {"HTTP/1.0 404 Not Found", 404, 10},
        {"HTTP/2 200 ", 200, 20},
        {"HTTP/2 200", 200, 20},
        {"HTTP/1.1 599", 599, 11},
        {"HTTP/1.1 200", 200, 11},
        {"HTTP/1.1 99 x", 0, 0},
        {"HTTP/1.1 600 x", 600, 11},
        {"HTTP/1.1 999 x", 999, 11},
        {"HTTP/1.1 2000 x", 0, 0},
        {"HTTP/1.1 20x", 0, 0},
        {"HTTP/1.1 101 x", 0, 0},
        {"HTTP/1.1", 0, 0},
        {"HTTP/1.1 ", 0, 0},
        {"http/1.1 200 OK", 0, 0},
        {"HTTP/x.1 200 OK", 0, 0},
        {"", 0, 0},
        {"ICY 200 OK", 0, 0},
    };
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
        char text[100];
        struct head head;
        snprintf(text, sizeof text, "%s\r\n\r\n", list[i].line);
        int r = parse(&head, text);
        if (r != (list[i].status ? HEAD_DONE : -EPROTO) ||
            (r == HEAD_DONE && (head.status != list[i].status || head.version != list[i].version)))
            fail_msg("'%s': %d, %d, %d", list[i].line, r, head.status, head.version);
        head_deinit(&head);
    }
}

static void test_nul(void **state)
{
    static const char text[] = "HTTP/1.1 200 OK\r\nA: b\0c\r\n\r\n";
    struct head head;
    head_init(&head, 1000);
    assert_int_equal(feed(&head, text, sizeof text - 1), -EPROTO);
    head_deinit(&head);
}

static void test_many_fields(void **state)
{
    struct head head;
    char line[32];
    head_init(&head, 1 << 20);
    assert_int_equal(head_line(&head, "HTTP/1.1 200 OK\r\n", 17), 0);
    for (int i = 0; i < 3000; i++) {
        snprintf(line, sizeof line, "N%d: v%d\r\n", i, i);
        assert_int_equal(head_line(&head, line, strlen(line)), 0);
    }
    assert_int_equal(head_line(&head, "\r\n", 2), HEAD_DONE);
    assert_string_equal(head_get(&head, "N0"), "v0");
    assert_string_equal(head_get(&head, "N2999"), "v2999");
    head_deinit(&head);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_interim_responses_are_dropped),
        cmocka_unit_test(test_folds),
        cmocka_unit_test(test_trailers_count_and_are_dropped),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_framing),
        cmocka_unit_test(test_chunks_need_1_1),
        cmocka_unit_test(test_status_lines),
        cmocka_unit_test(test_nul),
        cmocka_unit_test(test_many_fields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
