/* The coding, as the Linux kernel's documentation tells of it (staging/lzo.rst): instructions, each
 * of a byte or more, that copy a match from what was decoded, and up to three literal bytes behind
 * it. What an instruction below 16 means depends on how many literals came before it.
 */
/* clang-format off */
/*   byte       match: length               distance
 *   0-15       after 0 literals: none, but that byte's literals; after 1-3: 2, within 1 KiB; else: 3, within 3 KiB
 *   16-31      2 + 3 bits, or more         16 KiB to 48 KiB; 16384 itself ends the stream
 *   32-63      2 + 5 bits, or more         within 16 KiB
 *   64-127     3 + 1 bit                   within 2 KiB
 *   128-255    5 + 2 bits                  within 2 KiB
 */
/* clang-format on */
#include "parse/lzo.h"

#include <string.h>

#define MANY 4 /* more than three literals came before */

struct decoder {
    const unsigned char *from, *end;
    unsigned char *start, *to, *limit;
    unsigned literals; /* before the instruction at hand */
    bool wrong, ended;
};

static unsigned take(struct decoder *d)
{
    if (d->from < d->end)
        return *d->from++;
    d->wrong = true;
    return 0;
}

/* A length that did not fit into the instruction: each zero is 255 more. */
static size_t take_length(struct decoder *d, size_t length, size_t more)
{
    unsigned byte;
    if (length > 0)
        return length;
    while ((byte = take(d)) == 0 && !d->wrong)
        more += 255;
    return more + byte;
}

static void put_literals(struct decoder *d, size_t count)
{
    if (count > (size_t)(d->end - d->from) || count > (size_t)(d->limit - d->to)) {
        d->wrong = true;
        return;
    }
    memcpy(d->to, d->from, count);
    d->from += count;
    d->to += count;
}

/* The match may reach into what it writes. */
static void put_match(struct decoder *d, size_t distance, size_t length)
{
    if (distance > (size_t)(d->to - d->start) || length > (size_t)(d->limit - d->to)) {
        d->wrong = true;
        return;
    }
    for (; length > 0; length--, d->to++)
        *d->to = *(d->to - distance);
}

static void put_trailing(struct decoder *d, unsigned count)
{
    if (!d->wrong)
        put_literals(d, count);
    d->literals = count;
}

static void take_short(struct decoder *d, unsigned byte)
{
    if (d->literals == 0) {
        size_t count = 3 + take_length(d, byte, 15);
        if (!d->wrong)
            put_literals(d, count);
        d->literals = MANY;
        return;
    }
    size_t distance = (size_t)take(d) * 4 + (byte >> 2);
    if (d->literals == MANY)
        put_match(d, distance + 2049, 3);
    else
        put_match(d, distance + 1, 2);
    put_trailing(d, byte & 3);
}

/* A distance of 14 bits, and the number of literals in two more. */
static void take_far(struct decoder *d, size_t base, size_t length)
{
    unsigned low = take(d), both = low | take(d) << 8;
    size_t distance = base + (both >> 2);
    if (base >= 16384 && distance == 16384) {
        d->ended = true;
        return;
    }
    if (!d->wrong)
        put_match(d, base >= 16384 ? distance : distance + 1, length);
    put_trailing(d, both & 3);
}

static void take_instruction(struct decoder *d)
{
    unsigned byte = take(d);
    size_t length;
    if (byte < 16) {
        take_short(d, byte);
    } else if (byte < 32) {
        length = 2 + take_length(d, byte & 7, 7);
        take_far(d, 16384 + (size_t)(byte & 8) * 2048, length);
    } else if (byte < 64) {
        length = 2 + take_length(d, byte & 31, 31);
        take_far(d, 0, length);
    } else {
        length = byte < 128 ? 3 + (byte >> 5 & 1) : 5 + (byte >> 5 & 3);
        put_match(d, (size_t)take(d) * 8 + (byte >> 2 & 7) + 1, length);
        put_trailing(d, byte & 3);
    }
}

bool lzo_decode(const unsigned char *from, size_t len, unsigned char *to, size_t size)
{
    struct decoder d = {.from = from, .end = from + len, .start = to, .to = to, .limit = to + size};
    if (len > 0 && *from > 17) { /* the stream begins with literals */
        unsigned count = take(&d) - 17;
        put_literals(&d, count);
        d.literals = count < MANY ? count : MANY;
    }
    while (!d.wrong && !d.ended)
        take_instruction(&d);
    return !d.wrong && d.from == d.end && d.to == d.limit;
}
