#include "base/utf8.h"

#include <stdint.h>
#include <string.h>

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
        if (!(s[i] & 0x80)) {
            i++;
            continue;
        }
        int n = utf8_sequence((const unsigned char *)s + i, (const unsigned char *)s + len);
        if (n < 0)
            break;
        i = skip_ascii(s, i + (size_t)n, len);
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
