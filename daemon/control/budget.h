/* One budget of memory for all connections. Each has a share: what it holds just then.
 *
 * It is shared as a switch shares its buffers among its ports: nobody may hold more than a quarter
 * of what is free, but BUDGET_LEAST always. So one greedy client may take much while the others
 * want nothing, and the more of them there are, the less each may have; together they stay within
 * the budget, as long as it has room for the least of each. If it has not, the fattest share is
 * what must go. The cost of all this does not grow with their number. Control loop. */
#ifndef PENSTOCK_CONTROL_BUDGET_H
#define PENSTOCK_CONTROL_BUDGET_H

#include "base/list.h"

#include <stdbool.h>
#include <stddef.h>

#define BUDGET_LEAST ((size_t)64 << 10)
#define BUDGET_RANKS 48

struct share {
    struct list link; /* in the rank of its size's logarithm */
    size_t bytes;
};

struct budget {
    size_t max, used;
    size_t peak; /* the most that was used; whoever looks at it may set it back */
    struct list ranks[BUDGET_RANKS];
};

void budget_init(struct budget *budget, size_t max);
void share_init(struct share *share);

/* From now on the share is so large; 0 takes it out. */
void budget_set(struct budget *budget, struct share *share, size_t bytes);

/* How much a connection may hold just now. A NULL budget has no bounds. */
size_t budget_allowance(const struct budget *budget);

/* The fattest share, or one that is more than half as fat, if the budget is overdrawn; else
 * NULL. */
struct share *budget_overdrawn(struct budget *budget);

#endif
