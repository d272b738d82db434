/* One transaction, and what becomes of its calls when the disk fails. On the store's thread. */
#ifndef PENSTOCK_STORE_SQLITE_BATCH_H
#define PENSTOCK_STORE_SQLITE_BATCH_H

#include "store/sqlite_private.h"

/* Carries out the calls as one transaction and gives them back; those that cannot be done yet go to
 * s->held and s->scans. */
void batch_run(struct sqlite *s, struct list *batch);
/* Looks at the files' places: the store may fail from here on. */
void batch_look(struct sqlite *s);
/* The store fails: tries again what is held. */
void batch_retry(struct sqlite *s);
/* One transaction that forgets. True if more is to be forgotten. */
bool batch_forget(struct sqlite *s);
/* Gives back what is held, with the reason. */
void batch_give_up(struct sqlite *s);

#endif
