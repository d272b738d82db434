/* States of the write end: fresh (fd >= 0, nothing is polled for), open (the poll handle is
 * active), closed (fd == -1), and then the handles' own way through uv_close. The poll handle is
 * closed in the same breath as the descriptor: libuv would otherwise take the number, which may be
 * another pipe's by then, out of the loop's epoll. */
#include "flow/body_pipe.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/list.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Larger pipes are slower at several ordinary bodies at once (the caches), not at spliced ones. */
#define GROWN_SIZE  (1 << 20)
#define FIRST_SIZE  (64 << 10) /* of a pipe as the kernel makes it, unless the user has too many */
#define FIRST_BATCH 4096
#define CRUMB       2048 /* a piece whose write costs more than a copy of it */
#define FAST_BYTES  (1 << 20)
#define FAST_TIME   (100 * NS_PER_MS)
/* for FAST_BYTES: a tenth of the speed that a pipe grows at */
#define SLOW_TIME (1000 * NS_PER_MS)
/* Between two looks: at SLOW_TIME's speed fewer bytes than a small pipe holds, so that the reader
 * does not run dry; longer beside one that does not read at all. */
#define RELIEF_MS     UINT64_C(20)
#define RELIEF_MAX_MS UINT64_C(320)

static void on_poll(uv_poll_t *poll, int status, int events);

/* --- figures ---------------------------------------------------------------------------------- */

/* The whole process's sums; every fetch loop adds and subtracts. */
static _Atomic uint64_t total_bytes, total_pipes;

void body_pipe_totals(uint64_t *ret_bytes, uint64_t *ret_pipes)
{
    *ret_bytes = atomic_load_explicit(&total_bytes, memory_order_relaxed);
    *ret_pipes = atomic_load_explicit(&total_pipes, memory_order_relaxed);
}

/* --- the descriptor and its handle ------------------------------------------------------------ */

static void on_deferred_closed(uv_handle_t *handle)
{
    struct body_pipe *pipe = container_of(handle, struct body_pipe, deferred);
    pipe->closed(pipe);
}

static void one_closed(struct body_pipe *pipe)
{
    if (--pipe->handles == 0 && pipe->closing)
        pipe->closed(pipe);
}

static void on_poll_closed(uv_handle_t *handle)
{
    one_closed(container_of(handle, struct body_pipe, poll));
}

static void on_relief_closed(uv_handle_t *handle)
{
    one_closed(container_of(handle, struct body_pipe, relief));
}

static void on_fresh_closed(uv_handle_t *handle)
{
    one_closed(container_of(handle, struct body_pipe, fresh));
}

static void stop_full_clock(struct body_pipe *pipe)
{
    if (pipe->full_since > 0)
        pipe->full_time += clock_now() - pipe->full_since;
    pipe->full_since = 0;
}

static void give_budget(struct body_pipe *pipe)
{
    if (pipe->grown)
        atomic_fetch_add_explicit(&pipe->budget->left, pipe->grown, memory_order_relaxed);
    pipe->grown = 0;
}

/* It is empty, or nobody wants what is in it. */
static void drop_carry(struct body_pipe *pipe)
{
    free(pipe->carry);
    pipe->carry = NULL;
    pipe->carry_size = pipe->carry_len = pipe->carry_off = 0;
}

/* Closes the write end: the body's state must have been published. */
static void close_end(struct body_pipe *pipe)
{
    if (pipe->fd < 0)
        return;
    uv_close((uv_handle_t *)&pipe->fresh, on_fresh_closed);
    if (pipe->watched)
        uv_close((uv_handle_t *)&pipe->poll, on_poll_closed);
    if (pipe->timed)
        uv_close((uv_handle_t *)&pipe->relief, on_relief_closed);
    pipe->polling = 0;
    fd_close(&pipe->fd);
    give_budget(pipe);
    atomic_fetch_sub_explicit(&total_bytes, pipe->granted, memory_order_relaxed);
    atomic_fetch_sub_explicit(&total_pipes, 1, memory_order_relaxed);
    stop_full_clock(pipe);
    drop_carry(pipe);
    pipe->blocked = pipe->collecting = pipe->relieving = false;
}

/* Changes what is polled for; as good as free when it is that already. Cannot fail on a handle that
 * was initialised: uv_poll_start refuses only a number that another handle polls, and this one is
 * ours. A fresh pipe's comes to it later. */
static void watch(struct body_pipe *pipe, int events)
{
    if (pipe->watched && pipe->polling != events &&
        uv_poll_start(&pipe->poll, events, on_poll) == 0)
        pipe->polling = events;
}

/* For what the pipe's state asks. */
static void watch_again(struct body_pipe *pipe)
{
    bool room = body_pipe_full(pipe) && !pipe->relieving;
    watch(pipe, room ? UV_WRITABLE | UV_DISCONNECT : UV_DISCONNECT);
}

/* F_SETPIPE_SZ fails with EPERM once the user's budget is used up: the pipe stays as it is. */
static size_t resize(int fd, size_t size)
{
    int wanted = size > INT_MAX ? INT_MAX : (int)size;
    int granted = fcntl(fd, F_GETPIPE_SZ);
    if (wanted > 0 && granted != wanted) {
        int r = fcntl(fd, F_SETPIPE_SZ, wanted);
        granted = r > 0 ? r : granted;
    }
    return granted > 0 ? (size_t)granted : 0;
}

/* A handle whose descriptor a library closed too early still occupies that number in the loop, and
 * the kernel has perhaps just given it to us: then take another number. */
static int init_poll(uv_loop_t *loop, uv_poll_t *poll, int *fd)
{
    int spare[8];
    size_t count = 0;
    int r;
    while ((r = uv_poll_init(loop, poll, *fd)) == UV_EEXIST && count < 8) {
        int other = fd_dup(*fd);
        if (other < 0) {
            r = other;
            break;
        }
        spare[count++] = *fd;
        *fd = other;
    }
    while (count > 0)
        fd_close(&spare[--count]);
    return r;
}

static void see_to_size(struct body_pipe *pipe)
{
    if (!pipe->asked || pipe->granted)
        return; /* or it has grown since */
    pipe->granted = resize(pipe->fd, pipe->asked);
    pipe->asked = 0;
    atomic_fetch_add_explicit(&total_bytes, pipe->granted, memory_order_relaxed);
}

/* The loop is about to wait. Without memory to watch the pipe with, the next turn tries again. */
static void on_fresh(uv_prepare_t *fresh)
{
    struct body_pipe *pipe = container_of(fresh, struct body_pipe, fresh);
    see_to_size(pipe);
    if (init_poll(pipe->loop, &pipe->poll, &pipe->fd) < 0)
        return;
    uv_prepare_stop(fresh);
    pipe->watched = true;
    pipe->handles++;
    watch_again(pipe);
}

/* `fd` is non-blocking by now. */
static void take_over(struct body_pipe *pipe, uv_loop_t *loop, struct body *body, int *fd,
                      size_t size, const struct body_pipe_ops *ops, void *user)
{
    *pipe = (struct body_pipe){
        .ops = ops, .user = user, .loop = loop, .fd = *fd, .handles = 1, .body = body_ref(body)};
    *fd = -1;
    pipe->asked = size ? size : FIRST_SIZE;
    atomic_fetch_add_explicit(&total_pipes, 1, memory_order_relaxed);
    if (pipe->asked != FIRST_SIZE)
        see_to_size(pipe);
    uv_prepare_init(loop, &pipe->fresh); /* neither can fail */
    uv_prepare_start(&pipe->fresh, on_fresh);
}

int body_pipe_open(struct body_pipe *pipe, uv_loop_t *loop, struct body *body, size_t size,
                   const struct body_pipe_ops *ops, void *user, int *ret_read_fd)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    if (fcntl(ends[1], F_SETFL, O_NONBLOCK) < 0) { /* a new one has no other flag */
        int r = -errno;
        fd_close(&ends[0]);
        fd_close(&ends[1]);
        return r;
    }
    take_over(pipe, loop, body, &ends[1], size, ops, user);
    *ret_read_fd = ends[0];
    return 0;
}

/* --- writing ---------------------------------------------------------------------------------- */

/* One write(2). How many bytes went in, 0 if the pipe is full; or a negative errno. */
static ssize_t put(struct body_pipe *pipe, const char *data, size_t len)
{
    ssize_t n;
    do
        n = write(pipe->fd, data, len);
    while (n < 0 && errno == EINTR);
    if (n >= 0)
        return n;
    if (errno == EPIPE)
        atomic_store_explicit(&pipe->body->reader_left, true, memory_order_release);
    return errno == EAGAIN ? 0 : -errno;
}

/* Before the write, so that what the pipe does not take can be kept; dropped when it is empty: a
 * body whose origin is silent, as thousands may be, holds none. */
static int reserve_carry(struct body_pipe *pipe, size_t len)
{
    if (len <= pipe->carry_size)
        return 0;
    char *carry = realloc(pipe->carry, len);
    if (!carry)
        return -ENOMEM;
    pipe->carry = carry;
    pipe->carry_size = len;
    return 0;
}

/* For what is collected: so that many pieces cost few allocations, and a few small ones little
 * memory. */
static int reserve_batch(struct body_pipe *pipe, size_t len)
{
    size_t size = pipe->batching ? BODY_PIPE_BATCH : FIRST_BATCH;
    while (size < len)
        size *= 2;
    return reserve_carry(pipe, size);
}

/* Since it was looked at last. */
static bool is_fast(struct body_pipe *pipe)
{
    uint64_t bytes = pipe->accepted - pipe->mark;
    if (bytes < FAST_BYTES)
        return false;
    uint64_t now = clock_now(), took = now - pipe->mark_at;
    bool fast = pipe->mark_at > 0 && took / (bytes / FAST_BYTES) < FAST_TIME;
    pipe->mark = pipe->accepted;
    pipe->mark_at = now;
    return fast;
}

void body_pipe_flush(struct body_pipe *pipe)
{
    pipe->again = false;
    if (!pipe->collecting)
        return;
    pipe->collecting = false;
    ssize_t n = put(pipe, pipe->carry, pipe->carry_len);
    if (n > 0) /* an error shows when the poll tries again */
        pipe->carry_off = (size_t)n;
    if (pipe->carry_off == pipe->carry_len) {
        drop_carry(pipe);
        return;
    }
    pipe->full_since = clock_now();
    watch(pipe, UV_WRITABLE | UV_DISCONNECT);
}

static int collect(struct body_pipe *pipe, const char *data, size_t len)
{
    if (pipe->carry_len + len > BODY_PIPE_BATCH)
        body_pipe_flush(pipe);
    if (body_pipe_full(pipe))
        return BODY_PIPE_FULL;
    int r = reserve_batch(pipe, pipe->carry_len + len);
    if (r < 0)
        return r;
    memcpy(pipe->carry + pipe->carry_len, data, len);
    pipe->carry_len += len;
    pipe->accepted += len;
    pipe->collecting = true;
    return 0;
}

int body_pipe_write(struct body_pipe *pipe, const char *data, size_t len)
{
    if (pipe->reader_left)
        return -EPIPE;
    if (pipe->fd < 0 || pipe->completing)
        return -ECANCELED;
    if (body_pipe_full(pipe))
        return BODY_PIPE_FULL;
    if (pipe->accepted - pipe->mark >= FAST_BYTES)
        pipe->batching = is_fast(pipe);
    bool crumbs = pipe->again && len < CRUMB;
    pipe->again = true;
    if (pipe->batching || pipe->collecting || crumbs)
        return collect(pipe, data, len);
    int r = reserve_carry(pipe, len);
    if (r < 0)
        return r;
    ssize_t n = put(pipe, data, len);
    if (n < 0)
        return (int)n; /* of EPIPE the poll tells as well, from the loop */
    pipe->accepted += len;
    if ((size_t)n == len) {
        drop_carry(pipe);
        return 0;
    }
    pipe->carry_off = 0;
    pipe->carry_len = len - (size_t)n;
    memcpy(pipe->carry, data + n, pipe->carry_len);
    pipe->full_since = clock_now();
    watch(pipe, UV_WRITABLE | UV_DISCONNECT);
    return 0;
}

static bool take_budget(struct body_pipe *pipe, size_t bytes)
{
    size_t left = atomic_load_explicit(&pipe->budget->left, memory_order_relaxed);
    do
        if (left < bytes)
            return false;
    while (!atomic_compare_exchange_weak_explicit(&pipe->budget->left, &left, left - bytes,
                                                  memory_order_relaxed, memory_order_relaxed));
    pipe->grown = bytes;
    return true;
}

/* The pipe is full. True: not any more. A slow reader gains nothing by a larger one. */
static bool grow(struct body_pipe *pipe)
{
    if (!pipe->budget || pipe->grown || !is_fast(pipe))
        return false;
    if (pipe->granted >= GROWN_SIZE || !take_budget(pipe, GROWN_SIZE - pipe->granted))
        return false;
    if (fcntl(pipe->fd, F_SETPIPE_SZ, GROWN_SIZE) != GROWN_SIZE) {
        give_budget(pipe);
        return false;
    }
    pipe->granted += pipe->grown;
    atomic_fetch_add_explicit(&total_bytes, pipe->grown, memory_order_relaxed);
    if (!pipe->timed)
        pipe->handles++;
    pipe->timed = pipe->timed || uv_timer_init(pipe->loop, &pipe->relief) == 0; /* cannot fail */
    return true;
}

/* Has a pipe that grew become slow? Its speed is looked at once in SLOW_TIME. */
static bool is_slow(struct body_pipe *pipe)
{
    uint64_t now = clock_now(), took = now - pipe->mark_at;
    if (!pipe->grown || took < SLOW_TIME)
        return false;
    bool slow = (pipe->accepted - pipe->mark) / FAST_BYTES < took / SLOW_TIME;
    pipe->mark = pipe->accepted;
    pipe->mark_at = now;
    return slow;
}

/* As small as it was, for which it must not hold more (EBUSY). */
static bool shrink(struct body_pipe *pipe)
{
    size_t size = pipe->granted - pipe->grown;
    if (fcntl(pipe->fd, F_SETPIPE_SZ, (int)size) < 0)
        return false;
    atomic_fetch_sub_explicit(&total_bytes, pipe->grown, memory_order_relaxed);
    pipe->granted = size;
    give_budget(pipe);
    return true;
}

static void on_writable(struct body_pipe *pipe);

static void on_relief(uv_timer_t *timer)
{
    struct body_pipe *pipe = container_of(timer, struct body_pipe, relief);
    int held = 0;
    if (shrink(pipe)) {
        pipe->relieving = false;
        on_writable(pipe);
        return;
    }
    (void)ioctl(pipe->fd, FIONREAD, &held);
    bool reads = held != pipe->held;
    pipe->held = held;
    pipe->relief_ms = reads ? RELIEF_MS : pipe->relief_ms * 2;
    if (pipe->relief_ms > RELIEF_MAX_MS)
        pipe->relief_ms = RELIEF_MAX_MS;
    uv_timer_start(timer, on_relief, pipe->relief_ms, 0);
}

/* EAGAIN was said for one of the two ends. */
static int why_again(struct body_pipe *pipe)
{
    struct pollfd pfd = {.fd = pipe->fd, .events = POLLOUT};
    if (poll(&pfd, 1, 0) == 1) {
        if (is_slow(pipe)) /* the origin is */
            (void)shrink(pipe);
        return pfd.revents & POLLERR ? -EPIPE : -EAGAIN;
    }
    if (grow(pipe))
        return -EAGAIN; /* what the socket holds it gets at the next turn */
    pipe->blocked = true;
    pipe->full_since = clock_now();
    pipe->relieving = is_slow(pipe);
    if (pipe->relieving) {
        pipe->relief_ms = RELIEF_MS;
        uv_timer_start(&pipe->relief, on_relief, RELIEF_MS, 0);
    }
    watch_again(pipe);
    return BODY_PIPE_FULL;
}

int body_pipe_splice(struct body_pipe *pipe, int socket, size_t max, size_t *ret_len)
{
    if (pipe->reader_left)
        return -EPIPE;
    if (pipe->fd < 0 || pipe->completing)
        return -ECANCELED;
    body_pipe_flush(pipe);
    if (body_pipe_full(pipe))
        return BODY_PIPE_FULL;
    ssize_t n;
    do
        n = splice(socket, NULL, pipe->fd, NULL, max, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    while (n < 0 && errno == EINTR);
    int r = n >= 0 ? 0 : errno == EAGAIN ? why_again(pipe) : -errno;
    if (r == -EPIPE)
        atomic_store_explicit(&pipe->body->reader_left, true, memory_order_release);
    if (r == 0) {
        pipe->accepted += (size_t)n;
        *ret_len = (size_t)n;
    }
    return r;
}

static void finish(struct body_pipe *pipe, enum body_state state)
{
    body_settle(pipe->body, state);
    close_end(pipe);
    pipe->ops->finished(pipe);
}

static enum body_state good_end(const struct body_pipe *pipe)
{
    return pipe->unverified ? BODY_ENDED : BODY_COMPLETE;
}

static void on_reader_gone(struct body_pipe *pipe)
{
    pipe->reader_left = true;
    atomic_store_explicit(&pipe->body->reader_left, true, memory_order_release);
    pipe->carry_len = pipe->carry_off = 0;
    pipe->blocked = pipe->collecting = pipe->relieving = false;
    stop_full_clock(pipe);
    if (pipe->timed)
        uv_timer_stop(&pipe->relief);
    uv_poll_stop(&pipe->poll);
    pipe->polling = 0;
    if (pipe->completing)
        finish(pipe, BODY_ABORTED);
    else
        pipe->ops->reader_gone(pipe);
}

static void on_writable(struct body_pipe *pipe)
{
    size_t len = pipe->carry_len - pipe->carry_off;
    ssize_t n = len > 0 ? put(pipe, pipe->carry + pipe->carry_off, len) : 0;
    pipe->blocked = false;
    if (n == -EPIPE) {
        on_reader_gone(pipe);
        return;
    }
    if (n > 0) /* else (ENOMEM in the kernel, say) once more at the next turn */
        pipe->carry_off += (size_t)n;
    if (body_pipe_full(pipe))
        return;
    drop_carry(pipe);
    stop_full_clock(pipe);
    if (pipe->completing) {
        finish(pipe, good_end(pipe));
        return;
    }
    pipe->ops->drained(pipe);
    /* Only now, as it often is full again, and each change costs two calls. */
    if (pipe->fd >= 0 && !pipe->reader_left && !body_pipe_full(pipe))
        watch(pipe, UV_DISCONNECT);
}

/* Events are told by number. While another thread starts a process, what that has inherited keeps a
 * closed socket in the loop's epoll, and an error of it may be told as this number's: so ask the
 * pipe itself. */
static bool really_gone(const struct body_pipe *pipe)
{
    struct pollfd pfd = {.fd = pipe->fd};
    return poll(&pfd, 1, 0) != 0;
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct body_pipe *pipe = container_of(poll, struct body_pipe, poll);
    /* The kernel reports a reader that left as POLLERR, which libuv makes UV_EBADF. */
    if (status < 0 || (events & UV_DISCONNECT)) {
        if (really_gone(pipe)) {
            on_reader_gone(pipe);
            return;
        }
        pipe->polling = 0; /* libuv has stopped */
        watch_again(pipe);
    } else if (body_pipe_full(pipe) && !pipe->relieving) {
        on_writable(pipe);
    }
}

/* --- the end ---------------------------------------------------------------------------------- */

void body_pipe_complete(struct body_pipe *pipe)
{
    if (pipe->completing || pipe->closing)
        return;
    pipe->completing = true;
    body_pipe_flush(pipe);
    if (pipe->fd < 0 || pipe->reader_left)
        finish(pipe, BODY_ABORTED);
    else if (!body_pipe_full(pipe))
        finish(pipe, good_end(pipe));
}

void body_pipe_end(struct body_pipe *pipe)
{
    pipe->unverified = true;
    body_pipe_complete(pipe);
}

void body_pipe_abort(struct body_pipe *pipe)
{
    if (pipe->fd < 0)
        return;
    if (pipe->completing && !pipe->closing) {
        finish(pipe, BODY_ABORTED);
        return;
    }
    body_settle(pipe->body, BODY_ABORTED);
    close_end(pipe);
}

bool body_pipe_full(const struct body_pipe *pipe)
{
    return pipe->blocked || (!pipe->collecting && pipe->carry_off < pipe->carry_len);
}

uint64_t body_pipe_full_time(const struct body_pipe *pipe, uint64_t now)
{
    uint64_t since = pipe->full_since;
    return pipe->full_time + (since > 0 && now > since ? now - since : 0);
}

void body_pipe_close(struct body_pipe *pipe, void (*closed)(struct body_pipe *pipe))
{
    pipe->closing = true;
    pipe->closed = closed;
    body_pipe_abort(pipe);
    body_unref(pipe->body);
    pipe->body = NULL;
    if (pipe->handles == 0) {
        uv_idle_init(pipe->loop, &pipe->deferred);
        uv_close((uv_handle_t *)&pipe->deferred, on_deferred_closed);
    }
}
