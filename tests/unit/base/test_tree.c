#include "base/tree.h"
#include "base/list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

struct item {
    int n;
    struct tree_node node;
};

static int compare(const struct tree_node *a, const struct tree_node *b)
{
    int x = container_of(a, struct item, node)->n, y = container_of(b, struct item, node)->n;
    return x < y ? -1 : x > y;
}

static int number(const struct tree_node *node)
{
    return node ? container_of(node, struct item, node)->n : -1;
}

static struct tree_node *at(int n)
{
    static struct item key;
    key.n = n;
    return &key.node;
}

/* Counts the nodes below and looks at the links and the order; *ret_depth: the longest way down. */
static size_t look(const struct tree_node *node, const struct tree_node *parent, int *ret_depth)
{
    int left = 0, right = 0;
    if (!node)
        return 0;
    assert_ptr_equal(node->parent, parent);
    if (node->left)
        assert_true(compare(node->left, node) < 0);
    if (node->right)
        assert_true(compare(node, node->right) < 0);
    size_t count = look(node->left, node, &left) + 1 + look(node->right, node, &right);
    *ret_depth = (left > right ? left : right) + 1;
    return count;
}

static void test_empty(void **state)
{
    struct tree tree;
    tree_init(&tree, compare);
    assert_null(tree_first(&tree));
    assert_null(tree_find(&tree, at(1)));
    assert_null(tree_after(&tree, at(1)));
}

static void test_a_place_is_taken_once(void **state)
{
    struct tree tree;
    struct item a = {.n = 1}, b = {.n = 1};
    tree_init(&tree, compare);
    assert_null(tree_insert(&tree, &a.node));
    assert_ptr_equal(tree_insert(&tree, &b.node), &a.node);
    assert_ptr_equal(tree_find(&tree, at(1)), &a.node);
    tree_remove(&tree, &a.node);
    assert_null(tree_insert(&tree, &b.node));
    assert_ptr_equal(tree_first(&tree), &b.node);
}

/* In each step one of 500 even numbers goes in or, if it is in, out; then all questions are
 * asked. */
static void test_against_a_list(void **state)
{
    enum { ITEMS = 500, STEPS = 4000 };
    static struct item items[ITEMS];
    static bool in[ITEMS];
    struct tree tree;
    int depth = 0;
    size_t count = 0;
    tree_init(&tree, compare);
    srandom(1);
    for (int i = 0; i < ITEMS; i++)
        items[i].n = 2 * i;
    for (int step = 0; step < STEPS; step++) {
        int i = (int)(random() % ITEMS);
        if (in[i])
            tree_remove(&tree, &items[i].node);
        else
            assert_null(tree_insert(&tree, &items[i].node));
        in[i] = !in[i];
        count += in[i] ? 1 : (size_t)-1;
        assert_int_equal(look(tree.root, NULL, &depth), count);
        struct tree_node *node = tree_first(&tree);
        for (int j = 0; j < ITEMS; j++) {
            int next = node ? number(node) : -1;
            assert_ptr_equal(tree_find(&tree, at(2 * j)), in[j] ? &items[j].node : NULL);
            assert_ptr_equal(tree_after(&tree, at(2 * j - 1)), node);
            if (in[j]) {
                assert_int_equal(next, 2 * j);
                node = tree_next(node);
            }
            assert_ptr_equal(tree_after(&tree, at(2 * j)), node);
        }
        assert_null(node);
    }
}

/* Nodes that come in order do not make a list of it. */
static void test_it_is_not_deep(void **state)
{
    enum { ITEMS = 100000 };
    struct item *items = calloc(ITEMS, sizeof *items);
    struct tree tree;
    int depth = 0;
    assert_non_null(items);
    tree_init(&tree, compare);
    for (int i = 0; i < ITEMS; i++) {
        items[i].n = i;
        assert_null(tree_insert(&tree, &items[i].node));
    }
    assert_int_equal(look(tree.root, NULL, &depth), ITEMS);
    assert_in_range(depth, 17, 100);
    for (int i = 0; i < ITEMS; i++)
        tree_remove(&tree, &items[i].node);
    assert_null(tree.root);
    free(items);
}

static void test_by_number_and_by_name(void **state)
{
    struct numbered {
        int other;
        struct tree_id entry;
    } numbered[] = {{.entry.id = UINT64_MAX}, {.entry.id = 1}, {.entry.id = UINT64_C(1) << 32}};
    struct named {
        int other;
        struct tree_name entry;
    } named[] = {{.entry.name = "b"}, {.entry.name = ""}, {.entry.name = "bb"}};
    struct tree by_id, by_name;
    tree_init(&by_id, tree_by_id);
    tree_init(&by_name, tree_by_name);
    assert_null(tree_entry(tree_find_id(&by_id, 1), struct numbered, entry.node));
    for (int i = 0; i < 3; i++) {
        assert_null(tree_insert(&by_id, &numbered[i].entry.node));
        assert_null(tree_insert(&by_name, &named[i].entry.node));
    }
    for (int i = 0; i < 3; i++) {
        assert_ptr_equal(tree_find_id(&by_id, numbered[i].entry.id), &numbered[i].entry.node);
        char name[4];
        strcpy(name, named[i].entry.name); /* the same text elsewhere */
        assert_ptr_equal(tree_entry(tree_find_name(&by_name, name), struct named, entry.node),
                         &named[i]);
    }
    assert_null(tree_find_id(&by_id, 2));
    assert_null(tree_find_name(&by_name, "c"));
    assert_ptr_equal(tree_insert(&by_name, &(struct tree_name){.name = "b"}.node),
                     &named[0].entry.node);
    const int order[] = {1, 2, 0};
    int i = 0;
    tree_for_each(n, &by_id)
    {
        assert_ptr_equal(n, &numbered[order[i++]].entry.node);
        tree_remove(&by_id, n);
    }
    assert_int_equal(i, 3);
    assert_null(by_id.root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_a_place_is_taken_once),
        cmocka_unit_test(test_against_a_list),
        cmocka_unit_test(test_it_is_not_deep),
        cmocka_unit_test(test_by_number_and_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
