/* Questions. Each adds its steps to a pipeline; what they give is in the call. The store's
 * thread. */
#ifndef PENSTOCK_STORE_POSTGRESQL_READ_H
#define PENSTOCK_STORE_POSTGRESQL_READ_H

#include "store/postgresql/pg_private.h"

/* Of those that go by `w`. */
void read_call(struct pg *pg, struct store_call *call);

/* Of those that go by `r`: one turn of it. */
void read_long(struct pg *pg, struct store_call *call);
/* Its steps are done: is there another turn to come? */
bool read_goes_on(const struct store_call *call);

/* Takes back what a call has been given. */
void read_drop(struct store_call *call);

#endif
