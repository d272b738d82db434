/* Which member should own which shard. All members reckon it for themselves and come to the same,
 * so the numbers are whole ones. */
#ifndef PENSTOCK_STORE_POSTGRESQL_PG_ASSIGN_H
#define PENSTOCK_STORE_POSTGRESQL_PG_ASSIGN_H

#include "store/shared.h"

struct assign_member {
    const char *name;
    unsigned workers; /* its weight; 0 counts as 1 */
};

/* Fills in, for each shard, the index of the member that it should have: the one of the highest
 * score (rendezvous hashing by the name, weighted), of those that have not a tenth over their share
 * already. So few shards move when a member comes or goes. With no members: SIZE_MAX. */
void assign_shards(const struct assign_member *members, size_t count, size_t ret[STORE_SHARDS]);

#endif
