/* Cancelling in every state, from other threads: one on_end, always. Meant for TSan as well. */
#include "unit/fetch/fetch_client.h"

#include <dlfcn.h>
#include <netdb.h>
#include <pthread.h>

static struct setup setup;
static sem_t look_up_begun, look_up_may_end;

/* In place of libc's, for libcurl: the look-up of slow.test takes until the test says so. */
int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **res)
{
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    if (!name || strcmp(name, "slow.test") != 0)
        return real(name, service, hints, res);
    sem_post(&look_up_begun);
    while (sem_wait(&look_up_may_end) < 0)
        ;
    sem_post(&look_up_may_end); /* later libcurls ask for each family by itself */
    return EAI_NONAME;
}

static int open_all(void **state)
{
    sem_init(&look_up_begun, 0, 0);
    sem_init(&look_up_may_end, 0, 0);
    setup_open(&setup, &(struct origin_config){0}, &(struct fetch_config){.threads = 2});
    return 0;
}

static int close_all(void **state)
{
    fetch_free(setup.fetch);
    origin_free(setup.origin);
    policy_unref(setup.policy);
    /* A look-up that was left closes what it had on a thread of its own. */
    TEST_WAIT(test_fd_count(0) == setup.fds, 10000 * test_patience());
    return 0;
}

static struct client *client_for(const char *path)
{
    struct client *c = client_new(setup.policy);
    origin_url(setup.origin, c->url, sizeof c->url, "%s", path);
    c->check_pattern = true;
    return c;
}

static void check_stopped(struct client *c)
{
    client_wait(c);
    assert_int_equal(c->ends, 1);
    assert_int_equal(c->result.stopped, true);
    assert_int_equal(c->result.kind, KIND_INTERNAL);
    client_free(c);
}

static void test_before_it_begins(void **state)
{
    struct client *c = client_for("/bytes?endless=1");
    client_start(c, setup.fetch);
    transfer_cancel(&c->transfer);
    transfer_cancel(&c->transfer);
    check_stopped(c);
}

/* A name server that does not answer must hold up neither the cancel nor the loop. */
static void test_in_a_look_up(void **state)
{
    struct client *c = client_for("/");
    snprintf(c->url, sizeof c->url, "http://slow.test/");
    client_start(c, setup.fetch);
    client_wait_for(&look_up_begun, "the look-up");
    transfer_cancel(&c->transfer);
    check_stopped(c);
    sem_post(&look_up_may_end);
}

static void test_connecting(void **state)
{
    struct test_deaf deaf;
    struct fetch_loop_stats stats;
    test_deaf_open(&deaf);
    struct client *c = client_for("/");
    snprintf(c->url, sizeof c->url, "http://127.0.0.1:%u/", deaf.port);
    client_start(c, setup.fetch);
    size_t i = fetch_loop_for(setup.fetch, "127.0.0.1") == fetch_loop_for(setup.fetch, "a");
    do { /* whichever loop it is on, it runs */
        i = (i + 1) % 2;
        fetch_loop_stats(setup.fetch, i, &stats);
    } while (!stats.running);
    transfer_cancel(&c->transfer);
    check_stopped(c);
    test_deaf_close(&deaf);
}

static void test_waiting_for_the_head(void **state)
{
    struct client *c = client_for("/bytes?n=5&hold=never&id=waiting");
    struct origin_counts counts = {0};
    client_start(c, setup.fetch);
    TEST_WAIT(origin_counts(setup.origin, "waiting", &counts) && counts.held, 10000);
    transfer_cancel(&c->transfer);
    check_stopped(c);
}

static void test_in_the_body(void **state)
{
    struct client *c = client_for("/bytes?endless=1");
    client_start(c, setup.fetch);
    client_wait_for(&c->responded, "the head");
    transfer_cancel(&c->transfer);
    check_stopped(c);
}

static void test_paused(void **state)
{
    struct client *c = client_for("/bytes?endless=1");
    c->pause_for_good = true;
    client_start(c, setup.fetch);
    client_wait_for(&c->paused, "the pause");
    transfer_cancel(&c->transfer);
    check_stopped(c);
}

static void test_never_started_and_ended(void **state)
{
    struct client *c = client_for("/bytes?n=10");
    transfer_cancel(&c->transfer); /* zeroed */
    client_start(c, setup.fetch);
    client_wait(c);
    assert_int_equal(c->result.kind, KIND_NONE);
    transfer_cancel(&c->transfer);
    assert_int_equal(c->ends, 1);
    client_start(c, setup.fetch); /* that cancel was of no later life */
    client_wait(c);
    assert_int_equal(c->result.kind, KIND_NONE);
    assert_int_equal(c->ends, 2);
    client_free(c);
}

/* Each of many is cancelled at another moment of its life, with pauses and resumes under way. */
#define STORM 150

struct storm {
    struct client *clients[STORM];
    unsigned random;
};

static void *cancel_all(void *arg)
{
    struct storm *storm = arg;
    for (unsigned i = 0; i < STORM; i++) {
        storm->random = storm->random * 1103515245u + 12345u;
        struct timespec ts = {.tv_nsec = (long)((storm->random >> 16) % 200) * 1000};
        nanosleep(&ts, NULL); /* not to wait for anything: to hit another moment each time */
        transfer_cancel(&storm->clients[i]->transfer);
    }
    return NULL;
}

static void storm(const char *path, unsigned random)
{
    struct storm s = {.random = random};
    pthread_t threads[2];
    for (unsigned i = 0; i < STORM; i++) {
        s.clients[i] = client_for(path);
        s.clients[i]->pause_one_in = i % 2 ? 2 : 0;
        s.clients[i]->random = random + i;
        s.clients[i]->request.host = i % 3 ? "a" : "127.0.0.1";
        s.clients[i]->request.stall_ms = i % 5 ? 0 : 1;
        client_start(s.clients[i], setup.fetch);
    }
    struct storm other = s; /* both cancel them all, each in its own time */
    other.random = random + 7;
    assert_int_equal(pthread_create(&threads[0], NULL, cancel_all, &s), 0);
    assert_int_equal(pthread_create(&threads[1], NULL, cancel_all, &other), 0);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    for (unsigned i = 0; i < STORM; i++) {
        client_wait(s.clients[i]);
        assert_int_equal(s.clients[i]->ends, 1);
        if (!s.clients[i]->result.stopped && s.clients[i]->result.kind == KIND_NONE &&
            s.clients[i]->status == 200)
            assert_int_equal(s.clients[i]->result.verified, VERIFIED_LENGTH);
        client_free(s.clients[i]);
    }
}

static void test_storm_on_short_ones(void **state)
{
    storm("/bytes?n=2000", 1);
    storm("/bytes?n=40000", 2);
}

static void test_storm_on_endless_ones(void **state)
{
    storm("/bytes?endless=1", 3);
}

static void test_storm_on_slow_ones(void **state)
{
    storm("/bytes?n=100000&slow_head=5&drip=1,1000", 4);
}

static void test_storm_on_failing_ones(void **state)
{
    storm("/bytes?n=100000&reset=30000", 5);
}

/* Started again right from on_end, hundreds of times over. */
static void test_again_from_on_end(void **state)
{
    struct client *c = client_for("/bytes?n=0");
    c->again = 300;
    client_start(c, setup.fetch);
    client_wait(c);
    assert_int_equal(c->ends, 301);
    assert_int_equal(c->responses, 301);
    assert_int_equal(c->result.kind, KIND_NONE);
    client_free(c);
}

/* Cancels while it starts again and again: whichever life they hit, each has one end. */
static void test_cancel_against_starting_again(void **state)
{
    struct client *c = client_for("/bytes?n=100");
    c->again = 300;
    client_start(c, setup.fetch);
    while (sem_trywait(&c->ended) < 0)
        transfer_cancel(&c->transfer);
    assert_int_equal(c->ends, 301);
    client_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_before_it_begins),
        cmocka_unit_test(test_in_a_look_up),
        cmocka_unit_test(test_connecting),
        cmocka_unit_test(test_waiting_for_the_head),
        cmocka_unit_test(test_in_the_body),
        cmocka_unit_test(test_paused),
        cmocka_unit_test(test_never_started_and_ended),
        cmocka_unit_test(test_storm_on_short_ones),
        cmocka_unit_test(test_storm_on_endless_ones),
        cmocka_unit_test(test_storm_on_slow_ones),
        cmocka_unit_test(test_storm_on_failing_ones),
        cmocka_unit_test(test_again_from_on_end),
        cmocka_unit_test(test_cancel_against_starting_again),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
