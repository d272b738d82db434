#include "parse/member_name.h"

#include "base/utf8.h"

#include <pthread.h>
#include <string.h>

bool member_name(struct buf *b, const char *bytes, size_t len)
{
    size_t good = utf8_valid(bytes, len);
    buf_reset(b);
    if (good == len && !memchr(bytes, '\0', len)) {
        buf_puts(b, "");
        buf_put(b, bytes, len);
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if (good <= i)
            good = i + utf8_valid(bytes + i, len - i);
        if (good > i && bytes[i] != '%' && bytes[i] != '\0')
            buf_putc(b, bytes[i]);
        else
            buf_printf(b, "%%%02X", (unsigned char)bytes[i]);
    }
    return true;
}

static locale_t locale;

static void open_locale(void)
{
    locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
}

locale_t member_name_locale(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, open_locale);
    return locale;
}
