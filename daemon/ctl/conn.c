#include "ctl/conn.h"
#include "base/fd.h"
#include "ctl/address.h"
#include "ctl/ask.h"
#include "ctl/intr.h"
#include "ctl/out.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A record may be as long as the daemon's config allows, and it comes wrapped. */
#define MAX_LINE  (64 * 1024 * 1024)
#define READ_SIZE 65536

int conn_open(struct conn *conn, const char *path, struct error *err)
{
    *conn = (struct conn){.fd = -1};
    int fd = address_connect(path, conn->path, sizeof conn->path, err);
    if (fd < 0)
        return fd;
    int r = fd_set_nonblock(fd, true);
    if (r < 0) {
        close(fd);
        return error_set(err, r, "%s: %s", conn->path, strerror(-r));
    }
    conn->fd = fd;
    jsonl_init(&conn->in, MAX_LINE);
    return 0;
}

void conn_close(struct conn *conn)
{
    if (conn->fd < 0)
        return;
    fd_close(&conn->fd);
    jsonl_deinit(&conn->in);
    buf_deinit(&conn->out);
}

/* The request's text, to be freed; NULL: out of memory. */
static char *request_text(const char *method, json_t *params, uint64_t id)
{
    json_t *request =
        json_pack("{s:s, s:I, s:s}", "jsonrpc", "2.0", "id", (json_int_t)id, "method", method);
    char *text = NULL;
    if (request && (!params || json_object_set(request, "params", params) == 0))
        text = json_dumps(request, JSON_COMPACT);
    json_decref(request);
    json_decref(params);
    return text;
}

int conn_send(struct conn *conn, const char *method, json_t *params, uint64_t *ret_id,
              struct error *err)
{
    char *text = request_text(method, params, conn->requests + 1);
    int r = 0;
    if (!text)
        return error_set(err, -ENOMEM, "out of memory");
    size_t len = strlen(text);
    if (len > ASK_MAX_LINE)
        r = error_set(err, -EMSGSIZE, "the request has %zu bytes; a line may have 1 MiB", len);
    else if (buf_put(&conn->out, text, len) < 0 || buf_putc(&conn->out, '\n') < 0)
        r = error_set(err, -ENOMEM, "out of memory");
    free(text);
    if (r == 0)
        *ret_id = ++conn->requests;
    return r;
}

static int send_some(struct conn *conn)
{
    while (conn->out.len > 0) {
        ssize_t n = send(conn->fd, conn->out.data, conn->out.len, MSG_NOSIGNAL);
        if (n >= 0)
            buf_drop(&conn->out, (size_t)n);
        else if (errno == EAGAIN || errno == EINTR)
            return 0;
        else
            return -errno;
    }
    return 0;
}

int conn_pass(struct conn *conn, int fd, struct error *err)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof fd)];
    } control = {0};
    struct iovec iov = {.iov_base = conn->out.data, .iov_len = conn->out.len};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = sizeof control};
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(c), &fd, sizeof fd);
    for (;;) {
        ssize_t n = sendmsg(conn->fd, &msg, MSG_NOSIGNAL);
        if (n >= 0) {
            buf_drop(&conn->out, (size_t)n);
            return 0;
        }
        struct pollfd pfd = {.fd = conn->fd, .events = POLLOUT};
        if (errno != EINTR && (errno != EAGAIN || poll(&pfd, 1, -1) < 0))
            return error_set(err, -errno, "%s: %s", conn->path, strerror(errno));
    }
}

static int receive_some(struct conn *conn)
{
    char data[READ_SIZE];
    ssize_t n = recv(conn->fd, data, sizeof data, 0);
    if (n > 0)
        return jsonl_feed(&conn->in, data, (size_t)n);
    if (n == 0 || errno == ECONNRESET)
        conn->closed = true;
    else if (errno != EAGAIN && errno != EINTR)
        return -errno;
    return 0;
}

enum { SLOT_DAEMON, SLOT_INTR, SLOT_STDOUT, SLOT_EXTRA, SLOT_MAX = SLOT_EXTRA + 3 };

static int after_poll(struct conn *conn, const struct pollfd *fds)
{
    int r = 0;
    if (intr_came())
        return -EINTR;
    if (fds[SLOT_STDOUT].revents & (POLLERR | POLLHUP))
        out_gone();
    if (fds[SLOT_DAEMON].revents & POLLOUT)
        r = send_some(conn);
    /* A daemon that has closed may have said why before: read that first. */
    if (r == -EPIPE || r == -ECONNRESET) {
        buf_reset(&conn->out);
        r = 0;
    }
    if (r == 0 && fds[SLOT_DAEMON].revents & (POLLIN | POLLHUP | POLLERR))
        r = receive_some(conn);
    return r;
}

int conn_poll(struct conn *conn, struct pollfd *extra, size_t extra_count, int timeout_ms)
{
    struct pollfd fds[SLOT_MAX] = {
        [SLOT_DAEMON] = {.fd = conn->fd, .events = POLLIN},
        [SLOT_INTR] = {.fd = intr_fd(), .events = POLLIN},
        [SLOT_STDOUT] = {.fd = conn->ignores_stdout ? -1 : STDOUT_FILENO},
    };
    out_flush();
    if (conn->closed)
        return -ECONNRESET;
    if (conn->out.len > 0)
        fds[SLOT_DAEMON].events |= POLLOUT;
    for (size_t i = 0; i < extra_count; i++)
        fds[SLOT_EXTRA + i] = extra[i];
    if (poll(fds, SLOT_EXTRA + extra_count, timeout_ms) < 0) {
        for (size_t i = 0; i < SLOT_MAX; i++)
            fds[i].revents = 0;
        if (errno != EINTR)
            return -errno;
    }
    for (size_t i = 0; i < extra_count; i++)
        extra[i].revents = fds[SLOT_EXTRA + i].revents;
    return after_poll(conn, fds);
}

int conn_line(struct conn *conn, char **ret_line, size_t *ret_len)
{
    return jsonl_next(&conn->in, ret_line, ret_len);
}

static int read_error(struct answer *answer, const json_t *error)
{
    const char *message = json_string_value(json_object_get(error, "message"));
    json_t *code = json_object_get(error, "code");
    if (!json_is_integer(code) || json_integer_value(code) == 0)
        return -EBADMSG;
    answer->code = (int)json_integer_value(code);
    answer->message = message ? message : "the daemon gave no reason";
    answer->field = json_string_value(json_object_get(json_object_get(error, "data"), "field"));
    return 0;
}

int answer_read(const char *line, size_t len, struct answer *ret_answer)
{
    struct answer answer = {.text = line, .len = len};
    answer.root = json_loadb(line, len, JSON_ALLOW_NUL, NULL);
    int r = json_is_object(answer.root) ? 0 : -EBADMSG;
    if (r == 0 && json_object_get(answer.root, "method"))
        r = 1;
    if (r == 0) {
        json_t *error = json_object_get(answer.root, "error");
        json_int_t id = json_integer_value(json_object_get(answer.root, "id"));
        answer.id = id > 0 ? (uint64_t)id : 0;
        answer.result = json_object_get(answer.root, "result");
        if (error && !json_is_null(error))
            r = read_error(&answer, error);
        else if (!answer.result)
            r = -EBADMSG;
    }
    if (r != 0) {
        json_decref(answer.root);
        return r;
    }
    *ret_answer = answer;
    return 0;
}

void answer_deinit(struct answer *answer)
{
    json_decref(answer->root);
    *answer = (struct answer){0};
}

int conn_explain(const struct conn *conn, int code, struct error *err)
{
    if (code == -EINTR)
        return error_set(err, code, "interrupted");
    if (code == -ECONNRESET)
        return error_set(err, code, "the daemon at %s has closed the connection", conn->path);
    if (code == -EBADMSG || code == -EMSGSIZE)
        return error_set(err, code, "%s does not speak penstock's protocol", conn->path);
    return error_set(err, code, "%s: %s", conn->path, strerror(-code));
}

int conn_call(struct conn *conn, const char *method, json_t *params, struct answer *ret_answer,
              struct error *err)
{
    uint64_t id;
    char *line;
    size_t len;
    int r = conn_send(conn, method, params, &id, err);
    if (r < 0)
        return r;
    for (;;) {
        while ((r = conn_line(conn, &line, &len)) > 0) {
            r = answer_read(line, len, ret_answer);
            if (r < 0)
                return conn_explain(conn, r, err);
            /* Without an id it is about the line as a whole, and there is one only. */
            if (r == 0 && (ret_answer->id == id || ret_answer->id == 0))
                return 0;
            if (r == 0)
                answer_deinit(ret_answer);
        }
        if (r == 0)
            r = conn_poll(conn, NULL, 0, -1);
        if (r < 0)
            return conn_explain(conn, r, err);
    }
}
