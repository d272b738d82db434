/* A copy of the store while the daemon runs (store.h, struct store_backup). */
#ifndef PENSTOCK_STORE_SQLITE_BACKUP_H
#define PENSTOCK_STORE_SQLITE_BACKUP_H

#include "store/sqlite_private.h"

/* The control loop: a copy is wanted. One at a time: another one results with -EBUSY at once. */
void backup_ask(struct sqlite *s, struct store_backup *call);

/* The store's thread, once a turn: begins what is wanted, and gives back what is over. */
void backup_turn(struct sqlite *s);

/* The store's thread: the file is being copied, and SQLite's log must not be written into it. */
static inline bool backup_copies(const struct sqlite *s)
{
    return s->backup.copying;
}

#endif
