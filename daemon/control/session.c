#include "control/session.h"

#include "base/clock.h"
#include "base/fd.h"
#include "control/message.h"
#include "control/reply.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define READ_SIZE  ((size_t)64 << 10)
#define OUT_SIZE   ((size_t)256 << 10) /* answers gathered for one send */
#define OUT_KEEP   ((size_t)256 << 10) /* a larger buffer is given back when it is empty */
#define SEND_TURNS 16                  /* sends in one pump: others want their turn */
#define MAX_FDS    253                 /* descriptors in one message: the kernel's SCM_MAX_FD */
#define CUT_KEEP   ((size_t)64 << 10)  /* of a line that is being sent to one who must go */

/* Is there a line that the helper has, or that it has parsed and nobody has taken? */
static bool is_parsing(const struct session *s)
{
    return s->parsing || s->has_parsed;
}

static void free_if_over(struct session *s)
{
    if (s->fd >= 0 || !s->handle_closed || is_parsing(s) || !rpc_idle(&s->rpc))
        return;
    s->host->gone(s);
    stream_deinit(&s->stream);
    buf_deinit(&s->out);
    jsonl_deinit(&s->in);
    free(s->groups);
    free(s);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct session *s = handle->data;
    s->handle_closed = true;
    free_if_over(s);
}

void session_close(struct session *session)
{
    if (session->fd < 0)
        return;
    uv_poll_stop(&session->poll); /* before the descriptor goes: epoll must not keep it */
    uv_close((uv_handle_t *)&session->poll, on_handle_closed);
    fd_close_connection(&session->fd);
    stream_shut(&session->stream);
    buf_deinit(&session->out);
    if (!session->parsing) /* else the helper reads what is in it */
        jsonl_deinit(&session->in);
    rpc_abandon(&session->rpc);
    if (session->host->budget)
        budget_set(session->host->budget, &session->share, 0);
    session->host->closed(session);
}

/* What it holds just then counts in the budget. */
static void account(struct session *s)
{
    struct budget *budget = s->host->budget;
    if (!budget || s->fd < 0 || s->cut_why)
        return;
    size_t held = s->in.buf.size + s->out.size + stream_memory(&s->stream) + s->rpc.memory;
    budget_set(budget, &s->share, held);
    if (budget->used > budget->max)
        s->host->overdrawn(s->host->arg);
}

/* A client may pass a descriptor (`run`); of several the last is kept. True: there was any. */
static bool take_received(struct session *s, struct msghdr *msg)
{
    bool any = false;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        int fds[MAX_FDS];
        size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof *fds;
        memcpy(fds, CMSG_DATA(c), n * sizeof *fds);
        if (n == 0)
            continue;
        fd_close_foreign_all(fds, n - 1);
        rpc_passed(&s->rpc, fds[n - 1]);
        any = true;
    }
    return any;
}

/* There is room for all the descriptors that a message can have: what the kernel drops it closes
 * there and then, which may take long. */
static ssize_t receive(struct session *s, char *data, size_t size)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int) * MAX_FDS)];
    } control;
    struct iovec iov = {.iov_base = data, .iov_len = size};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = sizeof control};
    ssize_t n = recvmsg(s->fd, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (n < 0)
        return -errno;
    return take_received(s, &msg) && fd_closing() >= FD_CLOSING_MAX ? -ECONNRESET : n;
}

/* 0, or negative: the connection is of no use any more. */
static int read_input(struct session *s)
{
    char data[READ_SIZE];
    ssize_t n = receive(s, data, sizeof data);
    if (n > 0)
        return jsonl_feed(&s->in, data, (size_t)n);
    if (n == -EINTR || (n == -EAGAIN && !s->gone))
        return 0;
    if (n < 0 && !s->gone)
        return (int)n;
    s->eof = true;
    return 0;
}

static int next_line(struct session *s, char **ret_line, size_t *ret_len)
{
    int r;
    while ((r = jsonl_next(&s->in, ret_line, ret_len)) == 0 && s->gone && !s->eof)
        if ((r = read_input(s)) < 0) /* nothing else reads the rest */
            return r;
    if (r != 0 || !s->eof)
        return r;
    r = jsonl_last(&s->in, ret_line, ret_len);
    s->in_done = true;
    return r;
}

static void on_work(struct helper_task *task)
{
    struct session *s = container_of(task, struct session, task);
    s->parsed = message_parse(s->line, s->line_len, &s->root, &s->parse_error);
}

static void on_parsed(struct mail *mail)
{
    struct session *s = container_of(mail, struct session, task.mail);
    s->parsing = false;
    s->has_parsed = true;
    s->host->wake(s); /* in its turn: what comes of a long line costs something as well */
}

/* 1: what the helper has parsed is carried out; 0: there is none; negative: as above. */
static int take_parsed(struct session *s)
{
    if (!s->has_parsed)
        return 0;
    s->has_parsed = false;
    if (s->fd < 0 || s->finishing) {
        if (s->parsed == 0)
            json_decref(s->root);
        if (s->cut_why)
            jsonl_deinit(&s->in); /* which the helper had when it was cut */
        return 0;
    }
    int r = rpc_parsed(&s->rpc, s->parsed, s->root, s->line_len, &s->parse_error);
    return r < 0 ? r : 1;
}

/* A long line costs many milliseconds to parse. */
static int take_aside(struct session *s, char *line, size_t len)
{
    s->parsing = s->heavy = true;
    s->line = line;
    s->line_len = len;
    s->task.work = on_work;
    mail_init(&s->task.mail, on_parsed);
    helper_add(s->host->helper, &s->task);
    return 0;
}

static bool wants_lines(const struct session *s)
{
    return !s->in_done && !s->finishing && !is_parsing(s) && rpc_wants(&s->rpc);
}

/* Takes the lines that are there while the conversation wants them, and there is time. 1: it took
 * any; 0: none; negative: as above. */
static int take_lines(struct session *s)
{
    int took = take_parsed(s);
    int r = took < 0 || s->finishing ? took : rpc_go_on(&s->rpc);
    if (r < 0)
        return r;
    while (wants_lines(s)) {
        char *line;
        size_t len;
        if (took && clock_now() >= s->rpc.deadline) {
            s->rpc.stopped = true;
            break;
        }
        r = next_line(s, &line, &len);
        if (r == 0)
            break;
        if (r == 1)
            r = len > SESSION_ASIDE && s->host->helper ? take_aside(s, line, len)
                                                       : rpc_line(&s->rpc, line, len);
        else if (r == -EMSGSIZE)
            r = rpc_refuse(&s->rpc, REPLY_INVALID_REQUEST,
                           "a line of more than 1 MiB: send several lines");
        if (r < 0)
            return r;
        took = 1;
    }
    return took;
}

/* Gathers answers, then events: these only between whole lines. */
static int fill_output(struct session *s)
{
    if (s->sent < s->out.len)
        return 0;
    s->sent = 0;
    if (s->out.size > OUT_KEEP)
        buf_deinit(&s->out);
    buf_reset(&s->out);
    s->mid_out = s->rpc.mid_line;
    int r = s->finishing ? 0 : rpc_take(&s->rpc, &s->out, OUT_SIZE);
    if (r == 0 && !s->rpc.mid_line)
        stream_take(&s->stream, &s->out);
    if (s->stream.overflowed && s->stream.lines.len == 0)
        s->finishing = true;
    return s->out.failed ? -ENOMEM : r;
}

/* 1: some was written, or dropped; 0: the client's socket is full, or there is nothing; negative:
 * as above. */
static int write_output(struct session *s)
{
    if (s->sent == s->out.len)
        return 0;
    ssize_t n = (ssize_t)(s->out.len - s->sent);
    if (!s->gone)
        n = send(s->fd, s->out.data + s->sent, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && (errno == EPIPE || errno == ECONNRESET)) {
        s->gone = true;
        return 1;
    }
    if (n < 0)
        return errno == EAGAIN ? 0 : errno == EINTR ? 1 : -errno;
    s->sent += (size_t)n;
    s->read_at = clock_now();
    s->moved = true;
    return 1;
}

static bool is_over(const struct session *s)
{
    if (s->gone)
        return !s->rpc.stopped && !is_parsing(s) && !wants_lines(s);
    if (s->sent < s->out.len || stream_pending(&s->stream))
        return false;
    return s->finishing ||
           (s->in_done && !is_parsing(s) && rpc_idle(&s->rpc) && !stream_following(&s->stream));
}

static void on_poll(uv_poll_t *poll, int status, int events);

static void watch_events(struct session *s, int events)
{
    if (s->sent < s->out.len)
        events |= UV_WRITABLE;
    if (events == s->watched)
        return;
    if (uv_poll_start(&s->poll, events, on_poll) < 0)
        session_close(s);
    else
        s->watched = events;
}

/* While nothing is to be read, UV_PRIORITIZED is watched instead: no data of ours comes that way,
 * but with it epoll tells when the client has gone altogether (UV_DISCONNECT would also tell,
 * without end, of one that has only finished sending). Nothing is watched while what it has sent
 * waits for the next turn, nor once the client has gone. */
static void watch(struct session *s)
{
    bool reads = !s->eof && !s->gone && wants_lines(s) && !s->rpc.stopped;
    bool is_long = s->in.buf.len - s->in.start >= SESSION_BIG_INPUT;
    if (s->big_since && !is_long && !s->parsing)
        s->host->shrunk(s);
    if (reads && is_long && !s->big_since)
        reads = s->host->may_grow(s);
    watch_events(s, reads ? UV_READABLE : s->rpc.stopped || s->gone ? 0 : UV_PRIORITIZED);
}

static void note_unread(struct session *s)
{
    if (s->sent == s->out.len || !stream_presses(&s->stream)) {
        list_del(&s->unread_link);
    } else if (list_empty(&s->unread_link)) {
        s->read_at = clock_now();
        s->host->unread(s);
    }
}

/* Leaves what completes the line that is being sent, and tells why. False: that line is too long to
 * keep. */
static bool cut_output(struct session *s)
{
    struct buf rest = BUF_INIT;
    const char *from = s->sent < s->out.len ? s->out.data + s->sent : NULL;
    bool whole = from && s->sent > 0 ? from[-1] == '\n' : !s->mid_out;
    if (!whole) {
        const char *end = from ? memchr(from, '\n', s->out.len - s->sent) : NULL;
        if (!end || (size_t)(end + 1 - from) > CUT_KEEP)
            return false;
        buf_put(&rest, from, (size_t)(end + 1 - from));
    }
    if (stream_following(&s->stream)) {
        stream_cut(&s->stream, s->cut_why);
        stream_take(&s->stream, &rest);
    } else {
        reply_error(&rest, "null", API_UNAVAILABLE, s->cut_why, NULL);
        buf_putc(&rest, '\n');
    }
    buf_deinit(&s->out);
    s->out = rest;
    s->sent = 0;
    return !rest.failed;
}

/* What session_cut has begun. One that was finishing has an end on its way already, which it does
 * not take. */
static void finish_cut(struct session *s)
{
    bool ends_already = s->finishing;
    s->finishing = s->cut_done = true;
    if (ends_already || !cut_output(s)) {
        session_close(s);
        return;
    }
    rpc_abandon(&s->rpc);
    if (!s->parsing)
        jsonl_deinit(&s->in);
}

void session_cut(struct session *session, const char *why)
{
    if (session->fd < 0 || session->cut_why)
        return;
    session->cut_why = why;
    budget_set(session->host->budget, &session->share, 0);
    session->host->wake(session);
}

void session_pump(struct session *session)
{
    if (session->fd < 0) {
        (void)take_parsed(session);
        free_if_over(session);
        return;
    }
    if (session->cut_why && !session->cut_done)
        finish_cut(session);
    if (session->fd < 0)
        return;
    int turns = 0;
    session->rpc.deadline = clock_now() + SESSION_PUMP_NS;
    session->rpc.stopped = false;
    for (;; turns++) {
        int took = take_lines(session);
        int r = took < 0 ? took : fill_output(session);
        if (r == 0 && turns < SEND_TURNS)
            r = write_output(session);
        if (r < 0) {
            session_close(session);
            return;
        }
        if (r == 0 && (took == 0 || turns >= SEND_TURNS || session->rpc.stopped))
            break;
    }
    if (is_over(session)) {
        session_close(session);
        return;
    }
    session->heavy = turns >= SEND_TURNS || session->rpc.stopped || session->parsing;
    if (turns >= SEND_TURNS || session->rpc.stopped)
        session->host->wake(session);
    account(session);
    note_unread(session);
    watch(session);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct session *s = poll->data;
    int r = 0;
    /* PRIORITIZED: the client is gone (or sends out-of-band data, which is none of this protocol).
     * An error is that of a client that went without reading all; what it has sent is still there.
     */
    if (status < 0 || (events & UV_PRIORITIZED))
        s->gone = true;
    else if (events & UV_READABLE)
        r = read_input(s);
    if (r < 0)
        session_close(s);
    else if (!s->host->come(s))
        watch_events(s, 0); /* goes on after its pump */
}

void session_finish(struct session *session)
{
    if (session->fd < 0)
        return;
    int r = session->sent < session->out.len ? 0 : fill_output(session);
    session->finishing = true;
    if (r < 0)
        session_close(session);
    else
        session_pump(session);
}

static void on_answered(struct rpc *rpc)
{
    struct session *s = container_of(rpc, struct session, rpc);
    account(s);
    s->host->wake(s);
}

static void on_stream_ready(struct stream *stream)
{
    struct session *s = container_of(stream, struct session, stream);
    account(s);
    s->host->wake(s);
}

/* The peer's supplementary groups; without memory it has none. */
static void read_groups(struct session *s, struct peer *peer)
{
    gid_t none;
    socklen_t len = 0;
    if (getsockopt(s->fd, SOL_SOCKET, SO_PEERGROUPS, &none, &len) == 0 || errno != ERANGE)
        return;
    s->groups = malloc(len);
    if (!s->groups || getsockopt(s->fd, SOL_SOCKET, SO_PEERGROUPS, s->groups, &len) < 0)
        return;
    peer->groups = s->groups;
    peer->group_count = len / sizeof *s->groups;
}

_Static_assert(sizeof(gid_t) == sizeof(uint32_t), "as struct peer has them");

struct peer session_peer(int fd)
{
    struct ucred cred = {.uid = (uid_t)-1, .gid = (gid_t)-1};
    socklen_t len = sizeof cred;
    /* It can't fail on a connected unix socket; if it did, nobody's ids are the safe answer. */
    (void)getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len);
    return (struct peer){.uid = cred.uid, .gid = cred.gid, .pid = cred.pid};
}

int session_new(const struct session_host *host, int fd, struct session **ret_session)
{
    struct session *s = calloc(1, sizeof *s);
    if (!s)
        return -ENOMEM;
    int r = uv_poll_init(host->loop, &s->poll, fd);
    if (r < 0) {
        free(s);
        return r;
    }
    s->host = host;
    s->fd = fd;
    s->poll.data = s;
    list_init(&s->link);
    list_init(&s->wake_link);
    list_init(&s->big_link);
    list_init(&s->unread_link);
    share_init(&s->share);
    jsonl_init(&s->in, SESSION_MAX_LINE);
    stream_init(&s->stream, host->rpc.api, on_stream_ready);
    s->stream.budget = host->budget;
    struct peer peer = session_peer(fd);
    read_groups(s, &peer);
    rpc_init(&s->rpc, &host->rpc, &peer, &s->stream, on_answered);
    *ret_session = s;
    host->wake(s);
    return 0;
}
