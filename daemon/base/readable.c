#include "base/readable.h"

#include "base/utf8.h"

#include <ctype.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct range {
    uint32_t first, last;
};

static bool within(const struct range *ranges, size_t count, uint32_t code)
{
    for (size_t i = 0; i < count; i++)
        if (code >= ranges[i].first && code <= ranges[i].last)
            return true;
    return false;
}

/* By Unicode 15: general categories C and Z, default-ignorable code points, and what looks like an
 * ASCII delimiter or an ellipsis. */
static bool stays_encoded(uint32_t code)
{
    static const struct range ranges[] = {
        {0x0000, 0x00A0},   {0x00AD, 0x00AD},   {0x034F, 0x034F},   {0x061C, 0x061C},
        {0x070F, 0x070F},   {0x115F, 0x1160},   {0x1680, 0x1680},   {0x17B4, 0x17B5},
        {0x180B, 0x180F},   {0x2000, 0x200F},   {0x2024, 0x202F},   {0x2044, 0x2044},
        {0x205F, 0x206F},   {0x2215, 0x2215},   {0x2800, 0x2800},   {0x29F8, 0x29F8},
        {0x3000, 0x3000},   {0x3164, 0x3164},   {0xD800, 0xF8FF},   {0xFDD0, 0xFDEF},
        {0xFE00, 0xFE0F},   {0xFE50, 0xFE6F},   {0xFEFF, 0xFF5E},   {0xFFA0, 0xFFA0},
        {0xFFF0, 0xFFFF},   {0x1BCA0, 0x1BCA3}, {0x1D173, 0x1D17A}, {0x1FFF0, 0x1FFFF},
        {0x2FFFE, 0x2FFFF}, {0x323B0, 0x10FFFF}};
    return within(ranges, sizeof ranges / sizeof *ranges, code);
}

/* Marks that stand on the character before them. */
static bool is_mark(uint32_t code)
{
    static const struct range ranges[] = {{0x0300, 0x036F}, {0x0483, 0x0489}, {0x1AB0, 0x1AFF},
                                          {0x1DC0, 0x1DFF}, {0x20D0, 0x20FF}, {0xFE20, 0xFE2F}};
    return within(ranges, sizeof ranges / sizeof *ranges, code);
}

static int hex(char c)
{
    return isdigit((unsigned char)c) ? c - '0'
           : c >= 'a' && c <= 'f'    ? c - 'a' + 10
           : c >= 'A' && c <= 'F'    ? c - 'A' + 10
                                     : -1;
}

/* The bytes of the encoded character at s, up to four: as many as there are, or as belong to it. */
static size_t take_encoded(const char *s, unsigned char *ret_bytes)
{
    size_t n = 0;
    while (n < 4 && s[0] == '%' && hex(s[1]) >= 0 && hex(s[2]) >= 0) {
        ret_bytes[n++] = (unsigned char)(hex(s[1]) << 4 | hex(s[2]));
        s += 3;
    }
    return n;
}

static uint32_t code_of(const unsigned char *bytes, size_t n)
{
    uint32_t code = bytes[0] & (0x7Fu >> n);
    for (size_t i = 1; i < n; i++)
        code = code << 6 | (bytes[i] & 0x3F);
    return code;
}

/* How many bytes of the character that is encoded at s are to be shown; 0: it stays as it is.
 * *base: may a mark stand on what was shown last? */
static size_t readable(const char *s, unsigned char *ret_bytes, bool *base)
{
    size_t count = take_encoded(s, ret_bytes);
    if (count == 0 || ret_bytes[0] < 0x80)
        return 0;
    int n = utf8_sequence(ret_bytes, ret_bytes + count);
    if (n <= 0)
        return 0;
    uint32_t code = code_of(ret_bytes, (size_t)n);
    if (stays_encoded(code) || (is_mark(code) && !*base))
        return 0;
    *base = !is_mark(code);
    return (size_t)n;
}

void readable_put_url(struct buf *b, const char *url)
{
    const char *authority = strstr(url, "://");
    const char *path = authority ? authority + 3 + strcspn(authority + 3, "/?#") : url;
    bool base = false;
    buf_put(b, url, (size_t)(path - url)); /* of a host it could be another one's name */
    for (const char *s = path; *s;) {
        unsigned char bytes[4];
        size_t n = *s == '%' ? readable(s, bytes, &base) : 0;
        if (n > 0) {
            buf_put(b, bytes, n);
            s += 3 * n;
        } else {
            /* A mark does not stand on an encoded character's last digit. */
            size_t len = *s == '%' && s[1] && s[2] ? 3 : 1;
            base = len == 1 && isalnum((unsigned char)*s);
            buf_put(b, s, len);
            s += len;
        }
    }
}
