/* Changes, within a transaction. 0 and call->result, or the transaction's fault. */
#ifndef PENSTOCK_STORE_SQLITE_WRITE_H
#define PENSTOCK_STORE_SQLITE_WRITE_H

#include "store/sqlite_private.h"

int write_submit(struct sqlite *s, struct store_submit *call);
int write_claim(struct sqlite *s, struct store_claim *call);
int write_finish(struct sqlite *s, struct store_finish *call);
int write_postpone(struct sqlite *s, struct store_postpone *call);
int write_counts(struct sqlite *s, bool always);
/* Forgets up to `max` ended rows that are too old or too many. 1 if it forgot that many. */
int write_forget(struct sqlite *s, int max);
bool forget_due(const struct sqlite *s);
/* The call as if it had not been tried. */
void write_undo_submit(struct store_submit *call);

#endif
