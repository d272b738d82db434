/* Transfers without memory: allocation 1, 2, 3 … of the loop's thread fails, of libcurl's and
 * OpenSSL's as well, in a run each. The transfer ends once, as what it is or as `resources`, with
 * the right bytes or none that are wrong; nothing is left, no descriptor either; and with memory
 * again the same loop serves the same request well. The origins are processes of their own. */
#include "support/exhaust.h"

#include "base/reserve.h"
#include "fetch/shortage.h"
#include "fetch/trust.h"
#include "support/apart.h"
#include "unit/fetch/fetch_client.h"

#include <openssl/crypto.h>
#include <sys/resource.h>

#define DENSE    100
#define PATIENCE (60000 * test_patience())

static struct apart plain, tls, h2, h2_cut;
static struct policy *policy;
static struct fetch *fetch;
static sem_t begun;
static long failing; /* the allocation that fails */
static bool starved; /* memory may fail now, so that `resources` is a good end as well */

static struct client *new_client(const struct apart *origin, const char *path)
{
    struct client *c = client_new(policy);
    snprintf(c->url, sizeof c->url, "%s%s", origin->base, path);
    c->request.http = origin == &h2 || origin == &h2_cut ? 20 : 11;
    c->request.connect_ms = c->request.first_byte_ms = c->request.stall_ms = PATIENCE;
    c->check_pattern = true;
    return c;
}

static void run(struct client *c)
{
    client_start(c, fetch);
    client_wait(c);
    assert_int_equal(c->result.bytes, c->bytes);
}

/* Before the head is told nothing is what it seems, without memory; in mid-body a connection may be
 * given up. What nghttp2 lacks, libcurl calls a request that could not be sent. */
static bool is_short(const struct client *c)
{
    enum error_kind kind = c->result.kind;
    return kind == KIND_RESOURCES || (c->result.got_response && kind == KIND_TRUNCATED) ||
           (c->request.http == 20 && kind == KIND_CONNECT);
}

/* Did it end as it should, with all that it should have? Else it ended as `resources`. */
static bool went_well(struct client *c, enum error_kind kind, int status, uint64_t bytes)
{
    if (starved && is_short(c)) {
        assert_true(c->bytes <= bytes);
        return false;
    }
    if (c->result.kind != kind || c->status != status || c->bytes != bytes)
        fail_msg("%s, allocation %ld%s: %s (%s), status %d, %llu bytes", c->url, failing,
                 starved ? "" : " before", kind_name(c->result.kind), c->result.message, c->status,
                 (unsigned long long)c->bytes);
    return true;
}

static void get(const struct apart *origin, const char *path, enum error_kind kind, uint64_t bytes,
                enum verified_by verified)
{
    struct client *c = new_client(origin, path);
    run(c);
    if (went_well(c, kind, 200, bytes))
        assert_int_equal(c->result.verified, verified);
    client_free(c);
}

/* --- scenarios -------------------------------------------------------------------------------- */

/* Two, the second of which finds a connection. */
static void get_plain(void)
{
    get(&plain, "/bytes?n=50000&info=103", KIND_NONE, 50000, VERIFIED_LENGTH);
    get(&plain, "/bytes?n=50000&framing=chunked&trailer=1", KIND_NONE, 50000, VERIFIED_CHUNKED);
}

static void get_cut(void)
{
    get(&plain, "/bytes?n=50000&cut=20000", KIND_TRUNCATED, 20000, VERIFIED_NONE);
}

static void get_tls(void)
{
    get(&tls, "/bytes?n=50000", KIND_NONE, 50000, VERIFIED_LENGTH);
}

static void get_h2(void)
{
    get(&h2, "/", KIND_NONE, 50000, VERIFIED_HTTP2);
}

/* Whatever fails, what has no END_STREAM is not whole. */
static void get_h2_cut(void)
{
    struct client *c = new_client(&h2_cut, "/");
    run(c);
    if (c->result.kind != KIND_TRUNCATED && !(starved && is_short(c)))
        fail_msg("%s, allocation %ld: %s (%s)", c->url, failing, kind_name(c->result.kind),
                 c->result.message);
    assert_true(c->bytes <= 25000);
    client_free(c);
}

static void post(void)
{
    static const char *const headers[] = {"X-Given: yes", "X-Empty:", "Accept: text/csv"};
    static char body[5000];
    struct client *c = new_client(&plain, "/echo");
    for (size_t i = 0; i < sizeof body; i++)
        body[i] = (char)origin_pattern(i);
    c->request.method = "POST";
    c->request.body = body;
    c->request.body_len = sizeof body;
    c->request.headers = headers;
    c->request.header_count = 3;
    c->request.user_agent = "agent/1";
    run(c);
    went_well(c, KIND_NONE, 200, sizeof body);
    client_free(c);
}

/* Where it leads is told whole, or not at all. */
static void redirect(void)
{
    static unsigned number; /* each run is another client of the origin's */
    char path[64];
    snprintf(path, sizeof path, "/bytes?n=1000&redirects=1&id=%u", ++number);
    struct client *c = new_client(&plain, path);
    c->check_pattern = false;
    run(c);
    if (went_well(c, KIND_NONE, 302, c->bytes)) {
        if (!c->has_location || strncmp(c->location, plain.base, strlen(plain.base)) != 0)
            fail_msg("%s leads to %s", c->url, c->location);
        snprintf(c->url, sizeof c->url, "%s", c->location);
        c->check_pattern = true;
        c->responses = 0;
        run(c);
        went_well(c, KIND_NONE, 200, 1000);
    }
    client_free(c);
}

/* The second half of a body whose first is there. */
static void resume(void)
{
    struct client *c = new_client(&plain, "/bytes?n=50000&etag=is:%22a%22");
    c->request.range_from = 20000;
    c->request.if_range = "\"a\"";
    c->pattern_from = 20000;
    run(c);
    if (went_well(c, KIND_NONE, 206, 30000))
        assert_non_null(strcasestr(c->headers, "content-range=bytes 20000-49999/50000\n"));
    client_free(c);
}

static void pause_often(void)
{
    struct client *c = new_client(&plain, "/bytes?n=400000");
    c->pause_one_in = 2;
    run(c);
    if (went_well(c, KIND_NONE, 200, 400000))
        assert_true(c->pauses > 0);
    client_free(c);
}

/* Stopped while it is paused: by transfer_cancel. */
static void cancel(void)
{
    struct client *c = new_client(&plain, "/bytes?n=400000");
    c->pause_for_good = true;
    client_start(c, fetch);
    bool paused = false;
    TEST_WAIT((paused = sem_trywait(&c->paused) == 0) || sem_trywait(&c->ended) == 0, 2 * PATIENCE);
    if (paused) {
        transfer_cancel(&c->transfer);
        client_wait(c);
    }
    assert_true(c->result.stopped || (starved && is_short(c)));
    assert_int_equal(c->bytes, 0);
    client_free(c);
}

/* --- sweeps ----------------------------------------------------------------------------------- */

static int new_fetch(const struct apart *origin)
{
    const struct fetch_config config = {.ca_file = origin->ca_file ? origin->ca_file : tls.ca_file};
    struct error err;
    return fetch_new(&config, &fetch, &err);
}

static void on_begun(struct mail *mail)
{
    sem_post(&begun);
}

/* Its loop has done what it does at its start. */
static void new_fetch_that_runs(const struct apart *origin)
{
    struct mail mail;
    assert_int_equal(new_fetch(origin), 0);
    mail_init(&mail, on_begun);
    fetch_loop_post(fetch_loop_at(fetch, 0), &mail);
    client_wait_for(&begun, "the loop's start");
}

/* True: it made fewer than n allocations. */
static bool run_once(void (*scenario)(void), const struct apart *origin, long n)
{
    new_fetch_that_runs(origin);
    starved = true;
    failing = n;
    atomic_store(&exhaust_at, n);
    scenario();
    bool all = atomic_exchange(&exhaust_at, 0) > 0;
    starved = false;
    scenario(); /* the loop is none the worse for it */
    fetch_free(fetch);
    return all;
}

static void sweep(void (*scenario)(void), const struct apart *origin)
{
    long n = 0, runs = 0;
    bool unknown = origin->ca_file && OpenSSL_version_num() >> 20 != 0x300;
    if (!exhaust_possible || unknown) /* later OpenSSLs have not been swept */
        skip();
    for (int i = 0; i < 2; i++) /* what libraries keep for good is made now */
        run_once(scenario, origin, 1000000);
    int fds = test_fd_count(0);
    for (bool all = false; !all; runs++) {
        long before = atomic_load(&exhaust_live);
        n = exhaust_next(n, DENSE);
        all = run_once(scenario, origin, n);
        /* Is it kept, as for a thread that is about to end, or lost each time? */
        for (int again = 0; again < 5 && atomic_load(&exhaust_live) > before; again++) {
            before = atomic_load(&exhaust_live);
            run_once(scenario, origin, n);
        }
        if (atomic_load(&exhaust_live) > before)
            fail_msg("allocation %ld: %ld blocks were left", n,
                     atomic_load(&exhaust_live) - before);
        assert_int_equal(test_fd_count(0), fds);
        assert_true(n < 100000);
    }
    assert_true(runs > 10);
    print_message("%ld runs, up to allocation %ld\n", runs - 1, n - 1);
}

#define SWEEP(scenario, origin)               \
    static void test_##scenario(void **state) \
    {                                         \
        sweep(scenario, &origin);             \
    }
SWEEP(get_plain, plain)
SWEEP(get_cut, plain)
SWEEP(get_tls, tls)
SWEEP(get_h2, h2)
SWEEP(get_h2_cut, h2_cut)
SWEEP(post, plain)
SWEEP(redirect, plain)
SWEEP(resume, plain)
SWEEP(pause_often, plain)
SWEEP(cancel, plain)

/* The loops' own start and end. */
static void test_loops(void **state)
{
    long n = 0;
    if (!exhaust_counts)
        skip();
    for (bool all = false; !all;) {
        long before = atomic_load(&exhaust_live);
        int fds = test_fd_count(0);
        atomic_store(&exhaust_at, ++n);
        exhaust_spares = false;
        int r = new_fetch(&tls);
        exhaust_spares = true;
        all = atomic_exchange(&exhaust_at, 0) > 0;
        if (r == 0)
            fetch_free(fetch);
        else
            assert_int_equal(r, -ENOMEM);
        assert_true(r == 0 || !all);
        assert_true(atomic_load(&exhaust_live) <= before);
        assert_int_equal(test_fd_count(0), fds);
    }
    print_message("%ld allocations\n", n - 1);
}

static int on_response_short(struct transfer *t, const struct transfer_response *response)
{
    shortage_note();
    return client_on_response(t, response);
}

static bool reuses_connection(const struct transfer_ops *own)
{
    struct client *c = new_client(&tls, "/bytes?n=500");
    transfer_start(&c->transfer, fetch_loop_at(fetch, 0), &c->request, own, c);
    client_wait(c);
    assert_int_equal(c->result.kind, KIND_NONE);
    bool reused = c->result.connection_reused;
    client_free(c);
    return reused;
}

/* What libcurl made of the CA bundle for a connection that had no memory for something may lack
 * certificates: it is not used again, nor is what was judged by it. */
static void test_trust(void **state)
{
    struct transfer_ops is_short = client_ops;
    is_short.on_response = on_response_short;
    new_fetch_that_runs(&tls);
    assert_false(reuses_connection(&client_ops));
    assert_true(reuses_connection(&client_ops));
    assert_true(reuses_connection(&is_short)); /* the bundle was read before */
    assert_true(reuses_connection(&client_ops));
    fetch_free(fetch);
    new_fetch_that_runs(&tls);
    assert_false(reuses_connection(&is_short));
    assert_false(reuses_connection(&client_ops));
    assert_true(reuses_connection(&client_ops));
    fetch_free(fetch);
}

/* A bundle that is there and good, and could not be read: memory or descriptors were short. */
static void test_bundle(void **state)
{
    const char *garbage = test_path("garbage.pem");
    struct rlimit old, none;
    test_write_file(garbage, "no certificate", 14);
    assert_true(trust_lacks_resources(tls.ca_file));
    assert_false(trust_lacks_resources(garbage));
    assert_false(trust_lacks_resources("/no/such.pem"));
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    none = old;
    none.rlim_cur = 3;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    bool lacks = trust_lacks_resources(garbage);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    assert_true(lacks);
}

static int start_all(void **state)
{
    apart_start(&plain, &(struct origin_config){0});
    apart_start(&tls, &(struct origin_config){.tls = ORIGIN_TLS});
    apart_start_h2(&h2, 50000, false);
    apart_start_h2(&h2_cut, 50000, true);
    policy = client_policy("127.0.0.0/8");
    sem_init(&begun, 0, 0);
    return new_fetch(&tls) < 0 ? -1 : (fetch_free(fetch), 0);
}

static int stop_all(void **state)
{
    apart_stop(&plain);
    apart_stop(&tls);
    apart_stop(&h2);
    apart_stop(&h2_cut);
    policy_unref(policy);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loops),   cmocka_unit_test(test_trust),
        cmocka_unit_test(test_bundle),  cmocka_unit_test(test_get_plain),
        cmocka_unit_test(test_get_cut), cmocka_unit_test(test_get_tls),
        cmocka_unit_test(test_get_h2),  cmocka_unit_test(test_get_h2_cut),
        cmocka_unit_test(test_post),    cmocka_unit_test(test_redirect),
        cmocka_unit_test(test_resume),  cmocka_unit_test(test_pause_often),
        cmocka_unit_test(test_cancel),
    };
    exhaust_spares = true;
    if (reserve_for_libuv() < 0)
        return 1;
    return cmocka_run_group_tests(tests, start_all, stop_all);
}
