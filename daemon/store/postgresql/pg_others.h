/* What others run, or have left behind: torn attempts, cancels, attempts that others have closed.
 * Each adds steps to the pipeline of `w`; `stood`: as in pg_write.h. The store's thread. */
#ifndef PENSTOCK_STORE_POSTGRESQL_PG_OTHERS_H
#define PENSTOCK_STORE_POSTGRESQL_PG_OTHERS_H

#include "store/postgresql/pg_private.h"
#include "store/shared.h"

void others_torn(struct pg *pg, struct store_torn *call);
void others_close(struct pg *pg, struct group *group, bool stood);
void others_cancel(struct pg *pg, struct group *group, bool stood);
void others_voided(struct pg *pg, struct group *group, bool stood);

/* Takes back what a call has been given. */
void others_drop_torn(struct store_torn *call);
void others_drop_voided(struct store_void *call);

/* Appends the shards as one array, the next parameter; those from `from` on. */
void others_args_shards(struct args *args, const struct store_shards *shards, unsigned from);

#endif
