#include "parse/feed_markup.h"

#include "base/utf8.h"
#include "parse/feed_names.h"

#include <openssl/evp.h>
#include <string.h>

void feed_markup_escape(struct buf *b, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '&')
            buf_puts(b, "&amp;");
        else if (text[i] == '<')
            buf_puts(b, "&lt;");
        else if (text[i] == '>')
            buf_puts(b, "&gt;");
        else if (text[i] == '"')
            buf_puts(b, "&quot;");
        else
            buf_putc(b, text[i]);
    }
}

void feed_markup_escape_all(struct buf *text)
{
    struct buf escaped = BUF_INIT;
    feed_markup_escape(&escaped, text->data, text->len);
    escaped.failed |= text->failed;
    buf_deinit(text);
    *text = escaped;
}

static const char *shown(const char *name, bool qualified)
{
    return qualified ? name : feed_names_local(name);
}

void feed_markup_begin(struct buf *b, const char *name, const char **pairs, bool qualified)
{
    buf_printf(b, "<%s", shown(name, qualified));
    for (; pairs[0]; pairs += 2) {
        if (!qualified && strncmp(pairs[0], "xmlns", 5) == 0)
            continue;
        buf_printf(b, " %s=\"", shown(pairs[0], qualified));
        feed_markup_escape(b, pairs[1], strlen(pairs[1]));
        buf_putc(b, '"');
    }
    buf_putc(b, '>');
}

void feed_markup_end(struct buf *b, const char *name, bool empty, bool qualified)
{
    if (!empty) {
        buf_printf(b, "</%s>", shown(name, qualified));
    } else if (b->len > 0) {
        b->data[b->len - 1] = '/';
        buf_putc(b, '>');
    }
}

/* Without white space. */
static size_t squeeze(char *text, size_t len)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++)
        if (!strchr(" \t\r\n", text[i]))
            text[n++] = text[i];
    return n;
}

bool feed_markup_decode(struct buf *text)
{
    struct buf copy = BUF_INIT, out = BUF_INIT;
    buf_put(&copy, text->data, text->len);
    size_t len = copy.failed ? 0 : squeeze(copy.data, copy.len);
    bool good =
        len > 0 && len % 4 == 0 && len < (1 << 30) && buf_reserve(&out, len / 4 * 3 + 1) == 0;
    int n = good ? EVP_DecodeBlock((unsigned char *)out.data, (unsigned char *)copy.data, (int)len)
                 : -1;
    if (n >= 0)
        out.len = (size_t)n - (copy.data[len - 1] == '=') - (len > 1 && copy.data[len - 2] == '=');
    good = n >= 0 && utf8_valid(out.data, out.len) == out.len && !memchr(out.data, '\0', out.len);
    if (good) {
        buf_reset(text);
        buf_put(text, out.data, out.len);
    }
    text->failed |= copy.failed || out.failed; /* then it may well be base64 */
    buf_deinit(&copy);
    buf_deinit(&out);
    return good;
}
