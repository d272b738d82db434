#include "base/json_string.h"

#include "base/utf8.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* A literal without its NUL. */
#define PUT(b, literal) buf_put((b), (literal), sizeof(literal) - 1)

static bool plain(unsigned char c)
{
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

/* True if all eight bytes are plain. The usual arithmetic on bytes in a word; an underflow can only
 * come from a byte that is not plain itself, so it makes no wrong "true". */
static bool plain8(const unsigned char *p)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), high = ones << 7;
    uint64_t w, quote, slash;
    memcpy(&w, p, sizeof w);
    quote = w ^ ones * '"';
    slash = w ^ ones * '\\';
    return ((w | (w - ones * 0x20) | (quote - ones) | (slash - ones)) & high) == 0;
}

#ifdef __SSE2__
/* Which of sixteen bytes JSON has to escape, a bit each; the rest may be UTF-8. */
static unsigned escaped16(const unsigned char *p)
{
    __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
    __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(0x1f)), v);
    __m128i mark =
        _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('"')), _mm_cmpeq_epi8(v, _mm_set1_epi8('\\')));
    return (unsigned)_mm_movemask_epi8(_mm_or_si128(control, mark));
}
#endif

/* Up to the first byte that JSON has to escape. */
static const unsigned char *skip_unescaped(const unsigned char *p, const unsigned char *end)
{
#ifdef __SSE2__
    for (; end - p >= 16; p += 16) {
        unsigned found = escaped16(p);
        if (found)
            return p + __builtin_ctz(found);
    }
#endif
    while (end - p >= 8 && plain8(p))
        p += 8;
    while (p < end && (plain(*p) || *p >= 0x80))
        p++;
    return p;
}

/* How many bytes can be copied as they are: plain ones and well-formed sequences. */
static size_t copied_run(const unsigned char *p, const unsigned char *end)
{
    const unsigned char *start = p;
    for (;;) {
        while (end - p >= 8 && plain8(p))
            p += 8;
        while (p < end && plain(*p))
            p++;
        int n = p < end && *p >= 0x80 ? utf8_sequence(p, end) : 0;
        if (n <= 0)
            return (size_t)(p - start);
        p += n;
    }
}

static void put_escape(struct buf *b, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    static const char shorts[0x20] = {
        ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'};
    char esc[] = {'\\', (char)c, '0', '0', hex[c >> 4 & 15], hex[c & 15]};
    size_t len = 2;

    if (c < 0x20 && shorts[c]) {
        esc[1] = shorts[c];
    } else if (c < 0x20) {
        esc[1] = 'u';
        len = sizeof esc;
    }
    buf_put(b, esc, len);
}

void json_put_utf8(struct buf *b, const char *s, size_t len)
{
    const unsigned char *p = (const unsigned char *)s, *end = p + len;
    buf_reserve(b, len + 2);
    PUT(b, "\"");
    while (p < end) {
        const unsigned char *until = skip_unescaped(p, end);
        buf_put(b, p, (size_t)(until - p));
        p = until;
        if (p < end)
            put_escape(b, *p++);
    }
    PUT(b, "\"");
}

void json_put_string(struct buf *b, const char *s, size_t len)
{
    const unsigned char *p = (const unsigned char *)s, *end = p + len;

    buf_reserve(b, len + 2);
    PUT(b, "\"");
    while (p < end) {
        size_t run = copied_run(p, end);
        buf_put(b, p, run);
        p += run;
        if (p == end)
            break;
        if (*p < 0x80) {
            put_escape(b, *p++);
        } else {
            PUT(b, "\xef\xbf\xbd");
            p += -utf8_sequence(p, end);
        }
    }
    PUT(b, "\"");
}
