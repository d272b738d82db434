#include "ctl/name_set.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MANY 20000

static void test_names(void **state)
{
    struct name_set set = {0};
    uint64_t line = 0;
    (void)state;
    assert_int_equal(name_set_add(&set, "b", 1, &line), 0);
    assert_int_equal(name_set_add(&set, "a", 2, &line), 0);
    assert_int_equal(name_set_add(&set, "", 3, &line), 0);
    assert_int_equal(name_set_add(&set, "b", 4, &line), 1);
    assert_int_equal(line, 1);
    assert_int_equal(name_set_add(&set, "", 5, &line), 1);
    assert_int_equal(line, 3);
    const char **sorted = name_set_sorted(&set);
    assert_string_equal(sorted[0], "");
    assert_string_equal(sorted[1], "a");
    assert_string_equal(sorted[2], "b");
    assert_int_equal(set.count, 3);
    free(sorted);
    name_set_deinit(&set);
    name_set_deinit(&set);
}

/* Each is found again, and takes few bytes besides its own. */
static void test_many(void **state)
{
    struct name_set set = {0};
    char name[32];
    uint64_t line;
    (void)state;
    for (int round = 0; round < 2; round++)
        for (unsigned i = 0; i < MANY; i++) {
            snprintf(name, sizeof name, "n%u", i * 7919 % MANY);
            line = 0;
            assert_int_equal(name_set_add(&set, name, i + 1, &line), round);
            assert_int_equal(line, round ? i + 1 : 0);
        }
    assert_int_equal(set.count, MANY);
    size_t bytes =
        set.size + set.capacity * sizeof *set.entries + set.slot_count * sizeof *set.slots;
    assert_true(bytes < (size_t)MANY * 48);
    const char **sorted = name_set_sorted(&set);
    for (size_t i = 1; i < MANY; i++)
        assert_true(strcmp(sorted[i - 1], sorted[i]) < 0);
    free(sorted);
    name_set_deinit(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
