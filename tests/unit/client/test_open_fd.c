/* A URL opened as a descriptor: an end is one only if the daemon has made it so. */
#include "body_talk.h"

#include <fcntl.h>

/* One that has begun: "line 1" is on its way. */
static int open_socket(void)
{
    struct opening o;
    begin_opening(&o, false);
    pour("line 1\n");
    say("begin");
    opening_end(&o);
    assert_true(o.fd >= 0);
    return o.fd;
}

/* The daemon takes the client's byte out of it, and then its close is an end. */
static void give_end(void)
{
    char drop[8];
    assert_int_equal(recv(given, drop, sizeof drop, MSG_DONTWAIT), 1);
    fd_close(&given);
}

static ssize_t read_next(int fd)
{
    char data[64];
    ssize_t n = read(fd, data, sizeof data);
    return n < 0 ? -errno : n;
}

static void whole_socket(void **state)
{
    struct penstock_verdict verdict;
    int fd = open_socket();
    give_end();
    say("complete");
    assert_int_equal(read_next(fd), 7);
    assert_int_equal(read_next(fd), 0);
    assert_string_equal(penstock_error_fd(fd), "");
    say_done();
    assert_int_equal(penstock_close_fd(fd, 0, &verdict), 0);
    expect_exited(0);
    assert_int_equal(verdict.state, PENSTOCK_STATE_DONE);
    assert_int_equal(penstock_close_fd(fd, 0, NULL), -EBADF);
    assert_string_equal(penstock_error_fd(fd), "this is no descriptor of penstock_open_fd's");
    assert_int_equal(penstock_close_fd(-1, 0, NULL), -EBADF);
}

/* The kernel says so, whatever has become of the daemon; it tells why. */
static void cut_socket(void **state)
{
    struct reading r;
    int fd = open_socket();
    assert_int_equal(read_next(fd), 7);
    assert_string_equal(penstock_error_fd(fd), ""); /* it is open, and nothing is said of it */
    fd_close(&given);
    assert_int_equal(read_next(fd), -ECONNRESET);
    reading_begin(&r, NULL, fd);
    say("abort");
    expect_exited(1);
    say_truncated();
    reading_end(&r);
    assert_string_equal(r.why, "truncated: cut");
    assert_int_equal(penstock_close_fd(fd, 0, NULL), 1);
}

static void the_daemon_dies_with_the_socket(void **state)
{
    struct penstock_verdict verdict;
    int fd = open_socket();
    daemon_ends();
    assert_int_equal(read_next(fd), 7);
    assert_int_equal(read_next(fd), -ECONNRESET);
    assert_non_null(strstr(penstock_error_fd(fd), "has closed the connection"));
    assert_true(penstock_close_fd(fd, 0, &verdict) < 0);
    assert_int_equal(verdict.state, PENSTOCK_STATE_UNKNOWN);
}

/* The program has closed it by close(2), and its number has come back: the body that was there is
 * given up, and the new one is not taken for it. */
static void a_number_that_comes_back(void **state)
{
    struct opening o;
    int spare = dup(fake.listener), full[64], count = 0;
    int fd = open_socket();
    struct talk first = talk;
    fd_close(&given);
    do {
        full[count] = dup(fake.listener);
    } while (full[count++] < fd); /* no number below it is free … */
    close(spare);                 /* … but for one, which the connection gets */
    close(fd);
    opening_start(&o, false, NULL);
    TEST_WAIT(fcntl(fd, F_GETFD) >= 0, PATIENCE);
    hear_run("{\"url\":\"http://h.test/\"}");
    talk_answer(&talk, 1, "{\"id\":7}");
    pour("line 1\n");
    say("begin");
    opening_end(&o);
    assert_int_equal(o.fd, fd);
    assert_null(talk_hear(&first));
    assert_int_equal(read_next(fd), 7);
    give_end();
    say("complete");
    say_done();
    assert_int_equal(penstock_close_fd(fd, 0, NULL), 0);
    talk_end(&first);
    while (count > 0)
        close(full[--count]);
}

int main(void)
{
#define EACH(test) cmocka_unit_test_setup_teardown(test, begin, end)
    const struct CMUnitTest tests[] = {
        EACH(whole_socket),
        EACH(cut_socket),
        EACH(the_daemon_dies_with_the_socket),
        EACH(a_number_that_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
