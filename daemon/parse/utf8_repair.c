#include "parse/utf8_repair.h"

#include "base/utf8.h"

#include <errno.h>

/* Length of the maximal ill-formed part at p, where utf8_valid has stopped (Unicode, table 3-7). */
static size_t ill_formed(const unsigned char *p, size_t left)
{
    unsigned char low = 0x80, high = 0xbf;
    size_t more = p[0] < 0xe0 ? 1 : p[0] < 0xf0 ? 2 : 3, i = 1;
    if (p[0] < 0xc2 || p[0] > 0xf4)
        return 1;
    if (p[0] == 0xe0)
        low = 0xa0;
    else if (p[0] == 0xed)
        high = 0x9f;
    else if (p[0] == 0xf0)
        low = 0x90;
    else if (p[0] == 0xf4)
        high = 0x8f;
    for (; i <= more && i < left && p[i] >= low && p[i] <= high; i++) {
        low = 0x80;
        high = 0xbf;
    }
    return i;
}

int utf8_repair(struct buf *b, const char **text, size_t *len)
{
    const char *from = *text;
    size_t size = *len, good = utf8_valid(from, size);
    if (good == size)
        return 0;
    buf_reset(b);
    for (size_t i = 0; i < size; good = utf8_valid(from + i, size - i)) {
        buf_put(b, from + i, good);
        i += good;
        if (i < size) {
            buf_puts(b, "\xef\xbf\xbd");
            i += ill_formed((const unsigned char *)from + i, size - i);
        }
    }
    *text = b->data;
    *len = b->len;
    return b->failed ? -ENOMEM : 0;
}
