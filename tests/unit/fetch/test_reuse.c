/* Connections that are used again: what waits on an idle one belongs to nobody, and a request that
 * meets one that its peer is closing goes out once more. */
#include "unit/fetch/fetch_client.h"

#include "base/fd.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

static struct setup setup;
static atomic_bool asked_of_kernel; /* whether a request was acknowledged */

/* In place of libc's: says that a connection was asked about. */
int getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
    int (*real)(int, int, int, void *, socklen_t *);
    *(void **)&real = dlsym(RTLD_NEXT, "getsockopt");
    int r = real(fd, level, name, value, len);
    if (r == 0 && level == IPPROTO_TCP && name == TCP_INFO)
        atomic_store(&asked_of_kernel, true);
    return r;
}

static atomic_uint signals_set;

/* In place of libc's, for libcurl: counts. */
int sigaction(int sig, const struct sigaction *act, struct sigaction *old)
{
    int (*real)(int, const struct sigaction *, struct sigaction *);
    *(void **)&real = dlsym(RTLD_NEXT, "sigaction");
    atomic_fetch_add(&signals_set, 1);
    return real(sig, act, old);
}

static int open_plain(void **state)
{
    setup_open(&setup, &(struct origin_config){0}, &(struct fetch_config){0});
    return 0;
}

static int open_tls(void **state)
{
    setup_open(&setup, &(struct origin_config){.tls = ORIGIN_TLS}, &(struct fetch_config){0});
    return 0;
}

static int close_all(void **state)
{
    setup_close(&setup);
    return 0;
}

static uint64_t connections(void)
{
    struct fetch_loop_stats stats;
    fetch_loop_stats(setup.fetch, 0, &stats);
    return stats.connections;
}

/* `count` requests at once, so that as many connections are idle after it. */
static void fill(unsigned count)
{
    struct client *clients[8];
    char url[64];
    origin_url(setup.origin, url, sizeof url, "/_release?name=fill");
    for (unsigned i = 0; i < count; i++) {
        clients[i] = client_new(setup.policy);
        clients[i]->request.ca_file = origin_ca_file(setup.origin);
        origin_url(setup.origin, clients[i]->url, sizeof clients[i]->url,
                   "/bytes?n=10&hold=fill&id=fill");
        client_start(clients[i], setup.fetch);
    }
    struct origin_counts counts = {0};
    TEST_WAIT(origin_counts(setup.origin, "fill", &counts) && counts.held == count, 10000);
    assert_int_equal(origin_release(setup.origin, "fill"), 0);
    for (unsigned i = 0; i < count; i++) {
        client_wait(clients[i]);
        assert_int_equal(clients[i]->result.kind, KIND_NONE);
        client_free(clients[i]);
    }
    assert_int_equal(connections(), count);
}

/* Has the origin speak on its idle connections, by a client that shares none with the one under
 * test. */
static void unasked(const char *what, unsigned count)
{
    struct fetch *other = NULL;
    struct error err = {{0}};
    assert_int_equal(fetch_new(&(struct fetch_config){0}, &other, &err), 0);
    struct client *c = client_new(setup.policy);
    char expected[16];
    origin_url(setup.origin, c->url, sizeof c->url, "/_unasked?name=%s", what);
    c->request.ca_file = origin_ca_file(setup.origin);
    c->keep = true;
    client_start(c, other);
    client_wait(c);
    snprintf(expected, sizeof expected, "%u\n", count);
    assert_string_equal(c->body.data, expected);
    client_free(c);
    fetch_free(other);
}

static void right_after(const char *what, unsigned idle)
{
    fill(idle);
    unasked(what, idle);
    for (unsigned i = 0; i < idle + 1; i++) {
        struct client *c = setup_get(&setup, "/bytes?n=1000");
        if (c->result.kind)
            fail_msg("after %s: %s: %s", what, kind_name(c->result.kind), c->result.message);
        assert_int_equal(c->status, 200);
        assert_int_equal(c->bytes, 1000);
        client_free(c);
    }
    assert_in_range(connections(), idle + 1, 2 * idle + 1);
}

static void test_an_answer_to_nothing(void **state)
{
    right_after("answer", 1);
}

static void test_a_timeout_to_nothing(void **state)
{
    right_after("408", 1);
}

/* In the same segment as the end of the answer before it, so that TLS may have read it already
 * (libcurl from 8.18 on reads ahead). */
static void test_an_answer_right_behind_another(void **state)
{
    static const char *const framings[] = {"length", "chunked"};
    for (int i = 0; i < 6; i++) {
        char path[128];
        snprintf(path, sizeof path, "/bytes?n=10&unasked=1&framing=%s&id=behind%d", framings[i % 2],
                 i);
        struct client *c = setup_get(&setup, path);
        assert_int_equal(c->bytes, 10); /* whole; what is behind it may have been seen, too */
        client_free(c);
        c = setup_get(&setup, "/bytes?n=1000");
        if (c->result.kind)
            fail_msg("%s: %s", kind_name(c->result.kind), c->result.message);
        assert_int_equal(c->bytes, 1000);
        client_free(c);
    }
}

/* Of which libcurl 7.88 tries five before it gives up. */
static void test_many_are_dead(void **state)
{
    right_after("end", 7);
}

static void test_many_have_answers(void **state)
{
    right_after("answer", 7);
}

/* One after the other on one connection, in TLS with its session tickets as well. */
static void test_the_innocent_are_used(void **state)
{
    for (int i = 0; i < 5; i++) {
        struct client *c = setup_get(&setup, "/bytes?n=1000");
        assert_int_equal(c->result.kind, KIND_NONE);
        assert_int_equal(c->result.connection_reused, i > 0);
        client_free(c);
    }
    assert_int_equal(connections(), 1);
}

/* The origin takes the request on the old connection, and closes without a byte. */
static void test_closed_in_place_of_an_answer(void **state)
{
    struct origin_counts counts;
    struct client *c = setup_get(&setup, "/bytes?n=1000");
    client_free(c);
    c = setup_get(&setup, "/bytes?n=1000&head_cut=0&first=1&id=cut");
    if (c->result.kind)
        fail_msg("%s: %s", kind_name(c->result.kind), c->result.message);
    assert_int_equal(c->bytes, 1000);
    assert_int_equal(c->responses, 1);
    assert_true(origin_counts(setup.origin, "cut", &counts));
    assert_int_equal(counts.requests, 2);
    client_free(c);
    /* On a connection of its own that is the answer. */
    c = setup_get(&setup, "/bytes?n=1000&head_cut=0&id=again");
    assert_int_equal(c->result.kind, KIND_CONNECT);
    client_free(c);
}

/* A server whose first connection is forgotten on the way once its request has come: nothing more
 * that is sent on it arrives, and nobody says so. */
struct forgotten {
    int listener, fds[2];
    unsigned requests;
    bool slow; /* it is not forgotten: its second answer is what takes long */
};

static void forget(int fd)
{
    struct sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
    struct sock_fprog program = {.len = 1, .filter = &nothing};
    setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}

static void answer(struct forgotten *f, int fd)
{
    static const char text[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    char request[4096];
    if (recv(fd, request, sizeof request, 0) <= 0)
        return;
    f->requests++;
    if (f->requests == 2)
        atomic_store(&asked_of_kernel, false);
    if (f->slow && f->requests == 2) /* longer than anybody waits for a sign */
        TEST_WAIT(atomic_load(&asked_of_kernel), 20000);
    if (!f->slow && f->requests == 1) /* before whoever is answered may send the next one */
        forget(fd);
    (void)!write(fd, text, sizeof text - 1);
}

static void *forgotten_main(void *arg)
{
    struct forgotten *f = arg;
    f->fds[0] = accept(f->listener, NULL, NULL);
    answer(f, f->fds[0]);
    if (f->slow) {
        answer(f, f->fds[0]);
        return NULL;
    }
    f->fds[1] = accept(f->listener, NULL, NULL);
    answer(f, f->fds[1]);
    return NULL;
}

static void forgotten_run(bool slow)
{
    struct forgotten f = {.fds = {-1, -1}, .slow = slow};
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof in;
    pthread_t thread;
    f.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(f.listener, (struct sockaddr *)&in, sizeof in), 0);
    assert_int_equal(listen(f.listener, 4), 0);
    assert_int_equal(getsockname(f.listener, (struct sockaddr *)&in, &len), 0);
    struct client *clients[2] = {client_new(setup.policy), client_new(setup.policy)};
    assert_int_equal(pthread_create(&thread, NULL, forgotten_main, &f), 0);
    for (int i = 0; i < 2; i++) {
        struct client *c = clients[i];
        snprintf(c->url, sizeof c->url, "http://127.0.0.1:%u/", ntohs(in.sin_port));
        client_start(c, setup.fetch);
        client_wait(c);
        if (c->result.kind)
            fail_msg("%d: %s: %s", i, kind_name(c->result.kind), c->result.message);
        assert_int_equal(c->bytes, 2);
        assert_int_equal(c->responses, 1);
    }
    pthread_join(thread, NULL);
    assert_int_equal(clients[1]->result.connection_reused, slow);
    assert_int_equal(connections(), slow ? 1 : 2);
    assert_int_equal(f.requests, 2);
    client_free(clients[0]);
    client_free(clients[1]);
    fd_close(&f.fds[0]);
    fd_close(&f.fds[1]);
    fd_close(&f.listener);
}

static void test_a_connection_that_was_forgotten(void **state)
{
    forgotten_run(false);
}

/* Who has acknowledged the request has as much time as ever. */
static void test_a_slow_answer_is_not_asked_for_twice(void **state)
{
    forgotten_run(true);
}

/* What may have been acted upon is not sent twice. */
static void test_a_post_goes_out_once(void **state)
{
    struct origin_counts counts;
    struct client *c = setup_get(&setup, "/bytes?n=1000");
    client_free(c);
    c = client_new(setup.policy);
    origin_url(setup.origin, c->url, sizeof c->url, "/echo?head_reset=0&id=post");
    c->request.ca_file = origin_ca_file(setup.origin);
    c->request.method = "POST";
    c->request.body = "x";
    c->request.body_len = 1;
    client_start(c, setup.fetch);
    client_wait(c);
    assert_int_equal(c->result.kind, KIND_CONNECT);
    assert_true(origin_counts(setup.origin, "post", &counts));
    assert_int_equal(counts.requests, 1);
    client_free(c);
}

/* A server may send a body all the same, which would be taken for the next answer: nothing goes out
 * on that connection any more. */
static void test_after_a_head(void **state)
{
    struct client *c = client_new(setup.policy);
    (void)state;
    origin_url(setup.origin, c->url, sizeof c->url, "/bytes?n=1000");
    c->request.ca_file = origin_ca_file(setup.origin);
    c->request.method = "HEAD";
    client_start(c, setup.fetch);
    client_wait(c);
    assert_int_equal(c->result.kind, KIND_NONE);
    assert_int_equal(c->result.verified, VERIFIED_LENGTH);
    assert_int_equal(c->content_length, 1000);
    assert_int_equal(c->pieces, 0);
    bool tls = strncmp(c->url, "https", 5) == 0;
    assert_int_equal(strncmp(c->result.tls, "TLSv1.", 6) == 0, tls);
    assert_int_equal(c->result.tls_ns > 0, tls);
    assert_true(c->result.dns_ns + c->result.tls_ns <= c->result.first_byte_ns);
    client_free(c);
    client_free(setup_get(&setup, "/bytes?n=10"));
    assert_int_equal(connections(), 2);
}

#define BOTH(test)                                                \
    cmocka_unit_test_setup_teardown(test, open_plain, close_all), \
        cmocka_unit_test_setup_teardown(test, open_tls, close_all)

/* For each signal's action that is set, the kernel walks all threads: a download must not cost what
 * others that run beside it are many. */
static void test_no_signal_is_touched(void **state)
{
    (void)state;
    atomic_store(&signals_set, 0);
    fill(8);
    assert_int_equal(atomic_load(&signals_set), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_no_signal_is_touched, open_plain, close_all),
        BOTH(test_an_answer_to_nothing),
        BOTH(test_an_answer_right_behind_another),
        BOTH(test_a_timeout_to_nothing),
        BOTH(test_many_are_dead),
        BOTH(test_many_have_answers),
        BOTH(test_the_innocent_are_used),
        BOTH(test_closed_in_place_of_an_answer),
        BOTH(test_a_post_goes_out_once),
        BOTH(test_after_a_head),
        cmocka_unit_test_setup_teardown(test_a_connection_that_was_forgotten, open_plain,
                                        close_all),
        cmocka_unit_test_setup_teardown(test_a_slow_answer_is_not_asked_for_twice, open_plain,
                                        close_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
