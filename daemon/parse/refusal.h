/* A stage that was refused a file by the unit it runs in. The daemon runs under the same rules, so
 * what a stage complains of on standard error can be tried: only what is refused here, too,
 * counts. */
#ifndef PENSTOCK_PARSE_REFUSAL_H
#define PENSTOCK_PARSE_REFUSAL_H

#include "base/error.h"

#include <stdbool.h>

/* Where the unit's rules are widened: PENSTOCK_SANDBOX of the environment, a file; NULL outside a
 * unit that has rules. */
const char *refusal_remedy(void);

/* Looks in `said` for an error and its path, where this process is refused, too. True, with a
 * message in *err with path, error and remedy. Asks the file system: a worker's thread. */
bool refusal_find(const char *said, struct error *ret_why);

#endif
