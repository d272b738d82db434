/* The pulse's pipelines: what it asks. */
#ifndef PENSTOCK_STORE_POSTGRESQL_PG_BEAT_H
#define PENSTOCK_STORE_POSTGRESQL_PG_BEAT_H

#include "store/postgresql/pg_heart.h"

/* Each sends one, which is one transaction: `work` says which is under way. The channel is idle. */
void beat_hello(struct pulse *p);
void beat_send(struct pulse *p);
void beat_move(struct pulse *p);
void beat_drain(struct pulse *p);
void beat_reap(struct pulse *p);
void beat_count(struct pulse *p);
void beat_parked(struct pulse *p);
void beat_health(struct pulse *p);
/* False: there is nothing to send. */
bool beat_tell(struct pulse *p);
bool beat_await(struct pulse *p);

#endif
