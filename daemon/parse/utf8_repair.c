#include "parse/utf8_repair.h"

#include "base/utf8.h"

#include <errno.h>

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
            i += (size_t)-utf8_sequence((const unsigned char *)from + i,
                                        (const unsigned char *)from + size);
        }
    }
    *text = b->data;
    *len = b->len;
    return b->failed ? -ENOMEM : 0;
}
