/* Members of a zip that may be links, kept until the directory tells. */
#include "parse/held.h"

#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static struct held held;

static int end(void **state)
{
    held_deinit(&held);
    return 0;
}

static void only_what_may_be_a_links_target_is_wanted(void **state)
{
    char data[HELD_SIZE + 1];
    memset(data, 'x', sizeof data);
    assert_true(held_wants(&held, "../a b", 6));
    assert_true(held_wants(&held, "\xff", 1));
    assert_true(held_wants(&held, data, HELD_SIZE));
    assert_false(held_wants(&held, data, HELD_SIZE + 1));
    assert_false(held_wants(&held, "", 0));
    assert_false(held_wants(&held, "a\n", 2)); /* a text file, be it of one line */
    assert_false(held_wants(&held, "a\0b", 3));
}

static void a_member_is_found_by_its_number(void **state)
{
    static const size_t numbers[] = {0, 3, 4, 100, 100000};
    char name[] = "n0", head[] = "h0", data[] = "d0";
    assert_null(held_find(&held, 0));
    for (size_t i = 0; i < 5; i++) {
        name[1] = head[1] = data[1] = (char)('0' + i);
        assert_int_equal(held_add(&held, numbers[i], name, head, data, 2), 0);
    }
    for (size_t i = 0; i < 5; i++) {
        struct held_member *m = held_find(&held, numbers[i]);
        assert_non_null(m);
        assert_int_equal(m->number, numbers[i]);
        assert_int_equal(m->name[1], '0' + i); /* a copy of its own */
        assert_int_equal(m->head[1], '0' + i);
        assert_int_equal(m->len, 2);
        assert_int_equal(m->data[1], '0' + i);
        assert_false(m->link);
    }
    assert_null(held_find(&held, 1));
    assert_null(held_find(&held, 100001));
}

/* Whatever the file holds, memory is bounded: then a member is as if it were no link. */
static void so_much_is_kept_and_no_more(void **state)
{
    char data[1000];
    size_t count = 0;
    memset(data, 'x', sizeof data);
    while (held_wants(&held, data, sizeof data)) {
        assert_int_equal(held_add(&held, count++, "name", "head", data, sizeof data), 0);
        assert_true(count <= HELD_ALL / sizeof data);
    }
    assert_true(held.bytes >= HELD_ALL);
    assert_true(count >= HELD_ALL / (sizeof data + 256));
    assert_false(held_wants(&held, "x", 1));
    assert_non_null(held_find(&held, count - 1));
    held_deinit(&held);
    assert_true(held_wants(&held, "x", 1));
    assert_null(held_find(&held, 0));
}

int main(void)
{
#define EACH(test) cmocka_unit_test_teardown(test, end)
    const struct CMUnitTest tests[] = {
        EACH(only_what_may_be_a_links_target_is_wanted),
        EACH(a_member_is_found_by_its_number),
        EACH(so_much_is_kept_and_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
