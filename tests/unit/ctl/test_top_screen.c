/* The terminal that `top` draws on: its keys, its size, and that it is as it was before, whatever
 * ends the process. Each case is a process of its own on a terminal that nobody sees. */
#include "forked.h"

#include "ctl/top_screen.h"

#include <errno.h>
#include <pty.h>
#include <signal.h>
#include <sys/ioctl.h>

static int master = -1, slave = -1;
static int report; /* the process tells the test here; its output is the terminal */

static void tell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void tell(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vdprintf(report, fmt, ap);
    va_end(ap);
}

static void take_terminal(const char *term)
{
    dup2(slave, STDIN_FILENO);
    setenv("TERM", term, 1);
    setenv("NO_COLOR", "1", 1);
    unsetenv("LINES");
    unsetenv("COLUMNS");
}

/* Runs `body` on a terminal of this size, types `keys` once it says "ready\n", and gives what it
 * told; its status. */
static int on_terminal(int (*body)(void), unsigned short columns, unsigned short lines,
                       const char *keys, struct buf *ret_told)
{
    struct winsize size = {.ws_row = lines, .ws_col = columns};
    struct termios before, after;
    int told[2];
    char piece[4096];
    assert_int_equal(openpty(&master, &slave, NULL, NULL, &size), 0);
    assert_int_equal(tcgetattr(slave, &before), 0);
    assert_int_equal(pipe2(told, O_CLOEXEC), 0);
    report = told[1];
    pid_t pid = forked_start(body, slave);
    close(told[1]);
    buf_reset(ret_told);
    for (bool typed = false, open = true; open;) {
        struct pollfd fds[2] = {{.fd = told[0], .events = POLLIN},
                                {.fd = master, .events = POLLIN}};
        if (poll(fds, 2, (int)PATIENCE) < 1)
            fail_msg("it says nothing");
        if (fds[1].revents && read(master, piece, sizeof piece) < 0)
            fail_msg("the terminal is gone");
        if (!fds[0].revents)
            continue;
        ssize_t n = read(told[0], piece, sizeof piece);
        open = n > 0;
        buf_put(ret_told, piece, open ? (size_t)n : 0);
        if (!typed && ret_told->len >= 6) {
            typed = true;
            assert_int_equal(write(master, keys, strlen(keys)), (ssize_t)strlen(keys));
        }
    }
    int status = forked_end(pid);
    buf_putc(ret_told, '\0');
    assert_int_equal(tcgetattr(slave, &after), 0);
    assert_int_equal(after.c_lflag, before.c_lflag);
    assert_int_equal(after.c_iflag, before.c_iflag);
    assert_int_equal(after.c_oflag, before.c_oflag);
    close(told[0]);
    close(master);
    close(slave);
    return status;
}

/* --- keys ------------------------------------------------------------------------------------- */

static bool typing;

/* Tells each key's number, until 'q' or, while text is typed, Enter. */
static int tell_keys(void)
{
    take_terminal("xterm");
    if (top_screen_open() < 0)
        return 90;
    tell("ready\n");
    for (;;) {
        struct pollfd pfd = {.fd = STDIN_FILENO, .events = POLLIN};
        char byte = 0;
        enum top_key key;
        poll(&pfd, 1, -1);
        while ((key = top_screen_key(typing, &byte)) != TOP_NO_KEY) {
            if (key == (typing ? TOP_ENTER : TOP_QUIT)) {
                top_screen_close();
                return 0;
            }
            if (key == TOP_OTHER)
                tell("'%c' ", byte);
            else
                tell("%d ", (int)key);
        }
    }
}

static void test_keys(void **state)
{
    static const struct {
        const char *keys;
        enum top_key key;
    } rows[] = {
        {"s", TOP_SORT},
        {" ", TOP_FREEZE},
        {"h", TOP_HELP},
        {"?", TOP_HELP},
        {"k", TOP_UP},
        {"j", TOP_DOWN},
        {"c", TOP_CANCEL},
        {"p", TOP_HOLD},
        {"/", TOP_FILTER},
        {"y", TOP_YES},
        {"Y", TOP_YES},
        {"G", TOP_END},
        {"g", TOP_HOME},
        {"\033OA", TOP_UP},
        {"\033OB", TOP_DOWN},
        {"\033[5~", TOP_PAGE_UP},
        {"\033[6~", TOP_PAGE_DOWN},
        {"\033OH", TOP_HOME},
        {"\033OF", TOP_END},
        {"\r", TOP_ENTER},
        {"\t", TOP_TAB},
        {"\033[Z", TOP_TAB_BACK},
        {"\177", TOP_ERASE},
        {"\b", TOP_ERASE},
    };
    struct buf keys = BUF_INIT, expected = BUF_INIT, told = BUF_INIT;
    buf_puts(&expected, "ready\n");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        buf_puts(&keys, rows[i].keys);
        buf_printf(&expected, "%d ", (int)rows[i].key);
    }
    buf_puts(&keys, "xq");
    buf_puts(&expected, "'x' ");
    buf_putc(&keys, '\0');
    buf_putc(&expected, '\0');
    typing = false;
    assert_int_equal(on_terminal(tell_keys, 80, 24, keys.data, &told), 0);
    assert_string_equal(told.data, expected.data);
    buf_deinit(&keys);
    buf_deinit(&expected);
    buf_deinit(&told);
}

/* While text is typed a letter is a letter, and bytes of UTF-8 come as they are. */
static void test_typed_text(void **state)
{
    struct buf told = BUF_INIT;
    char expected[64];
    typing = true;
    assert_int_equal(on_terminal(tell_keys, 80, 24, "q \xc3\xa9\001\177\r", &told), 0);
    snprintf(expected, sizeof expected, "ready\n'q' ' ' '\xc3' '\xa9' %d ", TOP_ERASE);
    assert_string_equal(told.data, expected);
    buf_deinit(&told);
}

/* --- the picture ------------------------------------------------------------------------------ */

static int draw_and_resize(void)
{
    size_t columns, lines;
    struct top_page page = {.selected = 1};
    take_terminal("xterm");
    if (top_screen_open() < 0)
        return 90;
    top_screen_size(&columns, &lines);
    tell("ready\n%zux%zu ", columns, lines);
    for (page.count = 0; page.count < 40; page.count++) { /* more than there is room for */
        page.offset[page.count] = page.text.len;
        buf_printf(&page.text, "line %zu", page.count);
        buf_putc(&page.text, '\0');
    }
    top_screen_draw(&page);
    struct winsize size = {.ws_row = 10, .ws_col = 33};
    if (ioctl(STDOUT_FILENO, TIOCSWINSZ, &size) < 0)
        return 91;
    raise(SIGWINCH);
    if (top_screen_signal() != 0)
        return 92;
    top_screen_size(&columns, &lines);
    tell("%zux%zu ", columns, lines);
    top_screen_draw(&page);
    top_screen_close();
    top_screen_close(); /* once more is nothing */
    tell("%d", top_screen_signal_fd());
    return 0;
}

static void test_sizes(void **state)
{
    struct buf told = BUF_INIT;
    assert_int_equal(on_terminal(draw_and_resize, 101, 17, "", &told), 0);
    assert_string_equal(told.data, "ready\n101x17 33x10 -1");
    buf_deinit(&told);
}

/* --- signals ---------------------------------------------------------------------------------- */

/* A signal is read, not suffered, and then ends the process as it would have. */
static int die_of_a_signal(void)
{
    take_terminal("xterm");
    if (top_screen_open() < 0)
        return 90;
    tell("ready\n");
    raise(SIGTERM);
    struct pollfd pfd = {.fd = top_screen_signal_fd(), .events = POLLIN};
    if (poll(&pfd, 1, 0) != 1)
        return 91;
    int number = top_screen_signal();
    tell("%d", number);
    top_screen_die(number);
}

/* Outside of it signals have their old meaning. */
static int signals_after_it(void)
{
    take_terminal("xterm");
    if (top_screen_open() < 0)
        return 90;
    tell("ready\n");
    top_screen_close();
    raise(SIGHUP);
    return 0;
}

static void test_signals(void **state)
{
    struct buf told = BUF_INIT;
    char expected[32];
    snprintf(expected, sizeof expected, "ready\n%d", SIGTERM);
    assert_int_equal(on_terminal(die_of_a_signal, 80, 24, "", &told), 128 + SIGTERM);
    assert_string_equal(told.data, expected);
    assert_int_equal(on_terminal(signals_after_it, 80, 24, "", &told), 128 + SIGHUP);
    buf_deinit(&told);
}

/* --- where nothing can be drawn --------------------------------------------------------------- */

static const char *term;

static int ask_whether(void)
{
    take_terminal(term);
    tell("ready\n%d", top_screen_possible());
    return 0;
}

static int open_on_unknown(void)
{
    take_terminal("no-such-terminal");
    tell("ready\n%d", top_screen_open());
    return top_screen_signal_fd() == -1 ? 0 : 90;
}

static int ask_without_input(void)
{
    take_terminal("xterm");
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    dup2(null, STDIN_FILENO);
    tell("ready\n%d", top_screen_possible());
    return 0;
}

static void test_where_it_is_possible(void **state)
{
    static const struct {
        const char *term;
        const char *told;
    } rows[] = {{"xterm", "ready\n1"}, {"dumb", "ready\n0"}, {"", "ready\n0"}};
    struct buf told = BUF_INIT;
    char expected[32];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        term = rows[i].term;
        assert_int_equal(on_terminal(ask_whether, 80, 24, "", &told), 0);
        assert_string_equal(told.data, rows[i].told);
    }
    assert_int_equal(on_terminal(ask_without_input, 80, 24, "", &told), 0);
    assert_string_equal(told.data, "ready\n0");
    snprintf(expected, sizeof expected, "ready\n%d", -ENOTTY);
    assert_int_equal(on_terminal(open_on_unknown, 80, 24, "", &told), 0);
    assert_string_equal(told.data, expected);
    buf_deinit(&told);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_typed_text),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_signals),
        cmocka_unit_test(test_where_it_is_possible),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
