/* What curl's cache of names holds, of which it tells nothing. One for each loop; its thread only.
 *
 * Names whose address may be another by now: after a connection that could not be made, the cache
 * (a minute old at most) is not believed, and the next transfer to that name looks it up anew.
 *
 * How many names: curl walks all that it has cached whenever a transfer ends, so beyond a number of
 * them the cache is emptied.
 *
 * A name is a bit in a table of fixed size, so that nothing grows with the names and nothing can
 * fail; two names that share a bit have a look-up too many. */
#ifndef PENSTOCK_FETCH_LOOKUP_H
#define PENSTOCK_FETCH_LOOKUP_H

#include <stdbool.h>
#include <stdint.h>

#define LOOKUP_BITS 4096
#define LOOKUP_MAX  256 /* names in the cache */

struct lookups {
    uint8_t doubted[LOOKUP_BITS / 8], cached[LOOKUP_BITS / 8];
    unsigned cached_count;
};

void lookup_doubt(struct lookups *lookups, const char *host, int port);
/* Was it doubted? It is not any more. */
bool lookup_settle_doubt(struct lookups *lookups, const char *host, int port);
/* A transfer to this name begins. True: the cache has names enough, and this transfer is to empty
 * it. */
bool lookup_fills(struct lookups *lookups, const char *host, int port);

#endif
