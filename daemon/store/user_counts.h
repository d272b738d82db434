/* For engines: how many jobs of each user have not ended. One owner. */
#ifndef PENSTOCK_STORE_USER_COUNTS_H
#define PENSTOCK_STORE_USER_COUNTS_H

#include "base/list.h"
#include "base/tree.h"

#include <stdint.h>

struct user_count {
    struct tree_id entry; /* by uid */
    struct list changed;  /* since the last commit */
    uint64_t pending, committed;
};

struct user_counts {
    struct tree users;
    struct list changed;
};

void user_counts_init(struct user_counts *counts);
void user_counts_deinit(struct user_counts *counts);

/* That user's; NULL: out of memory. It stays as long as the counts. */
struct user_count *user_counts_get(struct user_counts *counts, uint32_t uid);
/* So many more, or fewer; never fewer than none. */
void user_count_add(struct user_counts *counts, struct user_count *user, int64_t change);

/* What was changed stands, or is taken back. */
void user_counts_commit(struct user_counts *counts);
void user_counts_undo(struct user_counts *counts);

#endif
