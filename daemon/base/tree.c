/* A treap: by the order it is a search tree, by each node's rank a heap, with the highest rank at
 * the root. The ranks are as good as drawn by lot, so the tree has the shape of one into which its
 * nodes came in random order, whatever their true order was. A node's rank is its address, well
 * mixed: nobody who submits jobs can choose that. */
#include "base/tree.h"

#include <stddef.h>
#include <string.h>

static uint64_t node_rank(const struct tree_node *node)
{
    uint64_t x = (uintptr_t)
        node; /* the finalizer of MurmurHash3: a bijection, so no two ranks are the same */
    x = (x ^ (x >> 33)) * UINT64_C(0xff51afd7ed558ccd);
    x = (x ^ (x >> 33)) * UINT64_C(0xc4ceb9fe1a85ec53);
    return x ^ (x >> 33);
}

/* What points at the node: its parent's left or right, or the root. */
static struct tree_node **node_link(struct tree *tree, const struct tree_node *node)
{
    struct tree_node *parent = node->parent;
    if (!parent)
        return &tree->root;
    return parent->left == node ? &parent->left : &parent->right;
}

/* The child takes its parent's place, and the parent becomes its child; the order stays. */
static void node_rise(struct tree *tree, struct tree_node *child)
{
    struct tree_node *parent = child->parent, *between;
    *node_link(tree, parent) = child;
    child->parent = parent->parent;
    if (parent->left == child) {
        between = child->right;
        child->right = parent;
        parent->left = between;
    } else {
        between = child->left;
        child->left = parent;
        parent->right = between;
    }
    parent->parent = child;
    if (between)
        between->parent = parent;
}

struct tree_node *tree_insert(struct tree *tree, struct tree_node *node)
{
    struct tree_node **link = &tree->root, *parent = NULL;
    while (*link) {
        int order = tree->compare(node, *link);
        if (order == 0)
            return *link;
        parent = *link;
        link = order < 0 ? &parent->left : &parent->right;
    }
    *node = (struct tree_node){.parent = parent};
    *link = node;
    while (node->parent && node_rank(node) > node_rank(node->parent))
        node_rise(tree, node);
    return NULL;
}

void tree_remove(struct tree *tree, struct tree_node *node)
{
    while (node->left && node->right)
        node_rise(tree, node_rank(node->left) > node_rank(node->right) ? node->left : node->right);
    struct tree_node *child = node->left ? node->left : node->right;
    *node_link(tree, node) = child;
    if (child)
        child->parent = node->parent;
    *node = (struct tree_node){0};
}

struct tree_node *tree_find(const struct tree *tree, const struct tree_node *key)
{
    struct tree_node *node = tree->root;
    while (node) {
        int order = tree->compare(key, node);
        if (order == 0)
            break;
        node = order < 0 ? node->left : node->right;
    }
    return node;
}

struct tree_node *tree_after(const struct tree *tree, const struct tree_node *key)
{
    struct tree_node *node = tree->root, *after = NULL;
    while (node) {
        if (tree->compare(key, node) < 0) {
            after = node;
            node = node->left;
        } else {
            node = node->right;
        }
    }
    return after;
}

static struct tree_node *node_leftmost(struct tree_node *node)
{
    while (node && node->left)
        node = node->left;
    return node;
}

struct tree_node *tree_first(const struct tree *tree)
{
    return node_leftmost(tree->root);
}

struct tree_node *tree_last(const struct tree *tree)
{
    struct tree_node *node = tree->root;
    while (node && node->right)
        node = node->right;
    return node;
}

struct tree_node *tree_next(const struct tree_node *node)
{
    if (node->right)
        return node_leftmost(node->right);
    while (node->parent && node->parent->right == node)
        node = node->parent;
    return node->parent;
}

int tree_by_id(const struct tree_node *a, const struct tree_node *b)
{
    uint64_t x = ((const struct tree_id *)a)->id, y = ((const struct tree_id *)b)->id;
    return x < y ? -1 : x > y;
}

int tree_by_name(const struct tree_node *a, const struct tree_node *b)
{
    return strcmp(((const struct tree_name *)a)->name, ((const struct tree_name *)b)->name);
}

struct tree_node *tree_find_id(const struct tree *tree, uint64_t id)
{
    struct tree_id key = {.id = id};
    return tree_find(tree, &key.node);
}

struct tree_node *tree_find_name(const struct tree *tree, const char *name)
{
    struct tree_name key = {.name = name};
    return tree_find(tree, &key.node);
}
