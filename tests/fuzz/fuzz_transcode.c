/* The transcoder. The first byte chooses the charset and how it is told, the second how the rest is
 * cut into reads.
 *
 * What must hold: what comes out is UTF-8; how the input was cut changes nothing, not even the
 * fault and its place; with `replace` nothing is a fault but a charset that nobody knows; and UTF-8
 * that is well-formed comes out as it is. */
#include "base/buf.h"
#include "base/utf8.h"
#include "flow/transcode.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct source {
    const uint8_t *data;
    size_t len, chunk;
};

static ssize_t give(void *arg, char *data, size_t size)
{
    struct source *s = arg;
    size_t n = s->len < s->chunk ? s->len : s->chunk;
    n = n < size ? n : size;
    memcpy(data, s->data, n);
    s->data += n;
    s->len -= n;
    return (ssize_t)n;
}

static void need(bool condition)
{
    if (!condition)
        abort();
}

struct outcome {
    struct buf text;
    enum transcode_fault fault;
    uint64_t replaced, offset;
    const struct charset *charset;
    size_t mark;
};

static struct outcome run(const struct charset_plan *plan, const uint8_t *data, size_t len,
                          size_t chunk, size_t size)
{
    struct source source = {data, len, chunk};
    struct outcome o = {.text = BUF_INIT};
    char text[4096];
    ssize_t n;
    struct transcode *t = transcode_new(plan, give, &source);
    need(t != NULL);
    while ((n = transcode_read(t, text, size)) > 0)
        buf_put(&o.text, text, (size_t)n);
    o.fault = transcode_fault(t);
    need((n == 0) == (o.fault == TRANSCODE_FINE));
    o.replaced = transcode_replaced(t);
    o.offset = transcode_offset(t);
    o.charset = transcode_charset(t);
    o.mark = transcode_mark(t);
    transcode_free(t);
    return o;
}

static void need_same(const struct outcome *a, const struct outcome *b)
{
    need(a->fault == b->fault && a->replaced == b->replaced && a->charset == b->charset);
    need(a->offset == b->offset && a->text.len == b->text.len);
    need(a->text.len == 0 || memcmp(a->text.data, b->text.data, a->text.len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {
        "",         "utf-8",        "utf-16",       "utf-16le",     "utf-16be", "utf-32",
        "utf-32le", "shift_jis",    "iso-2022-jp",  "euc-jp",       "euc-kr",   "gb18030",
        "big5",     "windows-1252", "windows-1255", "windows-1258", "tcvn",     "koi8-r",
        "euc-tw",   "johab",        "iso-2022-kr",  "ibm037"};
    if (size < 2)
        return 0;
    struct charset_plan plan = {.replace = data[1] & 1, .declares = data[1] & 2};
    const char *name = names[data[0] % (sizeof names / sizeof names[0])];
    snprintf(plan.option, sizeof plan.option, "%s%s", name, name[0] && data[1] & 4 ? "!" : "");
    if (data[1] & 8)
        snprintf(plan.header, sizeof plan.header, "%s", name);
    size_t chunk = 1 + data[1] / 16;
    data += 2;
    size -= 2;
    struct outcome whole = run(&plan, data, size, 4096, 4096),
                   parts = run(&plan, data, size, chunk, 4096),
                   few = run(&plan, data, size, chunk, 3);
    need_same(&whole, &parts);
    need_same(&whole, &few);
    need(utf8_valid(whole.text.data ? whole.text.data : "", whole.text.len) == whole.text.len);
    if (whole.charset && plan.replace)
        need(whole.fault == TRANSCODE_FINE);
    if (whole.charset && whole.charset->form == CHARSET_UTF8 &&
        utf8_valid((const char *)data, size) == size) {
        need(whole.text.len == size - whole.mark && whole.replaced == 0);
        need(whole.text.len == 0 ||
             memcmp(whole.text.data, data + whole.mark, whole.text.len) == 0);
    }
    buf_deinit(&whole.text);
    buf_deinit(&parts.text);
    buf_deinit(&few.text);
    return 0;
}
