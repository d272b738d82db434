/* The hand-off of a body's socket: what holds it up, and how a body that was spliced ends. Byte by
 * byte, by the pattern of the origin's bytes. */
#include "fetch/transfer_impl.h"
#include "flow/body_pipe.h"
#include "unit/fetch/fetch_client.h"

#include "base/fd.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#define SIZE (1 << 20)

/* A client whose body goes into a pipe, which a thread reads. */
struct piped {
    struct client client;
    struct transfer_ops ops;
    struct body *body;
    struct body_pipe pipe;
    int read_fd, other; /* `other`: a connection that is taken for the transfer's; -1: none */
    bool steals;        /* reads a byte of the body behind everybody's back */
    uint64_t read_max;  /* the reader leaves after so many; 0: never */
    uint64_t read;
    unsigned handed; /* on_piped was called */
    bool wrong, opened, stolen;
    struct mail open_mail;
    sem_t closed, finished;
    pthread_t reader;
};

static struct setup setup;

static struct piped *piped_of(struct transfer *t)
{
    return container_of(container_of(t, struct client, transfer), struct piped, client);
}

static void on_moving(struct body_pipe *pipe)
{
    struct piped *p = pipe->user;
    transfer_resume(&p->client.transfer);
}

static void on_finished(struct body_pipe *pipe)
{
    sem_post(&((struct piped *)pipe->user)->finished);
}

static const struct body_pipe_ops pipe_ops = {
    .drained = on_moving, .reader_gone = on_moving, .finished = on_finished};

static int on_response(struct transfer *t, const struct transfer_response *r)
{
    struct piped *p = piped_of(t);
    if (p->other >= 0)
        t->impl->socket = p->other;
    if (p->steals) {
        struct pollfd pfd = {.fd = t->impl->socket, .events = POLLIN};
        char byte;
        p->stolen = poll(&pfd, 1, 10000) == 1 && recv(pfd.fd, &byte, 1, 0) == 1;
    }
    return client_on_response(t, r);
}

static int on_data(struct transfer *t, const char *data, size_t len)
{
    struct piped *p = piped_of(t);
    int r = body_pipe_write(&p->pipe, data, len);
    p->client.bytes += r == 0 ? len : 0;
    return r == BODY_PIPE_FULL ? TRANSFER_PAUSE : r;
}

static struct body_pipe *pipe_for(struct transfer *t, uint64_t left)
{
    (void)left;
    return &piped_of(t)->pipe;
}

static void on_piped(struct transfer *t, uint64_t len)
{
    (void)len;
    piped_of(t)->handed++;
}

static void on_pipe_closed(struct body_pipe *pipe)
{
    sem_post(&((struct piped *)pipe->user)->closed);
}

static void on_end(struct transfer *t, const struct transfer_result *result)
{
    struct piped *p = piped_of(t);
    if (result->kind) {
        body_pipe_abort(&p->pipe);
        sem_post(&p->finished);
    } else {
        body_pipe_complete(&p->pipe);
    }
    client_on_end(t, result);
}

static void *reader_main(void *arg)
{
    struct piped *p = arg;
    unsigned char data[65536];
    ssize_t n;
    while ((!p->read_max || p->read < p->read_max) && (n = read(p->read_fd, data, sizeof data)) > 0)
        for (ssize_t i = 0; i < n; i++)
            p->wrong = data[i] != origin_pattern(p->read++) || p->wrong;
    fd_close(&p->read_fd);
    return NULL;
}

/* On the loop's thread: opens the pipe, and the second time closes it. */
static void on_open_mail(struct mail *mail)
{
    struct piped *p = container_of(mail, struct piped, open_mail);
    struct transfer *t = &p->client.transfer;
    if (!p->opened) {
        p->opened = body_pipe_open(&p->pipe, fetch_loop_uv(t->loop), p->body, 0, &pipe_ops, p,
                                   &p->read_fd) == 0;
        sem_post(&p->closed);
        return;
    }
    body_pipe_close(&p->pipe, on_pipe_closed);
}

static struct piped *piped_new(const char *path)
{
    struct piped *p = calloc(1, sizeof *p);
    assert_non_null(p);
    struct client *c = client_new(setup.policy);
    p->client = *c; /* nothing has begun */
    client_free(c);
    p->client.request.url = p->client.url;
    sem_init(&p->client.responded, 0, 0);
    sem_init(&p->client.paused, 0, 0);
    sem_init(&p->client.ended, 0, 0);
    mail_init(&p->client.end_mail, client_on_ended);
    p->client.request.stall_ms = 10000 * test_patience();
    p->ops = (struct transfer_ops){.on_response = on_response,
                                   .on_data = on_data,
                                   .on_end = on_end,
                                   .pipe_for = pipe_for,
                                   .on_piped = on_piped};
    p->other = -1;
    p->body = body_new();
    sem_init(&p->closed, 0, 0);
    sem_init(&p->finished, 0, 0);
    mail_init(&p->open_mail, on_open_mail);
    origin_url(setup.origin, p->client.url, sizeof p->client.url, "%s", path);
    return p;
}

static void post_and_wait(struct piped *p)
{
    fetch_loop_post(p->client.transfer.loop, &p->open_mail);
    client_wait_for(&p->closed, "the pipe");
}

static void run_unchecked(struct piped *p)
{
    struct client *c = &p->client;
    c->transfer.loop = fetch_loop_for(setup.fetch, c->request.host);
    post_and_wait(p);
    assert_true(p->opened);
    assert_int_equal(pthread_create(&p->reader, NULL, reader_main, p), 0);
    transfer_start(&c->transfer, c->transfer.loop, &c->request, &p->ops, c);
    client_wait_for(&c->ended, c->url);
    client_wait_for(&p->finished, "the pipe's end");
    post_and_wait(p);
    pthread_join(p->reader, NULL);
}

static void run(struct piped *p)
{
    run_unchecked(p);
    assert_false(p->wrong);
}

static void piped_free(struct piped *p)
{
    fd_close(&p->other);
    body_unref(p->body);
    sem_destroy(&p->closed);
    sem_destroy(&p->finished);
    free(p);
}

static uint64_t spliced(void)
{
    struct fetch_loop_stats stats;
    fetch_loop_stats(setup.fetch, 0, &stats);
    return stats.spliced;
}

static int open_all(void **state)
{
    signal(SIGPIPE, SIG_IGN);
    setup_open(&setup, &(struct origin_config){0}, &(struct fetch_config){.splice_min = 1});
    return 0;
}

static int close_all(void **state)
{
    setup_close(&setup);
    return 0;
}

static void test_whole(void **state)
{
    struct piped *p = piped_new("/bytes?n=1M");
    run(p);
    assert_int_equal(p->client.result.kind, 0);
    assert_int_equal(p->client.result.verified, VERIFIED_LENGTH);
    assert_int_equal(p->client.result.bytes, SIZE);
    assert_int_equal(p->read, SIZE);
    assert_int_equal(spliced(), 1);
    piped_free(p);
}

static int connection(const char *url)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    in.sin_port = htons((uint16_t)atoi(strrchr(url, ':') + 1));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&in, sizeof in), 0);
    return fd;
}

/* To the same origin, so that only our own end tells them apart. */
static void test_another_connection_is_left_alone(void **state)
{
    struct piped *p = piped_new("/bytes?n=1M");
    static const char get[] = "GET /bytes?n=2M HTTP/1.1\r\nHost: origin\r\n\r\n";
    p->other = connection(p->client.url);
    assert_int_equal(write(p->other, get, sizeof get - 1), sizeof get - 1);
    char byte;
    assert_int_equal(recv(p->other, &byte, 1, MSG_PEEK), 1); /* it has an answer */
    run(p);
    assert_int_equal(p->client.result.kind, 0);
    assert_int_equal(p->read, SIZE);
    assert_true(p->client.bytes > 0); /* curl went on, perhaps until it told its own socket again */
    piped_free(p);
}

/* The kernel's count says that somebody has bytes that nobody was given, as curl does with a larger
 * buffer. */
static void test_what_curl_holds_is_not_left_behind(void **state)
{
    struct piped *p = piped_new("/bytes?n=1M&etag=none&modified=0");
    p->steals = true;
    run_unchecked(p);
    assert_true(p->stolen);
    assert_int_equal(spliced(), 0);
    piped_free(p);
}

static void test_an_end_before_the_length(void **state)
{
    struct piped *p = piped_new("/bytes?n=1M&cut=512K");
    run(p);
    assert_int_equal(p->client.result.kind, KIND_TRUNCATED);
    assert_non_null(strstr(p->client.result.message, "closed the connection after 524288 of"));
    assert_int_equal(p->client.result.bytes, SIZE / 2);
    assert_int_equal(p->read, SIZE / 2);
    assert_true(p->handed > 0);
    piped_free(p);
}

static void test_the_reader_leaves(void **state)
{
    struct piped *p = piped_new("/bytes?n=64M");
    p->read_max = SIZE;
    run(p);
    assert_true(p->client.result.stopped);
    assert_true(p->client.result.bytes < 64 * SIZE);
    assert_true(p->handed > 0);
    piped_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_whole, open_all, close_all),
        cmocka_unit_test_setup_teardown(test_another_connection_is_left_alone, open_all, close_all),
        cmocka_unit_test_setup_teardown(test_what_curl_holds_is_not_left_behind, open_all,
                                        close_all),
        cmocka_unit_test_setup_teardown(test_an_end_before_the_length, open_all, close_all),
        cmocka_unit_test_setup_teardown(test_the_reader_leaves, open_all, close_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
