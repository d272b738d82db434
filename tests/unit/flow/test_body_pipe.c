/* The writer's side on a loop, the reader's by plain read(2) on the same thread, so that every
 * order of events can be had on purpose. The races are in test_body_race.c. */
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
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#define PAGE  4096
#define CHUNK 16384

struct fixture {
    uv_loop_t loop;
    struct body *body;
    struct body_pipe pipe;
    int read_fd;
    int drained, gone, finished, closed;
    void (*on_drained)(struct fixture *f);
    void (*on_finished)(struct fixture *f);
    void (*on_gone)(struct fixture *f);
};

static void on_closed(struct body_pipe *pipe)
{
    struct fixture *f = pipe->user;
    f->closed++;
}

static void on_drained(struct body_pipe *pipe)
{
    struct fixture *f = pipe->user;
    f->drained++;
    if (f->on_drained)
        f->on_drained(f);
}

static void on_gone(struct body_pipe *pipe)
{
    struct fixture *f = pipe->user;
    f->gone++;
    if (f->on_gone)
        f->on_gone(f);
}

static void on_finished(struct body_pipe *pipe)
{
    struct fixture *f = pipe->user;
    f->finished++;
    if (f->on_finished)
        f->on_finished(f);
}

static const struct body_pipe_ops ops = {on_drained, on_gone, on_finished};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    assert_int_equal(uv_loop_init(&f->loop), 0);
    f->body = body_new();
    assert_int_equal(body_pipe_open(&f->pipe, &f->loop, f->body, PAGE, &ops, f, &f->read_fd), 0);
    *state = f;
    return 0;
}

static void turn(struct fixture *f)
{
    uv_run(&f->loop, UV_RUN_NOWAIT);
}

static void close_pipe(struct fixture *f)
{
    body_pipe_close(&f->pipe, on_closed);
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    if (!f->pipe.closing)
        close_pipe(f);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(f->closed, 1);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    fd_close(&f->read_fd);
    assert_int_equal(atomic_load(&f->body->refs), 1);
    body_unref(f->body);
    free(f);
    return 0;
}

static char byte_at(size_t i)
{
    return (char)(i % 251);
}

/* `len` bytes of the pattern from `start` on, as one turn's. */
static int put(struct fixture *f, size_t start, size_t len)
{
    char data[CHUNK];
    for (size_t i = 0; i < len; i++)
        data[i] = byte_at(start + i);
    int r = body_pipe_write(&f->pipe, data, len);
    body_pipe_flush(&f->pipe);
    return r;
}

/* Reads up to `len` bytes of the pattern, which goes on at *at. read(2)'s result. */
static ssize_t get(struct fixture *f, size_t *at, size_t len)
{
    char data[CHUNK];
    ssize_t n = read(f->read_fd, data, len);
    for (ssize_t i = 0; i < n; i++)
        assert_int_equal(data[i], byte_at(*at + (size_t)i));
    if (n > 0)
        *at += (size_t)n;
    return n;
}

static bool writable_end_closed(struct fixture *f)
{
    char c;
    return read(f->read_fd, &c, 1) == 0;
}

static void test_descriptors(void **state)
{
    struct fixture *f = *state;
    assert_true(fcntl(f->pipe.fd, F_GETFD) & FD_CLOEXEC);
    assert_true(fcntl(f->read_fd, F_GETFD) & FD_CLOEXEC);
    assert_true(fcntl(f->pipe.fd, F_GETFL) & O_NONBLOCK);
    assert_false(fcntl(f->read_fd, F_GETFL) & O_NONBLOCK);
    assert_int_equal(fcntl(f->read_fd, F_GETPIPE_SZ), PAGE);
    assert_null(f->pipe.carry);
}

/* A size that the kernel refuses is no failure. */
static void test_size_refused(void **state)
{
    struct fixture *f = *state;
    struct fixture other = {.body = f->body};
    int usual[2];
    assert_int_equal(pipe2(usual, O_CLOEXEC), 0);
    assert_int_equal(
        body_pipe_open(&other.pipe, &f->loop, f->body, SIZE_MAX, &ops, &other, &other.read_fd), 0);
    assert_int_equal(fcntl(other.read_fd, F_GETPIPE_SZ), fcntl(usual[0], F_GETPIPE_SZ));
    close_pipe(&other);
    uv_run(&f->loop, UV_RUN_NOWAIT);
    assert_int_equal(other.closed, 1);
    fd_close(&other.read_fd);
    fd_close(&usual[0]);
    fd_close(&usual[1]);
    atomic_store(&f->body->state, BODY_OPEN);
}

static void test_no_descriptors_left(void **state)
{
    struct fixture *f = *state;
    struct rlimit limit, tight;
    struct body_pipe pipe;
    int fd = -7, before = test_fd_count(0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    tight = limit;
    tight.rlim_cur = 3;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
    int r = body_pipe_open(&pipe, &f->loop, f->body, 0, &ops, NULL, &fd);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(r, -EMFILE);
    assert_int_equal(fd, -7);
    assert_int_equal(test_fd_count(0), before);
    assert_int_equal(atomic_load(&f->body->refs), 2);
}

/* A handle that outlived its descriptor (libraries do close too early) occupies the number. */
static void test_number_that_the_loop_still_knows(void **state)
{
    struct fixture *f = *state, other = {.body = f->body};
    uv_poll_t stale[2];
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(uv_poll_init(&f->loop, &stale[i], ends[i]), 0);
        assert_int_equal(uv_poll_start(&stale[i], UV_READABLE, (uv_poll_cb)abort), 0);
    }
    turn(f);
    close(ends[0]);
    close(ends[1]);
    assert_int_equal(
        body_pipe_open(&other.pipe, &f->loop, f->body, 0, &ops, &other, &other.read_fd), 0);
    turn(f); /* it is when the loop waits that the number counts */
    assert_int_not_equal(other.pipe.fd, ends[0]);
    assert_int_not_equal(other.pipe.fd, ends[1]);
    for (int i = 0; i < 2; i++)
        uv_close((uv_handle_t *)&stale[i], NULL);
    fd_close(&other.read_fd);
    while (!other.gone)
        uv_run(&f->loop, UV_RUN_ONCE);
    close_pipe(&other);
    while (!other.closed)
        uv_run(&f->loop, UV_RUN_ONCE);
    atomic_store(&f->body->state, BODY_OPEN);
}

static void test_carry(void **state)
{
    struct fixture *f = *state;
    size_t at = 0;
    assert_false(body_pipe_full(&f->pipe));
    assert_int_equal(put(f, 0, CHUNK), 0);
    assert_true(body_pipe_full(&f->pipe));
    assert_int_equal(f->pipe.accepted, CHUNK);
    assert_int_equal(put(f, CHUNK, 1), BODY_PIPE_FULL);
    assert_int_equal(f->pipe.accepted, CHUNK);
    assert_true(f->pipe.carry_size <= CHUNK);
    turn(f);
    assert_int_equal(f->drained, 0);
    while (at < CHUNK - PAGE) {
        assert_int_equal(get(f, &at, PAGE), PAGE);
        turn(f);
    }
    assert_int_equal(f->drained, 1);
    assert_false(body_pipe_full(&f->pipe));
    assert_null(f->pipe.carry); /* it is empty */
    assert_int_equal(get(f, &at, PAGE), PAGE);
    assert_int_equal(put(f, CHUNK, 10), 0);
    assert_null(f->pipe.carry); /* all of it was taken */
    assert_int_equal(get(f, &at, PAGE), 10);
    turn(f);
    assert_int_equal(f->drained, 1);
}

/* Less than a page of room is none: the pipe's own rule, which must not lose what the carry
 * holds. */
static void test_one_byte_at_a_time(void **state)
{
    struct fixture *f = *state;
    size_t at = 0;
    assert_int_equal(put(f, 0, 3 * PAGE + 1), 0);
    body_pipe_complete(&f->pipe);
    while (get(f, &at, 1) == 1)
        turn(f);
    assert_int_equal(at, 3 * PAGE + 1);
    assert_int_equal(f->finished, 1);
    assert_int_equal(body_state(f->body), BODY_COMPLETE);
}

static void test_full_time(void **state)
{
    struct fixture *f = *state;
    size_t at = 0;
    assert_int_equal(body_pipe_full_time(&f->pipe, clock_now() + NS_PER_SEC), 0);
    put(f, 0, 2 * PAGE);
    assert_true(body_pipe_full_time(&f->pipe, clock_now() + NS_PER_SEC) >= NS_PER_SEC);
    get(f, &at, PAGE);
    turn(f);
    assert_int_equal(f->drained, 1);
    uint64_t waited = body_pipe_full_time(&f->pipe, clock_now());
    assert_true(waited > 0);
    assert_int_equal(body_pipe_full_time(&f->pipe, clock_now() + NS_PER_SEC), waited);
}

static void test_complete_empty(void **state)
{
    struct fixture *f = *state;
    body_pipe_complete(&f->pipe);
    assert_int_equal(f->finished, 1);
    assert_int_equal(body_state(f->body), BODY_COMPLETE);
    assert_true(writable_end_closed(f));
    assert_int_equal(put(f, 0, 1), -ECANCELED);
    body_pipe_complete(&f->pipe);
    body_pipe_abort(&f->pipe);
    assert_int_equal(f->finished, 1);
    assert_int_equal(body_state(f->body), BODY_COMPLETE);
}

static void test_complete_with_a_carry(void **state)
{
    struct fixture *f = *state;
    size_t at = 0;
    put(f, 0, 2 * PAGE + 7);
    body_pipe_complete(&f->pipe);
    turn(f);
    assert_int_equal(f->finished, 0);
    assert_int_equal(body_state(f->body), BODY_OPEN);
    assert_int_equal(put(f, 0, 1), -ECANCELED);
    while (get(f, &at, PAGE) > 0)
        turn(f);
    assert_int_equal(at, 2 * PAGE + 7);
    assert_int_equal(f->finished, 1);
    assert_int_equal(f->drained, 0);
    assert_int_equal(body_state(f->body), BODY_COMPLETE);
}

static void test_abort(void **state)
{
    struct fixture *f = *state;
    size_t at = 0;
    put(f, 0, 2 * PAGE);
    body_pipe_abort(&f->pipe);
    assert_int_equal(body_state(f->body), BODY_ABORTED);
    body_pipe_abort(&f->pipe);
    turn(f);
    assert_int_equal(get(f, &at, CHUNK), PAGE); /* the kernel's share; body_reader gives out none */
    assert_true(writable_end_closed(f));
    assert_int_equal(f->finished + f->drained + f->gone, 0);
    body_pipe_complete(&f->pipe);
    assert_int_equal(f->finished, 1);
    assert_int_equal(body_state(f->body), BODY_ABORTED);
}

static void test_abort_while_completing(void **state)
{
    struct fixture *f = *state;
    put(f, 0, 2 * PAGE);
    body_pipe_complete(&f->pipe);
    assert_int_equal(f->finished, 0);
    body_pipe_abort(&f->pipe);
    assert_int_equal(f->finished, 1);
    assert_int_equal(body_state(f->body), BODY_ABORTED);
}

/* Somebody else's cause came first: the pipe may finish, and the body stays aborted. */
static void test_complete_after_anothers_abort(void **state)
{
    struct fixture *f = *state;
    assert_true(body_settle(f->body, BODY_ABORTED));
    body_pipe_complete(&f->pipe);
    assert_int_equal(f->finished, 1);
    assert_int_equal(body_state(f->body), BODY_ABORTED);
}

static void do_abort(struct fixture *f)
{
    body_pipe_abort(&f->pipe);
}

static void do_complete(struct fixture *f)
{
    body_pipe_complete(&f->pipe);
}

static void do_fill(struct fixture *f)
{
    f->on_drained = NULL;
    assert_int_equal(put(f, 2 * PAGE, 2 * PAGE), 0);
}

static void drain_into(struct fixture *f, void (*what)(struct fixture *f))
{
    size_t at = 0;
    f->on_drained = what;
    put(f, 0, 2 * PAGE);
    get(f, &at, PAGE);
    turn(f);
    assert_int_equal(f->drained, 1);
}

static void test_abort_in_drained(void **state)
{
    struct fixture *f = *state;
    drain_into(f, do_abort);
    turn(f);
    assert_int_equal(body_state(f->body), BODY_ABORTED);
    assert_int_equal(f->drained, 1);
}

static void test_close_in_drained(void **state)
{
    struct fixture *f = *state;
    drain_into(f, close_pipe);
    turn(f);
    assert_int_equal(f->closed, 1);
}

static void test_complete_in_drained(void **state)
{
    struct fixture *f = *state;
    drain_into(f, do_complete);
    assert_int_equal(f->finished, 1);
    assert_int_equal(body_state(f->body), BODY_COMPLETE);
}

static void test_write_in_drained(void **state)
{
    struct fixture *f = *state;
    size_t at = PAGE;
    drain_into(f, do_fill);
    assert_true(body_pipe_full(&f->pipe));
    while (at < 4 * PAGE) {
        assert_int_equal(get(f, &at, PAGE), PAGE);
        turn(f);
    }
    assert_int_equal(f->drained, 2);
}

static void test_reader_gone(void **state)
{
    struct fixture *f = *state;
    turn(f);
    assert_int_equal(f->gone, 0);
    fd_close(&f->read_fd);
    while (!f->gone)
        uv_run(&f->loop, UV_RUN_ONCE); /* told without being asked */
    turn(f);
    assert_int_equal(f->gone, 1);
    assert_int_equal(put(f, 0, 1), -EPIPE);
    assert_int_equal(f->pipe.accepted, 0);
    assert_int_equal(body_state(f->body), BODY_OPEN);
    body_pipe_complete(&f->pipe);
    assert_int_equal(f->finished, 1);
    assert_int_equal(body_state(f->body), BODY_ABORTED);
}

/* The write meets it first: the loop tells all the same, and once. */
static void test_reader_gone_found_by_write(void **state)
{
    struct fixture *f = *state;
    fd_close(&f->read_fd);
    assert_int_equal(put(f, 0, 1), -EPIPE);
    assert_int_equal(put(f, 0, 1), -EPIPE);
    assert_int_equal(f->gone, 0);
    while (!f->gone)
        uv_run(&f->loop, UV_RUN_ONCE);
    turn(f);
    assert_int_equal(f->gone, 1);
}

static void test_reader_gone_with_a_carry(void **state)
{
    struct fixture *f = *state;
    put(f, 0, 2 * PAGE);
    turn(f);
    fd_close(&f->read_fd);
    while (!f->gone)
        uv_run(&f->loop, UV_RUN_ONCE);
    assert_false(body_pipe_full(&f->pipe));
    assert_int_equal(put(f, 0, 1), -EPIPE);
    assert_int_equal(f->drained, 0);
    assert_int_equal(f->gone, 1);
}

static void test_reader_gone_while_completing(void **state)
{
    struct fixture *f = *state;
    put(f, 0, 2 * PAGE);
    body_pipe_complete(&f->pipe);
    fd_close(&f->read_fd);
    while (!f->finished)
        uv_run(&f->loop, UV_RUN_ONCE);
    turn(f);
    assert_int_equal(f->finished, 1);
    assert_int_equal(f->gone, 0);
    assert_true(f->pipe.reader_left);
    assert_int_equal(body_state(f->body), BODY_ABORTED);
}

static void test_close_in_gone(void **state)
{
    struct fixture *f = *state;
    f->on_gone = close_pipe;
    fd_close(&f->read_fd);
    while (!f->closed)
        uv_run(&f->loop, UV_RUN_ONCE);
    assert_int_equal(f->gone, 1);
    assert_int_equal(body_state(f->body), BODY_ABORTED);
}

static void test_close_in_finished(void **state)
{
    struct fixture *f = *state;
    f->on_finished = close_pipe;
    body_pipe_complete(&f->pipe);
    assert_int_equal(f->closed, 0); /* never before the loop's turn */
    turn(f);
    assert_int_equal(f->closed, 1);
    assert_int_equal(body_state(f->body), BODY_COMPLETE);
}

/* Closing long after the descriptor went must not touch that number, which is another pipe's by
 * now. */
static void test_close_late(void **state)
{
    struct fixture *f = *state, other = {.body = f->body};
    int number = f->pipe.fd;
    body_pipe_complete(&f->pipe);
    turn(f);
    fd_close(&f->read_fd);
    assert_int_equal(
        body_pipe_open(&other.pipe, &f->loop, f->body, PAGE, &ops, &other, &other.read_fd), 0);
    if (other.pipe.fd != number) { /* the read end has it: make them change places */
        assert_int_equal(other.read_fd, number);
    }
    close_pipe(f);
    assert_int_equal(f->closed, 0);
    turn(f);
    assert_int_equal(f->closed, 1);
    fd_close(&other.read_fd);
    while (!other.gone)
        uv_run(&f->loop, UV_RUN_ONCE);
    close_pipe(&other);
    turn(f);
    assert_int_equal(other.closed, 1);
}

static void test_close_aborts_without_finished(void **state)
{
    struct fixture *f = *state;
    put(f, 0, 2 * PAGE);
    body_pipe_complete(&f->pipe);
    close_pipe(f);
    assert_int_equal(body_state(f->body), BODY_ABORTED);
    turn(f);
    assert_int_equal(f->finished, 0);
    assert_int_equal(f->closed, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        TEST(test_descriptors),
        TEST(test_size_refused),
        TEST(test_no_descriptors_left),
        TEST(test_number_that_the_loop_still_knows),
        TEST(test_carry),
        TEST(test_one_byte_at_a_time),
        TEST(test_full_time),
        TEST(test_complete_empty),
        TEST(test_complete_with_a_carry),
        TEST(test_abort),
        TEST(test_abort_while_completing),
        TEST(test_complete_after_anothers_abort),
        TEST(test_abort_in_drained),
        TEST(test_close_in_drained),
        TEST(test_complete_in_drained),
        TEST(test_write_in_drained),
        TEST(test_reader_gone),
        TEST(test_reader_gone_found_by_write),
        TEST(test_reader_gone_with_a_carry),
        TEST(test_reader_gone_while_completing),
        TEST(test_close_in_gone),
        TEST(test_close_in_finished),
        TEST(test_close_late),
        TEST(test_close_aborts_without_finished),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
