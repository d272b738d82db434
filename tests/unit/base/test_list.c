#include "base/list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

struct item {
    int n;
    struct list link;
};

static int nth(struct list *head, int i)
{
    list_for_each(e, head) if (i-- == 0) return container_of(e, struct item, link)->n;
    return -1;
}

static void test_order(void **state)
{
    struct list head;
    struct item a = {.n = 1}, b = {.n = 2}, c = {.n = 3};
    list_init(&head);
    assert_true(list_empty(&head));
    assert_null(list_pop(&head));
    list_add_tail(&head, &a.link);
    list_add_tail(&head, &b.link);
    list_add_head(&head, &c.link);
    assert_false(list_empty(&head));
    assert_int_equal(nth(&head, 0), 3);
    assert_int_equal(nth(&head, 1), 1);
    assert_int_equal(nth(&head, 2), 2);
    assert_int_equal(nth(&head, 3), -1);
    assert_ptr_equal(list_pop(&head), &c.link);
    assert_true(list_empty(&c.link));
    assert_int_equal(nth(&head, 0), 1);
}

static void test_delete_while_walking(void **state)
{
    struct list head;
    struct item items[10];
    int sum = 0;
    list_init(&head);
    for (int i = 0; i < 10; i++) {
        items[i].n = i;
        list_add_tail(&head, &items[i].link);
    }
    list_for_each(e, &head)
    {
        struct item *item = container_of(e, struct item, link);
        if (item->n % 2)
            list_del(e);
    }
    list_for_each(e, &head) sum += container_of(e, struct item, link)->n;
    assert_int_equal(sum, 0 + 2 + 4 + 6 + 8);
}

static void test_delete_twice_is_harmless(void **state)
{
    struct list head;
    struct item a, b;
    list_init(&head);
    list_add_tail(&head, &a.link);
    list_add_tail(&head, &b.link);
    list_del(&a.link);
    list_del(&a.link);
    assert_ptr_equal(head.next, &b.link);
    assert_ptr_equal(head.prev, &b.link);
    list_del(&b.link);
    assert_true(list_empty(&head));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_delete_while_walking),
        cmocka_unit_test(test_delete_twice_is_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
