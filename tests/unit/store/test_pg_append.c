/* When it is looked for what attempts that came to nothing have left behind. No server. */
#include "pg_inside.h"
#include "store/postgresql/pg_append.h"

#include <limits.h>

static int setup(void **state)
{
    inside_setup(state);
    return append_init(&((struct inside *)*state)->pg);
}

static int teardown(void **state)
{
    append_deinit(&((struct inside *)*state)->pg);
    return inside_teardown(state);
}

/* An attempt of somebody who is gone is closed; it is looked `wait_ns` later. */
static void take(struct inside *in, uint64_t wait_ns)
{
    struct store_close_torn closing = {.id = 1, .attempt = 1};
    closing.call.op = OP_CLOSE_TORN;
    in->pg.config.retry_ns = wait_ns;
    assert_false(append_take(&in->pg, &closing.call));
}

/* However many come behind it. */
static void what_ends_later_puts_nothing_off(void **state)
{
    struct inside *in = *state;
    assert_int_equal(append_timeout(&in->pg, INT_MAX), INT_MAX);
    take(in, 7200 * NS_PER_SEC);
    int patience = append_timeout(&in->pg, INT_MAX);
    assert_in_range(patience, 1, 7200 * 1000 + 1);
    take(in, 10000 * NS_PER_SEC);
    assert_in_range(append_timeout(&in->pg, INT_MAX), 1, patience);
    take(in, 3600 * NS_PER_SEC);
    assert_in_range(append_timeout(&in->pg, INT_MAX), 1, 3600 * 1000 + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_ends_later_puts_nothing_off, setup, teardown),
    };
    return cmocka_run_group_tests_name("postgresql, what was left behind", tests, NULL, NULL);
}
