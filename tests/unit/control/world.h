/* A control socket on a loop of the test's own, with fake jobs and clients in the same thread: the
 * loop turns only while a client waits, so every test is in step. Included once by a test
 * program. */
#ifndef PENSTOCK_TESTS_WORLD_H
#define PENSTOCK_TESTS_WORLD_H

#include "base/buf.h"
#include "base/clock.h"
#include "control/control.h"
#include "fake_api.h"

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define PATIENCE (60 * NS_PER_SEC) /* far more than any test takes: only a hang meets it */

struct world {
    uv_loop_t loop;
    uv_timer_t tick; /* bounds one turn's wait */
    struct api api;
    struct control *control;
    char dir[64], path[96];
    bool closed;
    uint64_t deadline;
    unsigned fds_before;
    void (*around)(bool inside); /* told before and after each turn of the loop; or NULL */
};

struct client {
    struct world *world;
    int fd;
    struct buf in;
    char *line; /* the last one */
};

static inline unsigned count_fds(void)
{
    unsigned n = 0;
    DIR *fds = opendir("/proc/self/fd");
    assert_non_null(fds);
    while (readdir(fds))
        n++;
    closedir(fds);
    return n;
}

static inline void on_tick(uv_timer_t *timer)
{
    (void)timer;
}

/* One turn of the loop and of the jobs. */
static inline void turn(struct world *w)
{
    if (w->around)
        w->around(true);
    uv_run(&w->loop, UV_RUN_ONCE);
    if (w->around)
        w->around(false);
    fake_run(&w->api);
    if (clock_now() > w->deadline)
        fail_msg("nothing has happened for long");
}

static inline struct control_config world_config(struct world *w)
{
    return (struct control_config){.loop = &w->loop,
                                   .api = &w->api,
                                   .path = w->path,
                                   .mode = 0600,
                                   .inherited_fd = -1,
                                   .reserve = -1,
                                   .instance = "test",
                                   .version = "1.2.3"};
}

static inline void world_init(struct world *w, unsigned max_clients)
{
    struct error err = {""};
    memset(w, 0, sizeof *w);
    /* libuv opens a pipe or two with the first loop, and keeps them. */
    assert_int_equal(uv_loop_init(&w->loop), 0);
    assert_int_equal(uv_loop_close(&w->loop), 0);
    w->fds_before = count_fds();
    w->deadline = clock_now() + PATIENCE;
    snprintf(w->dir, sizeof w->dir, "/tmp/penstock-test-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    snprintf(w->path, sizeof w->path, "%s/sock", w->dir);
    assert_int_equal(uv_loop_init(&w->loop), 0);
    uv_timer_init(&w->loop, &w->tick);
    uv_timer_start(&w->tick, on_tick, 1, 1);
    struct control_config config = world_config(w);
    config.max_clients = max_clients;
    if (control_new(&config, &w->control, &err) < 0)
        fail_msg("%s", err.text);
}

static inline void on_closed(void *arg)
{
    ((struct world *)arg)->closed = true;
}

/* Ends with a loop that closes clean, and nothing left behind. */
static inline void world_deinit(struct world *w)
{
    w->api.hold = false;
    if (w->control)
        control_free(w->control, on_closed, w);
    while (w->control && !w->closed) {
        turn(w);
        while (w->api.count > 0)
            fake_default(&w->api, 0); /* `wait` too, now that it is abandoned */
    }
    uv_close((uv_handle_t *)&w->tick, NULL);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&w->loop), 0);
    assert_int_equal(rmdir(w->dir), 0);
    fake_deinit(&w->api);
    while (count_fds() > w->fds_before && clock_now() < w->deadline) /* a thread has one open */
        sched_yield();
    assert_true(count_fds() <= w->fds_before);
}

static inline void client_socket(struct world *w, struct client *c)
{
    *c = (struct client){.world = w};
    c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(c->fd >= 0);
}

/* 0 or a negative errno. */
static inline int client_try(struct client *c)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", c->world->path);
    return connect(c->fd, (struct sockaddr *)&address, sizeof address) < 0 ? -errno : 0;
}

static inline void client_init(struct world *w, struct client *c)
{
    client_socket(w, c);
    while (client_try(c) == -EAGAIN)
        turn(w);
}

static inline void client_deinit(struct client *c)
{
    if (c->fd >= 0)
        close(c->fd);
    buf_deinit(&c->in);
    free(c->line);
}

/* How much was sent before the socket was full for good: while the loop's turns still help, all. */
static inline void client_send(struct client *c, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = send(c->fd, data, len, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) {
            turn(c->world);
            continue;
        }
        assert_true(n > 0);
        data += n;
        len -= (size_t)n;
    }
}

static inline void client_say(struct client *c, const char *text)
{
    client_send(c, text, strlen(text));
}

/* A request with this method and params, and the id. */
static inline void client_ask(struct client *c, int id, const char *method, const char *params)
{
    struct buf b = BUF_INIT;
    buf_printf(&b, "{\"jsonrpc\":\"2.0\",\"id\":%d,\"method\":\"%s\",\"params\":%s}\n", id, method,
               params);
    client_send(c, b.data, b.len);
    buf_deinit(&b);
}

/* Reads what is there: 1 some, 0 the end, -EAGAIN. */
static inline int client_read(struct client *c)
{
    char data[65536];
    ssize_t n = recv(c->fd, data, sizeof data, 0);
    if (n < 0)
        return -errno;
    if (n == 0)
        return 0;
    buf_put(&c->in, data, (size_t)n);
    return 1;
}

/* The next line without its newline; NULL at the end of the stream. Valid until the next call. */
static inline const char *client_line(struct client *c)
{
    for (;;) {
        char *newline = c->in.len ? memchr(c->in.data, '\n', c->in.len) : NULL;
        if (newline) {
            size_t len = (size_t)(newline - c->in.data);
            free(c->line);
            c->line = strndup(c->in.data, len);
            buf_drop(&c->in, len + 1);
            return c->line;
        }
        int r = client_read(c);
        if (r == 0 || r == -ECONNRESET)
            return NULL;
        if (r == -EAGAIN)
            turn(c->world);
    }
}

/* The next line is the answer to `id`. */
static inline void expect_id(struct client *c, int id)
{
    char head[64];
    const char *line = client_line(c);
    snprintf(head, sizeof head, "{\"jsonrpc\":\"2.0\",\"id\":%d,\"result\":", id);
    assert_non_null(line);
    if (strncmp(line, head, strlen(head)) != 0)
        fail_msg("%.200s instead of the result for %d", line, id);
}

#endif
