/* An intrusive ordered tree: what is in it embeds a struct tree_node, and container_of
 * (base/list.h) leads back. Nothing is allocated, so putting in and taking out cannot fail.
 * Finding, putting in and taking out cost the logarithm of the count. No locking: the owner says
 * which. */
#ifndef PENSTOCK_BASE_TREE_H
#define PENSTOCK_BASE_TREE_H

#include "base/list.h"

#include <stdint.h>

struct tree_node {
    struct tree_node *parent, *left, *right;
};

/* Less than, equal to or greater than 0, as `a` stands before, at or after the place of `b`. */
typedef int tree_compare(const struct tree_node *a, const struct tree_node *b);

struct tree {
    struct tree_node *root;
    tree_compare *compare;
};

static inline void tree_init(struct tree *tree, tree_compare *compare)
{
    *tree = (struct tree){.compare = compare};
}

/* NULL, or the node that stands at this place already: then `node` is not put in. */
struct tree_node *tree_insert(struct tree *tree, struct tree_node *node);
/* The node must be in this tree. */
void tree_remove(struct tree *tree, struct tree_node *node);

/* The node at the place of `key`, which need not be in the tree; NULL: there is none. */
struct tree_node *tree_find(const struct tree *tree, const struct tree_node *key);
/* The first node behind the place of `key`; NULL: there is none. */
struct tree_node *tree_after(const struct tree *tree, const struct tree_node *key);

/* In order, for (n = tree_first(t); n; n = tree_next(n)). To take `n` out, find the next one before
 * that. */
struct tree_node *tree_first(const struct tree *tree);
struct tree_node *tree_last(const struct tree *tree);
struct tree_node *tree_next(const struct tree_node *node);

/* What embeds the node as `member`; NULL if there is none. */
#define tree_entry(node, type, member)                    \
    ({                                                    \
        struct tree_node *node_ = (node);                 \
        node_ ? container_of(node_, type, member) : NULL; \
    })

/* Walks the tree in order; the current node may be taken out in the body. */
#define tree_for_each(n, tree)                                                           \
    for (struct tree_node *n = tree_first(tree), *n##_next = n ? tree_next(n) : NULL; n; \
         n = n##_next, n##_next = n ? tree_next(n) : NULL)

/* --- trees by a number, and by a text, which has to outlive its node -------------------------- */

struct tree_id {
    struct tree_node node;
    uint64_t id;
};

struct tree_name {
    struct tree_node node;
    const char *name;
};

/* For tree_init. */
tree_compare tree_by_id, tree_by_name;

/* NULL: there is none. */
struct tree_node *tree_find_id(const struct tree *tree, uint64_t id);
struct tree_node *tree_find_name(const struct tree *tree, const char *name);

#endif
