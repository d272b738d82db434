#include "control/idset.h"

#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define RANGE 500

static void test_empty(void **state)
{
    struct idset set = {0};
    assert_false(idset_has(&set, 1));
    assert_false(idset_remove(&set, 1));
    idset_deinit(&set);
}

/* Beside an array that can't be wrong. */
static void test_as_an_array(void **state)
{
    struct idset set = {0};
    bool there[RANGE + 1] = {false};
    size_t count = 0;
    unsigned seed = 20;
    for (int i = 0; i < 50000; i++) {
        seed = seed * 1103515245u + 12345u;
        uint64_t id = (seed >> 8) % RANGE + 1;
        if (seed >> 31) {
            assert_int_equal(idset_add(&set, id), 0);
            count += !there[id];
            there[id] = true;
        } else {
            assert_int_equal(idset_remove(&set, id), there[id]);
            count -= there[id];
            there[id] = false;
        }
        assert_int_equal(set.count, count);
    }
    for (uint64_t id = 1; id <= RANGE; id++)
        assert_int_equal(idset_has(&set, id), there[id]);
    idset_deinit(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_as_an_array),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
