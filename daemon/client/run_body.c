#include "client/run_body.h"
#include "base/fd.h"
#include "base/json_read.h"
#include "client/daemon_line.h"
#include "client/ends.h"
#include "client/job_options.h"
#include "client/public_verdict.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- what the daemon says --------------------------------------------------------------------- */

static void on_verdict(struct body *body, const json_t *line)
{
    verdict_read(line, &body->verdict);
    body->ended = true;
    if (!body->whole)
        body->cut = true;
    const char *kind = body->verdict.error_kind[0] ? body->verdict.error_kind : "cancelled";
    if (body->verdict.state != PENSTOCK_STATE_DONE)
        error_set(&body->why, 0, "%s: %s", kind, body->verdict.error_message);
}

/* 0 or -ENOMEM. */
static int on_notification(struct body *body, const char *line, size_t len)
{
    json_t *root = json_read(line, len, JSON_ALLOW_NUL, NULL);
    if (!root) /* it was read before */
        return -ENOMEM;
    const json_t *params = json_object_get(root, "params");
    const char *method = json_string_value(json_object_get(root, "method"));
    const char *event = json_string_value(json_object_get(params, "event"));
    if (method && strcmp(method, "begin") == 0)
        body->begun = true;
    else if (method && strcmp(method, "complete") == 0)
        body->whole = true;
    else if (method && strcmp(method, "abort") == 0)
        body->cut = true;
    else if (event && strcmp(event, "verdict") == 0)
        on_verdict(body, params);
    json_decref(root);
    return 0;
}

/* Not the job is at fault, but the daemon's state: internal, draining, queue full, unavailable
 * (control/PROTOCOL.md). */
static bool is_for_now(int code)
{
    return code == -32603 || code == -32003 || code == -32004 || code == -32006;
}

/* 0, or a negative errno: the daemon refuses the job. */
static int on_answer(struct body *body, const struct answer *answer)
{
    if (body->job)
        return 0; /* to `exited` */
    if (answer->code)
        return error_set(&body->why, is_for_now(answer->code) ? -EIO : -EINVAL, "%s",
                         answer->message);
    body->job = (uint64_t)json_integer_value(json_object_get(answer->result, "id"));
    return 0;
}

static int take_lines(struct body *body)
{
    struct answer answer;
    char *line;
    size_t len;
    int r;
    while ((r = wire_line(&body->wire, &line, &len)) > 0) {
        r = answer_read(line, len, &answer);
        if (r == 1) {
            r = on_notification(body, line, len);
        } else if (r == 0) {
            r = on_answer(body, &answer);
            answer_deinit(&answer);
        }
        if (r < 0)
            return r;
    }
    return r;
}

/* What the connection has for us now. 0, or a negative errno with `why`: nothing more will come
 * from there. */
static int hear(struct body *body)
{
    int r = body->wire.closed ? 0 : wire_receive(&body->wire);
    if (r == 0)
        r = take_lines(body);
    if (r == 0 && body->wire.closed && !body->ended)
        r = -ECONNRESET;
    if (r < 0 && !body->why.text[0])
        wire_explain(&body->wire, r, &body->why);
    return r;
}

/* Until it is told, or the pipe (fd; -1: none) has something. A negative errno as hear's. */
static int wait_for(struct body *body, int fd)
{
    struct pollfd fds[] = {{.fd = body->wire.fd, .events = POLLIN}, {.fd = fd, .events = POLLIN}};
    if (body->wire.out.len > 0)
        fds[0].events |= POLLOUT;
    if (poll(fds, 2, -1) < 0)
        return errno == EINTR ? 0 : -errno;
    int r = fds[0].revents & POLLOUT ? wire_flush(&body->wire) : 0;
    if (r == -EPIPE || r == -ECONNRESET) /* it may have said why */
        buf_reset(&body->wire.out);
    return fds[0].revents & ~POLLOUT || r < 0 ? hear(body) : 0;
}

/* --- opening ---------------------------------------------------------------------------------- */

static int submit(struct body *body, json_t *job, bool socket, struct error *err)
{
    uint64_t request;
    int ends[2] = {-1, -1};
    int r = ends_make(ends, socket);
    if (r < 0) {
        error_set(err, r, "no %s could be made: %s", socket ? "socket" : "pipe",
                  strerrordesc_np(-r));
    } else {
        r = wire_send(&body->wire, "run", json_incref(job), &request, err);
    }
    if (r == 0)
        r = wire_pass(&body->wire, ends[1], err);
    fd_close(&ends[1]);
    body->fd = ends[0];
    if (r == 0 && !socket)
        r = fd_set_nonblock(body->fd, true);
    return r;
}

static int wait_for_begin(struct body *body)
{
    int r = take_lines(body);
    while (r == 0 && !body->begun && !body->whole && !body->ended)
        r = wait_for(body, -1);
    if (r == 0 && !body->begun && !body->whole)
        r = -EIO;
    return r;
}

int body_open(struct body *body, const char *url, const char *options, bool socket,
              struct error *err)
{
    json_t *job = NULL;
    char *path = NULL;
    *body = (struct body){.wire.fd = -1, .fd = -1};
    int r = options_job(url, options, &job, &path, err);
    if (r == 0)
        r = wire_open(&body->wire, path, err);
    if (r == 0)
        r = submit(body, job, socket, err);
    if (r == 0 && (r = wait_for_begin(body)) < 0) {
        error_set(err, r, "%s", body->why.text[0] ? body->why.text : strerrordesc_np(-r));
        if (r != -EINVAL && r != -ENOMEM)
            r = -EIO;
    }
    json_decref(job);
    free(path);
    if (r < 0)
        body_close(body);
    return r;
}

/* --- reading ---------------------------------------------------------------------------------- */

/* Says how the reader ended, once. 0 or -ENOMEM. */
static int say(struct body *body, int status)
{
    struct error ignored;
    uint64_t request;
    if (body->said)
        return 0;
    json_t *params = json_pack("{s:I, s:i}", "id", (json_int_t)body->job, "status", status);
    int r = params ? wire_send(&body->wire, "exited", params, &request, &ignored) : -ENOMEM;
    body->said = r == 0;
    return r;
}

/* It will not arrive whole. The verdict says why, and comes once the reader has ended. */
static void explain_cut(struct body *body)
{
    int r = body->why.text[0] ? 0 : say(body, 1);
    body->cut = true;
    while (r == 0 && !body->ended && !body->why.text[0])
        r = wait_for(body, -1);
    if (!body->why.text[0])
        error_set(&body->why, 0, "the body did not arrive whole");
}

/* The pipe is at its end, or empty when nothing more will come into it. */
static ssize_t end_of(struct body *body)
{
    if (body->whole)
        return 0;
    explain_cut(body);
    return -EIO;
}

void body_hear_end(struct body *body)
{
    struct pollfd pfd = {.fd = body->fd};
    int r = poll(&pfd, 1, 0) == 1 && pfd.revents & POLLHUP ? take_lines(body) : -EAGAIN;
    if (r == -EAGAIN)
        return;
    while (r == 0 && !body->whole && !body->cut)
        r = wait_for(body, -1);
    if (!body->whole)
        explain_cut(body);
}

ssize_t body_read(struct body *body, void *data, size_t size)
{
    bool gone = false;
    for (;;) {
        /* Looked at before the pipe: once it is over, whatever the pipe holds then is the rest. */
        bool over = body->whole || body->cut || gone;
        ssize_t n = read(body->fd, data, size);
        if (n > 0)
            return n;
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return error_set(&body->why, -EIO, "the pipe: %s", strerrordesc_np(errno));
        /* An end of the pipe alone says nothing: what the daemon says of it may be under way. */
        if (n == 0 || (n < 0 && errno == EAGAIN)) {
            if (over)
                return end_of(body);
            if (wait_for(body, n == 0 ? -1 : body->fd) < 0)
                gone = true;
        }
    }
}

/* --- the end ---------------------------------------------------------------------------------- */

int body_finish(struct body *body, int status)
{
    fd_close(&body->fd);
    int r = say(body, status);
    while (r == 0 && !body->ended)
        r = wait_for(body, -1);
    if (r < 0)
        verdict_unknown(&body->verdict, body->job, body->why.text);
    return r;
}

void body_close(struct body *body)
{
    fd_close(&body->fd);
    wire_close(&body->wire);
}
