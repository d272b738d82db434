/* A body on its way to a command of a client's, through a pipe or a socket. The test is origin,
 * client and control loop. */
#ifndef TESTS_UNIT_PARSE_RELAY_RUN_H
#define TESTS_UNIT_PARSE_RELAY_RUN_H

#include "parse/relay.h"

#include "base/fd.h"
#include "base/list.h"
#include "flow/body.h"
#include "parse/task.h"
#include "support/testlib.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static struct parse_task task;
static struct relay relay;
static pthread_t worker;
static int origin; /* the write end of the body's own pipe */
static int client; /* where the command reads */
static int fds_before;

/* What has happened, in order; by the worker and by the test. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char story[128];
static enum error_kind broken_kind;
static char broken_why[512];

static inline void tell(const char *word)
{
    pthread_mutex_lock(&lock);
    strcat(strcat(story, *story ? " " : ""), word);
    pthread_mutex_unlock(&lock);
}

static inline bool was_told(const char *word)
{
    pthread_mutex_lock(&lock);
    bool told = strstr(story, word);
    pthread_mutex_unlock(&lock);
    return told;
}

static inline void on_begun(struct relay *r)
{
    tell("begun");
}

static inline void on_delivered(struct relay *r)
{
    assert_int_equal(r->out, -1); /* closed before it is told */
    tell("delivered");
}

static inline void on_broken(struct relay *r, enum error_kind kind, const char *message)
{
    broken_kind = kind;
    snprintf(broken_why, sizeof broken_why, "%s", message);
    tell("broken");
}

static inline void on_done(struct parse_task *t)
{
    tell("done");
}

/* --- a run ------------------------------------------------------------------------------------ */

static const struct penstock_parser command = {.abi = PENSTOCK_PARSER_ABI,
                                               .size = sizeof(struct penstock_parser),
                                               .name = "run",
                                               .summary = "a command of the client's"};

static inline void prepare(void)
{
    int ends[2];
    story[0] = '\0';
    fds_before = test_fd_count(0);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    origin = ends[1];
    task = (struct parse_task){
        .parser = &command, .read_fd = ends[0], .write_fd = -1, .done = on_done};
    task.body = body_new();
    assert_non_null(task.body);
    assert_int_equal(body_watch(task.body), 0);
    relay = (struct relay){.begun = on_begun, .delivered = on_delivered, .broken = on_broken};
}

static inline void prepare_pipe(void)
{
    int ends[2];
    prepare();
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    client = ends[0];
    relay.out = ends[1];
    relay_attach(&task, &relay);
}

/* The client writes a byte before it gives the socket away, so that a close is no end. */
static inline void prepare_socket(void)
{
    int ends[2];
    prepare();
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    client = ends[0];
    relay.out = ends[1];
    assert_int_equal(write(client, "", 1), 1);
    relay_attach(&task, &relay);
}

static inline void *work(void *arg)
{
    parse_task_run(&task);
    return NULL;
}

static inline void begin(void)
{
    assert_int_equal(pthread_create(&worker, NULL, work, NULL), 0);
}

static inline void send_bytes(const void *data, size_t len)
{
    assert_int_equal(fd_write_all(origin, data, len), 0);
}

static inline void send_text(const char *text)
{
    send_bytes(text, strlen(text));
}

/* The body's end, as its writer settles it: the word first. */
static inline void end_body(enum body_state state)
{
    if (state != BODY_OPEN)
        assert_true(body_settle(task.body, state));
    fd_close(&origin);
}

static inline void client_reads(const char *text)
{
    char got[256];
    size_t len = 0, wanted = strlen(text);
    assert_true(wanted < sizeof got);
    while (len < wanted) {
        ssize_t n = read(client, got + len, wanted - len);
        assert_true(n > 0);
        len += (size_t)n;
    }
    got[len] = '\0';
    assert_string_equal(got, text);
}

/* 0: an end; or the errno. */
static inline int client_end(void)
{
    char byte;
    ssize_t n = read(client, &byte, 1);
    assert_true(n <= 0);
    return n < 0 ? errno : 0;
}

/* The origin's writer learns that nobody reads any more. */
static inline void wait_until_origin_is_refused(void)
{
    struct pollfd pfd = {.fd = origin};
    assert_int_equal(poll(&pfd, 1, -1), 1);
    assert_true(pfd.revents & POLLERR);
}

static inline void command_ends(int status)
{
    tell("exited");
    relay_exited(&relay, status);
    body_wake(task.body);
}

static inline void finish(enum penstock_result result, enum error_kind kind, const char *message,
                          const char *expected_story)
{
    pthread_join(worker, NULL);
    assert_string_equal(story, expected_story);
    assert_string_equal(task.message, message);
    assert_int_equal(task.kind, kind);
    assert_int_equal(task.result, result);
    assert_int_equal(task.body_ended, result == PENSTOCK_OK);
    assert_int_equal(relay.out, -1);
    body_unref(task.body);
    fd_close(&origin);
    fd_close(&client);
    assert_int_equal(test_fd_count(0), fds_before);
}

#define UNVERIFIED                                                                              \
    "the connection's close ended the body, and neither its length nor a checked encoding "     \
    "tells whether it is whole; `unverified = accept` takes it as it is, `digest` would check " \
    "it"

static inline void deliver_two_lines(void)
{
    begin();
    send_text("one\n");
    client_reads("one\n");
    send_text("two\n");
    end_body(BODY_COMPLETE);
    client_reads("two\n");
    assert_int_equal(client_end(), 0);
    TEST_WAIT(was_told("delivered"), 20000 * test_patience());
}

#endif
