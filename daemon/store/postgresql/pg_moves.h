/* Which shards this member should have, has, takes and gives. The pulse. */
#ifndef PENSTOCK_STORE_POSTGRESQL_PG_MOVES_H
#define PENSTOCK_STORE_POSTGRESQL_PG_MOVES_H

#include "store/postgresql/pg_heart.h"

/* Behind a beat: asks the loop for what others should have. */
void moves_reckon(struct pulse *p);
/* Fills in what is to be given and taken. False: nothing. */
bool moves_due(struct pulse *p);
/* Behind that: the loop is told what it has gained. */
void moves_done(struct pulse *p);

/* The answer's `elsewhere` is told to the loop if it is another one than before. */
void moves_tell_elsewhere(struct pulse *p);

#endif
