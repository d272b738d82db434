/* The statements of changes, and what their results mean. The store's thread. */
#ifndef PENSTOCK_STORE_POSTGRESQL_WRITE_H
#define PENSTOCK_STORE_POSTGRESQL_WRITE_H

#include "store/postgresql/pg_private.h"

/* Adds the steps of a group of calls to the pipeline of `w`; their results settle the calls.
 * `stood`: they have been carried out, and it is only asked what came of them. */
void write_group(struct pg *pg, struct group *group, bool stood);

/* Adds the step that says of these ids how their rows stand; write_look_over then refuses the calls
 * that are still open. */
void write_look(struct pg *pg, const uint64_t *ids, size_t count, step_taker *take, void *arg);

/* Gives the jobs of a submission their ids, which must be there. */
void write_number_jobs(struct pg *pg, struct store_submit *call);
/* What is not stored has no id and is not claimed. */
void write_undo_submit(struct store_submit *call);
/* Adds the step that asks which keys of a submission are known: those items are settled, the
 * others stay open. Uses the batch's groups. */
void write_ask_known(struct pg *pg, struct store_submit *call);

/* Old ends go: adds the steps, and notes what they come to in the batch's delta. */
void write_forget(struct pg *pg);
bool write_forget_due(const struct pg *pg);

#endif
