/* What is written, in which order, how for a terminal, and what becomes of the process where it
 * cannot be written. */
#include "forked.h"

#include "ctl/intr.h"
#include "ctl/out.h"

#include <pty.h>
#include <signal.h>
#include <sys/ioctl.h>

static int ends_with(int (*body)(void), int status, const char *expected)
{
    struct buf text = BUF_INIT;
    int got = forked_run(body, &text);
    if (got != status || strcmp(text.data, expected) != 0)
        fail_msg("%d: '%s'", got, text.data);
    buf_deinit(&text);
    return 0;
}

/* --- order ------------------------------------------------------------------------------------ */

static void mark(void)
{
    if (write(STDOUT_FILENO, "|", 1) != 1)
        abort();
}

static int gather(void)
{
    struct buf b = BUF_INIT;
    out_init();
    out_put("a", 1);
    out_printf("%s%d", "b", 7);
    buf_puts(&b, "c\033");
    out_take(&b); /* as it is */
    if (b.len > 0)
        return 1;
    mark();
    out_flush();
    mark();
    out_flush();
    return 0;
}

static int mix(void)
{
    out_init();
    out_printf("first\n");
    out_error("second%c[2J\n%s", 27, "\xff");
    out_printf("third\n");
    out_flush();
    return 0;
}

static void test_order(void **state)
{
    ends_with(gather, 0, "|ab7c\033|");
    ends_with(mix, 0, "first\npenstockctl: second\\u001b[2J\\u000a\\xff\nthird\n");
}

/* So that a long list begins to be printed before its end is there. */
static int put_much(void)
{
    out_init();
    for (int i = 0; i < 64 * 1024 - 1; i++)
        out_put("x", 1);
    mark();
    out_printf("y");
    mark();
    return 0;
}

static void test_much_is_written_meanwhile(void **state)
{
    struct buf text = BUF_INIT;
    assert_int_equal(forked_run(put_much, &text), 0);
    assert_int_equal(text.len, 64 * 1024 + 2);
    assert_int_equal(text.data[0], '|');
    assert_string_equal(text.data + text.len - 2, "y|");
    buf_deinit(&text);
}

static int put_json(void)
{
    static const char json[] = "{\"a\":\t\"\xc2\x9b\"}";
    out_init();
    out_json(json, sizeof json - 1);
    out_flush();
    return 0;
}

static int is_no_terminal(void)
{
    out_init();
    out_status("50 %", 4); /* is nowhere */
    return out_is_terminal() || out_has_status() || out_is_coloured() ||
           out_columns(false) + out_columns(true) > 0;
}

static void test_a_pipe(void **state)
{
    ends_with(put_json, 0, "{\"a\":\t\"\xc2\x9b\"}\n");
    ends_with(is_no_terminal, 0, "");
}

/* --- where it cannot be written --------------------------------------------------------------- */

static int fill_disk(void)
{
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    dup2(full, STDOUT_FILENO);
    out_init();
    out_printf("lost");
    out_flush();
    return 0;
}

static int lose_memory(void)
{
    struct buf b = {.failed = true};
    out_init();
    out_take(&b);
    return 0;
}

static void say(void *arg)
{
    out_error("the way on is %s", (const char *)arg);
}

/* Standard output's reader has gone; standard error is heard. */
static int lose_reader(void)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return 1;
    dup2(ends[1], STDOUT_FILENO);
    close(ends[0]);
    out_init();
    out_at_interrupt(say, (void *)"that");
    out_printf("lost");
    out_flush();
    return 0;
}

static int lose_reader_silently(void)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return 1;
    dup2(ends[1], STDOUT_FILENO);
    close(ends[0]);
    out_init();
    out_gone();
}

static void test_the_end(void **state)
{
    ends_with(fill_disk, EXIT_REFUSED,
              "penstockctl: standard output cannot be written: No space left on device\n");
    ends_with(lose_memory, EXIT_REFUSED,
              "penstockctl: standard output cannot be written: Cannot allocate memory\n");
    ends_with(lose_reader, 128 + SIGPIPE, "penstockctl: the way on is that\n");
    ends_with(lose_reader_silently, 128 + SIGPIPE, "");
}

/* A reader that does not read cannot keep us once a signal has come. */
static int write_to_nobody(void)
{
    static char much[1 << 20];
    int ends[2];
    memset(much, 'x', sizeof much);
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0 || intr_catch() < 0)
        return 1;
    dup2(ends[1], STDOUT_FILENO);
    out_init();
    out_at_interrupt(say, (void *)"here");
    raise(SIGINT);
    out_put(much, sizeof much);
    return 0;
}

static void test_a_reader_that_does_not_read(void **state)
{
    ends_with(write_to_nobody, EXIT_INTERRUPTED, "penstockctl: the way on is here\n");
}

/* --- terminals -------------------------------------------------------------------------------- */

static void on_terminal(int (*body)(void), unsigned short columns, int status, const char *expected)
{
    struct winsize size = {.ws_row = 24, .ws_col = columns};
    struct termios raw;
    struct buf text = BUF_INIT;
    int master, slave;
    assert_int_equal(openpty(&master, &slave, NULL, NULL, &size), 0);
    assert_int_equal(tcgetattr(slave, &raw), 0);
    cfmakeraw(&raw);
    assert_int_equal(tcsetattr(slave, TCSANOW, &raw), 0);
    pid_t pid = forked_start(body, slave);
    int got = forked_end(pid);
    close(slave);
    forked_read(master, &text);
    close(master);
    if (got != status || strcmp(text.data, expected) != 0)
        fail_msg("%d: '%s'", got, text.data);
    buf_deinit(&text);
}

static int show_columns(void)
{
    out_init();
    out_printf("%zu %zu %d", out_columns(false), out_columns(true), out_is_terminal());
    out_flush();
    return 0;
}

static int show_status(void)
{
    setenv("TERM", "xterm", 1);
    out_init();
    if (!out_has_status())
        return 1;
    out_status("0123456789\xe4\xbd\xa0\xe4\xbd\xa0", 16);
    out_printf("line\n");
    out_flush();
    out_status("b", 1);
    out_status("", 0);
    out_status("", 0); /* there is none any more */
    out_status("c", 1);
    out_error("no");
    return 0;
}

static int show_no_status(void)
{
    setenv("TERM", "dumb", 1);
    out_init();
    out_status("a", 1);
    return out_has_status();
}

static void test_terminals(void **state)
{
    on_terminal(show_columns, 123, 0, "123 123 1");
    on_terminal(show_columns, 0, 0, "80 80 1");
    on_terminal(put_json, 80, 0, "{\"a\": \"\\u009b\"}\n");
    /* One column is left free, so that the cursor stays in the line. */
    on_terminal(show_status, 14, 0,
                "\r0123456789\xe4\xbd\xa0\033[K\r\033[Kline\n\rb\033[K\r\033[K\rc\033[K\r\033[K"
                "penstockctl: no\n");
    on_terminal(show_no_status, 80, 0, "");
}

static const char *term, *no_color;

static int is_coloured(void)
{
    term ? setenv("TERM", term, 1) : unsetenv("TERM");
    no_color ? setenv("NO_COLOR", no_color, 1) : unsetenv("NO_COLOR");
    out_init();
    return out_is_coloured();
}

static void test_colours(void **state)
{
    static const struct {
        const char *term, *no_color;
        int coloured;
    } rows[] = {
        {"xterm-256color", NULL, 1},
        {"xterm", "", 1},
        {"xterm", "0", 0},
        {NULL, NULL, 0},
        {"", NULL, 0},
        {"dumb", NULL, 0},
        {"vt100", NULL, 0},
        {"xterm-mono", NULL, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        term = rows[i].term;
        no_color = rows[i].no_color;
        on_terminal(is_coloured, 80, rows[i].coloured, "");
        ends_with(is_coloured, 0, "");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_much_is_written_meanwhile),
        cmocka_unit_test(test_a_pipe),
        cmocka_unit_test(test_the_end),
        cmocka_unit_test(test_a_reader_that_does_not_read),
        cmocka_unit_test(test_terminals),
        cmocka_unit_test(test_colours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
