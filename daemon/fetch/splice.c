/* Zero copy: what is left of a plain body goes from its socket into the consumer's pipe by
 * splice(2), after curl has made the connection, sent the request and read the head.
 *
 * The hand-over, in curl's body callback, once a piece was taken. What must hold, so that not a
 * byte is lost, doubled or of another connection; otherwise curl goes on:
 *   - http, HTTP/1, GET, no proxy, a Content-Length: the socket carries the body as it is, nobody
 *     waits for more of the request, and where it ends is known
 *   - the socket is the transfer's: both its addresses are those that curl named before it sent the
 *     request
 *   - curl holds nothing back. No version of it says so reliably, so the kernel is asked: the bytes
 *     that were read from the socket since the request went out are those of the head and the body
 *     that curl gave to us
 *   - the kernel can do it: the first splice is made here, on a duplicate, before curl loses its
 *     socket
 * Then curl's descriptor is made another, dead socket (dup2(2)), and curl gets an error for its
 * callback, so that the handle leaves the multi. Nothing that curl does from now on can read from
 * the connection, whatever a version of it does with a handle that failed while it was unpaused
 * (from 8.12 on it reads on) or with a socket that it closes (up to 1 KiB is read from it). The
 * connection is not used again. Clocks, limits, the count of bytes and the end are the transfer's
 * as before. */
#include "fetch/splice.h"

#include "base/clock.h"
#include "base/fd.h"
#include "fetch/clocks.h"
#include "fetch/loop_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PIECE (UINT64_C(1) << 20) /* one splice at most; also a turn, so that others get theirs */

struct splice {
    uv_poll_t poll; /* active while the socket is waited for */
    struct transfer_impl *impl;
    struct body_pipe *pipe;
    int fd;
    uint64_t left;
};

/* --- the hand-over ---------------------------------------------------------------------------- */

static bool holds_nothing(const struct transfer_impl *impl)
{
    int64_t read = connection_bytes_read(impl->socket);
    return read >= 0 && impl->read_base >= 0 &&
           (uint64_t)(read - impl->read_base) == impl->head.bytes + impl->result.bytes;
}

/* How much is left, if the response and the request are such that it may be spliced; else 0. */
static uint64_t left_of(const struct transfer_impl *impl)
{
    const struct transfer_request *request = impl->t->request;
    const struct head *head = &impl->head;
    uint64_t min = impl->loop->splice_min;
    if (!min || !impl->plain || impl->proxied || impl->rate || head->version > 11 ||
        head->transfer_encodings || head->content_length < 0 || head_bodiless(head) ||
        (request->method && strcmp(request->method, "GET") != 0) || !impl->t->ops->pipe_for)
        return 0;
    uint64_t length = (uint64_t)head->content_length, bytes = impl->result.bytes;
    return bytes < length && length - bytes >= min ? length - bytes : 0;
}

static void on_closed(uv_handle_t *handle)
{
    free(container_of(handle, struct splice, poll));
}

static void splice_close(struct splice *s)
{
    uv_close((uv_handle_t *)&s->poll, on_closed);
    fd_close(&s->fd);
}

/* NULL: there is no memory or no descriptor. */
static struct splice *splice_new(struct transfer_impl *impl, struct body_pipe *pipe, uint64_t left)
{
    struct splice *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->impl = impl;
    s->pipe = pipe;
    s->left = left;
    s->fd = fd_dup(impl->socket);
    if (s->fd >= 0 && uv_poll_init_socket(&impl->loop->uv, &s->poll, s->fd) == 0)
        return s;
    fd_close(&s->fd);
    free(s);
    return NULL;
}

/* One splice and what follows from it: body_pipe_splice's result; -ENODATA: the socket has
 * ended. */
static int move(struct splice *s)
{
    struct transfer_impl *impl = s->impl;
    size_t len = 0;
    int r = body_pipe_splice(s->pipe, s->fd, s->left < PIECE ? s->left : PIECE, &len);
    if (r == 0 && len == 0)
        return -ENODATA;
    if (r != 0 && r != BODY_PIPE_FULL)
        return r;
    s->left -= len;
    impl->result.bytes += len;
    atomic_fetch_add_explicit(&impl->loop->bytes, len, memory_order_relaxed);
    impl->last_byte = clock_now();
    impl->overdue = false;
    impl->paused = r == BODY_PIPE_FULL;
    impl->t->ops->on_piped(impl->t, len);
    return r;
}

/* The pipe that the rest may go into, or NULL. */
static struct body_pipe *way_for(struct transfer_impl *impl, uint64_t *ret_left)
{
    *ret_left = impl->no_splice ? 0 : left_of(impl);
    struct body_pipe *pipe = *ret_left ? impl->t->ops->pipe_for(impl->t, *ret_left) : NULL;
    if (pipe)
        body_pipe_flush(pipe);
    return pipe && !body_pipe_full(pipe) && connection_is(impl->socket, &impl->ends) &&
                   holds_nothing(impl)
               ? pipe
               : NULL;
}

bool splice_take(struct transfer_impl *impl)
{
    uint64_t left;
    struct body_pipe *pipe = way_for(impl, &left);
    struct splice *s = pipe ? splice_new(impl, pipe, left) : NULL;
    if (!s)
        return false;
    int r = move(s);
    if (r < 0 && r != -EAGAIN) { /* nothing was moved: curl will find out why, or can do it */
        splice_close(s);
        impl->no_splice = true;
        return false;
    }
    impl->splice = s;
    multi_socket_left(&impl->loop->multi, impl->socket);
    if (dup3(impl->loop->dead, impl->socket, O_CLOEXEC) < 0) /* EBUSY, dup2(2) */
        impl_fail(impl, KIND_RESOURCES, "the connection's descriptor could not be had");
    else
        atomic_fetch_add_explicit(&impl->loop->spliced, 1, memory_order_relaxed);
    return true;
}

/* --- the flow --------------------------------------------------------------------------------- */

/* Curl's code for what ended it. */
static CURLcode end_code(struct splice *s, int r)
{
    if (s->left == 0)
        return CURLE_OK;
    if (r == -EPIPE || r == -ECANCELED)
        impl_stop(s->impl); /* the parser left: its verdict says what that means */
    else if (r == -ENOMEM || r == -ENOBUFS)
        impl_fail(s->impl, KIND_RESOURCES, "out of memory");
    return r == -ENODATA ? CURLE_PARTIAL_FILE : CURLE_RECV_ERROR;
}

static void on_poll(uv_poll_t *poll, int status, int events);

/* Moves what is there, a turn's share at most. True: that was the end, *ret_code says which. */
static bool pump(struct splice *s, CURLcode *ret_code)
{
    uint64_t before = s->left;
    int r = 0;
    while (r == 0 && s->left > 0 && before - s->left < PIECE)
        r = move(s);
    if (s->left == 0 || (r < 0 && r != -EAGAIN)) {
        *ret_code = end_code(s, r);
        return true;
    }
    if (r == BODY_PIPE_FULL)
        uv_poll_stop(&s->poll);
    else if (!uv_is_active((uv_handle_t *)&s->poll) &&
             uv_poll_start(&s->poll, UV_READABLE, on_poll) < 0) {
        *ret_code = CURLE_RECV_ERROR;
        return true;
    }
    return false;
}

/* An error of the socket comes as a status; what it still holds is read before it. */
static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct splice *s = container_of(poll, struct splice, poll);
    CURLcode code;
    if (status < 0)
        uv_poll_stop(poll);
    if (pump(s, &code))
        impl_end_soon(s->impl, code);
}

void splice_begin(struct transfer_impl *impl)
{
    CURLcode code = CURLE_WRITE_ERROR;
    impl_leave_curl(impl);
    impl->curl_error[0] = '\0'; /* the hand-over's */
    if (impl->settled || (!impl->paused && pump(impl->splice, &code)))
        impl_end_soon(impl, code);
    else
        clocks_arm(impl);
}

void splice_go_on(struct transfer_impl *impl)
{
    struct splice *s = impl->splice;
    CURLcode code;
    impl->overdue = false;
    impl->last_byte = clock_now();
    if (pump(s, &code))
        impl_end_soon(impl, code);
    else
        clocks_arm(impl);
}

void splice_stop(struct transfer_impl *impl)
{
    if (impl->splice)
        splice_close(impl->splice);
    impl->splice = NULL;
}
