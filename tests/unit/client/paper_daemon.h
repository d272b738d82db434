/* A daemon of paper: a test says what it hears and what it answers, and a real client is at the
 * other end. Everything happens on the test's own thread; whatever takes too long fails the
 * test. */
#ifndef TESTS_UNIT_CLIENT_PAPER_DAEMON_H
#define TESTS_UNIT_CLIENT_PAPER_DAEMON_H

#include "base/fd.h"
#include "base/jsonl.h"
#include "support/testlib.h"

#include <jansson.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE (60000 * test_patience()) /* ms; only a hang meets it */

struct fake {
    int listener;
    const char *path;
};

/* One client's connection. */
struct talk {
    int fd;
    struct jsonl in;
};

static inline void fake_listen(struct fake *f, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    assert_true(strlen(path) < sizeof address.sun_path);
    strcpy(address.sun_path, path);
    unlink(path);
    f->path = path;
    f->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(f->listener >= 0);
    assert_int_equal(bind(f->listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(f->listener, 8), 0);
}

static inline void fake_close(struct fake *f)
{
    fd_close(&f->listener);
    unlink(f->path);
}

static inline void fake_wait(int fd, short events)
{
    struct pollfd pfd = {.fd = fd, .events = events};
    if (poll(&pfd, 1, (int)PATIENCE) != 1)
        fail_msg("the client says nothing");
}

static inline void fake_accept(struct fake *f, struct talk *t)
{
    fake_wait(f->listener, POLLIN);
    t->fd = accept4(f->listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(t->fd >= 0);
    jsonl_init(&t->in, 4 << 20);
}

static inline void talk_end(struct talk *t)
{
    fd_close(&t->fd);
    jsonl_deinit(&t->in);
}

/* The next line; NULL at the end. */
static inline char *talk_hear(struct talk *t)
{
    char data[65536], *line;
    size_t len;
    for (;;) {
        int r = jsonl_next(&t->in, &line, &len);
        assert_true(r >= 0);
        if (r > 0)
            return line;
        fake_wait(t->fd, POLLIN);
        ssize_t n = read(t->fd, data, sizeof data);
        if (n <= 0)
            return NULL;
        assert_int_equal(jsonl_feed(&t->in, data, (size_t)n), 0);
    }
}

static inline json_t *talk_hear_json(struct talk *t)
{
    char *line = talk_hear(t);
    assert_non_null(line);
    json_t *request = json_loads(line, 0, NULL);
    assert_non_null(request);
    return request;
}

static inline void same_json(json_t *value, const char *expected)
{
    json_t *other = json_loads(expected, 0, NULL);
    assert_non_null(other);
    if (!json_equal(value, other)) {
        char *text = json_dumps(value, JSON_COMPACT);
        fail_msg("%s instead of %s", text, expected);
    }
    json_decref(other);
}

/* The next request is this one. */
static inline void talk_expect(struct talk *t, const char *request)
{
    json_t *value = talk_hear_json(t);
    same_json(value, request);
    json_decref(value);
}

/* At once: a client that wants no more than a sign of life leaves after the first byte. */
static inline void talk_say(struct talk *t, const char *line)
{
    struct buf b = BUF_INIT;
    buf_printf(&b, "%s\n", line);
    assert_int_equal(fd_write_all(t->fd, b.data, b.len), 0);
    buf_deinit(&b);
}

static inline void talk_answer(struct talk *t, unsigned id, const char *result)
{
    struct buf b = BUF_INIT;
    buf_printf(&b, "{\"jsonrpc\":\"2.0\",\"id\":%u,\"result\":%s}", id, result);
    talk_say(t, b.data);
    buf_deinit(&b);
}

static inline void talk_event(struct talk *t, const char *line)
{
    struct buf b = BUF_INIT;
    buf_printf(&b, "{\"jsonrpc\":\"2.0\",\"method\":\"event\",\"params\":%s}", line);
    talk_say(t, b.data);
    buf_deinit(&b);
}

#endif
