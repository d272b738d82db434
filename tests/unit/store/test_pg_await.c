/* Ids of awaited jobs: a sorted list with counts, against what it says that it does. */
#include "pg_inside.h"

static struct await await;

static int teardown(void **state)
{
    (void)state;
    await_deinit(&await);
    return 0;
}

static void expect_list(const char *expected)
{
    char text[256] = "";
    size_t len = 0;
    for (size_t i = 0; i < await.count; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%llu*%zu", i ? " " : "",
                                (unsigned long long)await.list[i].id, await.list[i].count);
    assert_string_equal(text, expected);
}

static void they_are_in_order_however_they_come(void **state)
{
    static const uint64_t ids[] = {5, 1, 9, 3, UINT64_MAX, 1, 5, 5};
    (void)state;
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++)
        assert_int_equal(await_add(&await, ids[i]), 0);
    expect_list("1*2 3*1 5*3 9*1 18446744073709551615*1");
}

/* One of those that wait goes; the last takes the id with it. */
static void each_that_goes_is_one(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        assert_int_equal(await_add(&await, 4), 0);
    assert_int_equal(await_add(&await, 6), 0);
    await_drop(&await, 4);
    expect_list("4*2 6*1");
    await_drop(&await, 4);
    await_drop(&await, 4);
    expect_list("6*1");
    await_drop(&await, 4); /* nobody waits any more */
    await_drop(&await, 7);
    await_drop(&await, 5);
    expect_list("6*1");
    await_drop(&await, 6);
    expect_list("");
    await_drop(&await, 6);
    expect_list("");
}

static void an_end_is_for_all_that_wait(void **state)
{
    (void)state;
    assert_false(await_end(&await, 1));
    for (int i = 0; i < 3; i++)
        assert_int_equal(await_add(&await, 2), 0);
    assert_int_equal(await_add(&await, 3), 0);
    assert_false(await_end(&await, 1));
    assert_false(await_end(&await, 4));
    assert_true(await_end(&await, 2));
    assert_false(await_end(&await, 2));
    expect_list("3*1");
}

/* Against counts in an array, over many ids: the list grows, and shrinks from both ends. */
static void many_come_and_go(void **state)
{
    enum { IDS = 200, TURNS = 20000 };
    size_t counts[IDS] = {0}, kinds = 0;
    uint32_t random = 1;
    (void)state;
    for (int i = 0; i < TURNS; i++) {
        random = random * 1664525 + 1013904223;
        size_t id = (random >> 8) % IDS;
        unsigned what = random >> 24 & 7;
        if (what < 4) {
            assert_int_equal(await_add(&await, id), 0);
            counts[id]++;
        } else if (what < 7) {
            await_drop(&await, id);
            counts[id] -= counts[id] > 0;
        } else {
            assert_int_equal(await_end(&await, id), counts[id] > 0);
            counts[id] = 0;
        }
    }
    for (size_t id = 0; id < IDS; id++) {
        if (counts[id] == 0)
            continue;
        assert_true(kinds < await.count);
        assert_int_equal(await.list[kinds].id, id);
        assert_int_equal(await.list[kinds].count, counts[id]);
        kinds++;
    }
    assert_true(kinds > 16);
    assert_int_equal(await.count, kinds);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(they_are_in_order_however_they_come, teardown),
        cmocka_unit_test_teardown(each_that_goes_is_one, teardown),
        cmocka_unit_test_teardown(an_end_is_for_all_that_wait, teardown),
        cmocka_unit_test_teardown(many_come_and_go, teardown),
    };
    return cmocka_run_group_tests_name("awaited jobs", tests, NULL, NULL);
}
