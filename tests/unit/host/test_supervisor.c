/* The life of a host that runs a pipeline: whatever happens, no stage takes a cut for an end, and
 * nothing is left behind. */
#include "hosted.h"

#include <errno.h>
#include <signal.h>

#define WORDS(...) ((char *const[]){__VA_ARGS__, NULL})
#define A(s)       ((char *)(s))
#define SH(script) WORDS(A("sh"), A("-c"), A(script))
#define STAGES(...)                                                        \
    .kind = ORDER_PIPELINE, .stages = (char *const *const[]){__VA_ARGS__}, \
    .stage_count = sizeof((char *const *const[]){__VA_ARGS__}) / sizeof(char *const *)

/* The file that a descriptor of the host's is, as "pipe:[123]"; false: it is closed. */
static bool link_of(pid_t pid, int fd, char *buf, size_t size)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)pid, fd);
    ssize_t n = readlink(path, buf, size - 1);
    buf[n > 0 ? n : 0] = '\0';
    return n > 0;
}

/* Is a duplicate of our write end still the host's? */
static bool holds(const struct hosted *h, const char *pipe)
{
    char link[64];
    return link_of(h->pid, ORDER_WRITE_FD, link, sizeof link) && strcmp(link, pipe) == 0;
}

static void test_a_whole_body(void **state)
{
    struct hosted h;
    char pipe[64];
    const struct order order = {STAGES(WORDS(A("cat")), WORDS(A("tr"), A("a-z"), A("A-Z")))};
    hosted_start(&h, &order);
    assert_true(link_of(getpid(), h.body, pipe, sizeof pipe));
    assert_int_equal(fd_write_all(h.body, "whole\n", 6), 0);
    fd_close(&h.body);
    assert_true(holds(&h, pipe)); /* so nothing has met an end yet */
    hosted_say(&h, ORDER_COMPLETE);
    TEST_WAIT(!holds(&h, pipe), PATIENCE);
    assert_string_equal(hosted_read(&h, NULL), "WHOLE\n");
    struct report report = hosted_report(&h);
    assert_int_equal(report.kind, REPORT_ENDED);
    assert_int_equal(report.stage, 2); /* none of the two has failed */
    assert_int_equal(report.status, 0);
    assert_false(report.returned);
    hosted_finish(&h);
}

/* Everything that it started is gone before the write end closes, in whatever way the body is
 * cut. */
static void cut(int word)
{
    static char script[] = "read line; setsid sleep 1000 & echo $!; cat > /dev/null; echo an end";
    struct hosted h;
    const struct order order = {STAGES(SH(script))};
    hosted_start(&h, &order);
    assert_int_equal(fd_write_all(h.body, "first\n", 6), 0);
    pid_t left = atoi(hosted_read(&h, "\n"));
    assert_true(left > 1);
    assert_int_equal(kill(left, 0), 0);
    fd_close(&h.body);
    if (word)
        hosted_say(&h, (enum order_word)word);
    else
        fd_close(&h.control); /* the daemon is gone */
    assert_null(strstr(hosted_read(&h, NULL), "an end"));
    hosted_end(&h);
    assert_int_equal(kill(left, 0), -1);
    assert_int_equal(errno, ESRCH);
}

static void test_cuts(void **state)
{
    cut(ORDER_ABORT);
    cut(ORDER_FINISH);
    cut(0);
    cut('?');
}

static void test_a_stage_that_fails(void **state)
{
    static const struct {
        const char *first, *second;
        uint32_t stage;
        int status; /* as of waitpid(2) */
    } rows[] = {
        {"exit 3", "cat > /dev/null; echo an end", 0, 3 << 8},
        {"kill -SEGV $$", "cat > /dev/null; echo an end", 0, SIGSEGV},
        {"cat", "exit 4", 1, 4 << 8},
        {"yes; exit 1", "exec head -c 2", 0, 1 << 8},
        {"exec yes", "exec head -c 2", 2, 0}, /* whoever wants no more excuses the one before */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct hosted h;
        const struct order order = {STAGES(SH(rows[i].first), SH(rows[i].second))};
        hosted_start(&h, &order);
        struct report report = hosted_report(&h);
        assert_int_equal(report.kind, REPORT_ENDED);
        if (report.stage != rows[i].stage || report.status != rows[i].status)
            fail_msg("%s | %s: stage %u, status %d", rows[i].first, rows[i].second, report.stage,
                     report.status);
        assert_null(strstr(hosted_read(&h, NULL), "an end"));
        hosted_finish(&h);
    }
}

static void test_programs_that_cannot_be_started(void **state)
{
    struct hosted h;
    const struct order order = {
        STAGES(SH("exec cat"), WORDS(A("/nonexistent/load"), A("x")), SH("cat; echo an end"))};
    hosted_start(&h, &order);
    struct report report = hosted_report(&h);
    assert_int_equal(report.kind, REPORT_EXEC_FAILED);
    assert_int_equal(report.stage, 1);
    assert_non_null(strstr(report.text, "/nonexistent/load"));
    assert_string_equal(hosted_read(&h, NULL), "");
    hosted_finish(&h);
}

/* What all processes of a service or of a terminal are told is no reason to let go of the body. */
static void test_signals_end_no_host(void **state)
{
    static const int numbers[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGTERM,
                                  SIGPIPE, SIGUSR1, SIGUSR2, SIGXFSZ};
    struct hosted h;
    const struct order order = {STAGES(SH("read line; echo $line; exec cat"))};
    hosted_start(&h, &order);
    assert_int_equal(fd_write_all(h.body, "begun\n", 6), 0);
    hosted_read(&h, "begun"); /* it is set up, then */
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        assert_int_equal(kill(h.pid, numbers[i]), 0);
    hosted_feed(&h, "and whole\n");
    assert_string_equal(hosted_read(&h, NULL), "begun\nand whole\n");
    assert_int_equal(hosted_report(&h).stage, 1);
    hosted_finish(&h);
}

static void test_limits(void **state)
{
    struct hosted h;
    const struct order order = {
        STAGES(SH("ulimit -n; ulimit -t; ulimit -v")),
        .limits = {.open_files = 50, .cpu_time = 77, .memory = UINT64_C(3) << 30}};
    hosted_start(&h, &order);
    assert_string_equal(hosted_read(&h, NULL), "50\n77\n3145728\n");
    hosted_report(&h);
    hosted_finish(&h);
}

/* Whatever is wrong with what it is told, it says so, and runs nothing. */
static void refused(const char *order, size_t len, const char *part)
{
    struct hosted h;
    hosted_begin(&h);
    assert_int_equal(fd_write_all(h.control, order, len), 0);
    shutdown(h.control, SHUT_WR);
    struct report report = hosted_report(&h);
    assert_int_equal(report.kind, REPORT_FAILED);
    if (!strstr(report.text, part))
        fail_msg("'%s' lacks '%s'", report.text, part);
    int status = host_wait(h.pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 1);
    assert_string_equal(hosted_read(&h, NULL), "");
    fd_close(&h.body);
    fd_close(&h.control);
    fd_close(&h.records);
    buf_deinit(&h.came);
}

static void test_orders_that_are_none(void **state)
{
    struct buf text = BUF_INIT;
    const struct order order = {STAGES(SH("echo it ran"))};
    assert_int_equal(order_put(&text, &order), 0);
    refused("", 0, "the order: ");
    refused(text.data, text.len - 1, "the order: ");
    char *version = memmem(text.data, text.len, PENSTOCK_VERSION, strlen(PENSTOCK_VERSION));
    assert_non_null(version);
    version[0]++;
    refused(text.data, text.len, "which needs a restart");
    buf_deinit(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_whole_body),
        cmocka_unit_test(test_cuts),
        cmocka_unit_test(test_a_stage_that_fails),
        cmocka_unit_test(test_programs_that_cannot_be_started),
        cmocka_unit_test(test_signals_end_no_host),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_orders_that_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
