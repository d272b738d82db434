/* A feed: a body from libcurl to a function that reads a FILE *, under backpressure, with nothing
 * but the fetch, flow and parse layers. It answers "how do I feed a FILE * reader with a body that
 * arrives asynchronously, and neither deadlock nor lose the difference between an end and a cut?"
 *
 * A transfer's callbacks write to a body pipe and pause when it is full; the pipe's callbacks
 * resume or cancel the transfer; the parser runs on a worker and reads. Two threads, one owner for
 * each descriptor, and one place (on_end) that decides whether the body is whole. */
#ifndef TESTS_UNIT_JOB_FEED_H
#define TESTS_UNIT_JOB_FEED_H

#include "base/fd.h"
#include "base/list.h"
#include "fetch/fetch.h"
#include "fetch/transfer.h"
#include "flow/body_pipe.h"
#include "parse/pool.h"
#include "parse/task.h"
#include "support/origin.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define PIPE_SIZE 65536

static struct fetch *fetch;
static struct policy *policy;
static struct pool *pool;

struct feed {
    struct transfer transfer;
    struct transfer_request request;
    char url[512];
    struct body *body;
    struct body_pipe pipe;
    struct parse_task task;
    struct pool_job job;
    bool open, engaged; /* the pipe is made; the worker runs. The fetch loop's */
    atomic_bool parsed; /* the worker's last touch */
    atomic_bool fed;    /* the fetch loop's last touch */
    atomic_bool paused; /* the transfer waits for the reader */
    atomic_uint pauses;
    bool hesitates; /* the parser reads nothing before the first pause */
    int status;
    struct transfer_result result; /* valid once fed */

    /* What the parsers of these tests saw; the worker's, valid once parsed. */
    struct buf expected;
    uint64_t read;
    bool wrong_byte, saw_end;
    int read_error;
};

static struct feed *feed_of(struct penstock_run *run)
{
    return container_of(run, struct feed, task.run);
}

static void on_pipe_closed(struct body_pipe *pipe)
{
    struct feed *feed = pipe->user;
    atomic_store(&feed->fed, true);
}

static void on_drained(struct body_pipe *pipe)
{
    struct feed *feed = pipe->user;
    atomic_store(&feed->paused, false);
    transfer_resume(&feed->transfer); /* no-op if it is not paused */
}

static void on_reader_gone(struct body_pipe *pipe)
{
    struct feed *feed = pipe->user;
    transfer_cancel(&feed->transfer); /* on_end comes, stopped */
}

static void on_finished(struct body_pipe *pipe)
{
    body_pipe_close(pipe, on_pipe_closed);
}

static const struct body_pipe_ops pipe_ops = {on_drained, on_reader_gone, on_finished};

static void work(struct pool_job *job)
{
    struct feed *feed = container_of(job, struct feed, job);
    parse_task_run(&feed->task);
    atomic_store(&feed->parsed, true);
}

static void on_parser_done(struct parse_task *task)
{
}

/* The first byte is here, or a good end without one: makes the pipe and engages a worker. */
static int engage(struct feed *feed)
{
    int r = body_pipe_open(&feed->pipe, fetch_loop_uv(feed->transfer.loop), feed->body, PIPE_SIZE,
                           &pipe_ops, feed, &feed->task.read_fd);
    if (r < 0)
        return r;
    feed->open = true;
    feed->task.body = feed->body;
    r = pool_run(pool, &feed->job);
    if (r < 0)
        fd_close(&feed->task.read_fd); /* else the worker's */
    feed->engaged = r == 0;
    return r;
}

static int on_response(struct transfer *t, const struct transfer_response *response)
{
    struct feed *feed = t->user;
    feed->status = response->status;
    return response->status == 200 || response->status == 204 ? 0 : -ECANCELED;
}

static int on_data(struct transfer *t, const char *data, size_t len)
{
    struct feed *feed = t->user;
    int r = feed->open ? 0 : engage(feed);
    if (r == 0)
        r = body_pipe_write(&feed->pipe, data, len);
    if (r != BODY_PIPE_FULL)
        return r; /* 0: taken; or -EPIPE and the like, which stop it */
    atomic_store(&feed->paused, true);
    atomic_fetch_add(&feed->pauses, 1);
    return TRANSFER_PAUSE;
}

static void on_turn(struct transfer *t)
{
    struct feed *feed = t->user;
    if (feed->open)
        body_pipe_flush(&feed->pipe);
}

/* The one place that decides: complete, or aborted. */
static void on_end(struct transfer *t, const struct transfer_result *result)
{
    struct feed *feed = t->user;
    feed->result = *result;
    bool whole = result->kind == KIND_NONE && result->verified != VERIFIED_NONE;
    if (whole && !feed->open) /* an empty body: the parser hears of that, too */
        whole = engage(feed) == 0;
    if (whole) {
        body_pipe_complete(&feed->pipe); /* the carry first, then on_finished */
    } else if (feed->open) {
        body_pipe_abort(&feed->pipe); /* EIO, from the next read on */
        body_pipe_close(&feed->pipe, on_pipe_closed);
    } else {
        body_settle(feed->body, BODY_ABORTED);
        atomic_store(&feed->fed, true);
    }
}

static const struct transfer_ops transfer_ops = {
    .on_response = on_response, .on_data = on_data, .on_turn = on_turn, .on_end = on_end};

static struct feed *feed_start(struct origin *origin, const struct penstock_parser *parser,
                               const char *path)
{
    struct feed *feed = calloc(1, sizeof *feed);
    assert_non_null(feed);
    origin_url(origin, feed->url, sizeof feed->url, "%s", path);
    feed->request = (struct transfer_request){.url = feed->url,
                                              .host = "127.0.0.1",
                                              .method = "GET",
                                              .user_agent = "test",
                                              .ca_file = origin_ca_file(origin),
                                              .policy = policy,
                                              .connect_ms = 10000,
                                              .first_byte_ms = 10000,
                                              .stall_ms = 10000};
    feed->body = body_new();
    assert_non_null(feed->body);
    feed->task.parser = parser;
    feed->task.done = on_parser_done;
    feed->task.facts.url = feed->url;
    feed->job.work = work;
    origin_expected(path, &feed->expected); /* endless ones have none */
    return feed;
}

static void feed_go(struct feed *feed)
{
    transfer_start(&feed->transfer, fetch_loop_for(fetch, "127.0.0.1"), &feed->request,
                   &transfer_ops, feed);
}

static bool feed_over(struct feed *feed)
{
    return atomic_load(&feed->fed) && (!feed->engaged || atomic_load(&feed->parsed));
}

static void feed_free(struct feed *feed)
{
    body_unref(feed->body);
    buf_deinit(&feed->expected);
    free(feed);
}

#endif
