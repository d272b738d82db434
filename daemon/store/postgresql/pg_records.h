/* Ends that bring records: these are copied into the table `records` in the transaction of the end,
 * by a connection of their own, so that a long copy holds nothing else up. The store's thread. */
#ifndef PENSTOCK_STORE_POSTGRESQL_PG_RECORDS_H
#define PENSTOCK_STORE_POSTGRESQL_PG_RECORDS_H

#include "store/postgresql/pg_private.h"

#include <poll.h>

/* 0 or -ENOMEM. */
int records_init(struct pg *pg);
void records_deinit(struct pg *pg); /* whatever records_init came to */

/* Takes the call if it is an end with records. */
bool records_take(struct pg *pg, struct store_call *call);

/* What is due. */
void records_turn(struct pg *pg);
struct pollfd records_poll(const struct pg *pg);
/* In so many ms, at the latest, it has a turn; `most`: whenever. */
int records_timeout(const struct pg *pg, int most);
bool records_idle(const struct pg *pg);

/* Gives up what is under way there, as if the connection were lost. */
void records_drop(struct pg *pg, const char *why);
/* Gives back what waits, with the reason why the store fails. */
void records_give_up(struct pg *pg);

#endif
