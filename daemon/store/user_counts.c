#include "store/user_counts.h"

#include <stdlib.h>

void user_counts_init(struct user_counts *counts)
{
    tree_init(&counts->users, tree_by_id);
    list_init(&counts->changed);
}

void user_counts_deinit(struct user_counts *counts)
{
    tree_for_each(n, &counts->users)
    {
        tree_remove(&counts->users, n);
        free(container_of(n, struct user_count, entry.node));
    }
}

struct user_count *user_counts_get(struct user_counts *counts, uint32_t uid)
{
    struct tree_node *known = tree_find_id(&counts->users, uid);
    if (known)
        return container_of(known, struct user_count, entry.node);
    struct user_count *user = calloc(1, sizeof *user);
    if (!user)
        return NULL;
    user->entry.id = uid;
    list_init(&user->changed);
    tree_insert(&counts->users, &user->entry.node);
    return user;
}

void user_count_add(struct user_counts *counts, struct user_count *user, int64_t change)
{
    uint64_t fewer = change < 0 ? (uint64_t)-change : 0;
    if (change >= 0)
        user->pending += (uint64_t)change;
    else
        user->pending -= fewer < user->pending ? fewer : user->pending;
    if (list_empty(&user->changed))
        list_add_tail(&counts->changed, &user->changed);
}

void user_counts_commit(struct user_counts *counts)
{
    for (struct list *e; (e = list_pop(&counts->changed));) {
        struct user_count *user = container_of(e, struct user_count, changed);
        user->committed = user->pending;
    }
}

void user_counts_undo(struct user_counts *counts)
{
    for (struct list *e; (e = list_pop(&counts->changed));) {
        struct user_count *user = container_of(e, struct user_count, changed);
        user->pending = user->committed;
    }
}
