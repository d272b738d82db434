#include "control/budget.h"

#include <assert.h>
#include <stdint.h>

static struct list *rank_of(struct budget *budget, size_t bytes)
{
    unsigned rank = 0;
    while (bytes >>= 1)
        rank++;
    return &budget->ranks[rank < BUDGET_RANKS ? rank : BUDGET_RANKS - 1];
}

void budget_init(struct budget *budget, size_t max)
{
    budget->max = max;
    budget->used = budget->peak = 0;
    for (int i = 0; i < BUDGET_RANKS; i++)
        list_init(&budget->ranks[i]);
}

void share_init(struct share *share)
{
    list_init(&share->link);
    share->bytes = 0;
}

void budget_set(struct budget *budget, struct share *share, size_t bytes)
{
    assert(budget->used >= share->bytes);
    if (bytes == share->bytes)
        return;
    budget->used += bytes - share->bytes;
    if (budget->peak < budget->used)
        budget->peak = budget->used;
    share->bytes = bytes;
    list_del(&share->link);
    if (bytes > 0)
        list_add_tail(rank_of(budget, bytes), &share->link);
}

size_t budget_allowance(const struct budget *budget)
{
    if (!budget)
        return SIZE_MAX;
    size_t quarter = budget->used < budget->max ? (budget->max - budget->used) / 4 : 0;
    return quarter > BUDGET_LEAST ? quarter : BUDGET_LEAST;
}

struct share *budget_overdrawn(struct budget *budget)
{
    for (int i = BUDGET_RANKS - 1; i >= 0 && budget->used > budget->max; i--)
        if (!list_empty(&budget->ranks[i]))
            return container_of(budget->ranks[i].next, struct share, link);
    return NULL;
}
