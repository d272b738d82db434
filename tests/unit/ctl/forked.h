/* A part of the client in a process of its own, as most of it is process-wide: what it writes, and
 * how it ends. */
#ifndef PENSTOCK_TESTS_FORKED_H
#define PENSTOCK_TESTS_FORKED_H

#include "support/testlib.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE (60000 * test_patience()) /* ms; only a hang meets it */

/* Starts `body` with `out` as its standard output and error; both ends are the caller's. */
static inline pid_t forked_start(int (*body)(void), int out)
{
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid > 0)
        return pid;
    setsid(); /* no terminal of whoever runs the tests */
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    _exit(body());
}

/* Its exit status, or 128 and the signal. */
static inline int forked_end(pid_t pid)
{
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* All that comes until nobody has the other end any more. */
static inline void forked_read(int fd, struct buf *text)
{
    char piece[4096];
    for (;;) {
        struct pollfd pfd = {.fd = fd, .events = POLLIN};
        if (poll(&pfd, 1, (int)PATIENCE) != 1)
            fail_msg("it neither ends nor says anything");
        ssize_t n = read(fd, piece, sizeof piece);
        if (n <= 0) /* a terminal without processes gives EIO */
            break;
        buf_put(text, piece, (size_t)n);
    }
    buf_putc(text, '\0');
    text->len--;
}

/* Runs it; its status, and all that it said. */
static inline int forked_run(int (*body)(void), struct buf *text)
{
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid_t pid = forked_start(body, ends[1]);
    close(ends[1]);
    buf_reset(text);
    forked_read(ends[0], text);
    close(ends[0]);
    return forked_end(pid);
}

#endif
