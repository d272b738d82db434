/* What the pulse's pipelines are told: each takes one step's result into the answer. The pulse. */
#ifndef PENSTOCK_STORE_POSTGRESQL_PG_ANSWER_H
#define PENSTOCK_STORE_POSTGRESQL_PG_ANSWER_H

#include "store/postgresql/pg_heart.h"

/* The argument of all: the struct pulse. */
step_taker answer_take_beat, answer_take_members, answer_take_shards, answer_take_due,
    answer_take_elsewhere, answer_take_cancels, answer_take_torn, answer_take_version,
    answer_take_counts, answer_take_schedules, answer_take_health, answer_take_ended,
    answer_take_declared, answer_take_kinds, answer_take_guests, answer_take_parked,
    answer_take_pauses;

void answer_clear(struct answer *a);
void elsewhere_clear(struct elsewhere *e);
bool elsewhere_same(const struct elsewhere *a, const struct elsewhere *b);

/* Copies the list into the event. 0 or -ENOMEM. */
int elsewhere_copy(const struct elsewhere *e, struct store_event *event);

/* The events of the answer go to the loop. */
void answer_post_events(struct pulse *p);

#endif
