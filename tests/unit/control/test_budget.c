/* The connections' one budget: who may have how much, and who must go. */
#include "control/budget.h"

#include <stdint.h>
#include <stdlib.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define MIB ((size_t)1 << 20)

static void test_a_quarter_of_what_is_free(void **state)
{
    struct budget b;
    struct share one, other;
    (void)state;
    budget_init(&b, 64 * MIB);
    share_init(&one);
    share_init(&other);
    assert_int_equal(budget_allowance(&b), 16 * MIB);
    budget_set(&b, &one, 16 * MIB);
    assert_int_equal(budget_allowance(&b), 12 * MIB);
    budget_set(&b, &other, 47 * MIB + MIB / 2);
    assert_int_equal(budget_allowance(&b), MIB / 8);
    budget_set(&b, &other, 48 * MIB);
    assert_int_equal(budget_allowance(&b), BUDGET_LEAST);
    assert_null(budget_overdrawn(&b));
    budget_set(&b, &one, 0);
    budget_set(&b, &other, 0);
    assert_int_equal(b.used, 0);
    assert_int_equal(b.peak, 64 * MIB);
    assert_int_equal(budget_allowance(NULL), SIZE_MAX);
}

/* However many take all that they may, they stay within it. */
static void test_a_crowd_of_the_greedy_fits(void **state)
{
    struct budget b;
    static struct share shares[900];
    (void)state;
    budget_init(&b, 256 * MIB);
    for (int i = 0; i < 900; i++)
        share_init(&shares[i]);
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < 900; i++)
            if (shares[i].bytes + MIB / 64 <= budget_allowance(&b))
                budget_set(&b, &shares[i], shares[i].bytes + MIB / 64);
    assert_true(b.used <= b.max);
    for (int i = 0; i < 900; i++)
        assert_true(shares[i].bytes >= MIB / 32);
}

static void test_the_fattest_goes(void **state)
{
    struct budget b;
    static struct share shares[1000];
    struct share *fattest;
    (void)state;
    budget_init(&b, 100 * MIB);
    for (int i = 0; i < 1000; i++) {
        share_init(&shares[i]);
        budget_set(&b, &shares[i], i == 500 ? 40 * MIB : i == 700 ? 30 * MIB : 64 * 1024);
    }
    fattest = budget_overdrawn(&b);
    assert_ptr_equal(fattest, &shares[500]);
    budget_set(&b, fattest, 0);
    assert_null(budget_overdrawn(&b)); /* with 92 MiB nobody else must go */
    budget_set(&b, &shares[3], 10 * MIB);
    fattest = budget_overdrawn(&b);
    assert_ptr_equal(fattest, &shares[700]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_quarter_of_what_is_free),
        cmocka_unit_test(test_a_crowd_of_the_greedy_fits),
        cmocka_unit_test(test_the_fattest_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
