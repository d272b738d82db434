#ifndef PENSTOCK_STORE_POSTGRESQL_PG_THREAD_H
#define PENSTOCK_STORE_POSTGRESQL_PG_THREAD_H

/* The store's thread, for pthread_create: `arg` is the struct pg. Ends once it is told to stop and
 * nothing is under way. */
void *pg_thread(void *arg);

#endif
