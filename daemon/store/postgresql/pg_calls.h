/* The calls of a batch and of the queue, and what is known of the store beside them: the counts,
 * and whether it fails. The store's thread. */
#ifndef PENSTOCK_STORE_POSTGRESQL_PG_CALLS_H
#define PENSTOCK_STORE_POSTGRESQL_PG_CALLS_H

#include "store/postgresql/pg_private.h"

struct store_call *calls_pop(struct list *list); /* NULL: it is empty */

/* --- counts; the control loop sees them at once */

/* Of all members: of a state, or, of JOB_STATE_COUNT_, the bytes that wait. */
uint64_t calls_count(const struct pg *pg, int i);
/* Adds what a batch has changed. */
void calls_apply_delta(struct pg *pg, const struct delta *delta);
/* A beat has seen the others' (the pulse), and the store's thread takes that over. */
void calls_bring_others(struct pg *pg, const int64_t others[JOB_STATE_COUNT_ + 1]);
/* How many schedules there are, how many fail, are paused, and when the last was run. */
void calls_bring_schedules(struct pg *pg, const int64_t schedules[4]);
void calls_take_others(struct pg *pg);
/* We have joined anew: what we have counted stands with that of those that are gone. */
void calls_become_others(struct pg *pg);
/* Takes them from a result of SQL_COUNTS; the number of the last batch in our row, -1: it is not
 * there. */
int64_t calls_read_counts(struct pg *pg, const PGresult *result);

/* --- failing */

void calls_set_failing(struct pg *pg, const struct error *why);
void calls_set_working(struct pg *pg);

/* --- one call */

/* The last touch. */
void calls_give_back(struct pg *pg, struct store_call *call);
/* With the reason why the store fails; nothing of the call has been carried out. */
void calls_refuse(struct pg *pg, struct store_call *call, int code);
/* Refuses what must not wait for a store that fails. */
void calls_refuse_waiting(struct pg *pg);
size_t calls_open_items(const struct store_submit *call);

/* --- the batch's; afterwards it is empty */

void calls_clear(struct pg *pg); /* has none any more */
/* Nothing of them was carried out: they wait again, before all others. */
void calls_put_back(struct pg *pg);
/* Gives them back in their order; those that are still open wait again. */
void calls_deliver(struct pg *pg);

#endif
