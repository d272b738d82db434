/* The clocks: each fires in its stage, and in no other. One that is to fire is short; one that is
 * not to is long enough for an origin that a busy machine holds up. */
#include "unit/fetch/fetch_client.h"

static struct setup setup;

static int open_all(void **state)
{
    setup_open(&setup, &(struct origin_config){0}, &(struct fetch_config){0});
    return 0;
}

static int close_all(void **state)
{
    setup_close(&setup);
    return 0;
}

static struct client *timed(const char *path, uint32_t connect_ms, uint32_t first_byte_ms,
                            uint32_t stall_ms)
{
    struct client *c = client_new(setup.policy);
    origin_url(setup.origin, c->url, sizeof c->url, "%s", path);
    c->request.connect_ms = connect_ms;
    c->request.first_byte_ms = first_byte_ms;
    c->request.stall_ms = stall_ms;
    return c;
}

static uint64_t run(struct client *c)
{
    uint64_t before = test_now_ms();
    client_start(c, setup.fetch);
    client_wait(c);
    return test_now_ms() - before;
}

static void expect(struct client *c, enum error_kind kind, unsigned at_least_ms)
{
    uint64_t took = run(c);
    if (c->result.kind != kind)
        fail_msg("%s: %s: %s", c->url, kind_name(c->result.kind), c->result.message);
    assert_int_equal(c->result.stopped, false);
    assert_true(took + 1 >= at_least_ms); /* the clocks round to milliseconds */
    client_free(c);
}

static void test_connect(void **state)
{
    struct test_deaf deaf;
    test_deaf_open(&deaf);
    struct client *c = timed("/", 60, 10, 10);
    snprintf(c->url, sizeof c->url, "http://127.0.0.1:%u/", deaf.port);
    expect(c, KIND_CONNECT_TIMEOUT, 60);
    test_deaf_close(&deaf);
}

/* The handshake belongs to connecting. */
static void test_tls_handshake(void **state)
{
    struct origin *silent = origin_new(&(struct origin_config){.tls = ORIGIN_TLS_SILENT});
    struct client *c = timed("/", 60, 10, 10);
    snprintf(c->url, sizeof c->url, "https://127.0.0.1:%u/", origin_port(silent));
    expect(c, KIND_CONNECT_TIMEOUT, 60);
    origin_free(silent);
}

static void test_first_byte(void **state)
{
    expect(timed("/silence", 10000, 40, 10000), KIND_FIRST_BYTE_TIMEOUT, 40);
    expect(timed("/bytes?n=5&slow_head=5000", 10000, 40, 10000), KIND_FIRST_BYTE_TIMEOUT, 40);
}

static void test_stall(void **state)
{
    expect(timed("/bytes?n=100000&stall=0", 10000, 10000, 40), KIND_STALLED, 40);
    expect(timed("/bytes?n=100000&stall=50000", 10000, 10000, 40), KIND_STALLED, 40);
    expect(timed("/bytes?n=100000&stall=50000&framing=chunked", 10000, 10000, 40), KIND_STALLED,
           40);
    expect(timed("/bytes?n=100000&stall=50000&framing=close", 10000, 10000, 40), KIND_STALLED, 40);
}

/* Slower as a whole than the clock, but never silent for that long. */
static void test_slow_is_not_stalled(void **state)
{
    unsigned stall = 1000 * test_patience();
    struct client *c = timed("/bytes?n=40&drip=50,1", 10000, 10000, stall);
    c->check_pattern = true;
    assert_true(run(c) >= 1500);
    assert_int_equal(c->result.kind, KIND_NONE);
    client_free(c);
}

/* The head has come late, but it has; then the body may take its own time. */
static void test_first_byte_only_until_the_first(void **state)
{
    struct client *c = timed("/bytes?n=40&drip=50,1", 10000, 1000 * test_patience(), 10000);
    run(c);
    assert_int_equal(c->result.kind, KIND_NONE);
    client_free(c);
}

static void test_no_clock_while_paused(void **state)
{
    unsigned stall = 100 * test_patience();
    struct client *c = timed("/bytes?n=100000", 10000, 10000, 3 * stall);
    c->pause_for_good = true;
    client_start(c, setup.fetch);
    client_wait_for(&c->paused, "the pause");
    /* Ten others in turn take longer than its stall clock, several times over. */
    for (int i = 0; i < 10; i++)
        expect(timed("/bytes?n=40&stall=10", 10000, 10000, stall), KIND_STALLED, stall);
    assert_int_equal(sem_trywait(&c->ended), -1);
    transfer_cancel(&c->transfer);
    client_wait(c);
    assert_int_equal(c->result.stopped, true);
    client_free(c);
}

/* The clock stood still, and starts from nothing at the resume. */
static void test_stall_after_a_pause(void **state)
{
    struct client *c = timed("/bytes?n=100000&stall=50000", 10000, 10000, 40);
    c->pause_one_in = 2;
    expect(c, KIND_STALLED, 40);
}

static void test_interim_responses_are_no_first_byte(void **state)
{
    struct client *c = timed("/bytes?n=5&info=103&slow_head=5000", 10000, 40, 10000);
    expect(c, KIND_FIRST_BYTE_TIMEOUT, 40);
}

/* ::1 of localhost hangs or is refused, 127.0.0.1 answers: the second address is tried in time. */
static void test_second_address(void **state)
{
    struct policy *policy = NULL;
    const char *allow[] = {"127.0.0.0/8", "::1"};
    struct error err = {{0}};
    assert_int_equal(policy_new(allow, 2, NULL, 0, &policy, &err), 0);
    struct client *c = timed("/", 5000, 5000, 5000);
    snprintf(c->url, sizeof c->url, "http://localhost:%u/bytes?n=100", origin_port(setup.origin));
    c->request.policy = policy;
    run(c);
    assert_int_equal(c->result.kind, KIND_NONE);
    assert_string_equal(c->result.address, "127.0.0.1");
    client_free(c);
    policy_unref(policy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_connect),
        cmocka_unit_test(test_tls_handshake),
        cmocka_unit_test(test_first_byte),
        cmocka_unit_test(test_stall),
        cmocka_unit_test(test_slow_is_not_stalled),
        cmocka_unit_test(test_first_byte_only_until_the_first),
        cmocka_unit_test(test_no_clock_while_paused),
        cmocka_unit_test(test_stall_after_a_pause),
        cmocka_unit_test(test_interim_responses_are_no_first_byte),
        cmocka_unit_test(test_second_address),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
