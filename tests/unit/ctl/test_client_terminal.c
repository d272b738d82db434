/* The client on a terminal, and how it finds its daemon. */
#include "client_fixture.h"

#include <pty.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* --- a terminal ------------------------------------------------------------------------------- */

/* All that appears on the terminal, until `part` is there. */
static void screen_has(int fd, struct buf *screen, const char *part)
{
    char data[4096];
    while (!screen->data || !strstr(screen->data, part)) {
        fake_wait(fd, POLLIN);
        ssize_t n = read(fd, data, sizeof data);
        if (n <= 0)
            fail_msg("'%s' lacks '%s'", screen->data ? screen->data : "", part);
        buf_put(screen, data, (size_t)n);
    }
}

static void test_progress_line(void **state)
{
    struct buf screen = BUF_INIT;
    struct winsize size = {.ws_row = 24, .ws_col = 60};
    struct talk look;
    int terminal, status;
    pid_t pid = forkpty(&terminal, NULL, NULL, &size);
    assert_true(pid >= 0);
    if (pid == 0) {
        setenv("TERM", "xterm", 1);
        execl(PENSTOCKCTL, PENSTOCKCTL, "--socket", daemon_.path, "wait", "5", (char *)NULL);
        _exit(99);
    }
    fake_accept(&daemon_, &talk);
    fake_accept(&daemon_, &look);
    talk_hear(&talk);
    talk_expect(&look, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"show\",\"params\":{\"id\":5}}");
    talk_answer(&look, 1,
                "{\"id\":5,\"state\":\"running\",\"running\":{\"bytes\":1024,"
                "\"records\":2,\"length\":4096}}");
    screen_has(terminal, &screen, "5 running  1.0 KiB of 4.0 KiB  2 records\033[K");
    talk_answer(&talk, 1, "{\"jobs\":[{\"id\":5,\"state\":\"done\"}]}");
    screen_has(terminal, &screen, "\r\033[K5 done\r\n");
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    close(terminal);
    talk_end(&look);
    buf_deinit(&screen);
}

static void test_escapes_do_not_reach_a_terminal(void **state)
{
    struct buf screen = BUF_INIT;
    int terminal, status;
    pid_t pid = forkpty(&terminal, NULL, NULL, NULL);
    assert_true(pid >= 0);
    if (pid == 0) {
        setenv("TERM", "dumb", 1);
        execl(PENSTOCKCTL, PENSTOCKCTL, "--socket", daemon_.path, "follow", (char *)NULL);
        _exit(99);
    }
    follow("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"follow\",\"params\":{}}");
    talk_event(&talk, "{\"event\":\"record\",\"data\":\"\xc2\x9b"
                      "2J\x7f\"}");
    screen_has(terminal, &screen, "{\"event\":\"record\",\"data\":\"\\u009b2J\\u007f\"}\r\n");
    talk_end(&talk);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 3);
    close(terminal);
    buf_deinit(&screen);
}

/* --- finding the daemon ----------------------------------------------------------------------- */

static void run_with(const char *command, int status, const char *err)
{
    const char *argv[] = {"sh", "-c", command, PENSTOCKCTL, daemon_.path, test_dir(), NULL};
    test_start(&child, argv);
    int code = test_finish(&child, PATIENCE);
    assert_int_equal(code, status);
    file_has(child.err, err);
}

static void test_where_the_daemon_is(void **state)
{
    const char *argv[] = {"sh",        "-c",         "PENSTOCK_SOCKET=$1 \"$0\" ping",
                          PENSTOCKCTL, daemon_.path, NULL};
    test_start(&child, argv);
    serve("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}", "{}");
    assert_int_equal(test_finish(&child, PATIENCE), 0);
    run_with("exec \"$0\" --socket \"$2/none\" ping", 3, "is penstockd running?");
    run_with("exec \"$0\" --socket \"$2\" ping", 3, "nobody listens there");
    test_write_file(test_path("file"), "", 0);
    run_with("exec \"$0\" --socket \"$2/file\" ping", 3, "nobody listens there");
}

static void test_the_users_own_daemon(void **state)
{
    const char *argv[] = {
        "sh",        "-c",       "unset PENSTOCK_SOCKET; XDG_RUNTIME_DIR=$1 exec \"$0\" ping",
        PENSTOCKCTL, test_dir(), NULL};
    struct fake own;
    mkdir(test_path("penstock"), 0700);
    fake_listen(&own, test_path("penstock/control.sock"));
    test_start(&child, argv);
    fake_accept(&own, &talk);
    talk_hear(&talk);
    talk_answer(&talk, 1, "{}");
    assert_int_equal(test_finish(&child, PATIENCE), 0);
    file_has(child.out, "penstock/control.sock");
    fake_close(&own);
}

static void test_a_path_that_is_too_long(void **state)
{
    char deep[160];
    memset(deep, 'd', sizeof deep - 1);
    deep[sizeof deep - 1] = '\0';
    const char *dir = test_path("%s", deep), *link = test_path("%s/s", deep);
    assert_int_equal(mkdir(dir, 0700), 0);
    assert_int_equal(symlink(daemon_.path, link), 0);
    struct fake far = {.path = link};
    CLIENT(&child, &far, "ping");
    serve("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}", "{}");
    assert_int_equal(test_finish(&child, PATIENCE), 0);
}

/* With its standard descriptors closed, the socket does not become one of them. */
static void test_closed_descriptors(void **state)
{
    const char *argv[] = {
        "sh",        "-c",         "exec \"$0\" --socket \"$1\" ping <&- >&- 2>&-",
        PENSTOCKCTL, daemon_.path, NULL};
    test_start(&child, argv);
    serve("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}", "{}");
    assert_null(talk_hear(&talk));
    client_ends(&child, 0, "", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_progress_line),           TEST(test_escapes_do_not_reach_a_terminal),
        TEST(test_where_the_daemon_is),     TEST(test_the_users_own_daemon),
        TEST(test_a_path_that_is_too_long), TEST(test_closed_descriptors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
