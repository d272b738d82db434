#include "store/postgresql/pg_assign.h"

#include <stdint.h>

#define WORKERS_MAX 1000000u

static uint64_t weight_of(const struct assign_member *m)
{
    return m->workers == 0 ? 1 : m->workers > WORKERS_MAX ? WORKERS_MAX : m->workers;
}

/* FNV-1a, and the finalizer of SplitMix64 behind it, as names and shards differ in few bits. */
static uint64_t hash(const char *name, unsigned shard)
{
    uint64_t h = 14695981039346656037u;
    for (const unsigned char *p = (const unsigned char *)name; *p; p++)
        h = (h ^ *p) * 1099511628211u;
    h = (h ^ (0x100 + shard)) * 1099511628211u;
    h = (h ^ h >> 30) * 0xbf58476d1ce4e5b9u;
    h = (h ^ h >> 27) * 0x94d049bb133111ebu;
    return h ^ h >> 31;
}

/* -log2(h / 2^64), in 2^-24; at least 1. */
static uint64_t minus_log2(uint64_t h)
{
    if (h == 0)
        return (uint64_t)64 << 24;
    unsigned zeros = (unsigned)__builtin_clzll(h);
    uint64_t x = h << zeros, fraction = 0; /* 1 <= x < 2, in 2^-63 */
    for (int i = 0; i < 24; i++) {
        unsigned __int128 square = (unsigned __int128)x * x >> 63;
        bool two = square >> 64 != 0;
        x = (uint64_t)(two ? square >> 1 : square);
        fraction = fraction << 1 | two;
    }
    return ((uint64_t)(zeros + 1) << 24) - fraction;
}

/* The score is weight / -log(hash): a's is higher than b's. Equal ones: by name. */
static bool is_better(const struct assign_member *a, const struct assign_member *b, unsigned shard)
{
    uint64_t left = weight_of(a) * minus_log2(hash(b->name, shard));
    uint64_t right = weight_of(b) * minus_log2(hash(a->name, shard));
    if (left != right)
        return left > right;
    const char *x = a->name, *y = b->name;
    while (*x && *x == *y)
        x++, y++;
    return (unsigned char)*x < (unsigned char)*y;
}

/* A tenth over its share, rounded up; so all together have room for more than all shards. */
static uint64_t most(const struct assign_member *m, uint64_t all)
{
    uint64_t share = 11 * STORE_SHARDS * weight_of(m);
    return (share + 10 * all - 1) / (10 * all);
}

static size_t count_of(const size_t *owners, unsigned shards, size_t member)
{
    size_t n = 0;
    for (unsigned i = 0; i < shards; i++)
        n += owners[i] == member;
    return n;
}

void assign_shards(const struct assign_member *members, size_t count, size_t ret[STORE_SHARDS])
{
    uint64_t all = 0;
    for (size_t m = 0; m < count; m++)
        all += weight_of(&members[m]);
    for (unsigned shard = 0; shard < STORE_SHARDS; shard++) {
        size_t best = SIZE_MAX;
        for (size_t m = 0; m < count; m++) {
            if (count_of(ret, shard, m) >= most(&members[m], all))
                continue;
            if (best == SIZE_MAX || is_better(&members[m], &members[best], shard))
                best = m;
        }
        ret[shard] = best;
    }
}
