/* Where jobs come from: the URLs of the command line, or the lines of a file, however they come. */
#include "ctl/source.h"

#include "client/wire.h"
#include "support/testlib.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* The next item is this one, of this line. */
static void gives(struct source *s, const char *text, uint64_t line)
{
    const char *got;
    size_t len;
    assert_int_equal(source_next(s, &got, &len), 1);
    assert_int_equal(len, strlen(text));
    assert_memory_equal(got, text, len);
    assert_int_equal(s->line, line);
}

static void gives_nothing(struct source *s)
{
    const char *got;
    size_t len;
    assert_int_equal(source_next(s, &got, &len), 0);
}

static void test_urls(void **state)
{
    const char *urls[] = {"a", " b ", ""};
    struct source s;
    struct error err;
    assert_int_equal(source_init(&s, NULL, urls, 3, &err), 0);
    assert_false(source_dry(&s)); /* nothing is to be read */
    assert_false(source_done(&s));
    gives(&s, "a", 0);
    gives(&s, " b ", 0); /* as it was typed */
    gives(&s, "", 0);
    assert_true(source_done(&s));
    gives_nothing(&s);
    source_deinit(&s);
    assert_int_equal(source_init(&s, NULL, urls, 0, &err), 0);
    assert_true(source_done(&s));
    source_deinit(&s);
}

/* A source that reads from a pipe, whose write end is *ret_in. */
static void open_pipe(struct source *s, int *ret_in)
{
    int ends[2];
    struct error err;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(source_init(s, "/dev/null", NULL, 0, &err), 0);
    close(s->fd);
    s->fd = ends[0];
    *ret_in = ends[1];
}

static void feed(int in, const char *text, size_t len)
{
    assert_int_equal(write(in, text, len), (ssize_t)len);
}

/* It asks for a read whenever it has no whole line left, and for none before. */
static void test_pieces(void **state)
{
    struct source s;
    int in;
    open_pipe(&s, &in);
    assert_true(source_dry(&s));
    feed(in, "a\nb", 3);
    assert_int_equal(source_read(&s), 0);
    assert_false(source_dry(&s));
    gives(&s, "a", 1);
    assert_false(source_dry(&s));
    gives_nothing(&s); /* half a line */
    assert_true(source_dry(&s));
    assert_false(source_done(&s));
    feed(in, "c\n", 2);
    assert_int_equal(source_read(&s), 0);
    gives(&s, "bc", 2);
    gives_nothing(&s);
    close(in);
    assert_int_equal(source_read(&s), 0);
    assert_false(source_dry(&s)); /* there will be nothing more to read */
    gives_nothing(&s);
    assert_true(source_done(&s));
    source_deinit(&s);
}

static void test_the_last_line_needs_no_newline(void **state)
{
    struct source s;
    int in;
    open_pipe(&s, &in);
    feed(in, "a\nlast", 6);
    close(in);
    assert_int_equal(source_read(&s), 0);
    gives(&s, "a", 1);
    gives_nothing(&s);
    assert_int_equal(source_read(&s), 0);
    assert_false(source_done(&s));
    gives(&s, "last", 2);
    assert_true(source_done(&s)); /* whoever stops here misses nothing */
    gives_nothing(&s);
    assert_true(source_done(&s));
    source_deinit(&s);
}

static void test_blank_lines_are_counted(void **state)
{
    static const char text[] = "\n \t\r\n\r\na\r\n\nb\n\n";
    struct source s;
    int in;
    open_pipe(&s, &in);
    feed(in, text, sizeof text - 1);
    close(in);
    assert_int_equal(source_read(&s), 0);
    gives(&s, "a", 4);
    gives(&s, "b", 6);
    gives_nothing(&s);
    assert_int_equal(source_read(&s), 0);
    gives_nothing(&s);
    assert_true(source_done(&s));
    source_deinit(&s);
}

/* A line may have a request's size. A longer one is skipped, once, and has a number too. */
static void test_long_lines(void **state)
{
    struct source s;
    struct error err;
    struct buf text = BUF_INIT;
    const char *path = test_path("long"), *got;
    size_t len;
    for (size_t i = 0; i < WIRE_MAX_LINE; i++)
        buf_putc(&text, 'x');
    buf_puts(&text, "\nx");
    for (size_t i = 0; i < WIRE_MAX_LINE; i++)
        buf_putc(&text, 'x');
    buf_puts(&text, "\nz\n");
    test_write_file(path, text.data, text.len);
    assert_int_equal(source_init(&s, path, NULL, 0, &err), 0);
    int sizes[3] = {0}, refused = 0;
    for (int r; !source_done(&s);) {
        while ((r = source_next(&s, &got, &len)) != 0) {
            assert_in_range(s.line, 1, 3);
            if (r == 1)
                sizes[s.line - 1] = (int)len;
            else if (r == -EMSGSIZE)
                refused += s.line == 2;
            else
                fail_msg("%d", r);
        }
        if (source_dry(&s))
            assert_int_equal(source_read(&s), 0);
    }
    assert_int_equal(sizes[0], WIRE_MAX_LINE);
    assert_int_equal(sizes[1], 0);
    assert_int_equal(sizes[2], 1);
    assert_int_equal(refused, 1);
    source_deinit(&s);
    buf_deinit(&text);
}

static void test_files_that_cannot_be_read(void **state)
{
    struct source s;
    struct error err;
    assert_int_equal(source_init(&s, "/nonexistent/urls", NULL, 0, &err), -ENOENT);
    assert_string_equal(err.text, "--from: /nonexistent/urls: No such file or directory");
    source_deinit(&s);
    assert_int_equal(source_init(&s, "/", NULL, 0, &err), 0);
    assert_int_equal(source_read(&s), -EISDIR);
    source_deinit(&s);
    source_deinit(&s); /* once more is nothing */
}

/* Standard input is the caller's, and stays open. */
static void test_standard_input(void **state)
{
    struct source s;
    struct error err;
    assert_int_equal(source_init(&s, "-", NULL, 0, &err), 0);
    assert_int_equal(s.fd, STDIN_FILENO);
    int before = fcntl(STDIN_FILENO, F_GETFD);
    source_deinit(&s);
    assert_int_equal(fcntl(STDIN_FILENO, F_GETFD), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_urls),
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_the_last_line_needs_no_newline),
        cmocka_unit_test(test_blank_lines_are_counted),
        cmocka_unit_test(test_long_lines),
        cmocka_unit_test(test_files_that_cannot_be_read),
        cmocka_unit_test(test_standard_input),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
