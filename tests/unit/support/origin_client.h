/* A client of the misbehaving origin that knows nothing but sockets. */
#ifndef PENSTOCK_TESTS_ORIGIN_CLIENT_H
#define PENSTOCK_TESTS_ORIGIN_CLIENT_H

#include "base/fd.h"
#include "support/origin.h"
#include "support/testlib.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE (60000 * test_patience()) /* ms; only a hang meets it */

static struct origin *origin;

/* What came back on one connection, and how it ended: 0 for FIN, else an errno. */
struct reply {
    struct buf wire;
    int end;
    int status;
    const char *body; /* into wire; NULL if there is no whole head */
    size_t body_len;
};

static inline int dial(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(origin_port(origin)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_return_code(connect(fd, (struct sockaddr *)&address, sizeof address), errno);
    return fd;
}

static inline void say(int fd, const char *path, const char *headers)
{
    struct buf b = BUF_INIT;
    buf_printf(&b, "GET %s HTTP/1.1\r\nHost: x\r\n%s\r\n", path, headers);
    assert_int_equal(fd_write_all(fd, b.data, b.len), 0);
    buf_deinit(&b);
}

static inline void hear(int fd, struct reply *reply)
{
    ssize_t n;
    do {
        struct pollfd pfd = {.fd = fd, .events = POLLIN};
        assert_int_equal(poll(&pfd, 1, (int)PATIENCE), 1);
        assert_int_equal(buf_reserve(&reply->wire, 65536), 0);
        n = recv(fd, reply->wire.data + reply->wire.len, 65536, 0);
        reply->wire.len += n > 0 ? (size_t)n : 0;
        reply->wire.data[reply->wire.len] = '\0';
    } while (n > 0);
    reply->end = n < 0 ? errno : 0;
    char *end = memmem(reply->wire.data, reply->wire.len, "\r\n\r\n", 4);
    if (end && sscanf(reply->wire.data, "HTTP/1.%*d %d", &reply->status) == 1) {
        reply->body = end + 4;
        reply->body_len = reply->wire.len - (size_t)(reply->body - reply->wire.data);
    }
}

static inline void get_with(const char *path, const char *headers, struct reply *reply)
{
    struct buf all = BUF_INIT;
    int fd = dial();
    buf_printf(&all, "Connection: close\r\n%s", headers);
    say(fd, path, all.data);
    *reply = (struct reply){0};
    hear(fd, reply);
    close(fd);
    buf_deinit(&all);
}

static inline void get(const char *path, struct reply *reply)
{
    get_with(path, "", reply);
}

static inline bool has(const struct reply *reply, const char *text)
{
    return memmem(reply->wire.data, reply->wire.len, text, strlen(text));
}

static inline int start(void **state)
{
    origin = origin_new(&(struct origin_config){.root = test_dir()});
    return origin ? 0 : -1;
}

static inline int finish(void **state)
{
    origin_free(origin);
    return 0;
}

#endif
