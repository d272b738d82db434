/* The progress line: what it says of a job that waits, how fast bytes come, and that a daemon that
 * does not answer it costs nothing but the line. */
#include "ctl/progress_line.h"

#include "base/clock.h"
#include "forked.h"

#include "ctl/out.h"

#include <pty.h>
#include <sys/socket.h>
#include <sys/un.h>

static const struct rate unknown;

static void line_is(const struct job_view *view, const struct rate *rate, const char *expected)
{
    struct buf b = BUF_INIT;
    progress_put(&b, view, rate, 0, 1);
    buf_putc(&b, '\0');
    assert_string_equal(b.data, expected);
    buf_deinit(&b);
}

static struct job_view waiting(const char *state, const char *what, const char *due)
{
    return (struct job_view){.id = 7,
                             .state = state,
                             .waiting_for = what,
                             .due = due,
                             .bytes = -1,
                             .length = -1,
                             .records = -1};
}

static void test_reasons(void **state)
{
    static const struct {
        const char *what, *due, *line;
    } rows[] = {
        {"", "", "7 waiting"},
        {"retry", "1990-01-01T00:00:00Z", "7 waiting  tried again in 0 s"}, /* at once, then */
        {"not_before", "1990-01-01T00:00:00Z", "7 waiting  begins in 0 s"},
        {"retry", "", "7 waiting  waits for retry"},
        {"retry", "soon", "7 waiting  waits for retry"},
        {"user", "", "7 waiting  waits for others of its user (max_running)"},
        {"worker", "1990-01-01T00:00:00Z", "7 waiting  waits for worker"},
        {"\033[2J", "", "7 waiting  waits for \\u001b[2J"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct job_view view = waiting("waiting", rows[i].what, rows[i].due);
        line_is(&view, &unknown, rows[i].line);
    }
}

/* So many seconds as are left, rounded up: never 0 before its time. */
static void test_time_that_is_left(void **state)
{
    char due[CLOCK_STAMP_SIZE];
    struct buf b = BUF_INIT;
    long seconds = 0;
    clock_stamp(clock_real_us() + INT64_C(100000) * 1000000, due);
    struct job_view view = waiting("waiting", "retry", due);
    progress_put(&b, &view, &unknown, 0, 1);
    buf_putc(&b, '\0');
    assert_int_equal(sscanf(b.data, "7 waiting  tried again in %ld s", &seconds), 1);
    assert_in_range(seconds, 90000, 100000);
    buf_deinit(&b);
}

/* What is left is told only where it can be known. */
static void test_the_rest_of_a_body(void **state)
{
    static const struct {
        int64_t bytes, length;
        double per_second;
        const char *line;
    } rows[] = {
        {100, 200, 10, "7 running  100 B of 200 B  10 B/s  10 s left"},
        {100, 200, 9, "7 running  100 B of 200 B  9 B/s  12 s left"},
        {0, 3600, 1, "7 running  0 B of 3.5 KiB  1 B/s  1 h 00 min left"},
        {0, 60, 1, "7 running  0 B of 60 B  1 B/s  1 min 00 s left"},
        {100, 200, 0.5, "7 running  100 B of 200 B  0 B/s"}, /* it may take for ever */
        {200, 200, 10, "7 running  200 B of 200 B  10 B/s"},
        {300, 200, 10, "7 running  300 B of 200 B  10 B/s"}, /* it was decoded, perhaps */
        {100, 0, 10, "7 running  100 B  10 B/s"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct job_view view = waiting("running", "", "");
        struct rate rate = {.known = true, .per_second = rows[i].per_second};
        view.bytes = rows[i].bytes;
        view.length = rows[i].length;
        line_is(&view, &rate, rows[i].line);
    }
}

/* Two looks at the same moment tell nothing new. */
static void test_rates_need_time(void **state)
{
    struct rate rate = {0};
    rate_sample(&rate, 1, 0, 0); /* a clock may begin at 0 */
    assert_true(rate.at > 0);
    rate_sample(&rate, 1, 1000, NS_PER_SEC);
    assert_true(rate.known);
    double before = rate.per_second;
    rate_sample(&rate, 1, 5000, NS_PER_SEC + NS_PER_MS / 2);
    assert_true(rate.per_second >= before && rate.per_second <= before);
    rate_sample(&rate, 1, 5000, 2 * NS_PER_SEC);
    assert_true(rate.per_second > before); /* the bytes count once there is time */
}

/* --- a daemon --------------------------------------------------------------------------------- */

/* Where standard error is no terminal there is no line, and no second connection. */
static void test_without_a_terminal(void **state)
{
    struct progress p;
    progress_init(&p, "/nonexistent/socket");
    assert_false(p.on);
    assert_int_equal(progress_timeout(&p), -1);
    assert_int_equal(progress_tick(&p, 7, 0, 1), 0);
    progress_deinit(&p);
}

static int listener = -1;
static const char *path;

/* Looks twice; the daemon answers the first time, and goes. */
static int look_twice(void)
{
    struct progress p;
    setenv("TERM", "xterm", 1);
    out_init();
    progress_init(&p, path);
    if (!p.on || progress_timeout(&p) < 0)
        return 90;
    p.due = clock_now() + 3600 * NS_PER_SEC;
    if (progress_tick(&p, 7, 0, 1) != 0 || progress_tick(&p, 0, 0, 1) != 0)
        return 91; /* it is not time */
    for (int i = 0; i < 2; i++) {
        p.due = 0;
        if (progress_tick(&p, 7, 0, 3) != 0)
            return 92;
    }
    return p.on ? 93 : 0;
}

static void serve_one(void)
{
    static const char answer[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"id\":7,\"state\":"
                                 "\"running\",\"running\":{\"bytes\":2048}}}\n";
    char piece[512];
    int fd = accept(listener, NULL, NULL);
    if (fd < 0 || read(fd, piece, sizeof piece) <= 0 ||
        write(fd, answer, sizeof answer - 1) != sizeof answer - 1)
        _exit(1);
    (void)!read(fd, piece, sizeof piece);
    _exit(0); /* and with it the connection ends */
}

static void test_a_daemon_that_goes(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct winsize size = {.ws_row = 24, .ws_col = 80};
    struct buf text = BUF_INIT;
    int master, slave;
    path = test_path("socket");
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(openpty(&master, &slave, NULL, NULL, &size), 0);
    fflush(NULL);
    pid_t served = fork();
    if (served == 0)
        serve_one();
    close(listener);
    assert_int_equal(forked_end(forked_start(look_twice, slave)), 0);
    assert_int_equal(forked_end(served), 0);
    close(slave);
    forked_read(master, &text);
    assert_string_equal(text.data, "\r[0/3] 7 running  2.0 KiB\033[K\r\033[K");
    buf_deinit(&text);
    close(master);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reasons),
        cmocka_unit_test(test_time_that_is_left),
        cmocka_unit_test(test_the_rest_of_a_body),
        cmocka_unit_test(test_rates_need_time),
        cmocka_unit_test(test_without_a_terminal),
        cmocka_unit_test(test_a_daemon_that_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
