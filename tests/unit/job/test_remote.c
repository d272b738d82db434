/* A command's job: what its client is told, each at most once and in an order that it can rely on.
 * The jobs are structs of the test's. */
#include "job/remote.h"

#include "job/job.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char told[256]; /* "begin 7, complete 7, " */

static void on_tell(struct runner *runner, const char *what, uint64_t id)
{
    size_t at = strlen(told);
    snprintf(told + at, sizeof told - at, "%s %llu, ", what, (unsigned long long)id);
}

/* A pipe whose write end the job has; the read end. */
static int job_begin(struct job *job, struct runner *runner, struct spec *spec)
{
    static char method[] = "GET";
    int fds[2];
    memset(job, 0, sizeof *job);
    memset(spec, 0, sizeof *spec);
    told[0] = '\0';
    assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
    runner_init(runner, on_tell);
    remote_init(&job->remote);
    job->id = 7;
    job->spec = spec;
    spec->run = true;
    spec->method = method;
    remote_attach(job, fds[1], runner);
    return fds[0];
}

static void job_end(struct job *job, int read_fd)
{
    remote_deinit(&job->remote);
    close(read_fd);
}

/* -1: somebody has the write end; 0: nobody. */
static int read_end(int fd)
{
    char byte;
    return (int)read(fd, &byte, 1);
}

/* fd_close_foreign closes on a thread of its own where that may take time; a pipe's it does not. */
static void test_whole(void **state)
{
    struct runner runner;
    struct spec spec;
    struct job job;
    int fd = job_begin(&job, &runner, &spec), lent = -1;
    assert_true(remote_waits(&job));
    assert_int_equal(remote_lend(&job, &lent), 0);
    assert_int_not_equal(lent, job.remote.fd);
    assert_true(fcntl(lent, F_GETFD) & FD_CLOEXEC);
    remote_begin(&job);
    assert_int_equal(job.remote.fd, -1);
    assert_int_equal(read_end(fd), -1); /* the attempt has its own */
    close(lent);
    assert_int_equal(read_end(fd), 0);
    assert_false(remote_waits(&job));
    remote_complete(&job);
    remote_complete(&job);
    assert_string_equal(told, "begin 7, complete 7, ");
    job_end(&job, fd);
}

/* Begin is told once, and not after the end. */
static void test_begin_once(void **state)
{
    struct runner runner;
    struct spec spec;
    struct job job;
    int fd = job_begin(&job, &runner, &spec);
    remote_begin(&job);
    remote_begin(&job);
    assert_string_equal(told, "begin 7, ");
    job_end(&job, fd);
    fd = job_begin(&job, &runner, &spec);
    remote_abort(&job);
    remote_begin(&job);
    assert_string_equal(told, "abort 7, ");
    job_end(&job, fd);
}

static void test_nothing_follows_an_abort(void **state)
{
    struct runner runner;
    struct spec spec;
    struct job job;
    int fd = job_begin(&job, &runner, &spec);
    remote_begin(&job);
    remote_abort(&job);
    remote_abort(&job);
    remote_complete(&job);
    assert_string_equal(told, "begin 7, abort 7, ");
    job_end(&job, fd);
}

/* Somebody wants its command to end although it has the whole body. */
static void test_abort_after_complete(void **state)
{
    struct runner runner;
    struct spec spec;
    struct job job;
    int fd = job_begin(&job, &runner, &spec);
    remote_begin(&job);
    remote_complete(&job);
    remote_abort(&job);
    assert_string_equal(told, "begin 7, complete 7, abort 7, ");
    job_end(&job, fd);
}

/* A command that has ended is told nothing. */
static void test_ended(void **state)
{
    struct runner runner;
    struct spec spec;
    struct job job;
    int fd = job_begin(&job, &runner, &spec);
    remote_begin(&job);
    remote_ended(&job);
    remote_complete(&job);
    remote_abort(&job);
    assert_string_equal(told, "begin 7, ");
    assert_null(runner_drop(&runner)); /* it has said what there was to say */
    job_end(&job, fd);
}

/* A client that goes takes those jobs along whose command has not ended; they tell it nothing. */
static void test_the_client_goes(void **state)
{
    struct runner runner;
    struct spec specs[3];
    struct job jobs[3];
    int fds[3];
    for (int i = 0; i < 3; i++) {
        struct runner own;
        fds[i] = job_begin(&jobs[i], &own, &specs[i]);
        list_del(&jobs[i].remote.link);
    }
    runner_init(&runner, on_tell);
    for (int i = 0; i < 3; i++) {
        jobs[i].id = (uint64_t)i + 1;
        jobs[i].remote.runner = &runner;
        list_add_tail(&runner.jobs, &jobs[i].remote.link);
    }
    remote_begin(&jobs[1]);
    remote_ended(&jobs[1]);
    assert_string_equal(told, "begin 2, ");
    assert_ptr_equal(runner_drop(&runner), &jobs[0]);
    assert_ptr_equal(runner_drop(&runner), &jobs[2]);
    assert_null(runner_drop(&runner));
    for (int i = 0; i < 3; i++) {
        assert_null(jobs[i].remote.runner);
        assert_false(remote_waits(&jobs[i]));
        remote_abort(&jobs[i]);
    }
    assert_string_equal(told, "begin 2, ");
    for (int i = 0; i < 3; i++)
        job_end(&jobs[i], fds[i]);
}

/* An ordinary job lends nothing, and has nobody to tell. */
static void test_ordinary(void **state)
{
    struct spec spec = {.run = false};
    struct job job = {.spec = &spec, .id = 7};
    int fd = -1;
    told[0] = '\0';
    remote_init(&job.remote);
    assert_int_equal(remote_lend(&job, &fd), 0);
    assert_int_equal(fd, -1);
    assert_false(remote_waits(&job));
    remote_begin(&job);
    remote_complete(&job);
    remote_abort(&job);
    assert_string_equal(told, "");
    remote_deinit(&job.remote);
}

/* What is never begun has its pipe closed with the job. */
static void test_unbegun(void **state)
{
    struct runner runner;
    struct spec spec;
    struct job job;
    int fd = job_begin(&job, &runner, &spec);
    assert_int_equal(read_end(fd), -1);
    remote_deinit(&job.remote);
    assert_int_equal(read_end(fd), 0);
    assert_true(list_empty(&runner.jobs));
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),
        cmocka_unit_test(test_begin_once),
        cmocka_unit_test(test_nothing_follows_an_abort),
        cmocka_unit_test(test_abort_after_complete),
        cmocka_unit_test(test_ended),
        cmocka_unit_test(test_the_client_goes),
        cmocka_unit_test(test_ordinary),
        cmocka_unit_test(test_unbegun),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
