/* The daemon's side of a real penstock-host: its order, its body, its records and its report. */
#ifndef PENSTOCK_TESTS_HOSTED_H
#define PENSTOCK_TESTS_HOSTED_H

#include "base/fd.h"
#include "parse/order.h"
#include "parse/process_host.h"
#include "support/testlib.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE (60000 * test_patience()) /* ms; only a hang meets it */

struct hosted {
    pid_t pid;
    int body;        /* the write end that is ours; -1: closed */
    int control;     /* our end */
    int records;     /* the read end */
    const char *err; /* the file that its standard error is */
    struct buf came; /* of the records so far */
};

/* Starts one that has been told nothing yet. */
static inline void hosted_begin(struct hosted *h)
{
    static const char *const argv[] = {"penstock-host", "--run", NULL};
    static unsigned number;
    int body[2], records[2], control[2];
    *h = (struct hosted){.came = BUF_INIT, .err = test_path("err%u", ++number)};
    int err = open(h->err, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    assert_true(err >= 0);
    assert_int_equal(pipe2(body, O_CLOEXEC), 0);
    assert_int_equal(pipe2(records, O_CLOEXEC), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, control), 0);
    const int fds[HOST_FDS] = {body[0], records[1], err, control[1], body[1]};
    process_set_host(PENSTOCK_HOST);
    assert_int_equal(host_start(argv, NULL, fds, &h->pid), 0);
    fd_close(&body[0]);
    fd_close(&records[1]);
    fd_close(&control[1]);
    fd_close(&err);
    h->body = body[1];
    h->control = control[0];
    h->records = records[0];
}

static inline void hosted_order(struct hosted *h, const struct order *order)
{
    struct buf text = BUF_INIT;
    assert_int_equal(order_put(&text, order), 0);
    assert_int_equal(fd_write_all(h->control, text.data, text.len), 0);
    buf_deinit(&text);
}

static inline void hosted_start(struct hosted *h, const struct order *order)
{
    hosted_begin(h);
    hosted_order(h, order);
}

static inline void hosted_say(struct hosted *h, enum order_word word)
{
    char byte = (char)word;
    assert_int_equal(send(h->control, &byte, 1, MSG_NOSIGNAL), 1);
}

/* A whole body: the word comes after the last byte, as the daemon has it. Whoever reads it must not
 * have left: hosted_start_fed. */
static inline void hosted_feed(struct hosted *h, const char *body)
{
    assert_int_equal(fd_write_all(h->body, body, strlen(body)), 0);
    fd_close(&h->body);
    hosted_say(h, ORDER_COMPLETE);
}

/* The whole body is in its pipe before anybody can have had enough of it. */
static inline void hosted_start_fed(struct hosted *h, const struct order *order, const char *body)
{
    hosted_begin(h);
    assert_int_equal(fd_write_all(h->body, body, strlen(body)), 0);
    hosted_order(h, order);
    hosted_feed(h, "");
}

static inline void hosted_wait(int fd)
{
    struct pollfd pfd = {.fd = fd, .events = POLLIN};
    if (poll(&pfd, 1, (int)PATIENCE) != 1)
        fail_msg("the host says nothing");
}

static inline struct report hosted_report(struct hosted *h)
{
    struct report report;
    hosted_wait(h->control);
    assert_int_equal(recv(h->control, &report, sizeof report, MSG_WAITALL), sizeof report);
    return report;
}

/* Until this text has come; NULL: to the end. */
static inline const char *hosted_read(struct hosted *h, const char *part)
{
    char piece[4096];
    while (!part || !h->came.data || !strstr(h->came.data, part)) {
        hosted_wait(h->records);
        ssize_t n = read(h->records, piece, sizeof piece);
        if (n <= 0 && part)
            fail_msg("'%s' never came", part);
        if (n <= 0)
            break;
        buf_put(&h->came, piece, (size_t)n);
        buf_putc(&h->came, '\0');
        h->came.len--;
    }
    return h->came.data ? h->came.data : "";
}

/* Its end, by itself; all that it started has ended before. */
static inline void hosted_end(struct hosted *h)
{
    int status = host_wait(h->pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    fd_close(&h->body);
    fd_close(&h->control);
    fd_close(&h->records);
    buf_deinit(&h->came);
}

static inline void hosted_finish(struct hosted *h)
{
    hosted_say(h, ORDER_FINISH);
    hosted_end(h);
}

#endif
