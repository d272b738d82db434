/* The misbehaving origin's connections, and the time that it takes. */
#include "origin_client.h"

static void a_connection_serves_many(void **state)
{
    struct reply reply = {0};
    struct origin_totals before, after;
    origin_totals(origin, &before);
    int fd = dial();
    say(fd, "/text?text=one", "");
    say(fd, "/text?text=two&framing=chunked", "");
    say(fd, "/text?text=three", "Connection: close\r\n");
    hear(fd, &reply);
    assert_true(has(&reply, "one") && has(&reply, "3\r\ntwo\r\n0\r\n\r\n") && has(&reply, "three"));
    origin_totals(origin, &after);
    assert_int_equal(after.connections, before.connections + 1);
    assert_int_equal(after.requests, before.requests + 3);
    close(fd);
    buf_deinit(&reply.wire);
}

static bool count_is(const char *key, size_t offset, uint64_t want)
{
    struct origin_counts counts;
    origin_counts(origin, key, &counts);
    return *(const uint64_t *)(const void *)((const char *)&counts + offset) == want;
}
#define COUNT_IS(key, field, want) count_is(key, offsetof(struct origin_counts, field), want)

static void held_responses_wait_for_their_release(void **state)
{
    struct reply early = {0}, late = {0};
    int first = dial(), second = dial();
    say(first, "/bytes?n=1000&hold=gate&id=early", "Connection: close\r\n");
    say(second, "/bytes?n=1000&hold=gate&hold_at=600&id=late", "Connection: close\r\n");
    TEST_WAIT(COUNT_IS("early", held, 1) && COUNT_IS("late", held, 1), PATIENCE);
    assert_true(COUNT_IS("early", body_sent, 0));
    assert_true(COUNT_IS("late", body_sent, 600));
    assert_int_equal(origin_release(origin, "gate"), 0);
    hear(first, &early);
    hear(second, &late);
    assert_int_equal(early.body_len, 1000);
    assert_int_equal(late.body_len, 1000);
    assert_true(COUNT_IS("early", held, 0) && COUNT_IS("late", held, 0));
    close(first);
    close(second);
    buf_deinit(&early.wire);
    buf_deinit(&late.wire);
    get("/bytes?n=5&hold=gate&id=early", &early);
    assert_int_equal(early.body_len, 5);
    buf_deinit(&early.wire);
}

static void silence_lasts_until_the_client_goes(void **state)
{
    static const char *const paths[] = {"/silence?id=s0", "/bytes?n=1000&stall=300&id=s1",
                                        "/bytes?n=1000&stall=0&id=s2"};
    for (size_t i = 0; i < 3; i++) {
        char id[3] = {'s', (char)('0' + i), '\0'};
        int fd = dial();
        say(fd, paths[i], "");
        TEST_WAIT(COUNT_IS(id, stalled, 1), PATIENCE);
        assert_true(COUNT_IS(id, body_sent, i == 1 ? 300 : 0));
        close(fd);
        TEST_WAIT(COUNT_IS(id, client_left, 1), PATIENCE);
        assert_true(COUNT_IS(id, stalled, 0));
    }
}

static void time_is_taken(void **state)
{
    static const char *const paths[] = {"/text?text=a&slow_head=60", "/text?text=a&head_drip=1",
                                        "/bytes?n=60&drip=10,10"};
    for (size_t i = 0; i < 3; i++) {
        struct reply reply;
        uint64_t start = test_now_ms();
        get(paths[i], &reply);
        assert_int_equal(reply.status, 200);
        assert_true(test_now_ms() - start >= 50);
        buf_deinit(&reply.wire);
    }
}

static void an_endless_body_goes_no_further_than_buffers(void **state)
{
    struct origin_config config = {.send_buffer = 32768};
    struct origin *shared = origin;
    struct origin_counts counts;
    uint64_t last = 1;
    origin = origin_new(&config);
    assert_non_null(origin);
    int fd = dial();
    say(fd, "/lines?endless=1", "");
    do { /* until nothing was sent for 50 ms */
        last = origin_counts(origin, "/lines", &counts) ? counts.body_sent : 0;
        poll(NULL, 0, 50);
        origin_counts(origin, "/lines", &counts);
    } while (counts.body_sent == 0 || counts.body_sent != last);
    assert_true(last < 16 << 20);
    close(fd);
    TEST_WAIT(COUNT_IS("/lines", client_left, 1), PATIENCE);
    origin_free(origin);
    origin = shared;
}

static void a_thousand_connections_stall_at_once(void **state)
{
    enum { COUNT = 1000 };
    static int fds[COUNT];
    fd_raise_limit();
    if (fd_limit() < 2 * COUNT + 64)
        skip();
    for (size_t i = 0; i < COUNT; i++) {
        fds[i] = dial();
        say(fds[i], "/bytes?n=1G&stall=1000&id=many", "");
    }
    TEST_WAIT(COUNT_IS("many", stalled, COUNT), PATIENCE);
    assert_true(COUNT_IS("many", body_sent, COUNT * 1000));
    for (size_t i = 0; i < COUNT; i++)
        close(fds[i]);
    TEST_WAIT(COUNT_IS("many", stalled, 0), PATIENCE);
}

static void the_counters_are_json_too(void **state)
{
    struct reply reply;
    get("/text?text=abcd&id=counted", &reply);
    buf_deinit(&reply.wire);
    get("/_stats", &reply);
    assert_non_null(strstr(reply.body, "\"counted\":{\"body_sent\":4,"));
    buf_deinit(&reply.wire);
    get("/_release?name=later", &reply);
    assert_int_equal(reply.status, 200);
    buf_deinit(&reply.wire);
    get("/text?text=a&hold=later", &reply);
    assert_int_equal(reply.body_len, 1);
    buf_deinit(&reply.wire);
}

static void nothing_is_left_behind(void **state)
{
    struct origin *shared = origin;
    struct origin_totals totals;
    TEST_WAIT((origin_totals(origin, &totals), totals.open == 0), PATIENCE);
    int fds = test_fd_count(0), threads = test_thread_count(0);
    origin = origin_new(&(struct origin_config){.tls = ORIGIN_TLS});
    assert_non_null(origin);
    int fd = dial(); /* in mid-handshake when the origin ends */
    origin_free(origin);
    close(fd);
    origin = shared;
    assert_int_equal(test_fd_count(0), fds);
    TEST_WAIT(test_thread_count(0) == threads, PATIENCE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_serves_many),
        cmocka_unit_test(held_responses_wait_for_their_release),
        cmocka_unit_test(silence_lasts_until_the_client_goes),
        cmocka_unit_test(time_is_taken),
        cmocka_unit_test(an_endless_body_goes_no_further_than_buffers),
        cmocka_unit_test(a_thousand_connections_stall_at_once),
        cmocka_unit_test(the_counters_are_json_too),
        cmocka_unit_test(nothing_is_left_behind),
    };
    return cmocka_run_group_tests_name("origin_time", tests, start, finish);
}
