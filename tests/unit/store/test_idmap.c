#include "store/idmap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static int values[20000];

static void entries_are_found_in_both_directions(void **state)
{
    static const uint64_t ids[] = {1, 2, 1023, 1024, 5000, 19999};
    struct idmap m = {0};
    uint64_t id = 77;
    assert_null(idmap_get(&m, 1));
    assert_null(idmap_from(&m, 0, &id));
    assert_null(idmap_below(&m, UINT64_MAX, &id));
    assert_int_equal(id, 77);
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(idmap_set(&m, ids[i], &values[ids[i]]), 0);
    assert_null(idmap_get(&m, 0));
    assert_null(idmap_get(&m, 3));
    assert_null(idmap_get(&m, UINT64_MAX));
    uint64_t at = 0;
    for (size_t i = 0; i < 6; i++, at++) {
        assert_ptr_equal(idmap_get(&m, ids[i]), &values[ids[i]]);
        assert_ptr_equal(idmap_from(&m, at, &at), &values[ids[i]]);
        assert_int_equal(at, ids[i]);
    }
    assert_null(idmap_from(&m, at, &at));
    at = UINT64_MAX;
    for (size_t i = 6; i-- > 0;) {
        assert_ptr_equal(idmap_below(&m, at, &at), &values[ids[i]]);
        assert_int_equal(at, ids[i]);
    }
    assert_null(idmap_below(&m, at, &at));
    idmap_deinit(&m);
}

/* Entries come at one end and go anywhere, as jobs do; compared with a plain array. */
static void it_agrees_with_a_plain_array(void **state)
{
    struct idmap m = {0};
    static bool present[20000];
    unsigned seed = 1;
    uint64_t last = 0;
    for (int i = 0; i < 60000; i++) {
        seed = seed * 1103515245 + 12345;
        if (seed >> 16 & 1 && last + 1 < 20000) {
            last++;
            assert_int_equal(idmap_set(&m, last, &values[last]), 0);
            present[last] = true;
        } else if (last > 0) {
            uint64_t span = last < 3000 ? last : 3000;
            uint64_t victim = last - (seed >> 17) % span;
            idmap_clear(&m, victim);
            present[victim] = false;
        }
    }
    for (uint64_t id = 0; id < 20000; id++)
        assert_ptr_equal(idmap_get(&m, id), present[id] ? &values[id] : NULL);
    for (uint64_t id = 0; id < 20000; id++)
        idmap_clear(&m, id);
    uint64_t none;
    assert_null(idmap_from(&m, 0, &none));
    assert_int_equal(idmap_set(&m, 1000000, values), 0);
    assert_ptr_equal(idmap_from(&m, 0, &none), values);
    idmap_deinit(&m);
}

static void the_old_end_is_given_back(void **state)
{
    struct idmap m = {0};
    for (uint64_t id = 1; id <= 3000000; id++) {
        assert_int_equal(idmap_set(&m, id, values), 0);
        if (id > 100)
            idmap_clear(&m, id - 100);
    }
    assert_true(m.size <= 64);
    idmap_deinit(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_are_found_in_both_directions),
        cmocka_unit_test(it_agrees_with_a_plain_array),
        cmocka_unit_test(the_old_end_is_given_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
