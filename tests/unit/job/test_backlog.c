/* Hosts of which only the queue is known: who is there, and whose turn it is; and who presses on a
 * job. */
#include "job/backlog.h"

#include "jobs_world.h"

static void assert_first(const struct backlog *b, const char *name)
{
    const struct backlog_host *first = backlog_first(b);
    assert_non_null(first);
    assert_string_equal(first->name, name);
}

static void drop(struct backlog *b, const char *name)
{
    backlog_remove(b, backlog_find(b, name));
    assert_null(backlog_find(b, name));
}

/* In the order in which they came, and looking takes nobody out. */
static void test_turns(void **state)
{
    struct backlog b;
    backlog_init(&b);
    assert_null(backlog_first(&b));
    static const char *const names[] = {"c.test", "a.test", "b.test"};
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(backlog_add(&b, names[i], false)->name, names[i]);
    assert_int_equal(b.count, 3);
    assert_first(&b, "c.test");
    assert_first(&b, "c.test");
    drop(&b, "c.test");
    assert_first(&b, "a.test");
    assert_non_null(backlog_add(&b, "c.test", false)); /* behind the others now */
    drop(&b, "a.test");
    drop(&b, "b.test");
    assert_first(&b, "c.test");
    drop(&b, "c.test");
    assert_int_equal(b.count, 0);
    assert_null(backlog_first(&b));
}

/* The name is a copy, and all of it counts. */
static void test_names(void **state)
{
    struct backlog b;
    char name[] = "a.test";
    backlog_init(&b);
    assert_non_null(backlog_add(&b, name, false));
    name[0] = 'x';
    assert_non_null(backlog_find(&b, "a.test"));
    assert_null(backlog_find(&b, "x.test"));
    assert_null(backlog_find(&b, "a.tes"));
    assert_null(backlog_find(&b, ""));
    assert_false(backlog_find(&b, "a.test")->blocked);
    drop(&b, "a.test");
}

/* A blocked one has no turn until it is unblocked, and then the last. */
static void test_blocked(void **state)
{
    struct backlog b;
    backlog_init(&b);
    backlog_add(&b, "blocked.test", true);
    assert_int_equal(b.count, 1);
    assert_null(backlog_first(&b));
    backlog_add(&b, "a.test", false);
    assert_first(&b, "a.test");
    backlog_unblock(&b, backlog_find(&b, "blocked.test"));
    assert_first(&b, "a.test");
    assert_false(backlog_find(&b, "blocked.test")->blocked);
    backlog_unblock(&b, backlog_find(&b, "a.test")); /* it is not: it keeps its turn */
    assert_first(&b, "a.test");
    drop(&b, "a.test");
    assert_first(&b, "blocked.test");
    drop(&b, "blocked.test");
}

static void test_unblock_all(void **state)
{
    struct backlog b;
    backlog_init(&b);
    backlog_unblock_all(&b);
    backlog_add(&b, "one.test", true);
    backlog_add(&b, "two.test", true);
    drop(&b, "one.test");
    backlog_add(&b, "three.test", true);
    backlog_unblock_all(&b);
    assert_first(&b, "two.test");
    drop(&b, "two.test");
    assert_first(&b, "three.test");
    drop(&b, "three.test");
    assert_int_equal(b.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_turns),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_blocked),
        cmocka_unit_test(test_unblock_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
