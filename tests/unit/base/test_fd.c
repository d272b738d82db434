#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void test_close(void **state)
{
    int fd = dup(0), copy = fd;
    assert_true(fd >= 0);
    errno = EXDEV;
    fd_close(&fd);
    assert_int_equal(fd, -1);
    assert_int_equal(errno, EXDEV);
    assert_int_equal(fcntl(copy, F_GETFD), -1);
    errno = EXDEV;
    fd_close(&fd);
    assert_int_equal(errno, EXDEV);
}

static void test_dup(void **state)
{
    int fd = fd_dup(0);
    assert_true(fd >= 3);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    fd_close(&fd);
    assert_int_equal(fd_dup(-1), -EBADF);
}

static void test_nonblock(void **state)
{
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(fd_set_nonblock(ends[1], true), 0);
    assert_true(fcntl(ends[1], F_GETFL) & O_NONBLOCK);
    assert_false(fcntl(ends[0], F_GETFL) & O_NONBLOCK);
    assert_int_equal(fd_set_nonblock(ends[1], false), 0);
    assert_false(fcntl(ends[1], F_GETFL) & O_NONBLOCK);
    assert_int_equal(fd_set_nonblock(-1, true), -EBADF);
    close(ends[0]);
    close(ends[1]);
}

#define TOTAL (1 << 20)

/* Reads all and returns how many bytes were as they should be. */
static void *reader(void *arg)
{
    int fd = *(int *)arg;
    unsigned char chunk[777];
    size_t at = 0;
    ssize_t n;
    while ((n = read(fd, chunk, sizeof chunk)) > 0)
        for (ssize_t i = 0; i < n; i++, at++)
            if (chunk[i] != (unsigned char)(at % 251))
                return (void *)(intptr_t)-1;
    return (void *)(intptr_t)at;
}

static void test_write_all_waits_for_room(void **state)
{
    unsigned char *data = malloc(TOTAL);
    for (int nonblock = 0; nonblock < 2; nonblock++) {
        int ends[2];
        pthread_t thread;
        void *got;
        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        assert_int_equal(fd_set_nonblock(ends[1], nonblock), 0);
        for (size_t i = 0; i < TOTAL; i++)
            data[i] = (unsigned char)(i % 251);
        assert_int_equal(pthread_create(&thread, NULL, reader, &ends[0]), 0);
        assert_int_equal(fd_write_all(ends[1], data, TOTAL), 0);
        close(ends[1]);
        pthread_join(thread, &got);
        close(ends[0]);
        assert_int_equal((intptr_t)got, TOTAL);
    }
    free(data);
}

static void test_write_all_tells_errors(void **state)
{
    int ends[2];
    void (*old)(int) = signal(SIGPIPE, SIG_IGN);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    close(ends[0]);
    assert_int_equal(fd_write_all(ends[1], "x", 1), -EPIPE);
    assert_int_equal(fd_write_all(ends[1], "", 0), 0);
    close(ends[1]);
    assert_int_equal(fd_write_all(-1, "x", 1), -EBADF);
    signal(SIGPIPE, old);
}

/* In a child, since limits are the process's. */
static void test_limit(void **state)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct rlimit limit;
        getrlimit(RLIMIT_NOFILE, &limit);
        limit.rlim_cur = 64;
        setrlimit(RLIMIT_NOFILE, &limit);
        fd_restore_limit(); /* not raised: a no-op */
        if (fd_limit() != 64)
            _exit(1);
        if (fd_raise_limit() != 0 || fd_limit() != limit.rlim_max)
            _exit(2);
        if (fd_raise_limit() != 0) /* the second time must not forget the first one's limit */
            _exit(3);
        fd_restore_limit();
        _exit(fd_limit() == 64 ? 0 : 4);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_close),
        cmocka_unit_test(test_dup),
        cmocka_unit_test(test_nonblock),
        cmocka_unit_test(test_write_all_waits_for_room),
        cmocka_unit_test(test_write_all_tells_errors),
        cmocka_unit_test(test_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
