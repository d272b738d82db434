/* cancel and retry of a selection, a page after another. */
#include "client_fixture.h"

#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

/* --- pages ------------------------------------------------------------------------------------ */

/* Asked for the jobs below `before` (0: for the newest). */
static void expect_page(unsigned id, const char *method, unsigned before)
{
    struct buf b = BUF_INIT;
    buf_printf(&b,
               "{\"jsonrpc\":\"2.0\",\"id\":%u,\"method\":\"%s\",\"params\":{\"host\":\"a\","
               "\"limit\":1000",
               id, method);
    if (before)
        buf_printf(&b, ",\"before\":%u", before);
    buf_puts(&b, "}}");
    buf_putc(&b, '\0');
    talk_expect(&talk, b.data);
    buf_deinit(&b);
}

static void test_cancel_page_by_page(void **state)
{
    CLIENT(&child, &daemon_, "cancel", "--host", "a");
    fake_accept(&daemon_, &talk);
    expect_page(1, "cancel", 0);
    talk_answer(&talk, 1, "{\"cancelled\":[9,8],\"ended\":[],\"more\":true,\"next\":7}");
    expect_page(2, "cancel", 7);
    talk_answer(&talk, 2, "{\"cancelled\":[],\"ended\":[6],\"more\":true,\"next\":5}");
    expect_page(3, "cancel", 5);
    talk_answer(&talk, 3, "{\"cancelled\":[1],\"ended\":[]}");
    client_ends(&child, 0, "9 cancelled\n8 cancelled\n6 had ended\n1 cancelled\n", NULL);
    talk_end(&talk);
    CLIENT(&child, &daemon_, "--json", "cancel", "--host", "a", "--before", "5");
    fake_accept(&daemon_, &talk);
    expect_page(1, "cancel", 5);
    talk_answer(&talk, 1, "{\"cancelled\":[ 4 ],\"more\":true,\"next\":4}");
    expect_page(2, "cancel", 4);
    talk_answer(&talk, 2, "{\"cancelled\":[]}");
    client_ends(&child, 0, "{\"cancelled\":[ 4 ],\"more\":true,\"next\":4}\n{\"cancelled\":[]}\n",
                NULL);
    CLIENT(&child, &daemon_, "cancel", "4", "--before", "5");
    client_ends(&child, 2, "", "--before goes with a selection");
}

/* A daemon that gives the same page again does not keep the client for ever. */
static void test_pages_that_do_not_go_down(void **state)
{
    CLIENT(&child, &daemon_, "cancel", "--host", "a", "--before", "7");
    fake_accept(&daemon_, &talk);
    expect_page(1, "cancel", 7);
    talk_answer(&talk, 1, "{\"cancelled\":[6],\"more\":true,\"next\":7}");
    client_ends(&child, 3, "6 cancelled\n", "1 job cancelled so far");
}

static void test_retry_is_cut(void **state)
{
    CLIENT(&child, &daemon_, "retry", "--host", "a");
    fake_accept(&daemon_, &talk);
    expect_page(1, "retry", 0);
    talk_answer(&talk, 1,
                "{\"retried\":[{\"id\":12,\"retry_of\":9},{\"id\":13,\"retry_of\":8}],"
                "\"more\":true,\"next\":8}");
    expect_page(2, "retry", 8);
    talk_answer(&talk, 2,
                "{\"retried\":[{\"id\":14,\"retry_of\":7}],\"more\":true,\"next\":7,"
                "\"message\":\"the queue is full\"}");
    client_ends(&child, 3, "12 retries 9\n13 retries 8\n14 retries 7\n",
                "stood in the way: the queue is full\n"
                "penstockctl: 3 jobs retried so far; to go on: the same again, with --before 7\n");
    talk_end(&talk);
    CLIENT(&child, &daemon_, "retry", "--host", "a");
    fake_accept(&daemon_, &talk);
    expect_page(1, "retry", 0);
    talk_answer(&talk, 1, "{\"retried\":[{\"id\":12,\"retry_of\":9}],\"more\":true,\"next\":8}");
    expect_page(2, "retry", 8);
    talk_end(&talk);
    client_ends(&child, 3, "12 retries 9\n",
                "1 job retried so far; to go on: the same again, with --before 8\n"
                "penstockctl: there may be copies beyond those");
}

/* What is under way has its answer first; a second signal does not wait for it. */
static void test_retry_is_interrupted(void **state)
{
    static const int signals[][2] = {{SIGINT, 130}, {SIGTERM, 143}, {SIGHUP, 129}};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        CLIENT(&child, &daemon_, "retry", "--host", "a");
        fake_accept(&daemon_, &talk);
        expect_page(1, "retry", 0);
        test_signal(&child, signals[i][0]);
        test_wait_line(child.err, "stops once the daemon has answered", PATIENCE, NULL);
        talk_answer(&talk, 1,
                    "{\"retried\":[{\"id\":12,\"retry_of\":9}],\"more\":true,\"next\":8}");
        client_ends(&child, signals[i][1], "12 retries 9\n",
                    "1 job retried so far; to go on: the same again, with --before 8\n");
        talk_end(&talk);
    }
    CLIENT(&child, &daemon_, "retry", "--host", "a");
    fake_accept(&daemon_, &talk);
    expect_page(1, "retry", 0);
    test_signal(&child, SIGINT);
    test_signal(&child, SIGTERM);
    client_ends(&child, 143, "", "how many jobs were retried is not known; to go on: the same");
}

/* One that never answers is not waited for without an end, even if nobody sends a second signal. */
static void test_a_daemon_that_hangs(void **state)
{
    CLIENT(&child, &daemon_, "retry", "--host", "a");
    fake_accept(&daemon_, &talk);
    expect_page(1, "retry", 0);
    test_signal(&child, SIGTERM);
    client_ends(&child, 143, "", "how many jobs were retried is not known; to go on: the same");
}

/* What could not be done makes the total worth telling; on a terminal it is told anyway. */
static void test_the_total(void **state)
{
    char screen[4096] = "";
    size_t len = 0;
    int terminal, status;
    CLIENT(&child, &daemon_, "retry", "--host", "a");
    fake_accept(&daemon_, &talk);
    expect_page(1, "retry", 0);
    talk_answer(&talk, 1, "{\"retried\":[{\"id\":12,\"retry_of\":9}],\"missing\":[3]}");
    client_ends(&child, 3, "12 retries 9\n", "3: no such job\npenstockctl: 1 job retried\n");
    talk_end(&talk);

    pid_t pid = forkpty(&terminal, NULL, NULL, NULL);
    assert_true(pid >= 0);
    if (pid == 0) {
        execl(PENSTOCKCTL, PENSTOCKCTL, "--socket", daemon_.path, "cancel", "--host", "a",
              (char *)NULL);
        _exit(99);
    }
    fake_accept(&daemon_, &talk);
    expect_page(1, "cancel", 0);
    talk_answer(&talk, 1, "{\"cancelled\":[12]}");
    while (!strstr(screen, "12 cancelled\r\npenstockctl: 1 job cancelled\r\n")) {
        fake_wait(terminal, POLLIN);
        ssize_t n = read(terminal, screen + len, sizeof screen - 1 - len);
        if (n <= 0)
            fail_msg("'%s'", screen);
        len += (size_t)n;
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    close(terminal);
}

/* --- output that nobody reads ----------------------------------------------------------------- */

/* Both ends of a pipe with a name that holds PIPE bytes. */
#define PIPE 4096
static int make_pipe(const char *path)
{
    unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(fcntl(fd, F_SETPIPE_SZ, PIPE), PIPE);
    return fd;
}

/* retry --host a, with `redirection` to the pipe, which is $2. */
static void retry_to(const char *redirection, const char *path)
{
    char command[96];
    snprintf(command, sizeof command, "exec \"$0\" --socket \"$1\" retry --host a %s", redirection);
    const char *argv[] = {"sh", "-c", command, PENSTOCKCTL, daemon_.path, path, NULL};
    test_start(&child, argv);
    fake_accept(&daemon_, &talk);
    expect_page(1, "retry", 0);
}

/* A page of `copies` copies and of as many jobs that are not there as make its output long. */
static void answer_page(unsigned copies, unsigned missing)
{
    struct buf b = BUF_INIT;
    buf_puts(&b, "{\"retried\":[");
    for (unsigned i = 0; i < copies; i++)
        buf_printf(&b, "%s{\"id\":%u,\"retry_of\":%u}", i ? "," : "", 100000 + i, 50000 - i);
    buf_puts(&b, "],\"missing\":[");
    for (unsigned i = 0; i < missing; i++)
        buf_printf(&b, "%s%u", i ? "," : "", 30000 - i);
    buf_puts(&b, "],\"more\":true,\"next\":49001}");
    buf_putc(&b, '\0');
    talk_answer(&talk, 1, b.data);
    buf_deinit(&b);
}

static void nap(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

/* Until the client cannot write another line: it is in the middle of a write, or before the next
 * one. */
static void wait_until_full(int fd)
{
    int held = 0;
    for (uint64_t end = test_now_ms() + PATIENCE; held < PIPE - 64; nap()) {
        assert_int_equal(ioctl(fd, FIONREAD, &held), 0);
        if (test_now_ms() > end)
            fail_msg("the pipe holds %d bytes", held);
    }
}

/* By one signal after the other, as a person does. */
static void signal_until_it_ends(int signo)
{
    siginfo_t info = {0};
    for (uint64_t end = test_now_ms() + PATIENCE; info.si_pid == 0; nap()) {
        test_signal(&child, signo);
        assert_int_equal(waitid(P_PID, (id_t)child.pid, &info, WEXITED | WNOHANG | WNOWAIT), 0);
        if (test_now_ms() > end)
            fail_msg("it does not end");
    }
}

/* The page that was answered last counts, although its lines are not written yet. */
static void test_the_way_on_while_nobody_reads(void **state)
{
    const char *path = test_path("pipe");
    int fd = make_pipe(path);
    retry_to(">\"$2\"", path);
    answer_page(1000, 1);
    wait_until_full(fd);
    test_signal(&child, SIGINT);
    client_ends(&child, 130, "",
                "1000 jobs retried so far; to go on: the same again, with --before 49001\n");
    close(fd);
}

/* Nobody reads standard error either: signals end it all the same. */
static void test_signals_while_nobody_reads_anything(void **state)
{
    static const struct {
        const char *redirection;
        unsigned copies, missing;
    } cases[] = {{">\"$2\" 2>&1", 1000, 1}, {"2>\"$2\"", 1, 1000}};
    const char *path = test_path("pipe");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int fd = make_pipe(path);
        retry_to(cases[i].redirection, path);
        answer_page(cases[i].copies, cases[i].missing);
        wait_until_full(fd);
        signal_until_it_ends(SIGTERM);
        assert_int_equal(test_finish(&child, PATIENCE), 143);
        talk_end(&talk);
        close(fd);
    }
}

/* As `head` does. */
static void test_the_way_on_when_the_reader_goes(void **state)
{
    const char *argv[] = {"sh",
                          "-c",
                          "{ \"$0\" --socket \"$1\" retry --host a; echo $? >&2; } | head -n 1",
                          PENSTOCKCTL,
                          daemon_.path,
                          NULL};
    test_start(&child, argv);
    fake_accept(&daemon_, &talk);
    expect_page(1, "retry", 0);
    talk_answer(&talk, 1,
                "{\"retried\":[{\"id\":12,\"retry_of\":9},{\"id\":13,\"retry_of\":8}],"
                "\"more\":true,\"next\":8}");
    client_ends(&child, 0, "12 retries 9\n",
                "2 jobs retried so far; to go on: the same again, with --before 8\n");
    file_has(child.err, "\n141\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_cancel_page_by_page),
        TEST(test_pages_that_do_not_go_down),
        TEST(test_retry_is_cut),
        TEST(test_retry_is_interrupted),
        TEST(test_a_daemon_that_hangs),
        TEST(test_the_total),
        TEST(test_the_way_on_while_nobody_reads),
        TEST(test_signals_while_nobody_reads_anything),
        TEST(test_the_way_on_when_the_reader_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
