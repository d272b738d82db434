/* COMMAND of `run`: how it ends as a shell has it, that it stops and goes on, and that nothing of
 * it is left. */
#include "forked.h"

#include "ctl/child.h"
#include "ctl/signals.h"

#include <errno.h>
#include <signal.h>

#define SH(script) ((char *const[]){(char *)"sh", (char *)"-c", (char *)(script), NULL})

static int in = -1; /* COMMAND's standard input */

/* Starts it with its output going into a pipe, of which *ret_out is the read end. */
static void start_heard(struct child *child, const char *script, int *ret_out)
{
    int out[2], before = dup(STDOUT_FILENO);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    assert_true(before >= 0 && dup2(out[1], STDOUT_FILENO) >= 0);
    child_start(child, SH(script), in);
    dup2(before, STDOUT_FILENO);
    close(before);
    close(out[1]);
    *ret_out = out[0];
}

/* The next news that there are. */
static enum child_news wait_for(struct child *child, int *ret_signo)
{
    enum child_news news;
    TEST_WAIT((news = child_look(child, ret_signo)) != CHILD_NOTHING, PATIENCE);
    return news;
}

static void test_statuses(void **state)
{
    static const struct {
        const char *script;
        int status;
    } rows[] = {
        {"exit 0", 0},
        {"exit 3", 3},
        {"exit 255", 255},
        {"kill -TERM $$", 128 + SIGTERM},
        {"kill -KILL $$", 128 + SIGKILL},
        {"read line; test \"$line\" = hello", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct child child = {0};
        int ends[2], signo = 0;
        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        assert_int_equal(write(ends[1], "hello\n", 6), 6);
        assert_false(child_runs(&child));
        child_start(&child, SH(rows[i].script), ends[0]);
        assert_true(child_runs(&child));
        assert_int_equal(wait_for(&child, &signo), CHILD_ENDED);
        assert_false(child_runs(&child));
        if (child.status != rows[i].status)
            fail_msg("%s: %d", rows[i].script, child.status);
        assert_int_equal(child_look(&child, &signo), CHILD_NOTHING); /* told once */
        assert_true(fcntl(ends[0], F_GETFD) >= 0);                   /* the caller's still */
        close(ends[0]);
        close(ends[1]);
    }
}

/* --- commands that cannot be run -------------------------------------------------------------- */

static const char *command;

static int try_command(void)
{
    char *const argv[] = {(char *)command, NULL};
    struct child child = {0};
    child_start(&child, argv, in);
    child_signal(&child, SIGTERM); /* nobody is there */
    return child_runs(&child) || !child.ended ? 1 : child.status;
}

static void test_commands_that_cannot_be_run(void **state)
{
    struct buf text = BUF_INIT;
    const char *path = test_path("script");
    test_write_file(path, "#!/bin/sh\n", 10); /* without the bit that makes it a program */
    command = "/nonexistent/load";
    assert_int_equal(forked_run(try_command, &text), 127);
    assert_non_null(strstr(text.data, "penstockctl: "));
    assert_non_null(strstr(text.data, "/nonexistent/load"));
    command = path;
    assert_int_equal(forked_run(try_command, &text), 126);
    assert_non_null(strstr(text.data, path));
    buf_deinit(&text);
}

/* --- stops ------------------------------------------------------------------------------------ */

static void test_stops(void **state)
{
    struct child child = {0};
    int signo = 0;
    child_start(&child, SH("kill -TSTP $$; exit 5"), in);
    assert_int_equal(wait_for(&child, &signo), CHILD_STOPPED);
    assert_int_equal(signo, SIGTSTP);
    assert_true(child_runs(&child));
    assert_int_equal(child_look(&child, &signo), CHILD_NOTHING);
    child_signal(&child, SIGCONT);
    enum child_news news = wait_for(&child, &signo);
    if (news == CHILD_CONTINUED) /* unless it has ended already */
        news = wait_for(&child, &signo);
    assert_int_equal(news, CHILD_ENDED);
    assert_int_equal(child.status, 5);
}

/* A signal is for all of the group: a shell that waits for a program is not enough. */
static void test_a_signal_is_for_the_group(void **state)
{
    struct child child = {0};
    char byte;
    int signo = 0, out;
    start_heard(&child, "sleep 1000 & echo x; wait; exit 1", &out);
    assert_int_equal(read(out, &byte, 1), 1);
    child_signal(&child, SIGKILL);
    assert_int_equal(wait_for(&child, &signo), CHILD_ENDED);
    assert_int_equal(child.status, 128 + SIGKILL);
    /* Its end of the pipe closes with the last of the group. */
    while (read(out, &byte, 1) > 0)
        ;
    close(out);
    child_kill(&child);
    assert_int_equal(child.status, 128 + SIGKILL);
}

/* --- the end ---------------------------------------------------------------------------------- */

/* What left the group and the session is killed as well, and is gone when the call returns. */
static void test_nothing_is_left(void **state)
{
    struct child child = {0};
    char text[32] = "";
    int signo, out;
    start_heard(&child, "setsid sleep 1000 & echo $!; exec sleep 1000", &out);
    for (size_t at = 0; !strchr(text, '\n');) {
        ssize_t n = read(out, text + at, sizeof text - 1 - at);
        assert_true(n > 0);
        at += (size_t)n;
    }
    child_kill(&child);
    assert_false(child_runs(&child));
    assert_int_equal(child.status, 128 + SIGKILL);
    assert_int_equal(child_look(&child, &signo), CHILD_NOTHING);
    assert_int_equal(kill(atoi(text), 0), -1);
    assert_int_equal(errno, ESRCH);
    close(out);
    child_kill(&child); /* once more is nothing */
    struct child none = {0};
    child_kill(&none);
    assert_false(none.ended);
}

/* What whoever started us had ignored stays ignored there, and nothing else does. */
static int start_with_ignored(void)
{
    struct child child = {0};
    int signo;
    signal(SIGHUP, SIG_IGN);
    signal(SIGQUIT, SIG_DFL);
    signals_note();
    signal(SIGQUIT, SIG_IGN); /* our own business */
    child_start(&child, SH("kill -HUP $$; kill -QUIT $$; exit 9"), in);
    while (child_look(&child, &signo) != CHILD_ENDED)
        ;
    return child.status;
}

static void test_what_stays_ignored(void **state)
{
    struct buf text = BUF_INIT;
    assert_int_equal(forked_run(start_with_ignored, &text), 128 + SIGQUIT);
    buf_deinit(&text);
}

static int set_up(void **state)
{
    in = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return in < 0 ? -1 : 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_statuses),        cmocka_unit_test(test_commands_that_cannot_be_run),
        cmocka_unit_test(test_stops),           cmocka_unit_test(test_a_signal_is_for_the_group),
        cmocka_unit_test(test_nothing_is_left), cmocka_unit_test(test_what_stays_ignored),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
