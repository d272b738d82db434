#include "client/wire.h"
#include "base/fd.h"
#include "base/json_read.h"
#include "client/socket_path.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A record may be as long as the daemon's config allows, and it comes wrapped. */
#define MAX_LINE  (64 * 1024 * 1024)
#define READ_SIZE 65536

int wire_open(struct wire *wire, const char *path, struct error *err)
{
    *wire = (struct wire){.fd = -1};
    int fd = address_connect(path, wire->path, sizeof wire->path, err);
    if (fd < 0)
        return fd;
    int r = fd_set_nonblock(fd, true);
    if (r < 0) {
        close(fd);
        return error_set(err, r, "%s: %s", wire->path, strerror(-r));
    }
    wire->fd = fd;
    jsonl_init(&wire->in, MAX_LINE);
    return 0;
}

void wire_close(struct wire *wire)
{
    if (wire->fd < 0)
        return;
    fd_close(&wire->fd);
    jsonl_deinit(&wire->in);
    buf_deinit(&wire->out);
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

int wire_send(struct wire *wire, const char *method, json_t *params, uint64_t *ret_id,
              struct error *err)
{
    char *text = request_text(method, params, wire->requests + 1);
    int r = 0;
    /* Once this program has gone without memory a request may lack a part, and ask for something
     * else. */
    if (!text || json_lost() > 0) {
        free(text);
        return error_set(err, -ENOMEM, "out of memory");
    }
    size_t len = strlen(text);
    if (len > WIRE_MAX_LINE)
        r = error_set(err, -EMSGSIZE, "the request has %zu bytes; a line may have 1 MiB", len);
    else if (buf_put(&wire->out, text, len) < 0 || buf_putc(&wire->out, '\n') < 0)
        r = error_set(err, -ENOMEM, "out of memory");
    free(text);
    if (r == 0)
        *ret_id = ++wire->requests;
    return r;
}

int wire_flush(struct wire *wire)
{
    while (wire->out.len > 0) {
        ssize_t n = send(wire->fd, wire->out.data, wire->out.len, MSG_NOSIGNAL);
        if (n >= 0)
            buf_drop(&wire->out, (size_t)n);
        else if (errno == EAGAIN || errno == EINTR)
            return 0;
        else
            return -errno;
    }
    return 0;
}

int wire_pass(struct wire *wire, int fd, struct error *err)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof fd)];
    } control = {0};
    struct iovec iov = {.iov_base = wire->out.data, .iov_len = wire->out.len};
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
        ssize_t n = sendmsg(wire->fd, &msg, MSG_NOSIGNAL);
        if (n >= 0) {
            buf_drop(&wire->out, (size_t)n);
            return 0;
        }
        struct pollfd pfd = {.fd = wire->fd, .events = POLLOUT};
        if (errno == EAGAIN && poll(&pfd, 1, -1) >= 0)
            continue;
        if (errno != EINTR)
            return error_set(err, -errno, "%s: %s", wire->path, strerror(errno));
    }
}

int wire_receive(struct wire *wire)
{
    char data[READ_SIZE];
    ssize_t n = recv(wire->fd, data, sizeof data, 0);
    if (n > 0)
        return jsonl_feed(&wire->in, data, (size_t)n);
    if (n == 0 || errno == ECONNRESET)
        wire->closed = true;
    else if (errno != EAGAIN && errno != EINTR)
        return -errno;
    return 0;
}

int wire_line(struct wire *wire, char **ret_line, size_t *ret_len)
{
    return jsonl_next(&wire->in, ret_line, ret_len);
}

int wire_explain(const struct wire *wire, int code, struct error *err)
{
    if (code == -EINTR)
        return error_set(err, code, "interrupted");
    if (code == -ECONNRESET)
        return error_set(err, code, "the daemon at %s has closed the connection", wire->path);
    if (code == -ETIMEDOUT)
        return error_set(err, code, "%s: the daemon has not answered within --timeout", wire->path);
    if (code == -EBADMSG || code == -EMSGSIZE)
        return error_set(err, code, "%s does not speak penstock's protocol", wire->path);
    return error_set(err, code, "%s: %s", wire->path, strerror(-code));
}
