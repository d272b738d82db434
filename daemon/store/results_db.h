/* The database of the results. One thread's. */
#ifndef PENSTOCK_STORE_RESULTS_DB_H
#define PENSTOCK_STORE_RESULTS_DB_H

#include "store/results.h"

struct results_db;

/* Opens or makes it: `path` as in struct results_config. 0, or a negative errno with a message in
 * *err that names results.path. */
int results_db_open(const char *path, struct results_db **ret_db, struct error *err);
void results_db_close(struct results_db *db); /* takes NULL */

/* Is a database there to be opened? Without one there are no results. */
bool results_db_exists(const char *path);

/* Takes the next steps of the puts, oldest first, in one transaction: those that are sealed move to
 * `over`, with their results. If it fails all do. */
void results_db_put(struct results_db *db, struct list *puts, struct list *over);
void results_db_get(struct results_db *db, struct results_get *get);

/* Forgets a part of what is too old at `now_us` (CLOCK_REALTIME) or too much. True: there is more
 * of it. */
bool results_db_forget(struct results_db *db, int64_t now_us, int64_t keep_us, uint64_t max_bytes);

#endif
