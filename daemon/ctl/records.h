/* A job's records, read a page at a time: no more is asked for than has been printed, so a slow
 * reader of ours holds up nobody else. */
#ifndef PENSTOCK_CTL_RECORDS_H
#define PENSTOCK_CTL_RECORDS_H

#include "ctl/conn.h"

#include <stdbool.h>
#include <stdint.h>

/* Prints them: their data, or with `whole` their lines as they stand in the log. `attempt`: 0 for
 * the good one. An exit status, after a message if it is not
 * EXIT_ALL_WELL; EXIT_INTERRUPTED: Ctrl-C, and nothing was said. */
int records_print(struct conn *conn, uint64_t id, uint64_t attempt, bool whole);

#endif
