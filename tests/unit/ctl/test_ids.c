/* The set of ids behaves as a set, also where slots collide and after removals. */
#include "ctl/ids.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_add_and_remove(void **state)
{
    struct ids ids = {0};
    assert_false(ids_has(&ids, 7));
    assert_false(ids_remove(&ids, 7));
    assert_int_equal(ids_any(&ids), 0);
    assert_int_equal(ids_add(&ids, 7), 1);
    assert_int_equal(ids_add(&ids, 7), 0);
    assert_int_equal(ids.count, 1);
    assert_int_equal(ids_any(&ids), 7);
    assert_true(ids_remove(&ids, 7));
    assert_false(ids_has(&ids, 7));
    assert_int_equal(ids.count, 0);
    ids_deinit(&ids);
}

/* Against an array that says who is in. */
static void test_many(void **state)
{
    static bool in[2000];
    struct ids ids = {0};
    size_t count = 0;
    uint64_t x = 1;
    memset(in, 0, sizeof in);
    for (int i = 0; i < 50000; i++) {
        x = x * UINT64_C(6364136223846793005) + 1;
        uint64_t id = 1 + (x >> 33) % 1999;
        if ((x >> 20) & 1) {
            assert_int_equal(ids_add(&ids, id), !in[id]);
            count += !in[id];
            in[id] = true;
        } else {
            assert_int_equal(ids_remove(&ids, id), in[id]);
            count -= in[id];
            in[id] = false;
        }
        assert_int_equal(ids.count, count);
    }
    for (uint64_t id = 1; id < 2000; id++)
        assert_int_equal(ids_has(&ids, id), in[id]);
    ids_deinit(&ids);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_add_and_remove),
        cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
