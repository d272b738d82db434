#include "base/utf8.h"

#include <stdint.h>
#include <string.h>

/* Length of the well-formed sequence at p (`left` bytes are there), 0 if it is none. The second
 * byte's range is what tells overlong forms, surrogates and too large values apart (Unicode, table
 * 3-7). */
static size_t sequence(const unsigned char *p, size_t left)
{
    unsigned char lo = 0x80, hi = 0xbf;
    size_t n;

    if (p[0] < 0x80)
        return 1;
    if (p[0] >= 0xc2 && p[0] <= 0xdf)
        n = 2;
    else if (p[0] >= 0xe0 && p[0] <= 0xef)
        n = 3;
    else if (p[0] >= 0xf0 && p[0] <= 0xf4)
        n = 4;
    else
        return 0;
    if (n > left)
        return 0;
    if (p[0] == 0xe0)
        lo = 0xa0;
    else if (p[0] == 0xed)
        hi = 0x9f;
    else if (p[0] == 0xf0)
        lo = 0x90;
    else if (p[0] == 0xf4)
        hi = 0x8f;
    if (p[1] < lo || p[1] > hi)
        return 0;
    for (size_t i = 2; i < n; i++)
        if (p[i] < 0x80 || p[i] > 0xbf)
            return 0;
    return n;
}

/* Most text is ASCII, and this is many times faster than looking for sequences. Where its first other byte is,
 * or a little before. */
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

size_t utf8_valid(const char *s, size_t len)
{
    size_t i = skip_ascii(s, 0, len);
    while (i < len) {
        size_t n = sequence((const unsigned char *)s + i, len - i);
        if (n == 0)
            break;
        i += n;
        if (n > 1)
            i = skip_ascii(s, i, len);
    }
    return i;
}
