/* Pausing at random: every byte arrives once and in order, over each framing, plain and TLS; and
 * what happens to a transfer that is paused when it ends. */
#include "unit/fetch/fetch_client.h"

#define BODY 3000000

static struct setup setup;

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

static struct client *paused_client(const char *framing, unsigned random)
{
    struct client *c = client_new(setup.policy);
    origin_url(setup.origin, c->url, sizeof c->url, "/bytes?n=%d&framing=%s", BODY, framing);
    c->request.ca_file = origin_ca_file(setup.origin);
    c->request.stall_ms = 10000 * test_patience();
    c->check_pattern = true;
    c->pause_one_in = 3;
    c->random = random;
    return c;
}

static void pause_at_random(const char *framing, enum verified_by verified)
{
    struct client *clients[5];
    for (unsigned i = 0; i < 5; i++) {
        clients[i] = paused_client(framing, i + 1);
        client_start(clients[i], setup.fetch);
    }
    for (unsigned i = 0; i < 5; i++) {
        struct client *c = clients[i];
        client_wait(c);
        if (c->result.kind)
            fail_msg("%s: %s: %s", c->url, kind_name(c->result.kind), c->result.message);
        assert_int_equal(c->result.verified, verified);
        assert_int_equal(c->bytes, BODY);
        assert_int_equal(c->result.bytes, BODY);
        assert_true(c->pauses > 10);
        client_free(c);
    }
}

static void test_plain(void **state)
{
    pause_at_random("length", VERIFIED_LENGTH);
    pause_at_random("chunked", VERIFIED_CHUNKED);
    pause_at_random("close", VERIFIED_NONE);
}

static void test_tls(void **state)
{
    pause_at_random("length", VERIFIED_LENGTH);
    pause_at_random("chunked", VERIFIED_CHUNKED);
}

/* The last piece refused, with the whole response already inside of curl. */
static void test_pause_at_the_very_end(void **state)
{
    for (unsigned random = 1; random <= 40; random++) {
        struct client *c = client_new(setup.policy);
        origin_url(setup.origin, c->url, sizeof c->url, "/bytes?n=10&framing=%s",
                   random % 2 ? "length" : "chunked");
        c->check_pattern = true;
        c->pause_one_in = 2;
        c->random = random;
        client_start(c, setup.fetch);
        client_wait(c);
        assert_int_equal(c->result.kind, KIND_NONE);
        assert_int_equal(c->bytes, 10);
        client_free(c);
    }
}

static void test_cut_while_pausing(void **state)
{
    for (unsigned random = 1; random <= 10; random++) {
        struct client *c = client_new(setup.policy);
        origin_url(setup.origin, c->url, sizeof c->url, "/bytes?n=1000000&cut=500000");
        c->check_pattern = true;
        c->pause_one_in = 2;
        c->random = random;
        client_start(c, setup.fetch);
        client_wait(c);
        assert_int_equal(c->result.kind, KIND_TRUNCATED);
        assert_int_equal(c->bytes, 500000);
        client_free(c);
    }
}

/* The consumer says stop in the piece that a resume delivers: curl tells that by a return code
 * only. */
static void test_stop_inside_resume(void **state)
{
    for (unsigned random = 1; random <= 20; random++) {
        struct client *c = client_new(setup.policy);
        origin_url(setup.origin, c->url, sizeof c->url, "/bytes?endless=1");
        c->check_pattern = true;
        c->pause_one_in = 2;
        c->random = random;
        c->stop_after = 30000;
        client_start(c, setup.fetch);
        client_wait(c);
        assert_int_equal(c->result.stopped, true);
        assert_int_equal(c->ends, 1);
        client_free(c);
    }
}

/* A paused transfer holds up nothing beside it, and memory stays where it is. */
static void test_paused_beside_others(void **state)
{
    struct client *held = client_new(setup.policy);
    struct origin_counts counts;
    origin_url(setup.origin, held->url, sizeof held->url, "/bytes?endless=1&id=held");
    held->pause_for_good = true;
    client_start(held, setup.fetch);
    client_wait_for(&held->paused, "the pause");
    for (int i = 0; i < 20; i++) {
        struct client *c = setup_get(&setup, "/bytes?n=200000");
        assert_int_equal(c->result.kind, KIND_NONE);
        client_free(c);
    }
    assert_int_equal(held->pauses, 1);
    assert_true(origin_counts(setup.origin, "held", &counts));
    assert_true(counts.body_sent < 16 << 20); /* what sockets hold; endless otherwise */
    transfer_cancel(&held->transfer);
    client_wait(held);
    client_free(held);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_plain, open_plain, close_all),
        cmocka_unit_test_setup_teardown(test_tls, open_tls, close_all),
        cmocka_unit_test_setup_teardown(test_pause_at_the_very_end, open_plain, close_all),
        cmocka_unit_test_setup_teardown(test_cut_while_pausing, open_plain, close_all),
        cmocka_unit_test_setup_teardown(test_stop_inside_resume, open_plain, close_all),
        cmocka_unit_test_setup_teardown(test_paused_beside_others, open_plain, close_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
