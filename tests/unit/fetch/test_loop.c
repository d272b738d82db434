/* The loops themselves: reuse of connections, many transfers, TLS, shortage of descriptors, a clean
 * end. */
#include "unit/fetch/fetch_client.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static void test_nothing_to_do(void **state)
{
    struct setup s;
    for (unsigned threads = 1; threads <= 3; threads++) {
        setup_open(&s, &(struct origin_config){0}, &(struct fetch_config){.threads = threads});
        assert_int_equal(fetch_loop_count(s.fetch), threads);
        setup_close(&s);
    }
    fetch_free(NULL);
}

static void test_too_many_threads(void **state)
{
    struct fetch *fetch = NULL;
    struct error err = {{0}};
    assert_int_equal(fetch_new(&(struct fetch_config){.threads = 1000}, &fetch, &err), -EINVAL);
    assert_non_null(strstr(err.text, "fetch.threads"));
    assert_null(fetch);
}

static void test_connection_is_reused(void **state)
{
    struct setup s;
    struct origin_totals totals;
    struct fetch_loop_stats stats;
    setup_open(&s, &(struct origin_config){0}, &(struct fetch_config){0});
    for (int i = 0; i < 20; i++) {
        struct client *c = setup_get(&s, i % 2 ? "/bytes?n=3000" : "/bytes?n=0&status=204");
        assert_int_equal(c->result.kind, KIND_NONE);
        assert_int_equal(c->result.connection_reused, i > 0);
        assert_string_equal(c->result.address, "127.0.0.1");
        client_free(c);
    }
    origin_totals(s.origin, &totals);
    assert_int_equal(totals.connections, 1);
    fetch_loop_stats(s.fetch, 0, &stats);
    assert_int_equal(stats.connections, 1);
    assert_int_equal(stats.transfers, 20);
    assert_int_equal(stats.bytes, 30000);
    assert_int_equal(stats.running, 0);
    setup_close(&s);
}

/* The origin has closed it meanwhile: curl finds out, and makes another. */
static void test_dead_connection_is_not_fatal(void **state)
{
    struct setup s;
    setup_open(&s, &(struct origin_config){0}, &(struct fetch_config){0});
    client_free(setup_get(&s, "/bytes?n=10"));
    uint16_t port = origin_port(s.origin);
    origin_free(s.origin);
    s.origin = origin_new(&(struct origin_config){.port = port});
    assert_non_null(s.origin);
    struct client *c = setup_get(&s, "/bytes?n=10");
    assert_int_equal(c->result.kind, KIND_NONE);
    assert_int_equal(c->result.connection_reused, false);
    client_free(c);
    setup_close(&s);
}

static void test_many(void **state)
{
    enum { MANY = 1000 };
    struct setup s;
    struct fetch_loop_stats stats;
    setup_open(&s, &(struct origin_config){0}, &(struct fetch_config){0});
    struct client **clients = calloc(MANY, sizeof *clients);
    assert_non_null(clients);
    for (int begin = 0; begin < MANY; begin += 100) {
        for (int i = begin; i < begin + 100; i++) {
            clients[i] = client_new(s.policy);
            origin_url(s.origin, clients[i]->url, sizeof clients[i]->url, "/bytes?n=%d", i * 37);
            clients[i]->check_pattern = true;
            clients[i]->request.stall_ms = 60000;
            client_start(clients[i], s.fetch);
        }
        for (int i = begin; i < begin + 100; i++) {
            client_wait(clients[i]);
            assert_int_equal(clients[i]->result.kind, KIND_NONE);
            assert_int_equal(clients[i]->bytes, i * 37);
            client_free(clients[i]);
        }
    }
    fetch_loop_stats(s.fetch, 0, &stats);
    assert_int_equal(stats.transfers, MANY);
    assert_true(stats.connections <= MANY);
    assert_int_equal(stats.running, 0);
    free(clients);
    setup_close(&s);
}

/* More at once than handles are kept for reuse. */
static void test_many_at_once(void **state)
{
    enum { MANY = 200 };
    struct setup s;
    struct origin_counts counts = {0};
    struct client *clients[MANY];
    setup_open(&s, &(struct origin_config){0}, &(struct fetch_config){.max_connects = 4});
    for (int i = 0; i < MANY; i++) {
        clients[i] = client_new(s.policy);
        origin_url(s.origin, clients[i]->url, sizeof clients[i]->url,
                   "/bytes?n=20000&hold=all&hold_at=5000&id=many");
        clients[i]->check_pattern = true;
        client_start(clients[i], s.fetch);
    }
    TEST_WAIT(origin_counts(s.origin, "many", &counts) && counts.held == MANY,
              20000 * test_patience());
    assert_int_equal(origin_release(s.origin, "all"), 0);
    for (int i = 0; i < MANY; i++) {
        client_wait(clients[i]);
        assert_int_equal(clients[i]->result.kind, KIND_NONE);
        assert_int_equal(clients[i]->bytes, 20000);
        client_free(clients[i]);
    }
    setup_close(&s);
}

/* Connections in use leave room for idle ones. */
static void test_reuse_beside_stalled(void **state)
{
    enum { STALLED = 8 };
    struct setup s;
    struct origin_counts counts = {0};
    struct client *clients[STALLED];
    setup_open(&s, &(struct origin_config){0}, &(struct fetch_config){.max_connects = 4});
    for (int i = 0; i < STALLED; i++) {
        clients[i] = client_new(s.policy);
        origin_url(s.origin, clients[i]->url, sizeof clients[i]->url,
                   "/bytes?n=20000&hold=all&hold_at=5000&id=many");
        client_start(clients[i], s.fetch);
    }
    TEST_WAIT(origin_counts(s.origin, "many", &counts) && counts.held == STALLED,
              20000 * test_patience());
    for (int i = 0; i < 3; i++) {
        struct client *c = setup_get(&s, "/bytes?n=10");
        assert_int_equal(c->result.kind, KIND_NONE);
        assert_int_equal(c->result.connection_reused, i > 0);
        client_free(c);
    }
    assert_int_equal(origin_release(s.origin, "all"), 0);
    for (int i = 0; i < STALLED; i++) {
        client_wait(clients[i]);
        client_free(clients[i]);
    }
    setup_close(&s);
}

static void test_tls(void **state)
{
    struct setup s;
    setup_open(&s, &(struct origin_config){.tls = ORIGIN_TLS}, &(struct fetch_config){0});
    for (int i = 0; i < 3; i++) {
        struct client *c = setup_get(&s, "/bytes?n=100000");
        assert_int_equal(c->result.kind, KIND_NONE);
        assert_int_equal(c->result.verified, VERIFIED_LENGTH);
        assert_int_equal(c->result.connection_reused, i > 0);
        client_free(c);
    }
    struct client *c = setup_get(&s, "/bytes?n=100000&cut=50000");
    assert_int_equal(c->result.kind, KIND_TRUNCATED);
    client_free(c);
    c = setup_get(&s, "/bytes?n=100000&cut=50000&framing=close&notify=0");
    assert_int_equal(c->result.verified, VERIFIED_NONE);
    client_free(c);
    setup_close(&s);
}

static void check_tls_failure(enum origin_tls tls, bool with_ca, const char *part)
{
    struct setup s;
    setup_open(&s, &(struct origin_config){.tls = tls}, &(struct fetch_config){0});
    struct client *c = client_new(s.policy);
    origin_url(s.origin, c->url, sizeof c->url, "/bytes?n=5&id=secret");
    c->request.ca_file = with_ca ? origin_ca_file(s.origin) : NULL;
    client_start(c, s.fetch);
    client_wait(c);
    if (c->result.kind != KIND_TLS || !strcasestr(c->result.message, part))
        fail_msg("%s: %s", kind_name(c->result.kind), c->result.message);
    assert_null(strstr(c->result.message, "secret"));
    assert_int_equal(c->result.got_response, false);
    client_free(c);
    setup_close(&s);
}

static void test_tls_is_verified(void **state)
{
    check_tls_failure(ORIGIN_TLS_WRONG_NAME, true, "127.0.0.1");
    check_tls_failure(ORIGIN_TLS_EXPIRED, true, "expired");
    check_tls_failure(ORIGIN_TLS_SELF_SIGNED, true, "certificate");
    check_tls_failure(ORIGIN_TLS, false, "certificate"); /* a CA that the system doesn't know */
}

static void test_ca_file_of_the_config(void **state)
{
    struct setup s;
    setup_open(&s, &(struct origin_config){.tls = ORIGIN_TLS}, &(struct fetch_config){0});
    struct fetch *own = NULL;
    struct error err = {{0}};
    struct fetch_config config = {.ca_file = origin_ca_file(s.origin)};
    assert_int_equal(fetch_new(&config, &own, &err), 0);
    struct client *c = client_new(s.policy);
    origin_url(s.origin, c->url, sizeof c->url, "/bytes?n=5");
    client_start(c, own);
    client_wait(c);
    assert_int_equal(c->result.kind, KIND_NONE);
    c->request.ca_file = "/does/not/exist";
    snprintf(c->url, sizeof c->url, "https://localhost:%u/", origin_port(s.origin));
    client_start(c, own);
    client_wait(c);
    assert_int_equal(c->result.kind, KIND_TLS);
    client_free(c);
    fetch_free(own);
    setup_close(&s);
}

/* Every descriptor taken: a kind of its own, and the loop goes on when there are some again. */
static void test_no_descriptors(void **state)
{
    struct setup s;
    struct rlimit before, low;
    setup_open(&s, &(struct origin_config){0}, &(struct fetch_config){0});
    int idle = test_fd_count(0);
    client_free(setup_get(&s, "/bytes?n=5&close=1"));
    TEST_WAIT(test_fd_count(0) <= idle, 10000 * test_patience()); /* both ends are closed */
    int next = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_true(next >= 0);
    close(next);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    low = before;
    low.rlim_cur = (rlim_t)next;
    struct client *c = client_new(s.policy);
    origin_url(s.origin, c->url, sizeof c->url, "/bytes?n=5");
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    client_start(c, s.fetch);
    client_wait(c);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    if (c->result.kind != KIND_RESOURCES)
        fail_msg("%s: %s", kind_name(c->result.kind), c->result.message);
    assert_non_null(strstr(c->result.message, "open files"));
    client_free(c);
    c = setup_get(&s, "/bytes?n=5");
    assert_int_equal(c->result.kind, KIND_NONE);
    client_free(c);
    setup_close(&s);
}

/* None at all. (With a few, too few for a loop, libuv 1.44 leaves one of its own open.) */
static void test_no_descriptors_at_the_start(void **state)
{
    struct fetch *fetch = NULL;
    struct error err = {{0}};
    struct rlimit before, low;
    int next = open("/dev/null", O_RDONLY | O_CLOEXEC), fds;
    assert_true(next >= 0);
    close(next);
    fds = test_fd_count(0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    low = before;
    low.rlim_cur = (rlim_t)next;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    int r = fetch_new(&(struct fetch_config){.threads = 2}, &fetch, &err);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(r, -EMFILE);
    assert_non_null(strstr(err.text, "open files"));
    assert_null(fetch);
    assert_int_equal(test_fd_count(0), fds);
}

#define DESCRIPTORS 200

struct look {
    struct mail mail;
    sem_t done;
    bool before[DESCRIPTORS]; /* what the test was started with is not ours */
    int connections;
    int inheritable; /* one that a child would get; -1: none */
};

static void look_at_descriptors(struct mail *mail)
{
    struct look *look = container_of(mail, struct look, mail);
    look->inheritable = -1;
    for (int fd = 0; fd < DESCRIPTORS; fd++) {
        int flags = fcntl(fd, F_GETFD);
        struct sockaddr_storage peer;
        socklen_t len = sizeof peer;
        if (flags < 0 || look->before[fd] || getpeername(fd, (struct sockaddr *)&peer, &len) < 0 ||
            peer.ss_family == AF_UNIX)
            /* libcurl's own pair is not ours either: whoever spawns a child closes it there */
            continue;
        look->connections++;
        if (!(flags & FD_CLOEXEC))
            look->inheritable = fd;
    }
    sem_post(&look->done);
}

static void test_close_on_exec(void **state)
{
    struct setup s;
    struct look look = {.inheritable = 0};
    for (int fd = 0; fd < DESCRIPTORS; fd++)
        look.before[fd] = fcntl(fd, F_GETFD) >= 0;
    setup_open(&s, &(struct origin_config){0}, &(struct fetch_config){.receive_buffer = 65536});
    sem_init(&look.done, 0, 0);
    mail_init(&look.mail, look_at_descriptors);
    client_free(setup_get(&s, "/bytes?n=5")); /* its connection is kept */
    fetch_loop_post(fetch_loop_for(s.fetch, "127.0.0.1"), &look.mail);
    client_wait_for(&look.done, "the loop");
    assert_true(look.connections > 0);
    assert_int_equal(look.inheritable, -1);
    sem_destroy(&look.done);
    setup_close(&s);
}

static void test_ticks(void **state)
{
    struct setup s;
    struct fetch_loop_stats first, later;
    setup_open(&s, &(struct origin_config){0}, &(struct fetch_config){0});
    fetch_loop_stats(s.fetch, 0, &first);
    TEST_WAIT((fetch_loop_stats(s.fetch, 0, &later), later.ticks_ns > first.ticks_ns),
              5000 * test_patience());
    setup_close(&s);
}

static void test_same_host_same_loop(void **state)
{
    struct setup s;
    bool spread = false;
    setup_open(&s, &(struct origin_config){0}, &(struct fetch_config){.threads = 2});
    for (int i = 0; i < 50; i++) {
        char host[32];
        snprintf(host, sizeof host, "host%d.example", i);
        assert_ptr_equal(fetch_loop_for(s.fetch, host), fetch_loop_for(s.fetch, host));
        spread =
            spread || fetch_loop_for(s.fetch, host) != fetch_loop_for(s.fetch, "host0.example");
    }
    assert_true(spread);
    setup_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_to_do),
        cmocka_unit_test(test_too_many_threads),
        cmocka_unit_test(test_connection_is_reused),
        cmocka_unit_test(test_dead_connection_is_not_fatal),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_many_at_once),
        cmocka_unit_test(test_reuse_beside_stalled),
        cmocka_unit_test(test_tls),
        cmocka_unit_test(test_tls_is_verified),
        cmocka_unit_test(test_ca_file_of_the_config),
        cmocka_unit_test(test_no_descriptors),
        cmocka_unit_test(test_no_descriptors_at_the_start),
        cmocka_unit_test(test_close_on_exec),
        cmocka_unit_test(test_ticks),
        cmocka_unit_test(test_same_host_same_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
