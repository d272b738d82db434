/* A loop that writes, a thread that reads, and every ending at random moments, thousands of times.
 * What the reader saw decides: an end of file only if the body is complete, and then every byte of
 * it in order. */
#include "base/fd.h"
#include "flow/body_pipe.h"
#include "flow/body_reader.h"
#include "support/testlib.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CHUNK 16384

enum ending { END_COMPLETE, END_ABORT, END_ABORT_ELSEWHERE, END_READER_LEAVES, ENDINGS };

struct race {
    unsigned seed;
    enum ending ending;
    size_t total; /* bytes that the writer wants to write */
    size_t pipe_size;
    size_t stop_at; /* END_READER_LEAVES: the reader's last byte; END_ABORT…: the writer's */
    uv_loop_t loop;
    struct body *body;
    struct body_pipe pipe;
    int read_fd;
    size_t written;
    bool closed, gone, finished;
    /* the reader's result */
    size_t seen;
    bool saw_end, saw_error, wrong;
};

static char byte_at(size_t i)
{
    return (char)((i * 7 + i / 253) % 256);
}

static size_t random_size(unsigned *seed, size_t max)
{
    return 1 + (size_t)rand_r(seed) % max;
}

static void on_closed(struct body_pipe *pipe)
{
    struct race *r = pipe->user;
    r->closed = true;
}

static void end_body(struct race *r)
{
    if (r->ending == END_ABORT || r->ending == END_ABORT_ELSEWHERE) {
        body_pipe_abort(&r->pipe);
        body_pipe_close(&r->pipe, on_closed);
    } else {
        body_pipe_complete(&r->pipe);
    }
}

/* Writes until the pipe is full or the body's end is reached. */
static void pump(struct race *r)
{
    char data[CHUNK];
    size_t limit = r->ending == END_ABORT ? r->stop_at : r->total;
    while (r->written < limit) {
        size_t len = random_size(&r->seed, CHUNK);
        if (len > limit - r->written)
            len = limit - r->written;
        for (size_t i = 0; i < len; i++)
            data[i] = byte_at(r->written + i);
        r->pipe.batching = rand_r(&r->seed) % 2;
        int result = body_pipe_write(&r->pipe, data, len);
        if (result == BODY_PIPE_FULL || result == -EPIPE)
            return;
        assert_int_equal(result, 0);
        r->written += len;
    }
    end_body(r);
}

static void on_drained(struct body_pipe *pipe)
{
    pump(pipe->user);
}

static void on_gone(struct body_pipe *pipe)
{
    struct race *r = pipe->user;
    r->gone = true;
    body_pipe_close(pipe, on_closed);
}

static void on_finished(struct body_pipe *pipe)
{
    struct race *r = pipe->user;
    r->finished = true;
    body_pipe_close(pipe, on_closed);
}

static const struct body_pipe_ops ops = {on_drained, on_gone, on_finished};

/* Pieces of any size, so that the pipe is full, half full and empty by turns. */
static void read_all(struct race *r, FILE *file)
{
    char data[CHUNK];
    unsigned seed = r->seed + 1;
    for (;;) {
        size_t want = random_size(&seed, rand_r(&seed) % 4 ? sizeof data : 3);
        if (r->ending == END_READER_LEAVES && r->seen >= r->stop_at)
            return;
        size_t n = fread(data, 1, want, file);
        for (size_t i = 0; i < n; i++)
            r->wrong |= data[i] != byte_at(r->seen + i);
        r->seen += n;
        if (n < want)
            break;
    }
    r->saw_end = feof(file);
    r->saw_error = ferror(file);
}

static void *reader_main(void *arg)
{
    struct race *r = arg;
    struct body_reader reader;
    if (body_reader_open(&reader, r->body, r->read_fd) < 0)
        abort();
    read_all(r, reader.file);
    body_reader_close(&reader);
    return NULL;
}

static void *abort_elsewhere(void *arg)
{
    struct race *r = arg;
    while (atomic_load(&r->body->bytes_read) < r->stop_at && body_state(r->body) == BODY_OPEN)
        sched_yield();
    body_settle(r->body, BODY_ABORTED);
    return NULL;
}

static void check(const struct race *r)
{
    enum body_state state = body_state(r->body);
    assert_false(r->wrong);
    assert_false(r->saw_end && r->saw_error);
    if (r->saw_end) {
        assert_int_equal(state, BODY_COMPLETE);
        assert_int_equal(r->seen, r->total);
    }
    if (r->ending == END_COMPLETE) {
        assert_true(r->saw_end);
        assert_true(r->finished);
    }
    if (r->ending == END_ABORT)
        assert_true(r->saw_error);
    /* The other two may lose their race against the end; what cannot be is an end of a body that is
     * not. */
    if (r->ending == END_ABORT_ELSEWHERE)
        assert_int_equal(r->saw_error, state == BODY_ABORTED);
    if (state != BODY_COMPLETE)
        assert_false(r->saw_end);
}

static void run(struct race *r)
{
    pthread_t reader, other;
    bool with_other = r->ending == END_ABORT_ELSEWHERE;
    assert_int_equal(uv_loop_init(&r->loop), 0);
    r->body = body_new();
    assert_int_equal(
        body_pipe_open(&r->pipe, &r->loop, r->body, r->pipe_size, &ops, r, &r->read_fd), 0);
    assert_int_equal(pthread_create(&reader, NULL, reader_main, r), 0);
    if (with_other)
        assert_int_equal(pthread_create(&other, NULL, abort_elsewhere, r), 0);
    pump(r);
    uv_run(&r->loop, UV_RUN_DEFAULT);
    assert_true(r->closed);
    assert_int_equal(uv_loop_close(&r->loop), 0);
    pthread_join(reader, NULL);
    if (with_other)
        pthread_join(other, NULL);
    check(r);
    assert_int_equal(atomic_load(&r->body->refs), 1);
    body_unref(r->body);
}

static void race(unsigned seed, enum ending ending, size_t max_total)
{
    struct race r = {.seed = seed, .ending = ending};
    r.total = random_size(&r.seed, max_total);
    r.stop_at = (size_t)rand_r(&r.seed) % (r.total + 1);
    r.pipe_size = (size_t)4096 << rand_r(&r.seed) % 5;
    run(&r);
}

static void test_every_ending(void **state)
{
    unsigned rounds = test_patience() > 1 ? 300 : 1500;
    race(0, END_COMPLETE, 1); /* libuv keeps two descriptors from the first loop on */
    int before = test_fd_count(0);
    for (unsigned i = 0; i < rounds; i++)
        for (int ending = 0; ending < ENDINGS; ending++)
            race(i * 31 + (unsigned)ending, (enum ending)ending, i % 3 ? 40000 : 400);
    assert_int_equal(test_fd_count(0), before);
}

static void test_large_bodies(void **state)
{
    for (unsigned i = 0; i < 5; i++)
        race(i, END_COMPLETE, (size_t)16 << 20);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_ending),
        cmocka_unit_test(test_large_bodies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
