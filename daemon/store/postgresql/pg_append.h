/* Records that come before their job's end: copied, each batch in a transaction of its own, by a
 * connection of their own, so that they hold up no end. The store's thread. */
#ifndef PENSTOCK_STORE_POSTGRESQL_PG_APPEND_H
#define PENSTOCK_STORE_POSTGRESQL_PG_APPEND_H

#include "store/postgresql/pg_private.h"

#include <poll.h>

/* 0 or -ENOMEM. */
int append_init(struct pg *pg);
void append_deinit(struct pg *pg); /* whatever append_init came to */

/* Takes the call if it brings such records; looks at others: an attempt that came to nothing may
 * have left some, which are deleted soon. */
bool append_take(struct pg *pg, struct store_call *call);

/* What is due. */
void append_turn(struct pg *pg);
struct pollfd append_poll(const struct pg *pg);
/* In so many ms, at the latest, it has a turn; `most`: whenever. */
int append_timeout(const struct pg *pg, int most);
/* Gives up what is under way there, as if the connection were lost. */
void append_drop(struct pg *pg, const char *why);
/* No call is there any more. */
bool append_idle(const struct pg *pg);

#endif
