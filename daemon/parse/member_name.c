#include "parse/member_name.h"

#include "base/utf8.h"
#include "flow/transcode.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

struct source {
    const char *bytes;
    size_t len;
};

static ssize_t read_source(void *arg, char *data, size_t size)
{
    struct source *s = arg;
    size_t n = s->len < size ? s->len : size;
    memcpy(data, s->bytes, n);
    s->bytes += n;
    s->len -= n;
    return (ssize_t)n;
}

/* False: it is not in this charset. */
static bool convert(struct buf *b, const char *bytes, size_t len, const struct charset *charset)
{
    struct source source = {bytes, len};
    struct charset_plan plan = {0};
    char data[512];
    ssize_t n = 0;
    snprintf(plan.option, sizeof plan.option, "%s!", charset->name);
    struct transcode *t = transcode_new(&plan, read_source, &source);
    if (!t)
        b->failed = true;
    while (t && (n = transcode_read(t, data, sizeof data)) > 0)
        buf_put(b, data, (size_t)n);
    transcode_free(t);
    return n == 0 && !memchr(b->data, '\0', b->len);
}

static bool is_ascii(const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)bytes[i] >= 0x80)
            return false;
    return true;
}

bool member_name(struct buf *b, const char *bytes, size_t len, bool utf8,
                 const struct charset *charset)
{
    size_t good = utf8_valid(bytes, len);
    buf_reset(b);
    buf_puts(b, "");
    if (charset && !(utf8 && good == len) && !is_ascii(bytes, len) &&
        convert(b, bytes, len, charset))
        return false;
    buf_reset(b);
    if (good == len && !memchr(bytes, '\0', len)) {
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
