/* The reader's side: a FILE * over a pipe whose write end the test holds. */
#include "base/clock.h"
#include "base/fd.h"
#include "flow/body_reader.h"
#include "support/testlib.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    struct body *body;
    struct body_reader reader;
    int write_fd;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    int ends[2];
    assert_non_null(f);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    f->write_fd = ends[1];
    f->body = body_new();
    assert_non_null(f->body);
    assert_int_equal(body_reader_open(&f->reader, f->body, ends[0]), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    body_reader_close(&f->reader);
    fd_close(&f->write_fd);
    assert_int_equal(atomic_load(&f->body->refs), 1);
    body_unref(f->body);
    free(f);
    return 0;
}

static void put(struct fixture *f, const char *text)
{
    assert_int_equal(fd_write_all(f->write_fd, text, strlen(text)), 0);
}

static void end(struct fixture *f, enum body_state state)
{
    if (state != BODY_OPEN)
        assert_true(body_settle(f->body, state));
    fd_close(&f->write_fd);
}

static void assert_broken(struct fixture *f)
{
    errno = 0;
    assert_int_equal(getc(f->reader.file), EOF);
    assert_int_equal(errno, EIO);
    assert_true(ferror(f->reader.file));
    assert_false(feof(f->reader.file));
    assert_false(f->reader.ended);
    assert_true(f->reader.broken);
}

static void test_state_leaves_open_once(void **state)
{
    struct body *body = body_new();
    assert_int_equal(body_state(body), BODY_OPEN);
    assert_true(body_settle(body, BODY_ABORTED));
    assert_false(body_settle(body, BODY_COMPLETE));
    assert_int_equal(body_state(body), BODY_ABORTED);
    body_unref(body);
    body_unref(NULL);
}

static void test_complete_body_ends(void **state)
{
    struct fixture *f = *state;
    char text[16];
    put(f, "one two");
    end(f, BODY_COMPLETE);
    assert_int_equal(fread(text, 1, sizeof text, f->reader.file), 7);
    assert_true(feof(f->reader.file));
    assert_false(ferror(f->reader.file));
    assert_true(f->reader.ended);
    assert_int_equal(atomic_load(&f->body->bytes_read), 7);
    assert_int_equal(body_reader_drain(&f->reader), 0);
}

static void test_empty_body(void **state)
{
    struct fixture *f = *state;
    end(f, BODY_COMPLETE);
    assert_int_equal(getc(f->reader.file), EOF);
    assert_true(feof(f->reader.file));
}

/* What an aborted body left in the pipe is not given out any more. */
static void test_abort_hides_what_is_in_the_pipe(void **state)
{
    struct fixture *f = *state;
    put(f, "never seen");
    end(f, BODY_ABORTED);
    assert_broken(f);
    clearerr(f->reader.file);
    assert_broken(f);
    assert_int_equal(body_reader_drain(&f->reader), -EIO);
    assert_int_equal(atomic_load(&f->body->bytes_read), 0);
}

/* Nor is the end of the pipe the body's, if nobody said so; not even when somebody does later. */
static void test_close_without_a_word(void **state)
{
    struct fixture *f = *state;
    put(f, "ab");
    end(f, BODY_OPEN);
    assert_int_equal(getc(f->reader.file), 'a');
    assert_int_equal(getc(f->reader.file), 'b');
    assert_broken(f);
    assert_true(body_settle(f->body, BODY_COMPLETE));
    clearerr(f->reader.file);
    assert_broken(f);
    assert_int_equal(body_reader_drain(&f->reader), -EIO);
}

/* getline gives a partial last line before it meets the error: its caller must ask ferror. */
static void test_getline_sees_a_part_before_the_error(void **state)
{
    struct fixture *f = *state;
    char *line = NULL;
    size_t size = 0;
    put(f, "whole\npart");
    end(f, BODY_OPEN);
    assert_int_equal(getline(&line, &size, f->reader.file), 6);
    assert_int_equal(getline(&line, &size, f->reader.file), 4);
    assert_string_equal(line, "part");
    assert_true(ferror(f->reader.file));
    assert_int_equal(getline(&line, &size, f->reader.file), -1);
    assert_false(feof(f->reader.file));
    free(line);
}

static void test_no_descriptor_and_no_seeking(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(fileno(f->reader.file), -1);
    assert_int_not_equal(fseek(f->reader.file, 1, SEEK_SET), 0);
    end(f, BODY_COMPLETE);
}

/* The parser's fclose leaves the pipe open: the rest is still there to be drained. */
static void test_drain_after_fclose(void **state)
{
    struct fixture *f = *state;
    put(f, "0123456789");
    assert_int_equal(getc(f->reader.file), '0');
    assert_int_equal(fclose(f->reader.file), 0);
    assert_null(f->reader.file);
    put(f, "more");
    end(f, BODY_COMPLETE);
    assert_int_equal(body_reader_drain(&f->reader), 0);
    assert_true(f->reader.ended);
    assert_int_equal(atomic_load(&f->body->bytes_read), 14);
}

static void test_drain_meets_the_abort(void **state)
{
    struct fixture *f = *state;
    put(f, "0123456789");
    fclose(f->reader.file);
    end(f, BODY_OPEN);
    assert_int_equal(body_reader_drain(&f->reader), -EIO);
    assert_false(f->reader.ended);
}

static void test_writer_sees_the_close(void **state)
{
    struct fixture *f = *state;
    body_reader_close(&f->reader);
    assert_int_equal(write(f->write_fd, "x", 1), -1);
    assert_int_equal(errno, EPIPE);
}

static void test_close_of_a_reader_that_was_never_opened(void **state)
{
    struct body_reader reader = {.fd = -1};
    body_reader_close(&reader);
    body_reader_close(&reader);
}

/* --- a reader that blocks, on a thread of its own --------------------------------------------- */

static void *read_one(void *arg)
{
    struct fixture *f = arg;
    return (void *)(intptr_t)getc(f->reader.file);
}

static pthread_t start_reader(struct fixture *f)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, read_one, f), 0);
    TEST_WAIT(atomic_load(&f->body->read_wait_since) > 0, 60000 * test_patience());
    return thread;
}

static int join_reader(pthread_t thread)
{
    void *c;
    assert_int_equal(pthread_join(thread, &c), 0);
    return (int)(intptr_t)c;
}

static void test_clock_of_waiting(void **state)
{
    struct fixture *f = *state;
    uint64_t now = clock_now();
    assert_int_equal(body_read_wait(f->body, now), 0);
    pthread_t thread = start_reader(f);
    uint64_t hour = 3600 * NS_PER_SEC;
    assert_true(body_read_wait(f->body, clock_now() + hour) >= hour);
    put(f, "x");
    assert_int_equal(join_reader(thread), 'x');
    assert_int_equal(atomic_load(&f->body->read_wait_since), 0);
    uint64_t waited = body_read_wait(f->body, clock_now());
    assert_in_range(waited, 1, clock_now() - now);
    assert_int_equal(body_read_wait(f->body, clock_now() + hour), waited);
}

static void test_abort_wakes_a_blocked_reader(void **state)
{
    struct fixture *f = *state;
    pthread_t thread = start_reader(f);
    end(f, BODY_ABORTED);
    assert_int_equal(join_reader(thread), EOF);
    assert_broken(f);
}

/* A blocked reader holds no lock of stdio's: whoever flushes everything does not wait for it. */
static void test_fflush_of_everything(void **state)
{
    struct fixture *f = *state;
    pthread_t thread = start_reader(f);
    assert_int_equal(fflush(NULL), 0);
    put(f, "y");
    assert_int_equal(join_reader(thread), 'y');
}

static atomic_int signals;

static void on_signal(int sig)
{
    (void)sig;
    atomic_fetch_add(&signals, 1);
}

static void test_signals_are_no_errors(void **state)
{
    struct fixture *f = *state;
    struct sigaction act = {.sa_handler = on_signal}, old; /* no SA_RESTART */
    assert_int_equal(sigaction(SIGUSR1, &act, &old), 0);
    pthread_t thread = start_reader(f);
    for (int i = 1; i <= 5; i++) {
        assert_int_equal(pthread_kill(thread, SIGUSR1), 0);
        TEST_WAIT(atomic_load(&signals) == i, 60000 * test_patience());
    }
    put(f, "z");
    assert_int_equal(join_reader(thread), 'z');
    sigaction(SIGUSR1, &old, NULL);
}

/* One read(2) gets what is there, up to the buffer: nothing waits for a full buffer. While the body
 * is small it is a part of the buffer, so that the rest of it is no memory. */
static void test_reads_what_is_there(void **state)
{
    struct fixture *f = *state;
    char *big = calloc(1, BODY_READER_BUFFER + 100);
    put(f, "ab");
    assert_int_equal(getc(f->reader.file), 'a');
    assert_int_equal(atomic_load(&f->body->bytes_read), 2);
    assert_int_equal(getc(f->reader.file), 'b');
    memset(big, 'c', BODY_READER_BUFFER + 99);
    put(f, big);
    assert_int_equal(getc(f->reader.file), 'c');
    assert_int_equal(atomic_load(&f->body->bytes_read), 2 + BODY_READER_PIECE);
    atomic_store(&f->body->bytes_read, BODY_READER_SMALL);
    assert_int_equal(fread(big, 1, BODY_READER_PIECE, f->reader.file), BODY_READER_PIECE);
    assert_int_equal(atomic_load(&f->body->bytes_read),
                     BODY_READER_SMALL + BODY_READER_BUFFER + 99 - BODY_READER_PIECE);
    free(big);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_state_leaves_open_once),
        cmocka_unit_test(test_close_of_a_reader_that_was_never_opened),
        TEST(test_complete_body_ends),
        TEST(test_empty_body),
        TEST(test_abort_hides_what_is_in_the_pipe),
        TEST(test_close_without_a_word),
        TEST(test_getline_sees_a_part_before_the_error),
        TEST(test_no_descriptor_and_no_seeking),
        TEST(test_drain_after_fclose),
        TEST(test_drain_meets_the_abort),
        TEST(test_writer_sees_the_close),
        TEST(test_clock_of_waiting),
        TEST(test_abort_wakes_a_blocked_reader),
        TEST(test_fflush_of_everything),
        TEST(test_signals_are_no_errors),
        TEST(test_reads_what_is_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
