/* Names whose address may be another by now: after a connection that could not be made, curl's
 * cache of names (a minute old at most) is not believed, and the next transfer to that name looks
 * it up anew. One for each loop; its thread only.
 *
 * A name is a bit in a table of fixed size, so that nothing grows with the names and nothing can
 * fail; two names that share a bit have a look-up too many. */
#ifndef PENSTOCK_FETCH_LOOKUP_H
#define PENSTOCK_FETCH_LOOKUP_H

#include <stdbool.h>
#include <stdint.h>

#define LOOKUP_BITS 4096

struct lookups {
    uint8_t doubted[LOOKUP_BITS / 8];
};

void lookup_doubt(struct lookups *lookups, const char *host, int port);
/* Was it doubted? It is not any more. */
bool lookup_settle_doubt(struct lookups *lookups, const char *host, int port);

#endif
