/* The token bucket and the circuit breaker, by a clock of the test's own. */
#include "job/pace.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define T0 (1000 * NS_PER_SEC)

static void test_no_limits(void **state)
{
    struct pace pace = {0};
    const struct pace_limits limits = {0};
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(pace_wait(&pace, &limits, T0), 0);
        pace_take(&pace, &limits, T0);
        assert_false(pace_report(&pace, &limits, KIND_CONNECT, 0, T0));
    }
}

static void test_rate_holds(void **state)
{
    struct pace pace = {0};
    const struct pace_limits limits = {.rate = 5};
    unsigned started = 0;
    uint64_t now = T0, end = T0 + 10 * NS_PER_SEC;
    while (now < end) {
        uint64_t wait = pace_wait(&pace, &limits, now);
        if (wait == 0) {
            pace_take(&pace, &limits, now);
            started++;
        }
        assert_true(wait <= NS_PER_SEC / 5 + 1);
        now += wait;
    }
    /* A burst of one second's worth, and then the rate. */
    assert_in_range(started, 54, 56);
}

static void test_slow_rate(void **state)
{
    struct pace pace = {0};
    const struct pace_limits limits = {.rate = 0.5};
    assert_int_equal(pace_wait(&pace, &limits, T0), 0);
    pace_take(&pace, &limits, T0);
    uint64_t wait = pace_wait(&pace, &limits, T0);
    assert_in_range(wait, 2 * NS_PER_SEC, 2 * NS_PER_SEC + 10);
    assert_int_equal(pace_wait(&pace, &limits, T0 + wait), 0);
}

static void test_debt_of_hops(void **state)
{
    struct pace pace = {0};
    const struct pace_limits limits = {.rate = 1};
    for (int i = 0; i < 3; i++)
        pace_take(&pace, &limits, T0); /* redirects do not wait, but are counted */
    assert_in_range(pace_wait(&pace, &limits, T0), 3 * NS_PER_SEC, 3 * NS_PER_SEC + 10);
}

static const struct pace_limits breaking = {.failures = 3, .cooldown = 30 * NS_PER_SEC};

static void fail_three(struct pace *pace)
{
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pace_wait(pace, &breaking, T0), 0);
        pace_take(pace, &breaking, T0);
        assert_int_equal(pace_report(pace, &breaking, KIND_CONNECT, 0, T0), i == 2);
    }
}

static void test_breaker_opens_and_closes(void **state)
{
    struct pace pace = {0};
    fail_three(&pace);
    assert_int_equal(pace_wait(&pace, &breaking, T0), 30 * NS_PER_SEC);
    uint64_t later = T0 + 30 * NS_PER_SEC;
    assert_int_equal(pace_wait(&pace, &breaking, later), 0);
    pace_take(&pace, &breaking, later);
    assert_true(pace_wait(&pace, &breaking, later) == UINT64_MAX); /* one probe */
    assert_false(pace_report(&pace, &breaking, KIND_NONE, 200, later));
    assert_int_equal(pace_wait(&pace, &breaking, later), 0);
    assert_int_equal(pace.breaker, BREAKER_CLOSED);
}

static void test_probe_fails(void **state)
{
    struct pace pace = {0};
    uint64_t later = T0 + 30 * NS_PER_SEC;
    fail_three(&pace);
    pace_take(&pace, &breaking, later);
    assert_true(pace_report(&pace, &breaking, KIND_HTTP_STATUS, 503, later));
    assert_int_equal(pace_wait(&pace, &breaking, later), 30 * NS_PER_SEC);
}

static void test_probe_cancelled(void **state)
{
    struct pace pace = {0};
    uint64_t later = T0 + 30 * NS_PER_SEC;
    fail_three(&pace);
    pace_take(&pace, &breaking, later);
    pace_withdraw(&pace);
    assert_int_equal(pace_wait(&pace, &breaking, later), 0);
}

static void test_only_the_hosts_fault_counts(void **state)
{
    struct pace pace = {0};
    static const enum error_kind others[] = {KIND_PARSER_FAILED, KIND_POLICY, KIND_LIMIT_EXCEEDED,
                                             KIND_DIGEST_MISMATCH};
    for (int i = 0; i < 100; i++)
        assert_false(pace_report(&pace, &breaking, others[i % 4], 200, T0));
    for (int i = 0; i < 100; i++)
        assert_false(pace_report(&pace, &breaking, KIND_HTTP_STATUS, 404, T0));
    assert_int_equal(pace_wait(&pace, &breaking, T0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_limits),
        cmocka_unit_test(test_rate_holds),
        cmocka_unit_test(test_slow_rate),
        cmocka_unit_test(test_debt_of_hops),
        cmocka_unit_test(test_breaker_opens_and_closes),
        cmocka_unit_test(test_probe_fails),
        cmocka_unit_test(test_probe_cancelled),
        cmocka_unit_test(test_only_the_hosts_fault_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
