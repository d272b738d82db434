/* Chunks of a fast body are collected, and reach the reader in order, whole and in time. */
#include "base/clock.h"
#include "base/fd.h"
#include "flow/body_pipe.h"
#include "support/testlib.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define CHUNK  16384
#define CHUNKS (BODY_PIPE_BATCH / CHUNK)

struct fixture {
    uv_loop_t loop;
    struct body *body;
    struct body_pipe pipe;
    int read_fd;
    int drained, gone, finished, closed;
    size_t put, got; /* bytes of the pattern so far */
};

static void on_drained(struct body_pipe *pipe)
{
    ((struct fixture *)pipe->user)->drained++;
}

static void on_gone(struct body_pipe *pipe)
{
    ((struct fixture *)pipe->user)->gone++;
}

static void on_finished(struct body_pipe *pipe)
{
    ((struct fixture *)pipe->user)->finished++;
}

static void on_closed(struct body_pipe *pipe)
{
    ((struct fixture *)pipe->user)->closed++;
}

static const struct body_pipe_ops ops = {on_drained, on_gone, on_finished};

/* As if the body had come fast so far. */
static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    assert_int_equal(uv_loop_init(&f->loop), 0);
    f->body = body_new();
    assert_int_equal(body_pipe_open(&f->pipe, &f->loop, f->body, 65536, &ops, f, &f->read_fd), 0);
    f->pipe.batching = true;
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
    body_unref(f->body);
    free(f);
    return 0;
}

static char byte_at(size_t i)
{
    return (char)(i % 251);
}

static int put(struct fixture *f, size_t len)
{
    char data[CHUNK];
    for (size_t i = 0; i < len; i++)
        data[i] = byte_at(f->put + i);
    int r = body_pipe_write(&f->pipe, data, len);
    f->put += r == 0 ? len : 0;
    return r;
}

/* What the reader could have now. */
static int waiting(struct fixture *f)
{
    int n = -1;
    assert_int_equal(ioctl(f->read_fd, FIONREAD, &n), 0);
    return n;
}

/* Reads all of it, and turns the loop. */
static void read_all(struct fixture *f)
{
    char data[CHUNK];
    while (waiting(f) > 0) {
        ssize_t n = read(f->read_fd, data, sizeof data);
        for (ssize_t i = 0; i < n; i++)
            assert_int_equal(data[i], byte_at(f->got + (size_t)i));
        f->got += (size_t)n;
        uv_run(&f->loop, UV_RUN_NOWAIT);
    }
}

static void test_a_turn_is_one_write(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < CHUNKS; i++)
        assert_int_equal(put(f, CHUNK), 0);
    assert_int_equal(waiting(f), 0);
    assert_false(body_pipe_full(&f->pipe));
    body_pipe_flush(&f->pipe);
    assert_int_equal(waiting(f), BODY_PIPE_BATCH);
    assert_false(body_pipe_full(&f->pipe));
    assert_int_equal(f->pipe.full_since, 0);
    body_pipe_flush(&f->pipe); /* nothing is left to be offered twice */
    read_all(f);
    assert_int_equal(f->got, f->put);
    assert_int_equal(f->drained, 0);
}

/* The pipe is full, and so is the next batch: what comes then is refused whole, and nothing was
 * lost. */
static void test_more_than_fits(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 2 * CHUNKS; i++)
        assert_int_equal(put(f, CHUNK), 0);
    assert_int_equal(waiting(f), BODY_PIPE_BATCH);
    assert_false(body_pipe_full(&f->pipe));
    assert_int_equal(put(f, 1), BODY_PIPE_FULL);
    assert_true(body_pipe_full(&f->pipe));
    assert_int_equal(f->pipe.accepted, 2 * BODY_PIPE_BATCH);
    assert_int_equal(f->pipe.carry_size, BODY_PIPE_BATCH);
    assert_true(f->pipe.full_since > 0);
    assert_int_equal(f->drained, 0);
    read_all(f);
    assert_int_equal(f->drained, 1);
    assert_false(body_pipe_full(&f->pipe));
    assert_int_equal(put(f, 10), 0);
    body_pipe_flush(&f->pipe);
    read_all(f);
    assert_int_equal(f->got, 2 * BODY_PIPE_BATCH + 10);
}

static void test_the_end_brings_it(void **state)
{
    struct fixture *f = *state;
    char c;
    assert_int_equal(put(f, 100), 0);
    body_pipe_complete(&f->pipe);
    assert_int_equal(f->finished, 1);
    assert_int_equal(body_state(f->body), BODY_COMPLETE);
    read_all(f);
    assert_int_equal(f->got, 100);
    assert_int_equal(read(f->read_fd, &c, 1), 0);
}

/* Full at the end: the body is not complete before the last byte is in the pipe. */
static void test_the_end_waits_for_it(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < CHUNKS; i++)
        assert_int_equal(put(f, CHUNK), 0);
    assert_int_equal(put(f, 100), 0);
    body_pipe_complete(&f->pipe);
    assert_int_equal(f->finished, 0);
    assert_int_equal(body_state(f->body), BODY_OPEN);
    read_all(f);
    assert_int_equal(f->finished, 1);
    assert_int_equal(f->got, BODY_PIPE_BATCH + 100);
}

static void test_an_abort_drops_it(void **state)
{
    struct fixture *f = *state;
    char c;
    assert_int_equal(put(f, 100), 0);
    body_pipe_abort(&f->pipe);
    body_pipe_flush(&f->pipe);
    assert_int_equal(body_state(f->body), BODY_ABORTED);
    assert_int_equal(read(f->read_fd, &c, 1), 0);
}

static void test_the_reader_leaves(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(put(f, 100), 0);
    fd_close(&f->read_fd);
    body_pipe_flush(&f->pipe);
    uv_run(&f->loop, UV_RUN_NOWAIT);
    assert_int_equal(f->gone, 1);
    assert_false(body_pipe_full(&f->pipe));
    assert_int_equal(put(f, 1), -EPIPE);
}

/* What a socket holds comes after what was collected. */
static void test_a_splice_comes_behind(void **state)
{
    struct fixture *f = *state;
    char data[CHUNK];
    int ends[2];
    size_t len = 0;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    assert_int_equal(put(f, 100), 0);
    for (size_t i = 0; i < 50; i++)
        data[i] = byte_at(f->put + i);
    assert_int_equal(write(ends[0], data, 50), 50);
    assert_int_equal(body_pipe_splice(&f->pipe, ends[1], CHUNK, &len), 0);
    assert_int_equal(len, 50);
    read_all(f);
    assert_int_equal(f->got, 150);
    fd_close(&ends[0]);
    fd_close(&ends[1]);
}

/* Speed is looked at once in a MiB. */
static void test_only_fast_bodies(void **state)
{
    struct fixture *f = *state;
    f->pipe.batching = false;
    /* From the second look on each MiB has come just now. A machine under load may still have slow
     * moments, but not 64. */
    while (!f->pipe.batching && f->pipe.accepted < 64 << 20) {
        if (f->pipe.mark_at > 0)
            f->pipe.mark_at = clock_now();
        assert_int_equal(put(f, CHUNK), 0);
        body_pipe_flush(&f->pipe);
        read_all(f);
    }
    assert_true(f->pipe.batching);
    assert_true(f->pipe.accepted > 2 << 20);
    while (f->pipe.accepted - f->pipe.mark < 1 << 20) {
        assert_int_equal(put(f, CHUNK), 0);
        body_pipe_flush(&f->pipe);
        read_all(f);
    }
    f->pipe.mark_at -= 10 * NS_PER_SEC;
    assert_int_equal(put(f, CHUNK), 0);
    assert_false(f->pipe.batching);
    assert_int_equal(waiting(f), CHUNK);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* Chunks of a byte, say: the first of a turn goes at once, the others together, in little
 * memory. */
static void test_crumbs_of_a_turn_go_together(void **state)
{
    struct fixture *f = *state;
    f->pipe.batching = false;
    for (int turns = 0; turns < 3; turns++) {
        for (int i = 0; i < 100; i++)
            assert_int_equal(put(f, 1), 0);
        assert_int_equal(waiting(f), 1);
        assert_false(body_pipe_full(&f->pipe));
        assert_in_range(f->pipe.carry_size, 99, 4096);
        body_pipe_flush(&f->pipe);
        assert_int_equal(waiting(f), 100);
        assert_null(f->pipe.carry); /* while its origin is silent a body holds none */
        read_all(f);
    }
    /* More of them than the pipe takes. */
    size_t before = f->put;
    while (put(f, 1000) == 0)
        ;
    assert_true(body_pipe_full(&f->pipe));
    assert_in_range(f->put - before, CHUNK, 3 * BODY_PIPE_BATCH);
    read_all(f);
    assert_int_equal(f->got, f->put);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        TEST(test_crumbs_of_a_turn_go_together),
        TEST(test_a_turn_is_one_write),
        TEST(test_more_than_fits),
        TEST(test_the_end_brings_it),
        TEST(test_the_end_waits_for_it),
        TEST(test_an_abort_drops_it),
        TEST(test_the_reader_leaves),
        TEST(test_a_splice_comes_behind),
        TEST(test_only_fast_bodies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
