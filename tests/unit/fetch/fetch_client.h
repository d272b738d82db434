/* A consumer of transfers that records what it is told, for the tests of this layer. Its callbacks
 * run on the loop's thread and assert nothing: the test's thread does, after client_wait. */
#ifndef TESTS_UNIT_FETCH_FETCH_CLIENT_H
#define TESTS_UNIT_FETCH_FETCH_CLIENT_H

#include "base/list.h"
#include "fetch/fetch.h"
#include "fetch/policy.h"
#include "fetch/transfer.h"
#include "support/origin.h"
#include "support/testlib.h"

#include <errno.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include <cmocka.h>

#define CLIENT __attribute__((unused)) static

/* libuv closes its descriptors by bare system calls, so TSan takes the next user of a number for a
 * rival of the former one. */
#ifdef __SANITIZE_THREAD__
const char *__tsan_default_suppressions(void);
__attribute__((weak)) const char *__tsan_default_suppressions(void)
{
    return "called_from_lib:libuv.so\n";
}
#endif

struct client {
    struct transfer transfer;
    struct transfer_request request;
    char url[1024];

    /* How it behaves. */
    uint64_t pattern_from; /* the body is origin_pattern() from here */
    bool check_pattern;
    bool keep;
    unsigned pause_one_in; /* pauses at random, and resumes by mail; 0: never */
    unsigned random;
    bool pause_for_good; /* at the first piece */
    uint64_t stop_after; /* bytes; 0: never */
    bool stop_at_response;
    unsigned again; /* starts so many times more, right from on_end */

    /* What it was told. */
    unsigned responses, ends, pieces, pauses;
    size_t largest_piece;
    uint64_t bytes;
    struct buf body; /* if `keep` */
    bool wrong_bytes, data_first;
    int status, version;
    int64_t content_length;
    bool chunked, has_location;
    char location[512];
    char headers[2048]; /* "name=value\n" */
    struct transfer_result result;
    sem_t responded, paused, ended;
    struct mail resume_mail, end_mail;
};

CLIENT void client_on_resume(struct mail *mail)
{
    transfer_resume(&container_of(mail, struct client, resume_mail)->transfer);
}

/* By mail, so that a resume mail that is still under way has been dealt with by then. */
CLIENT void client_on_ended(struct mail *mail)
{
    sem_post(&container_of(mail, struct client, end_mail)->ended);
}

CLIENT int client_on_response(struct transfer *t, const struct transfer_response *r)
{
    struct client *c = t->user;
    c->responses++;
    c->status = r->status;
    c->version = r->http_version;
    c->content_length = r->content_length;
    c->chunked = r->chunked;
    c->has_location = r->location != NULL;
    snprintf(c->location, sizeof c->location, "%s", r->location ? r->location : "");
    size_t at = 0;
    c->headers[0] = '\0';
    for (size_t i = 0; i < r->header_count && at < sizeof c->headers; i++)
        at += (size_t)snprintf(c->headers + at, sizeof c->headers - at, "%s=%s\n",
                               r->headers[i].name, r->headers[i].value);
    sem_post(&c->responded);
    return c->stop_at_response ? -1 : 0;
}

CLIENT bool client_pauses(struct client *c)
{
    if (c->pause_for_good)
        return true;
    if (!c->pause_one_in)
        return false;
    c->random = c->random * 1103515245u + 12345u;
    if ((c->random >> 16) % c->pause_one_in)
        return false;
    fetch_loop_post(c->transfer.loop, &c->resume_mail);
    return true;
}

CLIENT int client_on_data(struct transfer *t, const char *data, size_t len)
{
    struct client *c = t->user;
    if (!c->responses)
        c->data_first = true;
    if (len > c->largest_piece)
        c->largest_piece = len;
    if (client_pauses(c)) {
        c->pauses++;
        sem_post(&c->paused);
        return TRANSFER_PAUSE;
    }
    for (size_t i = 0; c->check_pattern && c->status / 100 == 2 && i < len; i++)
        if ((unsigned char)data[i] != origin_pattern(c->pattern_from + c->bytes + i))
            c->wrong_bytes = true;
    if (c->keep)
        buf_put(&c->body, data, len);
    c->pieces++;
    c->bytes += len;
    return c->stop_after && c->bytes >= c->stop_after ? -1 : TRANSFER_TAKEN;
}

CLIENT void client_on_end(struct transfer *t, const struct transfer_result *result);

CLIENT const struct transfer_ops client_ops = {
    .on_response = client_on_response, .on_data = client_on_data, .on_end = client_on_end};

CLIENT void client_on_end(struct transfer *t, const struct transfer_result *result)
{
    struct client *c = t->user;
    c->ends++;
    c->result = *result;
    if (c->again) {
        c->again--;
        c->bytes = 0;
        transfer_start(t, t->loop, &c->request, &client_ops, c);
        return;
    }
    fetch_loop_post(t->loop, &c->end_mail);
}

CLIENT struct policy *client_policy(const char *allow)
{
    struct policy *policy = NULL;
    struct error err = {{0}};
    if (policy_new(&allow, allow ? 1 : 0, NULL, 0, &policy, &err) < 0)
        fail_msg("%s", err.text);
    return policy;
}

CLIENT struct client *client_new(struct policy *policy)
{
    struct client *c = calloc(1, sizeof *c);
    assert_non_null(c);
    c->request.url = c->url;
    c->request.host = "127.0.0.1";
    c->request.policy = policy;
    c->random = 1;
    sem_init(&c->responded, 0, 0);
    sem_init(&c->paused, 0, 0);
    sem_init(&c->ended, 0, 0);
    mail_init(&c->resume_mail, client_on_resume);
    mail_init(&c->end_mail, client_on_ended);
    return c;
}

CLIENT void client_free(struct client *c)
{
    sem_destroy(&c->responded);
    sem_destroy(&c->paused);
    sem_destroy(&c->ended);
    buf_deinit(&c->body);
    free(c);
}

CLIENT void client_start(struct client *c, struct fetch *fetch)
{
    c->bytes = 0;
    transfer_start(&c->transfer, fetch_loop_for(fetch, c->request.host), &c->request, &client_ops,
                   c);
}

CLIENT void client_wait_for(sem_t *sem, const char *what)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    ts.tv_sec += 60 * (time_t)test_patience(); /* only a hang meets it */
    while (sem_timedwait(sem, &ts) < 0)
        if (errno != EINTR)
            fail_msg("waited in vain for: %s", what);
}

CLIENT void client_wait(struct client *c)
{
    client_wait_for(&c->ended, c->url);
    assert_int_equal(c->data_first, false);
    assert_true(c->largest_piece <= 16384);
    if (c->wrong_bytes)
        fail_msg("%s: wrong bytes", c->url);
}

/* One policy that allows loopback, one fetch with one loop, one plain origin: what most tests
 * need. */
struct setup {
    struct fetch *fetch;
    struct policy *policy;
    struct origin *origin;
    int fds; /* before all of them */
};

CLIENT void setup_open(struct setup *s, const struct origin_config *origin,
                       const struct fetch_config *config)
{
    struct error err = {{0}};
    uv_loop_t first; /* libuv keeps two descriptors for good from the first loop on */
    assert_int_equal(uv_loop_init(&first), 0);
    assert_int_equal(uv_loop_close(&first), 0);
    s->fds = test_fd_count(0);
    s->policy = client_policy("127.0.0.0/8");
    s->origin = origin_new(origin);
    assert_non_null(s->origin);
    if (fetch_new(config, &s->fetch, &err) < 0)
        fail_msg("%s", err.text);
}

/* Frees, in which the loops assert that they close clean; and no descriptor is left. */
CLIENT void setup_close(struct setup *s)
{
    fetch_free(s->fetch);
    origin_free(s->origin);
    policy_unref(s->policy);
    assert_int_equal(test_fd_count(0), s->fds);
}

/* Fetches one path of the origin to the end. */
CLIENT struct client *setup_get(struct setup *s, const char *path)
{
    struct client *c = client_new(s->policy);
    origin_url(s->origin, c->url, sizeof c->url, "%s", path);
    c->request.ca_file = origin_ca_file(s->origin);
    c->check_pattern = strncmp(path, "/bytes?", 7) == 0;
    client_start(c, s->fetch);
    client_wait(c);
    return c;
}

#endif
