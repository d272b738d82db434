/* What goes from a socket into a body pipe through the kernel alone: every byte in its place, who
 * is told what, and the larger pipe that a fast reader earns. */
#include "base/clock.h"
#include "base/fd.h"
#include "flow/body_pipe.h"
#include "support/testlib.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define PAGE  4096
#define GROWN (1 << 20)

struct fixture {
    uv_loop_t loop;
    struct body *body;
    struct body_pipe pipe;
    struct pipe_budget budget;
    int read_fd, far, near; /* the origin's end of the socket, and ours */
    int drained, gone, closed;
};

static void on_closed(struct body_pipe *pipe)
{
    ((struct fixture *)pipe->user)->closed++;
}

static void on_drained(struct body_pipe *pipe)
{
    ((struct fixture *)pipe->user)->drained++;
}

static void on_gone(struct body_pipe *pipe)
{
    ((struct fixture *)pipe->user)->gone++;
}

static const struct body_pipe_ops ops = {
    .drained = on_drained, .reader_gone = on_gone, .finished = on_drained};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    int ends[2];
    assert_non_null(f);
    signal(SIGPIPE, SIG_IGN);
    assert_int_equal(uv_loop_init(&f->loop), 0);
    f->body = body_new();
    assert_int_equal(body_pipe_open(&f->pipe, &f->loop, f->body, PAGE, &ops, f, &f->read_fd), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    f->far = ends[0];
    f->near = ends[1];
    f->pipe.budget = &f->budget;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    body_pipe_close(&f->pipe, on_closed);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(f->closed, 1);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    fd_close(&f->read_fd);
    fd_close(&f->far);
    fd_close(&f->near);
    body_unref(f->body);
    free(f);
    return 0;
}

static void turn(struct fixture *f)
{
    uv_run(&f->loop, UV_RUN_NOWAIT);
}

static void test_moves_and_says_why_not(void **state)
{
    struct fixture *f = *state;
    size_t len = 7;
    char data[2 * PAGE];
    assert_int_equal(body_pipe_splice(&f->pipe, f->near, PAGE, &len), -EAGAIN);
    assert_false(body_pipe_full(&f->pipe));
    assert_int_equal(write(f->far, "hello world", 11), 11);
    assert_int_equal(body_pipe_splice(&f->pipe, f->near, 5, &len), 0);
    assert_int_equal(len, 5);
    assert_int_equal(body_pipe_splice(&f->pipe, f->near, PAGE, &len), BODY_PIPE_FULL);
    assert_true(body_pipe_full(&f->pipe)); /* one page, one slot */
    assert_int_equal(body_pipe_splice(&f->pipe, f->near, PAGE, &len), BODY_PIPE_FULL);
    turn(f);
    assert_int_equal(f->drained, 0);
    assert_int_equal(read(f->read_fd, data, sizeof data), 5);
    assert_memory_equal(data, "hello", 5);
    turn(f);
    assert_int_equal(f->drained, 1);
    assert_false(body_pipe_full(&f->pipe));
    fd_close(&f->far);
    assert_int_equal(body_pipe_splice(&f->pipe, f->near, PAGE, &len), 0);
    assert_int_equal(len, 6);
    assert_int_equal(read(f->read_fd, data, sizeof data), 6);
    assert_memory_equal(data, " world", 6);
    assert_int_equal(body_pipe_splice(&f->pipe, f->near, PAGE, &len), 0);
    assert_int_equal(len, 0); /* the socket has ended */
    assert_int_equal(f->pipe.accepted, 11);
}

static void test_the_reader_leaves(void **state)
{
    struct fixture *f = *state;
    size_t len;
    assert_int_equal(write(f->far, "hello", 5), 5);
    fd_close(&f->read_fd);
    assert_int_equal(body_pipe_splice(&f->pipe, f->near, PAGE, &len), -EPIPE);
    assert_true(atomic_load(&f->body->reader_left));
    turn(f);
    assert_int_equal(f->gone, 1);
    assert_int_equal(body_pipe_splice(&f->pipe, f->near, PAGE, &len), -EPIPE);
}

/* Until so many bytes have gone through; the reader takes all only when the pipe is full. */
static void carry(struct fixture *f, uint64_t bytes)
{
    static char data[GROWN];
    size_t len;
    while (f->pipe.accepted < bytes) {
        (void)!write(f->far, data, PAGE);
        if (body_pipe_splice(&f->pipe, f->near, PAGE, &len) != BODY_PIPE_FULL)
            continue;
        assert_true(read(f->read_fd, data, sizeof data) > 0);
        turn(f);
    }
}

static int size_of(struct fixture *f)
{
    return fcntl(f->pipe.fd, F_GETPIPE_SZ);
}

/* Until the pipe has grown. A reader on a machine that stands still now and then is not fast: after
 * 64 MiB it counts as fast all the same. */
static void grow(struct fixture *f)
{
    const uint64_t patience = f->pipe.accepted + 64 * (uint64_t)GROWN;
    while (size_of(f) != GROWN && f->pipe.accepted < patience + GROWN) {
        carry(f, f->pipe.accepted + 1);
        if (f->pipe.accepted > patience) {
            f->pipe.mark = f->pipe.accepted - GROWN;
            f->pipe.mark_at = clock_now();
        }
    }
    if (size_of(f) != GROWN && geteuid() != 0)
        skip(); /* the user's share is used up */
}

static void test_grows_within_its_budget(void **state)
{
    struct fixture *f = *state;
    atomic_store(&f->budget.left, GROWN - PAGE - 1);
    carry(f, 4 * GROWN);
    assert_int_equal(size_of(f), PAGE);
    atomic_store(&f->budget.left, GROWN);
    grow(f);
    assert_int_equal(size_of(f), GROWN);
    assert_int_equal(atomic_load(&f->budget.left), PAGE);
    body_pipe_abort(&f->pipe);
    assert_int_equal(atomic_load(&f->budget.left), GROWN);
}

/* Until the pipe is full: what no reader takes. */
static void fill(struct fixture *f)
{
    static char data[PAGE];
    size_t len;
    int r;
    do {
        (void)!write(f->far, data, PAGE);
        r = body_pipe_splice(&f->pipe, f->near, PAGE, &len);
    } while (r != BODY_PIPE_FULL);
}

static void takes(struct fixture *f, size_t bytes)
{
    static char data[GROWN];
    ssize_t n;
    for (; bytes > 0; bytes -= (size_t)n) {
        n = read(f->read_fd, data, bytes);
        assert_true(n > 0);
    }
}

static int held(struct fixture *f)
{
    int bytes = 0;
    assert_int_equal(ioctl(f->read_fd, FIONREAD, &bytes), 0);
    return bytes;
}

/* As if what is in the pipe had come at less than 1 MiB/s. */
static void made_slow(struct fixture *f)
{
    f->pipe.mark = f->pipe.accepted;
    f->pipe.mark_at = clock_now() - 10 * NS_PER_SEC;
}

static void grow_in_budget(struct fixture *f)
{
    atomic_store(&f->budget.left, GROWN);
    grow(f);
}

static void test_a_slow_reader_gives_it_back(void **state)
{
    struct fixture *f = *state;
    grow_in_budget(f);
    made_slow(f);
    fill(f);
    int drained = f->drained;
    takes(f, (size_t)held(f) - 2 * PAGE);
    for (int i = 0; i < 2; i++) {
        uv_run(&f->loop, UV_RUN_ONCE); /* holds too much still */
        assert_int_equal(f->drained, drained);
    }
    assert_true(body_pipe_full(&f->pipe));
    assert_int_equal(atomic_load(&f->budget.left), PAGE);
    takes(f, (size_t)held(f));
    while (f->drained == drained)
        uv_run(&f->loop, UV_RUN_ONCE);
    assert_int_equal(size_of(f), PAGE);
    assert_int_equal(atomic_load(&f->budget.left), GROWN);
    assert_false(body_pipe_full(&f->pipe));
    fill(f); /* and goes on */
    assert_int_equal(size_of(f), PAGE);
    body_pipe_abort(&f->pipe);
    assert_int_equal(atomic_load(&f->budget.left), GROWN);
}

static void test_a_slow_origin_gives_it_back(void **state)
{
    struct fixture *f = *state;
    char data[PAGE];
    size_t len;
    grow_in_budget(f);
    while (read(f->near, data, sizeof data) > 0)
        ; /* what carry() has left behind */
    if (held(f) > 0)
        takes(f, (size_t)held(f));
    turn(f);
    made_slow(f);
    assert_int_equal(body_pipe_splice(&f->pipe, f->near, PAGE, &len), -EAGAIN);
    assert_int_equal(size_of(f), PAGE);
    assert_int_equal(atomic_load(&f->budget.left), GROWN);
}

static void test_the_slow_reader_leaves(void **state)
{
    struct fixture *f = *state;
    grow_in_budget(f);
    made_slow(f);
    fill(f);
    fd_close(&f->read_fd);
    while (!f->gone)
        uv_run(&f->loop, UV_RUN_ONCE);
    assert_false(body_pipe_full(&f->pipe));
    assert_int_equal(f->gone, 1);
    assert_false(uv_is_active((uv_handle_t *)&f->pipe.relief));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_moves_and_says_why_not, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_reader_leaves, setup, teardown),
        cmocka_unit_test_setup_teardown(test_grows_within_its_budget, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_slow_reader_gives_it_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_slow_origin_gives_it_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_slow_reader_leaves, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
