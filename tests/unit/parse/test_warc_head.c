/* Heads of HTTP and WARC: where they end, in pieces of any size, and what their fields are. */
#include "parse/warc_head.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static struct warc_head head;

static int end(void **state)
{
    warc_head_deinit(&head);
    head = (struct warc_head){.count = 0};
    return 0;
}

/* Takes the text in pieces of `step`; how many bytes of it the head has. */
static size_t take(const char *text, size_t len, size_t step)
{
    size_t at = 0, used;
    int r = 0;
    while (r == 0 && at < len) {
        size_t n = len - at < step ? len - at : step;
        r = warc_head_take(&head, text + at, n, &used);
        assert_true(r >= 0);
        assert_true(r == 1 || used == n);
        at += used;
    }
    assert_int_equal(r, 1);
    warc_head_read(&head);
    return at;
}

static void a_head_ends_with_an_empty_line(void **state)
{
    static const struct {
        const char *text;
        size_t len;
        const char *line;
    } cases[] = {
        {"HTTP/1.1 200 OK\r\nA: 1\r\n\r\nbody\r\n\r\n", 25, "HTTP/1.1 200 OK"},
        {"HTTP/1.1 200 OK\nA: 1\n\nbody\n\n", 22, "HTTP/1.1 200 OK"},
        {"WARC/1.1\r\nA: 1\n\r\nbody", 17, "WARC/1.1"},
        {"WARC/1.0\n\r\n", 11, "WARC/1.0"},
        {"WARC/1.0 \t\r\n\r\n", 14, "WARC/1.0"},
        {"\r\nHTTP/1.1", 2, ""},
        {"\nx", 1, ""},
    };
    static const size_t steps[] = {1, 2, 3, 5, 4096};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (size_t j = 0; j < sizeof steps / sizeof steps[0]; j++) {
            size_t used = take(cases[i].text, strlen(cases[i].text), steps[j]);
            if (used != cases[i].len || strcmp(head.line, cases[i].line) != 0)
                fail_msg("%s in pieces of %zu: %zu %s", cases[i].text, steps[j], used, head.line);
            warc_head_reset(&head);
        }
}

static void more_is_asked_for_until_then(void **state)
{
    static const char text[] = "HTTP/1.1 200 OK\r\nA: 1\r\n\r\n";
    size_t used;
    for (size_t len = 0; len < sizeof text - 1; len++) {
        assert_int_equal(warc_head_take(&head, text, len, &used), 0);
        assert_int_equal(used, len);
        warc_head_reset(&head);
    }
}

/* "name=value|…" */
static void assert_fields(const char *text, const char *expected)
{
    char got[512] = "";
    take(text, strlen(text), 4096);
    for (size_t i = 0; i < head.count; i++)
        snprintf(got + strlen(got), sizeof got - strlen(got), "%s%s=%s", i > 0 ? "|" : "",
                 head.fields[i].name, head.fields[i].value);
    assert_string_equal(got, expected);
    warc_head_reset(&head);
    assert_int_equal(head.count, 0);
}

static void fields_are_names_and_values(void **state)
{
    assert_fields("L\r\nA: 1\r\nB:2\r\nC: \t 3 4 \t\r\nD:\r\nE: a:b\r\n\r\n",
                  "A=1|B=2|C=3 4|D=|E=a:b");
    assert_fields("L\nno field\nA: 1\nnor this\n\n", "A=1");
    assert_fields("L\n\n", "");
    assert_fields("L\nA: 1\nA: 2\n\n", "A=1|A=2");
    assert_fields("L\nA: x\r\r\n\n", "A=x");
}

/* A line that begins with white space goes on with the value (RFC 9112, 5.2: each fold is one or
 * more spaces), also of one that has nothing before. */
static void folded_lines_are_one_value(void **state)
{
    assert_fields("L\r\nA: 1\r\n 2\r\n\t3\r\nB: 4\r\n\r\n", "A=1   2  \t3|B=4");
    assert_fields("L\nA:\n 2\nB: 4\n\n", "A=2|B=4");
    assert_fields("L\n goes on\nA: 1\n\n", "A=1");
    assert_fields("L\nno field\n A: 1\nB: 2\n\n", "B=2");
}

static void a_nul_ends_no_value(void **state)
{
    static const char text[] = "L\0x\nA\0: 1\0002\n\n";
    take(text, sizeof text - 1, 3);
    assert_string_equal(head.line, "L x");
    assert_int_equal(head.count, 1);
    assert_string_equal(head.fields[0].name, "A ");
    assert_string_equal(head.fields[0].value, "1 2");
}

static void a_field_is_found_whatever_its_case(void **state)
{
    static const char text[] = "L\nContent-Type: a\nCONTENT-TYPE: b\nX:\n\n";
    take(text, sizeof text - 1, 4096);
    assert_string_equal(warc_head_get(&head, "content-type"), "a"); /* the first one */
    assert_string_equal(warc_head_get(&head, "x"), "");
    assert_null(warc_head_get(&head, "Content"));
    assert_null(warc_head_get(&head, "L"));
}

static void fields_beyond_the_bound_are_not_told(void **state)
{
    struct buf text = BUF_INIT;
    buf_puts(&text, "L\n");
    for (int i = 0; i < HEAD_FIELDS + 5; i++)
        buf_printf(&text, "N%d: %d\n", i, i);
    buf_puts(&text, "\n");
    assert_int_equal(take(text.data, text.len, 4096), text.len);
    assert_int_equal(head.count, HEAD_FIELDS);
    assert_string_equal(warc_head_get(&head, "N255"), "255");
    assert_null(warc_head_get(&head, "N256"));
    buf_deinit(&text);
}

/* HEAD_SIZE bytes are a head, one more is too long, in one piece and in many. */
static void a_head_has_a_bound(void **state)
{
    size_t len = HEAD_SIZE, used;
    char *text = malloc(len + 1);
    memset(text, 'x', len);
    memcpy(text + len - 2, "\n\n", 3);
    for (size_t step = 4096; step <= 4 * HEAD_SIZE; step *= 128) {
        assert_int_equal(take(text, len, step), len);
        warc_head_reset(&head);
    }
    memset(text, 'x', len);
    assert_int_equal(warc_head_take(&head, text, len, &used), 0);
    assert_int_equal(warc_head_take(&head, "\n", 1, &used), -EMSGSIZE);
    warc_head_reset(&head);
    assert_int_equal(warc_head_take(&head, "x\n", 2, &used), 0);
    assert_int_equal(warc_head_take(&head, text, len - 1, &used), -EMSGSIZE);
    free(text);
}

int main(void)
{
#define EACH(test) cmocka_unit_test_teardown(test, end)
    const struct CMUnitTest tests[] = {
        EACH(a_head_ends_with_an_empty_line),
        EACH(more_is_asked_for_until_then),
        EACH(fields_are_names_and_values),
        EACH(folded_lines_are_one_value),
        EACH(a_nul_ends_no_value),
        EACH(a_field_is_found_whatever_its_case),
        EACH(fields_beyond_the_bound_are_not_told),
        EACH(a_head_has_a_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
