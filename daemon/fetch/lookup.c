#include "fetch/lookup.h"

#include <string.h>

static unsigned bit_of(const char *host, int port)
{
    uint32_t hash = 2166136261u ^ (uint32_t)port; /* FNV-1a */
    for (const char *p = host; *p; p++)
        hash = (hash ^ (unsigned char)*p) * 16777619u;
    return hash % LOOKUP_BITS;
}

void lookup_doubt(struct lookups *lookups, const char *host, int port)
{
    unsigned bit = bit_of(host, port);
    lookups->doubted[bit / 8] |= (uint8_t)(1u << bit % 8);
}

bool lookup_settle_doubt(struct lookups *lookups, const char *host, int port)
{
    unsigned bit = bit_of(host, port);
    bool doubted = lookups->doubted[bit / 8] >> bit % 8 & 1;
    lookups->doubted[bit / 8] &= (uint8_t) ~(1u << bit % 8);
    return doubted;
}

bool lookup_fills(struct lookups *lookups, const char *host, int port)
{
    unsigned bit = bit_of(host, port);
    if (lookups->cached[bit / 8] >> bit % 8 & 1)
        return false;
    lookups->cached[bit / 8] |= (uint8_t)(1u << bit % 8);
    if (++lookups->cached_count < LOOKUP_MAX)
        return false;
    memset(lookups->cached, 0, sizeof lookups->cached);
    lookups->cached_count = 0;
    return true;
}
