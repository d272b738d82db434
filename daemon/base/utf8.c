#include "base/utf8.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

int utf8_sequence(const unsigned char *p, const unsigned char *end)
{
    unsigned char lead = *p, low = 0x80, high = 0xbf;
    int more = 3;

    if (lead < 0xc2 || lead > 0xf4)
        return -1;
    if (lead < 0xe0)
        more = 1;
    else if (lead < 0xf0)
        more = 2;
    if (lead == 0xe0)
        low = 0xa0; /* overlong */
    else if (lead == 0xed)
        high = 0x9f; /* surrogates */
    else if (lead == 0xf0)
        low = 0x90; /* overlong */
    else if (lead == 0xf4)
        high = 0x8f; /* above U+10FFFF */
    for (int i = 1; i <= more; i++) {
        if (p + i >= end || p[i] < low || p[i] > high)
            return -i;
        low = 0x80;
        high = 0xbf;
    }
    return more + 1;
}

#ifdef __SSE2__
/* Most text is ASCII, and this is many times faster than looking for sequences. Where its first
 * other byte is, or the last fifteen begin. */
static size_t skip_ascii(const char *s, size_t i, size_t len)
{
    for (; len - i >= 64; i += 64) {
        const __m128i *p = (const __m128i *)(const void *)(s + i);
        __m128i a = _mm_or_si128(_mm_loadu_si128(p), _mm_loadu_si128(p + 1));
        __m128i b = _mm_or_si128(_mm_loadu_si128(p + 2), _mm_loadu_si128(p + 3));
        if (_mm_movemask_epi8(_mm_or_si128(a, b)))
            break;
    }
    for (; len - i >= 16; i += 16) {
        unsigned high =
            (unsigned)_mm_movemask_epi8(_mm_loadu_si128((const __m128i *)(const void *)(s + i)));
        if (high)
            return i + (size_t)__builtin_ctz(high);
    }
    return i;
}

/* The same behind a sequence: another is likely to be near. */
static size_t skip_near(const char *s, size_t i, size_t len)
{
    if (len - i < 16)
        return i;
    unsigned high =
        (unsigned)_mm_movemask_epi8(_mm_loadu_si128((const __m128i *)(const void *)(s + i)));
    return high ? i + (size_t)__builtin_ctz(high) : skip_ascii(s, i + 16, len);
}
#else
static size_t skip_ascii(const char *s, size_t i, size_t len)
{
    uint64_t words[4];
    for (; i + sizeof words <= len; i += sizeof words) {
        memcpy(words, s + i, sizeof words);
        if ((words[0] | words[1] | words[2] | words[3]) & UINT64_C(0x8080808080808080))
            break;
    }
    return i;
}

static size_t skip_near(const char *s, size_t i, size_t len)
{
    return skip_ascii(s, i, len);
}
#endif

static bool follows(char c)
{
    return (c & 0xc0) == 0x80;
}

/* As utf8_sequence; those of two bytes, and of three without the leads that have narrower rules,
 * are told here. */
static int sequence_at(const char *s, size_t left)
{
    unsigned char lead = (unsigned char)*s;
    if (left >= 2 && lead >= 0xc2 && lead < 0xe0 && follows(s[1]))
        return 2;
    if (left >= 3 && lead > 0xe0 && lead < 0xf0 && lead != 0xed && follows(s[1]) && follows(s[2]))
        return 3;
    return utf8_sequence((const unsigned char *)s, (const unsigned char *)s + left);
}

size_t utf8_valid(const char *s, size_t len)
{
    size_t i = skip_ascii(s, 0, len);
    while (i < len) {
        if (!(s[i] & 0x80)) {
            i++;
            continue;
        }
        int n = sequence_at(s + i, len - i);
        if (n < 0)
            break;
        i = skip_near(s, i + (size_t)n, len);
    }
    return i;
}

void utf8_copy(char *ret_text, size_t size, const char *s)
{
    size_t len = strnlen(s, size - 1);
    if (s[len]) /* cut, perhaps in the middle of a character */
        len = utf8_valid(s, len);
    memcpy(ret_text, s, len);
    ret_text[len] = '\0';
}

size_t utf8_encode(char *ret_text, unsigned c)
{
    static const unsigned char leads[] = {0, 0xc0, 0xe0, 0xf0};
    size_t more = (c >= 0x80) + (c >= 0x800) + (c >= 0x10000);
    for (size_t i = more; i > 0; i--, c >>= 6)
        ret_text[i] = (char)(0x80 | (c & 0x3f));
    ret_text[0] = (char)(leads[more] | c);
    return more + 1;
}
