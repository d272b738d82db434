/* Bytes a second from one host: the rate holds for one transfer, for several at once and for many
 * small ones in turn; what waits for it does not stall, can be cancelled, and loses no byte. */
#include "unit/fetch/fetch_client.h"

#include "base/clock.h"
#include "fetch/rate.h"

#define RATE  UINT64_C(400000)
#define TOTAL 360000

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

static struct client *limited(unsigned bytes, const char *more)
{
    struct client *c = client_new(setup.policy);
    origin_url(setup.origin, c->url, sizeof c->url, "/bytes?n=%u%s", bytes, more);
    c->check_pattern = true;
    c->request.bytes_per_second = RATE;
    return c;
}

static void finish_ended(struct client *c)
{
    if (c->result.kind)
        fail_msg("%s: %s: %s", c->url, kind_name(c->result.kind), c->result.message);
    client_free(c);
}

static void finish(struct client *c)
{
    client_wait(c);
    finish_ended(c);
}

/* TOTAL bytes took so long: never faster than the rate says. How much later is up to the machine,
 * and to client_wait's patience. */
static void assert_rate_of(uint64_t since, uint64_t rate)
{
    double took = (double)(clock_now() - since) / 1e9, wanted = (double)TOTAL / (double)rate;
    if (took < 0.8 * wanted)
        fail_msg("%d bytes took %.3f s, not %.3f", TOTAL, took, wanted);
}

static void assert_rate(uint64_t since)
{
    assert_rate_of(since, RATE);
}

static void test_one(void **state)
{
    static const char *const framings[] = {"", "&framing=chunked&chunk=1000", "&framing=close"};
    for (size_t i = 0; i < 3; i++) {
        uint64_t since = clock_now();
        struct client *c = limited(TOTAL, framings[i]);
        client_start(c, setup.fetch);
        finish(c);
        assert_rate(since);
    }
}

#define SEVERAL 6

/* The loop's own: all of them together have had so many bytes when the first one ended. */
static struct client *several[SEVERAL];
static uint64_t had_at_first_end;

static void on_end_of_several(struct transfer *t, const struct transfer_result *result)
{
    uint64_t had = 0;
    for (size_t i = 0; i < SEVERAL; i++)
        had += several[i]->bytes;
    had_at_first_end = had_at_first_end ? had_at_first_end : had;
    client_on_end(t, result);
}

static void test_several(void **state)
{
    struct transfer_ops several_ops = client_ops;
    several_ops.on_end = on_end_of_several;
    struct origin_counts counts = {0};
    had_at_first_end = 0;
    for (size_t i = 0; i < SEVERAL; i++) {
        several[i] = limited(TOTAL / SEVERAL, "&hold=several&id=several");
        several[i]->request.bytes_per_second = RATE / 4; /* so that all are there before one ends */
    }
    for (size_t i = 0; i < SEVERAL; i++)
        transfer_start(&several[i]->transfer, fetch_loop_at(setup.fetch, 0), &several[i]->request,
                       &several_ops, several[i]);
    TEST_WAIT(origin_counts(setup.origin, "several", &counts) && counts.held == SEVERAL,
              60000 * test_patience());
    uint64_t since = clock_now();
    assert_int_equal(origin_release(setup.origin, "several"), 0);
    for (size_t i = 0; i < SEVERAL; i++)
        client_wait(several[i]);
    assert_rate_of(since, RATE / 4);
    /* They take turns: nobody is done much before the others. One by one it would be a sixth. */
    assert_true(had_at_first_end > TOTAL / 3);
    for (size_t i = 0; i < SEVERAL; i++)
        finish_ended(several[i]);
}

static void test_many_in_turn(void **state)
{
    uint64_t since = clock_now();
    for (unsigned i = 0; i < 36; i++) {
        struct client *c = limited(TOTAL / 36, "");
        client_start(c, setup.fetch);
        finish(c);
    }
    assert_rate(since);
}

static void test_waiting_is_no_stall(void **state)
{
    struct client *c = limited(3 * 16384, ""); /* of which the client's kernel has all */
    c->request.bytes_per_second = 16384;       /* a piece each second */
    c->request.stall_ms = 500;
    client_start(c, setup.fetch);
    finish(c);
}

static void test_a_consumer_that_pauses(void **state)
{
    struct client *clients[4];
    for (unsigned i = 0; i < 4; i++) {
        clients[i] = limited(100000, i % 2 ? "&framing=chunked&chunk=700" : "");
        clients[i]->pause_one_in = 3;
        clients[i]->random = i + 1;
        client_start(clients[i], setup.fetch);
    }
    for (unsigned i = 0; i < 4; i++)
        finish(clients[i]);
}

static void test_cancel_while_it_waits(void **state)
{
    struct client *clients[8];
    for (unsigned i = 0; i < 8; i++) {
        clients[i] = limited(TOTAL, "");
        clients[i]->request.bytes_per_second = 2000;
        client_start(clients[i], setup.fetch);
    }
    for (unsigned i = 0; i < 8; i++)
        client_wait_for(&clients[i]->responded, "a response");
    for (unsigned i = 0; i < 8; i++)
        transfer_cancel(&clients[i]->transfer);
    for (unsigned i = 0; i < 8; i++) {
        client_wait(clients[i]);
        assert_true(clients[i]->result.stopped);
        client_free(clients[i]);
    }
}

/* By another name it is another host; and a transfer without a limit is in nobody's queue. */
static void test_others_are_not_held_up(void **state)
{
    struct client *slow = limited(TOTAL, ""), *other = limited(TOTAL, ""),
                  *free_one = limited(TOTAL, "");
    slow->request.bytes_per_second = 2000;
    other->request.bytes_per_second = 1 << 30;
    other->request.host = "localhost";
    snprintf(other->url, sizeof other->url, "http://localhost:%u/bytes?n=%d",
             (unsigned)origin_port(setup.origin), TOTAL);
    free_one->request.bytes_per_second = 0;
    client_start(slow, setup.fetch);
    client_wait_for(&slow->responded, "a response");
    client_start(other, setup.fetch);
    client_start(free_one, setup.fetch);
    finish(other);
    finish(free_one);
    transfer_cancel(&slow->transfer);
    client_wait(slow);
    assert_true(slow->result.stopped);
    client_free(slow);
}

/* --- many buckets ----------------------------------------------------------------------------- */

static unsigned went_on;

static void count_going(struct list *waiting)
{
    (void)waiting;
    went_on++;
}

/* Of many hosts only those are looked at whose time has come: one that waits, and later all that
 * nobody uses any more, once each. */
static void test_looks(void **state)
{
    enum { HOSTS = 500 };
    static struct rate *of_host[HOSTS];
    struct rates rates = {.looks = 0};
    struct list waiting;
    uv_loop_t loop;
    char name[32];
    (void)state;
    assert_int_equal(uv_loop_init(&loop), 0);
    rates_init(&rates, &loop, count_going);
    for (unsigned i = 0; i < HOSTS; i++) {
        snprintf(name, sizeof name, "h%u", i);
        of_host[i] = rate_get(&rates, name, 1000);
        assert_non_null(of_host[i]);
    }
    list_init(&waiting);
    went_on = 0;
    for (unsigned turns = 1; turns <= 5; turns++) {
        while (rate_take(of_host[7], 100, &waiting))
            ; /* until there is nothing left to take */
        while (went_on < turns)
            uv_run(&loop, UV_RUN_ONCE);
    }
    assert_true(rates.looks >= 5 && rates.looks <= 30);
    uint64_t before = rates.looks;
    for (unsigned i = 0; i < HOSTS; i++)
        rate_put(of_host[i]);
    while (tree_first(&rates.by_host))
        uv_run(&loop, UV_RUN_ONCE);
    assert_true(rates.looks - before >= HOSTS);
    assert_true(rates.looks - before <= HOSTS + 30);
    rates_close(&rates);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_looks),
        cmocka_unit_test_setup_teardown(test_one, open_all, close_all),
        cmocka_unit_test_setup_teardown(test_several, open_all, close_all),
        cmocka_unit_test_setup_teardown(test_many_in_turn, open_all, close_all),
        cmocka_unit_test_setup_teardown(test_waiting_is_no_stall, open_all, close_all),
        cmocka_unit_test_setup_teardown(test_a_consumer_that_pauses, open_all, close_all),
        cmocka_unit_test_setup_teardown(test_cancel_while_it_waits, open_all, close_all),
        cmocka_unit_test_setup_teardown(test_others_are_not_held_up, open_all, close_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
