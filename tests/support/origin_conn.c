/* A connection: a state machine over a non-blocking socket. conn_run goes on until the socket
 * blocks, the response wants a pause, or more of a request is needed. */
#include "support/origin_private.h"

#include "base/clock.h"
#include "base/fd.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define OUT_SIZE  16384
#define HEAD_MAX  65536
#define LINGER_NS (2 * NS_PER_SEC)

#define IO_BLOCKED (-EAGAIN)
#define IO_CLOSED  (-ECONNRESET)

/* --- sockets -------------------------------------------------------------- */

static ssize_t tls_result(struct conn *conn, int n)
{
    if (n > 0)
        return n;
    int why = SSL_get_error(conn->ssl, n);
    ERR_clear_error();
    return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? IO_BLOCKED : IO_CLOSED;
}

static ssize_t conn_read(struct conn *conn, char *data, size_t size)
{
    if (conn->ssl)
        return tls_result(conn, SSL_read(conn->ssl, data, (int)size));
    ssize_t n = recv(conn->fd, data, size, 0);
    if (n > 0)
        return n;
    return n < 0 && (errno == EAGAIN || errno == EINTR) ? IO_BLOCKED : IO_CLOSED;
}

static ssize_t conn_write(struct conn *conn, const char *data, size_t len)
{
    if (conn->ssl)
        return tls_result(conn, SSL_write(conn->ssl, data, (int)len));
    ssize_t n = send(conn->fd, data, len, MSG_NOSIGNAL);
    if (n > 0)
        return n;
    return n < 0 && (errno == EAGAIN || errno == EINTR) ? IO_BLOCKED : IO_CLOSED;
}

/* Room for input: while a response is under way, only what a pipelining client may have in advance.
 */
static bool wants_input(const struct conn *conn)
{
    return conn->phase == CONN_LINGER || conn->phase == CONN_BODY || conn->in.len < HEAD_MAX;
}

static void conn_watch(struct conn *conn)
{
    bool to_write = conn->blocked || (conn->ssl && SSL_want_write(conn->ssl));
    uint32_t events = EPOLLRDHUP | (wants_input(conn) ? EPOLLIN : 0) | (to_write ? EPOLLOUT : 0);
    struct epoll_event event = {.events = events, .data.ptr = conn};
    if (events == conn->events)
        return;
    epoll_ctl(conn->origin->epoll, conn->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, conn->fd, &event);
    conn->events = events;
}

static void conn_sleep(struct conn *conn, uint64_t ns)
{
    conn->wake = clock_now() + ns;
    list_del(&conn->sleeper);
    list_add_tail(&conn->origin->sleepers, &conn->sleeper);
}

/* --- life ----------------------------------------------------------------- */

void conn_new(struct origin *origin, int fd)
{
    struct conn *conn = calloc(1, sizeof *conn);
    if (!conn) {
        fd_close(&fd);
        return;
    }
    conn->origin = origin;
    conn->fd = fd;
    conn->phase = origin->config.tls == ORIGIN_TLS_SILENT ? CONN_STALLED
                  : origin->ssl                           ? CONN_HANDSHAKE
                                                          : CONN_HEAD;
    list_init(&conn->sleeper);
    list_add_tail(&origin->conns, &conn->node);
    pthread_mutex_lock(&origin->lock);
    origin->totals.connections++;
    if (++origin->totals.open > origin->totals.most_open)
        origin->totals.most_open = origin->totals.open;
    pthread_mutex_unlock(&origin->lock);
    if (conn->phase == CONN_HANDSHAKE) {
        conn->ssl = SSL_new(origin->ssl);
        if (!conn->ssl || !SSL_set_fd(conn->ssl, fd)) {
            conn_free(conn);
            return;
        }
        SSL_set_accept_state(conn->ssl);
    }
    conn_run(conn);
}

static void end_response(struct conn *conn)
{
    response_deinit(&conn->response);
    request_deinit(&conn->request);
    free(conn->out);
    conn->out = NULL;
}

/* The descriptor goes first: who reads that nothing is open finds none. */
void conn_free(struct conn *conn)
{
    struct origin *origin = conn->origin;
    SSL_free(conn->ssl);
    fd_close(&conn->fd);
    pthread_mutex_lock(&origin->lock);
    origin->totals.open--;
    origin->totals.handshake_failures += conn->phase == CONN_HANDSHAKE;
    if (conn->counter) {
        conn->counter->counts.client_left++;
        conn->counter->counts.held -= conn->held;
        conn->counter->counts.stalled -= conn->phase == CONN_STALLED;
    }
    pthread_mutex_unlock(&origin->lock);
    end_response(conn);
    list_del(&conn->node);
    list_del(&conn->sleeper);
    buf_deinit(&conn->in);
    free(conn);
}

static void count_finished(struct conn *conn)
{
    pthread_mutex_lock(&conn->origin->lock);
    conn->counter->counts.finished++;
    pthread_mutex_unlock(&conn->origin->lock);
    conn->counter = NULL;
}

/* Says its end: FIN, for TLS after a close_notify if that is meant to be. */
static void conn_end(struct conn *conn, bool notify)
{
    count_finished(conn);
    if (conn->ssl && notify) {
        SSL_shutdown(conn->ssl);
        ERR_clear_error();
    }
    shutdown(conn->fd, SHUT_WR);
    end_response(conn);
    conn->phase = CONN_LINGER;
    conn_sleep(conn, LINGER_NS);
}

/* RST is sent once nothing is under way any more, so that the bytes before it arrive. 1: done, the
 * connection is gone; -EAGAIN: not yet. */
static int conn_reset(struct conn *conn)
{
    int queued = 0;
    if (ioctl(conn->fd, SIOCOUTQ, &queued) == 0 && queued > 0) {
        conn->phase = CONN_RESETTING;
        conn_sleep(conn, NS_PER_MS);
        return -EAGAIN;
    }
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    count_finished(conn);
    conn_free(conn);
    return 1;
}

/* What is written meanwhile arrives together. */
static void conn_cork(struct conn *conn, int on)
{
    setsockopt(conn->fd, IPPROTO_TCP, TCP_CORK, &on, sizeof on);
}

/* --- requests ------------------------------------------------------------- */

static void count_request(struct conn *conn, uint64_t *ret_seq)
{
    struct request *q = &conn->request;
    struct origin *origin = conn->origin;
    pthread_mutex_lock(&origin->lock);
    origin->totals.requests++;
    conn->counter = origin_counter(origin, q->path ? request_key(q) : "");
    if (conn->counter) {
        struct origin_counts *counts = &conn->counter->counts;
        *ret_seq = ++counts->requests;
        uint64_t open = counts->requests - counts->finished - counts->client_left;
        if (open > counts->most_open)
            counts->most_open = open;
        counts->ranged += *q->range != '\0';
        counts->last_sent = 0;
        memcpy(counts->last_range, q->range, sizeof counts->last_range);
        memcpy(counts->last_if_range, q->if_range, sizeof counts->last_if_range);
    }
    pthread_mutex_unlock(&origin->lock);
}

static int begin_response(struct conn *conn, const char *error)
{
    uint64_t seq = 1;
    count_request(conn, &seq);
    if (!conn->counter)
        return -ENOMEM;
    conn->phase = CONN_RESPONSE;
    if (error)
        return response_plan_error(&conn->response, 400, error);
    conn->request.seq = seq;
    uint64_t first = request_number(&conn->request, "first", UINT64_MAX);
    conn->request.faultless = seq > first;
    if (request_is(&conn->request, "unasked", "1"))
        conn_cork(conn, 1);
    return response_plan(&conn->response, &conn->request, seq, &conn->origin->plan);
}

/* 0: answer now or read the body; -EAGAIN: more of the head is needed; -ENOMEM. */
static int take_head(struct conn *conn)
{
    char *end = conn->in.len ? memmem(conn->in.data, conn->in.len, "\r\n\r\n", 4) : NULL;
    if (!end)
        return conn->in.len < HEAD_MAX ? -EAGAIN : begin_response(conn, "the head is over 64 KiB");
    size_t len = (size_t)(end - conn->in.data) + 4;
    struct error err = {""};
    int r = request_parse(&conn->request, conn->in.data, len, &err);
    buf_drop(&conn->in, len);
    if (r == -ENOMEM)
        return r;
    if (r < 0) {
        conn->request.faultless = false;
        return begin_response(conn, err.text);
    }
    if (conn->request.body_len == 0)
        return begin_response(conn, NULL);
    conn->phase = CONN_BODY;
    if (conn->request.expects && conn->in.len == 0) {
        static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
        conn->out = strdup(go_on);
        conn->piece = (struct response_piece){.len = sizeof go_on - 1};
        conn->out_off = 0;
        return conn->out ? 0 : -ENOMEM;
    }
    return 0;
}

static int take_body(struct conn *conn)
{
    struct request *q = &conn->request;
    size_t missing = q->body_len - q->body.len;
    size_t n = missing < conn->in.len ? missing : conn->in.len;
    if (n > 0 && buf_put(&q->body, conn->in.data, n) < 0)
        return -ENOMEM;
    buf_drop(&conn->in, n);
    return n == missing ? begin_response(conn, NULL) : -EAGAIN;
}

/* --- responses ------------------------------------------------------------ */

static void count_sent(struct conn *conn, size_t from, size_t to)
{
    const struct response_piece *piece = &conn->piece;
    size_t low = piece->data_off, high = piece->data_off + piece->data_len;
    from = from < low ? low : from > high ? high : from;
    to = to < low ? low : to > high ? high : to;
    if (!conn->counter || to == from)
        return;
    pthread_mutex_lock(&conn->origin->lock);
    conn->counter->counts.body_sent += to - from;
    conn->counter->counts.last_sent += to - from;
    conn->origin->totals.body_sent += to - from;
    pthread_mutex_unlock(&conn->origin->lock);
}

/* Sends what is left of the piece. 0, IO_BLOCKED or IO_CLOSED. */
static int flush(struct conn *conn)
{
    while (conn->out_off < conn->piece.len) {
        ssize_t n = conn_write(conn, conn->out + conn->out_off, conn->piece.len - conn->out_off);
        if (n < 0)
            return (int)n;
        count_sent(conn, conn->out_off, conn->out_off + (size_t)n);
        conn->out_off += (size_t)n;
    }
    return 0;
}

static void drop_out(struct conn *conn)
{
    free(conn->out);
    conn->out = NULL;
}

static void set_held(struct conn *conn, bool held)
{
    pthread_mutex_lock(&conn->origin->lock);
    if (conn->held != held)
        conn->counter->counts.held += held ? 1 : (uint64_t)-1;
    pthread_mutex_unlock(&conn->origin->lock);
    conn->held = held;
}

static void stall(struct conn *conn)
{
    conn->phase = CONN_STALLED;
    pthread_mutex_lock(&conn->origin->lock);
    conn->counter->counts.stalled++;
    pthread_mutex_unlock(&conn->origin->lock);
}

/* 0: go on; -EAGAIN: wait; 1: the connection is gone. */
static int hold_or_pause(struct conn *conn, enum response_step step, unsigned ms)
{
    drop_out(conn);
    if (step == RESPONSE_PAUSE) {
        conn_sleep(conn, ms * NS_PER_MS);
        return -EAGAIN;
    }
    bool released = origin_is_released(conn->origin, conn->response.hold);
    set_held(conn, !released);
    if (!released)
        return -EAGAIN;
    response_released(&conn->response);
    return 0;
}

static int next_piece(struct conn *conn)
{
    unsigned ms = 0;
    if (!conn->out && !(conn->out = malloc(OUT_SIZE)))
        return -ENOMEM;
    conn->out_off = 0;
    enum response_step step =
        response_next(&conn->response, conn->out, OUT_SIZE, &conn->piece, &ms);
    int notify = conn->response.notify;
    switch (step) {
    case RESPONSE_BYTES:
        return 0;
    case RESPONSE_PAUSE:
    case RESPONSE_HOLD:
        return hold_or_pause(conn, step, ms);
    case RESPONSE_STALL:
        drop_out(conn);
        stall(conn);
        return -EAGAIN;
    case RESPONSE_END:
        count_finished(conn);
        if (request_is(&conn->request, "unasked", "1")) {
            conn_unasked(conn, "answer");
            conn_cork(conn, 0);
        }
        end_response(conn);
        conn->phase = CONN_HEAD;
        return 0;
    case RESPONSE_CLOSE:
        conn_end(conn, notify != 0);
        return -EAGAIN;
    case RESPONSE_CUT:
        conn_end(conn, notify == 1);
        return -EAGAIN;
    case RESPONSE_RESET:
        drop_out(conn);
        return conn_reset(conn);
    }
    return -EINVAL;
}

void conn_unasked(struct conn *conn, const char *what)
{
    static const char answer[] =
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 8\r\n\r\nunasked\n";
    static const char timeout[] =
        "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    if (strcmp(what, "answer") == 0)
        (void)conn_write(conn, answer, sizeof answer - 1);
    else if (strcmp(what, "408") == 0)
        (void)conn_write(conn, timeout, sizeof timeout - 1);
    if (strcmp(what, "answer") == 0)
        return;
    if (conn->ssl)
        SSL_shutdown(conn->ssl);
    ERR_clear_error();
    shutdown(conn->fd, SHUT_WR);
    conn->phase = CONN_LINGER;
    conn_sleep(conn, LINGER_NS);
}

/* --- the machine ---------------------------------------------------------- */

static int handshake(struct conn *conn)
{
    int r = SSL_do_handshake(conn->ssl);
    if (r == 1) {
        conn->phase = CONN_HEAD;
        return 0;
    }
    return (int)tls_result(conn, r);
}

/* As next_piece: 0 to go on, -EAGAIN to wait, 1 if the connection is gone, else why it must go. */
static int step(struct conn *conn)
{
    int r = conn->out ? flush(conn) : 0;
    if (r < 0) {
        conn->blocked = r == IO_BLOCKED;
        return r;
    }
    conn->blocked = false;
    switch (conn->phase) {
    case CONN_HANDSHAKE:
        return handshake(conn);
    case CONN_HEAD:
        return take_head(conn);
    case CONN_BODY:
        drop_out(conn);
        return take_body(conn);
    case CONN_RESPONSE:
        return conn->wake ? -EAGAIN : next_piece(conn);
    case CONN_RESETTING:
        return conn->wake ? -EAGAIN : conn_reset(conn);
    case CONN_STALLED:
    case CONN_LINGER:
        break;
    }
    return -EAGAIN;
}

void conn_run(struct conn *conn)
{
    int r;
    do
        r = step(conn);
    while (r == 0);
    if (r == -EAGAIN)
        conn_watch(conn);
    else if (r < 0)
        conn_free(conn);
}

void conn_woken(struct conn *conn)
{
    conn->wake = 0;
    list_del(&conn->sleeper);
    if (conn->phase == CONN_LINGER)
        conn_free(conn);
    else
        conn_run(conn);
}

/* Takes what has come. False: the client is gone. */
static bool take_input(struct conn *conn)
{
    while (wants_input(conn)) {
        char piece[16384];
        ssize_t n = conn_read(conn, piece, sizeof piece);
        if (n == IO_BLOCKED)
            return true;
        if (n < 0)
            return false;
        if (conn->phase == CONN_LINGER)
            continue;
        if (buf_put(&conn->in, piece, (size_t)n) < 0)
            return false;
        if (conn->phase == CONN_BODY && conn->in.len >= HEAD_MAX)
            return true;
    }
    return true;
}

void conn_event(struct conn *conn, uint32_t events)
{
    bool gone = (events & (EPOLLERR | EPOLLHUP)) || ((events & EPOLLRDHUP) && !wants_input(conn));
    bool reads = conn->phase != CONN_HANDSHAKE && (events & (EPOLLIN | EPOLLRDHUP));
    if (gone || (reads && !take_input(conn)))
        conn_free(conn);
    else
        conn_run(conn);
}
