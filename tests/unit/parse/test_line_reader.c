/* Lines out of a FILE *, whatever the blocks are that its bytes come in. */
#include "parse/line_reader.h"

#include "parse/task.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

/* A file that gives `step` bytes at a time and, behind the last one, an end or an error. */
struct pieces {
    const char *text;
    size_t len, at, step;
    bool broken;
};

static ssize_t give(void *cookie, char *to, size_t size)
{
    struct pieces *p = cookie;
    size_t n = p->len - p->at;
    if (n == 0 && p->broken) {
        errno = EIO;
        return -1;
    }
    n = n < p->step ? n : p->step;
    n = n < size ? n : size;
    memcpy(to, p->text + p->at, n);
    p->at += n;
    return (ssize_t)n;
}

static FILE *open_pieces(struct pieces *p)
{
    FILE *f = fopencookie(p, "r", (cookie_io_functions_t){.read = give});
    assert_non_null(f);
    return f;
}

struct line {
    uint64_t offset;
    const char *text;
};

static const size_t steps[] = {1, 2, 3, 4, 5, 7, 4096};
#define STEPS (sizeof steps / sizeof steps[0])

/* All lines of the text, each with its offset and number, and then `last`. */
static void reads_with(struct pieces *p, size_t max, const struct line *lines, size_t count,
                       int last)
{
    struct lines l;
    const char *line;
    size_t len;
    FILE *f = open_pieces(p);
    lines_init(&l, f, max);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(lines_next(&l, &line, &len), 1);
        assert_int_equal(len, strlen(lines[i].text));
        assert_memory_equal(line, lines[i].text, len);
        assert_int_equal(l.number, i + 1);
        assert_int_equal(l.offset, lines[i].offset);
    }
    assert_int_equal(lines_next(&l, &line, &len), last);
    assert_int_equal(l.number, count + 1);
    lines_deinit(&l);
    fclose(f);
}

static void reads(const char *text, size_t max, const struct line *lines, size_t count, int last)
{
    for (size_t i = 0; i < STEPS; i++) {
        struct pieces p = {.text = text, .len = strlen(text), .step = steps[i]};
        reads_with(&p, max, lines, count, last);
    }
}

#define READS(text, max, last, ...)                      \
    reads(text, max, (const struct line[]){__VA_ARGS__}, \
          sizeof((const struct line[]){__VA_ARGS__}) / sizeof(struct line), last)

static void a_line_ends_with_lf_or_crlf(void **state)
{
    READS("a\nbc\n", 100, 0, {0, "a"}, {2, "bc"});
    READS("a\r\nbc\r\n", 100, 0, {0, "a"}, {3, "bc"});
    READS("a\r\r\n\rb\n", 100, 0, {0, "a\r"}, {4, "\rb"}); /* one CR, at the end alone */
    READS("a\rb\n", 100, 0, {0, "a\rb"});
    READS("\n\r\n\n", 100, 0, {0, ""}, {1, ""}, {3, ""});
}

static void the_last_one_may_have_no_end(void **state)
{
    READS("a\nb", 100, 0, {0, "a"}, {2, "b"});
    READS("abcdefgh", 100, 0, {0, "abcdefgh"});
    READS("a\nb\r", 100, 0, {0, "a"}, {2, "b\r"}); /* a CR that ends no line is of it */
    reads("", 100, NULL, 0, 0);
}

static void a_line_may_be_as_long_as_allowed(void **state)
{
    READS("abc\nabc\r\nabc", 3, 0, {0, "abc"}, {4, "abc"}, {9, "abc"});
    READS("abc\nabcd\nx\n", 3, -EMSGSIZE, {0, "abc"});
    READS("abc\nabcd\r\nx\n", 3, -EMSGSIZE, {0, "abc"});
    READS("abc\nabcd", 3, -EMSGSIZE, {0, "abc"});
    READS("abc\nabc\r", 3, -EMSGSIZE, {0, "abc"});
    READS("a\nbcdefghijklmnop\nx\n", 3, -EMSGSIZE, {0, "a"});
}

/* Bytes are bytes. */
static void a_nul_is_part_of_a_line(void **state)
{
    struct pieces p = {.text = "a\0b\n\0\n", .len = 6, .step = 2};
    struct lines l;
    const char *line;
    size_t len;
    FILE *f = open_pieces(&p);
    lines_init(&l, f, 10);
    assert_int_equal(lines_next(&l, &line, &len), 1);
    assert_int_equal(len, 3);
    assert_memory_equal(line, "a\0b", 3);
    assert_int_equal(lines_next(&l, &line, &len), 1);
    assert_int_equal(len, 1);
    assert_int_equal(lines_next(&l, &line, &len), 0);
    lines_deinit(&l);
    fclose(f);
}

/* What was read of a last line is no line: more of it was to come. */
static void a_body_that_breaks_off_gives_no_half_line(void **state)
{
    static const struct line lines[] = {{0, "one"}, {4, "two"}};
    for (size_t i = 0; i < STEPS; i++) {
        struct pieces p = {.text = "one\ntwo\nthr", .len = 11, .step = steps[i], .broken = true};
        reads_with(&p, 100, lines, 2, -EIO);
        p = (struct pieces){.text = "one\ntwo\n", .len = 8, .step = steps[i], .broken = true};
        reads_with(&p, 100, lines, 2, -EIO);
    }
}

/* One line longer than any block, then many short ones: what is kept of the one is not the next. */
static void lines_that_go_over_many_blocks(void **state)
{
    enum { LONG = 100000, SHORT = 1000 };
    char *text = malloc(LONG + 2 + SHORT * 5);
    size_t len = LONG, read;
    const char *line;
    struct lines l;
    memset(text, 'x', LONG);
    text[len++] = '\n';
    for (int i = 0; i < SHORT; i++)
        len += (size_t)sprintf(text + len, "%04d\n", i);
    struct pieces p = {.text = text, .len = len, .step = 4093};
    FILE *f = open_pieces(&p);
    lines_init(&l, f, LONG);
    assert_int_equal(lines_next(&l, &line, &read), 1);
    assert_int_equal(read, LONG);
    for (int i = 0; i < SHORT; i++) {
        assert_int_equal(lines_next(&l, &line, &read), 1);
        assert_int_equal(read, 4);
        assert_int_equal(atoi(line), i);
        assert_int_equal(l.offset, LONG + 1 + 5 * i);
    }
    assert_int_equal(lines_next(&l, &line, &read), 0);
    lines_deinit(&l);
    fclose(f);
    free(text);
}

static void why_it_failed_is_said_with_its_place(void **state)
{
    static const struct {
        int result;
        enum error_kind kind;
        const char *message;
    } cases[] = {
        {-EMSGSIZE, KIND_LIMIT_EXCEEDED, "the line is longer than 17 bytes (option max_line)"},
        {-ENOMEM, KIND_RESOURCES, "out of memory"},
        {-EIO, KIND_NONE, ""}, /* the run knows it already */
        {0, KIND_NONE, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct parse_task task = {.reader = {.fd = -1}};
        struct lines l = {.max = 17, .number = 3, .offset = 40};
        task.body = body_new();
        lines_fail(&l, &task.run, cases[i].result);
        assert_int_equal(task.kind, cases[i].kind);
        assert_string_equal(task.message, cases[i].message);
        assert_int_equal(task.line, cases[i].kind ? 3 : 0);
        assert_int_equal(task.offset, cases[i].kind ? 40 : 0);
        body_unref(task.body);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_ends_with_lf_or_crlf),
        cmocka_unit_test(the_last_one_may_have_no_end),
        cmocka_unit_test(a_line_may_be_as_long_as_allowed),
        cmocka_unit_test(a_nul_is_part_of_a_line),
        cmocka_unit_test(a_body_that_breaks_off_gives_no_half_line),
        cmocka_unit_test(lines_that_go_over_many_blocks),
        cmocka_unit_test(why_it_failed_is_said_with_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
