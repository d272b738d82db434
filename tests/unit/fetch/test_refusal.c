/* The policy in real transfers: a port on loopback that must never see a connection, however its
 * address is spelled; and the ways on which it may. */
#include "unit/fetch/fetch_client.h"

#include "base/fd.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

static struct fetch *fetch;

static int open_fetch(void **state)
{
    struct error err = {{0}};
    return fetch_new(&(struct fetch_config){.threads = 2}, &fetch, &err);
}

static int close_fetch(void **state)
{
    fetch_free(fetch);
    return 0;
}

/* Listens on every address of the machine, IPv6 and mapped IPv4, and on 127.0.0.1 alone without
 * IPv6. */
static int listen_everywhere(int *ret_port)
{
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    struct sockaddr_in in = {.sin_family = AF_INET};
    int off = 0, fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0) {
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
        if (bind(fd, (struct sockaddr *)&in6, sizeof in6) < 0)
            fd_close(&fd);
    }
    if (fd < 0) {
        fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof in), 0);
    }
    assert_int_equal(listen(fd, 16), 0);
    struct sockaddr_storage bound;
    socklen_t len = sizeof bound;
    assert_int_equal(getsockname(fd, (struct sockaddr *)&bound, &len), 0);
    *ret_port = ntohs(((struct sockaddr_in *)&bound)->sin_port);
    return fd;
}

static bool somebody_came(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, 0) > 0;
}

/* Refused by its literal, or by what the name resolved to. */
static void test_spellings_of_loopback(void **state)
{
    static const char *const spellings[] = {
        "127.0.0.1",
        "127.0.0.2",
        "127.1",
        "127.0.1",
        "0",
        "0.0.0.0",
        "0x0",
        "00",
        "2130706433",
        "0x7f000001",
        "0X7F.0.0.1",
        "0x7f.1",
        "017700000001",
        "0177.0.0.1",
        "0177.0x0.0.01",
        "127.0.0.1.",
        "127%2e0%2e0%2e1",
        "[::1]",
        "[0:0:0:0:0:0:0:1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::ffff:0:127.0.0.1]",
        "[::127.0.0.1]",
        "[64:ff9b::127.0.0.1]",
        "[2002:7f00:1::]",
        "localhost",
        "LOCALHOST",
        "localhost.",
        "x.localhost",
        "ip6-localhost",
    };
    struct policy *policy = client_policy(NULL);
    int port, fd = listen_everywhere(&port);
    for (size_t i = 0; i < sizeof spellings / sizeof spellings[0]; i++) {
        struct client *c = client_new(policy);
        snprintf(c->url, sizeof c->url, "http://%s:%d/", spellings[i], port);
        c->request.connect_ms = 10000;
        client_start(c, fetch);
        client_wait(c);
        /* A name may not resolve here, and curl may not take a spelling for a host. Connecting is
         * what is forbidden. */
        if (c->result.kind != KIND_POLICY && c->result.kind != KIND_DNS &&
            c->result.kind != KIND_PROTOCOL)
            fail_msg("%s: %s: %s", c->url, kind_name(c->result.kind), c->result.message);
        if (c->result.kind == KIND_POLICY)
            assert_non_null(strstr(c->result.message, "allow = "));
        if (somebody_came(fd))
            fail_msg("%s was connected to", c->url);
        client_free(c);
    }
    fd_close(&fd);
    policy_unref(policy);
}

static void test_localhost_is_refused_by_its_address(void **state)
{
    struct policy *policy = client_policy(NULL);
    struct client *c = client_new(policy);
    snprintf(c->url, sizeof c->url, "http://localhost:%u/", test_closed_port());
    client_start(c, fetch);
    client_wait(c);
    assert_int_equal(c->result.kind, KIND_POLICY);
    assert_non_null(strstr(c->result.message, "(host localhost)"));
    assert_non_null(strstr(c->result.message, "loopback"));
    assert_string_equal(c->result.address, "");
    client_free(c);
    policy_unref(policy);
}

/* localhost is ::1 and 127.0.0.1; only the latter may be used, and is. */
static void test_mixed_answer_uses_what_is_permitted(void **state)
{
    struct origin *origin = origin_new(&(struct origin_config){0});
    struct policy *policy = client_policy("127.0.0.1");
    struct client *c = client_new(policy);
    snprintf(c->url, sizeof c->url, "http://localhost:%u/bytes?n=1000", origin_port(origin));
    c->check_pattern = true;
    client_start(c, fetch);
    client_wait(c);
    assert_int_equal(c->result.kind, KIND_NONE);
    assert_string_equal(c->result.address, "127.0.0.1");
    client_free(c);
    policy_unref(policy);
    origin_free(origin);
}

/* A permitted address that refuses the connection is why it failed, not the other one that was not
 * allowed. */
static void test_permitted_and_closed_is_connect(void **state)
{
    struct policy *policy = client_policy("127.0.0.1");
    struct client *c = client_new(policy);
    snprintf(c->url, sizeof c->url, "http://localhost:%u/", test_closed_port());
    client_start(c, fetch);
    client_wait(c);
    assert_int_equal(c->result.kind, KIND_CONNECT);
    client_free(c);
    policy_unref(policy);
}

/* The connection is there already, from a job with another policy. (Of other names, the system test
 * ssrf has the address of such a connection judged.) */
static void test_localhost_is_judged_though_a_connection_stands(void **state)
{
    struct origin *origin = origin_new(&(struct origin_config){0});
    struct policy *allowed = client_policy("127.0.0.0/8"), *refused = client_policy(NULL);
    struct client *c = client_new(allowed);
    struct origin_counts counts;
    snprintf(c->url, sizeof c->url, "http://localhost:%u/bytes?n=10&id=judged",
             origin_port(origin));
    client_start(c, fetch);
    client_wait(c);
    assert_int_equal(c->result.kind, KIND_NONE);
    c->request.policy = refused;
    client_start(c, fetch);
    client_wait(c);
    assert_int_equal(c->result.kind, KIND_POLICY);
    assert_int_equal(c->result.got_response, false);
    assert_true(origin_counts(origin, "judged", &counts));
    assert_int_equal(counts.requests, 1);
    client_free(c);
    policy_unref(allowed);
    policy_unref(refused);
    origin_free(origin);
}

/* The proxy's own address is exempt; literals and names are judged. */
static void test_proxy(void **state)
{
    struct origin *proxy = origin_new(&(struct origin_config){0});
    struct policy *policy = client_policy(NULL);
    struct client *c = client_new(policy);
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%u", origin_port(proxy));
    c->request.proxy = url;
    snprintf(c->url, sizeof c->url, "http://10.0.0.1/bytes?n=10");
    client_start(c, fetch);
    client_wait(c);
    assert_int_equal(c->result.kind, KIND_POLICY);
    snprintf(c->url, sizeof c->url, "http://does-not-exist.invalid/bytes?n=10");
    client_start(c, fetch);
    client_wait(c);
    assert_int_equal(c->result.got_response,
                     true); /* whatever the origin makes of a proxy's request */
    assert_string_equal(c->result.address, "127.0.0.1");
    static const char *const loopback[] = {"localhost", "LOCALHOST.", "a.localhost"};
    for (size_t i = 0; i < 3; i++) { /* the proxy's own loopback */
        snprintf(c->url, sizeof c->url, "http://%s/bytes?n=10", loopback[i]);
        client_start(c, fetch);
        client_wait(c);
        assert_int_equal(c->result.kind, KIND_POLICY);
        assert_non_null(strstr(c->result.message, "allow = 127.0.0.1/32"));
    }
    setenv("no_proxy", "*", 1); /* would send it directly, and find no such name */
    snprintf(c->url, sizeof c->url, "http://does-not-exist.invalid/bytes?n=10");
    snprintf(url, sizeof url, "http://127.0.0.1:%u", test_closed_port());
    client_start(c, fetch);
    client_wait(c);
    unsetenv("no_proxy");
    assert_int_equal(c->result.kind, KIND_PROXY);
    client_free(c);
    policy_unref(policy);
    origin_free(proxy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spellings_of_loopback),
        cmocka_unit_test(test_localhost_is_refused_by_its_address),
        cmocka_unit_test(test_mixed_answer_uses_what_is_permitted),
        cmocka_unit_test(test_permitted_and_closed_is_connect),
        cmocka_unit_test(test_localhost_is_judged_though_a_connection_stands),
        cmocka_unit_test(test_proxy),
    };
    return cmocka_run_group_tests(tests, open_fetch, close_fetch);
}
