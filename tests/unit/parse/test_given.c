/* Descriptors that clients give for a body: which are taken, and what a reader sees of the end. */
#include "parse/given.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static struct error err;
static int ends[2];

static int begin(void **state)
{
    ends[0] = ends[1] = -1;
    err.text[0] = '\0';
    return 0;
}

static int end(void **state)
{
    fd_close(&ends[0]);
    fd_close(&ends[1]);
    return 0;
}

static void open_pair(int type)
{
    assert_int_equal(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends), 0);
}

static void takes(int fd)
{
    if (given_check(fd, geteuid(), &err) < 0)
        fail_msg("%s", err.text);
}

static void refuses(int fd, const char *sentence)
{
    assert_int_equal(given_check(fd, geteuid(), &err), -EINVAL);
    assert_string_equal(err.text, sentence);
}

#define NEITHER                                                                         \
    "run: the descriptor is neither the write end of a pipe nor one of a pair of unix " \
    "stream sockets"
#define NO_PAIR "run: the socket is not one of a pair of unix stream sockets"

static void a_pipe_is_taken_by_its_write_end(void **state)
{
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    takes(ends[1]);
    refuses(ends[0], NEITHER);
    assert_false(given_is_socket(ends[1]));
    /* Which way it writes is nobody's business. */
    assert_int_equal(fd_set_nonblock(ends[1], true), 0);
    takes(ends[1]);
}

static void what_is_no_pipe_is_refused(void **state)
{
    refuses(-1, "run: no descriptor came with the request");
    ends[0] = open("/dev/null", O_WRONLY | O_CLOEXEC);
    refuses(ends[0], NEITHER);
    ends[1] = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    refuses(ends[1], NEITHER);
    end(NULL);
    /* Write-only, but only to be passed on: it cannot be written to. */
    ends[0] = open("/dev/null", O_PATH | O_CLOEXEC);
    refuses(ends[0], NEITHER);
}

static void a_pair_of_sockets_is_taken_with_a_byte_in_it(void **state)
{
    open_pair(SOCK_STREAM);
    refuses(ends[1], "run: write a byte into the other end of the socket before it is given away: "
                     "without one its reader could take a cut for an end");
    assert_int_equal(write(ends[0], "x", 1), 1);
    takes(ends[1]);
    assert_true(given_is_socket(ends[1]));
    refuses(ends[0], "run: write a byte into the other end of the socket before it is given away: "
                     "without one its reader could take a cut for an end");
}

static void other_sockets_are_refused(void **state)
{
    static const int types[] = {SOCK_DGRAM, SOCK_SEQPACKET};
    for (size_t i = 0; i < 2; i++) {
        open_pair(types[i]);
        assert_int_equal(write(ends[0], "x", 1), 1);
        refuses(ends[1], NO_PAIR);
        end(NULL);
    }
    ends[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (ends[0] >= 0)
        refuses(ends[0], NO_PAIR);
    end(NULL);
    ends[0] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const struct sockaddr nameless = {.sa_family = AF_UNIX};
    assert_int_equal(bind(ends[0], &nameless, sizeof nameless.sa_family), 0);
    assert_int_equal(listen(ends[0], 1), 0);
    refuses(ends[0], NO_PAIR);
}

static void anothers_socket_is_refused(void **state)
{
    open_pair(SOCK_STREAM);
    assert_int_equal(write(ends[0], "x", 1), 1);
    assert_int_equal(given_check(ends[1], geteuid() + 1, &err), -EINVAL);
    assert_string_equal(err.text, "run: the socket's peer is another user's");
}

/* A backup goes to a socket alone, and its errors name it. */
static void one_that_has_to_be_a_socket(void **state)
{
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(given_check_socket(ends[1], geteuid(), "backup", &err), -EINVAL);
    assert_string_equal(err.text,
                        "backup: the descriptor is not one of a pair of unix stream sockets");
    assert_int_equal(given_check_socket(-1, geteuid(), "backup", &err), -EINVAL);
    assert_string_equal(err.text, "backup: no descriptor came with the request");
    end(NULL);
    open_pair(SOCK_STREAM);
    assert_int_equal(given_check_socket(ends[1], geteuid(), "backup", &err), -EINVAL);
    assert_memory_equal(err.text, "backup: write a byte", 20);
    assert_int_equal(write(ends[0], "x", 1), 1);
    assert_int_equal(given_check_socket(ends[1], geteuid(), "backup", &err), 0);
}

/* What the reader at the other end sees of a close: the rest, and then an end or an error. */
static void assert_end(const char *rest, int error)
{
    char data[64];
    size_t len = 0;
    ssize_t n;
    fd_close(&ends[1]);
    while ((n = read(ends[0], data + len, sizeof data - len)) > 0)
        len += (size_t)n;
    assert_int_equal(n < 0 ? errno : 0, error);
    assert_int_equal(len, strlen(rest));
    assert_memory_equal(data, rest, len);
}

static void a_close_is_an_end_only_once_that_was_said(void **state)
{
    open_pair(SOCK_STREAM);
    assert_int_equal(write(ends[0], "x", 1), 1);
    assert_int_equal(write(ends[1], "half", 4), 4);
    assert_end("half", ECONNRESET);
    end(NULL);
    open_pair(SOCK_STREAM);
    assert_int_equal(write(ends[0], "x", 1), 1);
    assert_int_equal(write(ends[1], "whole", 5), 5);
    given_end(ends[1]);
    assert_end("whole", 0);
}

/* One that wrote more than it had to gets an error still, and nobody waits for it. */
static void a_client_that_wrote_too_much_has_no_end(void **state)
{
    char much[4097] = "";
    open_pair(SOCK_STREAM);
    assert_int_equal(write(ends[0], much, sizeof much), sizeof much);
    assert_int_equal(write(ends[1], "whole", 5), 5);
    given_end(ends[1]);
    assert_end("whole", ECONNRESET);
    end(NULL);
    open_pair(SOCK_STREAM);
    given_end(ends[1]); /* nothing to take out: it does not wait */
    assert_end("", 0);
    end(NULL);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    given_end(ends[1]); /* a pipe's end is its close */
    assert_end("", 0);
}

int main(void)
{
#define EACH(test) cmocka_unit_test_setup_teardown(test, begin, end)
    const struct CMUnitTest tests[] = {
        EACH(a_pipe_is_taken_by_its_write_end),
        EACH(what_is_no_pipe_is_refused),
        EACH(a_pair_of_sockets_is_taken_with_a_byte_in_it),
        EACH(other_sockets_are_refused),
        EACH(anothers_socket_is_refused),
        EACH(one_that_has_to_be_a_socket),
        EACH(a_close_is_an_end_only_once_that_was_said),
        EACH(a_client_that_wrote_too_much_has_no_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
