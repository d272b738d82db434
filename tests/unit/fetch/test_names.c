/* Names with several addresses, slow and failing look-ups: this program answers libcurl's
 * getaddrinfo itself. */
#include "unit/fetch/fetch_client.h"

#include "base/fd.h"
#include "fetch/lookup.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <sys/socket.h>

static sem_t asked, answer;
static atomic_bool moved;
static atomic_uint
    slow_under_way; /* at least one a name; later libcurls ask for each family by itself */
static atomic_bool slow_answered;
static atomic_uint counted; /* how often counted.test was looked up */

static const struct {
    const char *name, *addresses[4];
} names[] = {
    {"two.test", {"127.0.0.2", "127.0.0.1"}},
    {"three.test", {"127.0.0.2", "127.0.0.3", "127.0.0.1"}},
    {"mixed.test", {"10.0.0.1", "127.0.0.1"}},
    {"inside.test", {"10.0.0.1", "169.254.169.254"}},
    {"slow.test", {"127.0.0.1"}},
    {"moving.test", {"127.0.0.2"}},
    {"counted.test", {"127.0.0.1"}},
    {"gone.test", {NULL}},
};

static int chain(const char *const *addresses, const char *service, const struct addrinfo *hints,
                 struct addrinfo **res)
{
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    *res = NULL;
    for (; *addresses; addresses++) {
        int r = real(*addresses, service, hints, res);
        if (r)
            return r;
        while (*res)
            res = &(*res)->ai_next;
    }
    return 0;
}

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **res)
{
    for (size_t i = 0; name && i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(name, names[i].name) != 0)
            continue;
        if (strcmp(name, "moving.test") == 0)
            return chain(
                (const char *const[]){atomic_load(&moved) ? "127.0.0.1" : "127.0.0.2", NULL},
                service, hints, res);
        if (strcmp(name, "counted.test") == 0)
            atomic_fetch_add(&counted, 1);
        if (strcmp(name, "slow.test") == 0) {
            atomic_fetch_add(&slow_under_way, 1);
            sem_post(&asked);
            sem_wait(&answer);
            if (atomic_load(&slow_answered))
                sem_post(&answer); /* for the next one */
            atomic_fetch_sub(&slow_under_way, 1);
        }
        return names[i].addresses[0] ? chain(names[i].addresses, service, hints, res) : EAI_NONAME;
    }
    const char *const literal[] = {name, NULL};
    return chain(literal, service, hints, res);
}

static struct setup setup;

static int open_all(void **state)
{
    sem_init(&asked, 0, 0);
    sem_init(&answer, 0, 0);
    setup_open(&setup, &(struct origin_config){0}, &(struct fetch_config){0});
    return 0;
}

static int close_all(void **state)
{
    TEST_WAIT(atomic_load(&slow_under_way) == 0, 10000);
    fetch_free(setup.fetch);
    origin_free(setup.origin);
    policy_unref(setup.policy);
    /* A look-up that was left closes what it had on a thread of its own. */
    TEST_WAIT(test_fd_count(0) == setup.fds, 10000);
    return 0;
}

static struct client *named(const char *name)
{
    struct client *c = client_new(setup.policy);
    snprintf(c->url, sizeof c->url, "http://%s:%u/bytes?n=1000&id=%s", name,
             origin_port(setup.origin), name);
    c->check_pattern = true;
    return c;
}

/* Listens on the origin's port at another address, and completes no connection. */
struct dead {
    int listener, fillers[4];
};

static void dead_open(struct dead *d, const char *address)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(origin_port(setup.origin))};
    inet_pton(AF_INET, address, &in.sin_addr);
    d->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(d->listener, (struct sockaddr *)&in, sizeof in), 0);
    assert_int_equal(listen(d->listener, 0), 0);
    for (int i = 0; i < 4; i++) {
        d->fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)connect(d->fillers[i], (struct sockaddr *)&in, sizeof in);
    }
}

static void dead_close(struct dead *d)
{
    for (int i = 0; i < 4; i++)
        fd_close(&d->fillers[i]);
    fd_close(&d->listener);
}

/* Passed over after its share of the connect time-out, long before the whole. */
static void test_dead_first_address(void **state)
{
    struct dead dead;
    dead_open(&dead, "127.0.0.2");
    struct client *c = named("two.test");
    c->request.connect_ms = 4000 * test_patience();
    client_start(c, setup.fetch);
    client_wait(c);
    dead_close(&dead);
    if (c->result.kind)
        fail_msg("%s: %s", kind_name(c->result.kind), c->result.message);
    assert_string_equal(c->result.address, "127.0.0.1");
    client_free(c);
}

/* An address has half of the time that is left, if that is more than 600 ms. */
static void test_two_dead_addresses(void **state)
{
    struct dead dead[2];
    dead_open(&dead[0], "127.0.0.2");
    dead_open(&dead[1], "127.0.0.3");
    struct client *c = named("three.test");
    c->request.connect_ms = 8000 * test_patience();
    client_start(c, setup.fetch);
    client_wait(c);
    dead_close(&dead[1]);
    dead_close(&dead[0]);
    if (c->result.kind)
        fail_msg("%s: %s", kind_name(c->result.kind), c->result.message);
    client_free(c);
}

/* Nobody listens there: the number of the socket that was closed is used again at once. An address
 * that is waited for has half of the time-out, which is longer than client_wait waits. */
static void test_closed_first_address(void **state)
{
    for (int i = 0; i < 20; i++) {
        struct client *c = named("three.test");
        c->request.headers = (const char *const[]){"Connection: close"};
        c->request.header_count = 1;
        c->request.connect_ms = 600000 * test_patience();
        client_start(c, setup.fetch);
        client_wait(c);
        assert_int_equal(c->result.kind, KIND_NONE);
        client_free(c);
    }
}

static void test_mixed_answer(void **state)
{
    struct client *c = named("mixed.test");
    client_start(c, setup.fetch);
    client_wait(c);
    assert_int_equal(c->result.kind, KIND_NONE);
    assert_string_equal(c->result.address, "127.0.0.1");
    client_free(c);
}

static void test_nothing_permitted(void **state)
{
    struct client *c = named("inside.test");
    client_start(c, setup.fetch);
    client_wait(c);
    assert_int_equal(c->result.kind, KIND_POLICY);
    assert_non_null(strstr(c->result.message, "allow = 10.0.0.1/32"));
    client_free(c);
}

/* The service moved. What curl has in its cache is a minute good, but not after a failure. */
static void test_another_address_by_now(void **state)
{
    atomic_store(&moved, false);
    struct client *c = named("moving.test");
    client_start(c, setup.fetch);
    client_wait(c);
    assert_int_equal(c->result.kind, KIND_CONNECT); /* nobody listens there */
    client_free(c);
    atomic_store(&moved, true);
    c = named("moving.test");
    client_start(c, setup.fetch);
    client_wait(c);
    if (c->result.kind)
        fail_msg("%s: %s", kind_name(c->result.kind), c->result.message);
    assert_string_equal(c->result.address, "127.0.0.1");
    client_free(c);
}

static void ask(struct fetch *fetch, const char *name)
{
    struct client *c = named(name);
    client_start(c, fetch);
    client_wait(c);
    if (c->result.kind)
        fail_msg("%s: %s: %s", name, kind_name(c->result.kind), c->result.message);
    client_free(c);
}

/* Curl looks at each name in its cache whenever a transfer ends: after so many the cache is
 * emptied, and a name from before is looked up once more. */
static void test_few_names_are_cached(void **state)
{
    char name[32];
    struct fetch *fetch;
    struct error err;
    assert_int_equal(fetch_new(&(struct fetch_config){.max_connects = 1}, &fetch, &err), 0);
    atomic_store(&counted, 0);
    ask(fetch, "counted.test");
    unsigned once = atomic_load(&counted); /* later libcurls ask for each family by itself */
    ask(fetch, "h0.localhost");            /* their connections take the place of its own */
    ask(fetch, "h1.localhost");
    ask(fetch, "counted.test");
    assert_int_equal(atomic_load(&counted), once);
    /* Names that share a bit are counted once, so that it takes some more than LOOKUP_MAX. */
    for (unsigned i = 0; i < 2 * LOOKUP_MAX; i++) {
        snprintf(name, sizeof name, "h%u.localhost", i);
        ask(fetch, name);
    }
    ask(fetch, "counted.test");
    assert_int_equal(atomic_load(&counted), 2 * once);
    fetch_free(fetch);
}

static void test_no_such_name(void **state)
{
    struct client *c = named("gone.test");
    client_start(c, setup.fetch);
    client_wait(c);
    assert_int_equal(c->result.kind, KIND_DNS);
    assert_non_null(strstr(c->result.message, "gone.test"));
    client_free(c);
}

/* Neither a cancel nor the connect clock waits for a name server, and nobody else does. */
static void test_slow_look_up(void **state)
{
    struct client *cancelled = named("slow.test"), *timed = named("slow.test");
    client_start(cancelled, setup.fetch);
    client_wait_for(&asked, "the look-up");
    struct client *c = setup_get(&setup, "/bytes?n=1000");
    assert_int_equal(c->result.kind, KIND_NONE);
    client_free(c);
    transfer_cancel(&cancelled->transfer);
    client_wait(cancelled);
    assert_int_equal(cancelled->result.stopped, true);
    timed->request.connect_ms = 30;
    client_start(timed, setup.fetch);
    client_wait(timed);
    assert_int_equal(timed->result.kind, KIND_CONNECT_TIMEOUT);
    TEST_WAIT(atomic_load(&slow_under_way) >= 2,
              10000); /* it may have been given up before its thread ran */
    atomic_store(&slow_answered, true);
    sem_post(&answer);
    client_free(cancelled);
    client_free(timed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dead_first_address),     cmocka_unit_test(test_two_dead_addresses),
        cmocka_unit_test(test_closed_first_address),   cmocka_unit_test(test_mixed_answer),
        cmocka_unit_test(test_nothing_permitted),      cmocka_unit_test(test_no_such_name),
        cmocka_unit_test(test_another_address_by_now), cmocka_unit_test(test_few_names_are_cached),
        cmocka_unit_test(test_slow_look_up),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
