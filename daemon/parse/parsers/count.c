/* count: bytes, lines and words: one record.
 *
 * A line is a newline. A word is what stands between white space (space, \t \n \v \f \r), if at
 * least one of its bytes is a printable ASCII character; so words do not depend on a locale, nor on
 * whether the body is UTF-8 at all. `LC_ALL=C wc -w` of coreutils 9.1 counts the same; that of 9.7
 * counts words without such a character as well, and takes the byte 0xa0, which UTF-8 uses, for
 * white space.
 *
 * This parser is the measure of how fast a body can be carried, so it looks at 64 bytes at once: a
 * bit for each byte that is white space, printable, a newline. */
#include "parse/registry.h"

#include "parse/block.h"

#include <inttypes.h>
#include <stdio.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

struct count {
    uint64_t bytes, lines, words;
    uint64_t in_word; /* 0 or 1: the last byte belongs to a word that was counted */
};

static void count_byte(struct count *c, unsigned char byte)
{
    bool space = byte == ' ' || (byte >= '\t' && byte <= '\r');
    bool printable = byte > ' ' && byte < 0x7f;
    c->lines += byte == '\n';
    c->words += printable && !c->in_word;
    c->in_word = printable || (c->in_word && !space);
}

#ifdef __SSE2__
static uint64_t mask(__m128i v)
{
    return (uint64_t)(unsigned)_mm_movemask_epi8(v);
}

/* A bit for each byte in low … low + span. */
static uint64_t in_range(__m128i v, char low, char span)
{
    __m128i from = _mm_sub_epi8(v, _mm_set1_epi8(low));
    return mask(_mm_cmpeq_epi8(_mm_min_epu8(from, _mm_set1_epi8(span)), from));
}

static inline __attribute__((always_inline)) void count_64(struct count *c, const char *p)
{
    uint64_t newlines = 0, spaces = 0, printable = 0;
    for (int i = 0; i < 4; i++) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(p + 16 * i));
        newlines |= mask(_mm_cmpeq_epi8(v, _mm_set1_epi8('\n'))) << 16 * i;
        spaces |= (mask(_mm_cmpeq_epi8(v, _mm_set1_epi8(' '))) | in_range(v, '\t', 4)) << 16 * i;
        printable |= in_range(v, '!', '~' - '!') << 16 * i;
    }
    /* The other bytes go on with whatever was before them. Adding a word's last bit to the run of
     * ones behind it makes the carry run through: what it clears belongs to the word. */
    uint64_t other = ~(spaces | printable);
    uint64_t after_word = (printable << 1 | c->in_word) & other;
    uint64_t inside = printable | (other & ~(other + after_word));
    c->lines += (uint64_t)__builtin_popcountll(newlines);
    c->words += (uint64_t)__builtin_popcountll(printable & ~(inside << 1 | c->in_word));
    c->in_word = inside >> 63;
}

static inline __attribute__((always_inline)) void count_64s(struct count *c, const char *p,
                                                            size_t len)
{
    for (; len >= 64; p += 64, len -= 64)
        count_64(c, p);
}

/* Every x86-64 has SSE2; for counting bits most have an instruction. */
#ifdef __x86_64__
__attribute__((target("popcnt"))) static void count_64s_popcnt(struct count *c, const char *p,
                                                               size_t len)
{
    count_64s(c, p, len);
}
#endif

static size_t count_wide(struct count *c, const char *p, size_t len)
{
#ifdef __x86_64__
    if (__builtin_cpu_supports("popcnt"))
        count_64s_popcnt(c, p, len);
    else
#endif
        count_64s(c, p, len);
    return len & ~(size_t)63;
}
#else
static size_t count_wide(struct count *c, const char *p, size_t len)
{
    (void)c, (void)p, (void)len;
    return 0;
}
#endif

static void count_block(struct count *c, const char *p, size_t len)
{
    c->bytes += len;
    for (size_t i = count_wide(c, p, len); i < len; i++)
        count_byte(c, (unsigned char)p[i]);
}

static int parse(FILE *body, struct penstock_run *run)
{
    struct count c = {0};
    struct block block;
    block_init(&block, body);
    while (block_next(&block))
        count_block(&c, block.data, block.len);
    if (ferror(body))
        return PENSTOCK_FAILED;
    char record[128];
    int len = snprintf(record, sizeof record,
                       "{\"bytes\":%" PRIu64 ",\"lines\":%" PRIu64 ",\"words\":%" PRIu64 "}",
                       c.bytes, c.lines, c.words);
    return parse_task_emit(run, record, (size_t)len) < 0 ? PENSTOCK_FAILED : PENSTOCK_OK;
}

const struct penstock_parser parser_count = {
    .abi = PENSTOCK_PARSER_ABI,
    .size = sizeof(struct penstock_parser),
    .name = "count",
    .summary = "one record: bytes, lines and words (which have a printable ASCII character)",
    .parse = parse,
};
