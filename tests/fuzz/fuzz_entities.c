/* The ways that entities come into a document. The input is what stands in a DTD's internal subset
 * and, behind the first NUL, in the document's element, under a DTD that is outside. Then the same
 * text through what mends feeds, in pieces: they must make no difference, and what is mended must
 * need no mending. */
#define FUZZ_OTHER_WORDS
#include "fuzz_parse.h"

#include "base/utf8.h"
#include "parse/feed_mend.h"

static const struct fuzz_choice choices[] = {
    {{{"path", "/a"}}},
    {{{"path", "/a/*"}, {"max_record", "200"}, {"max_depth", "8"}}},
};

static struct buf mend_all(const char *text, size_t len, size_t step, uint64_t *ret_repaired)
{
    struct feed_mend m;
    struct buf out = BUF_INIT;
    feed_mend_init(&m, false);
    for (size_t at = 0; at <= len; at += step) {
        size_t n = len - at < step ? len - at : step;
        char *copy = malloc(n + 1); /* no NUL: a sanitizer sees a read beyond it */
        fuzz_need(copy != NULL);
        memcpy(copy, text + at, n);
        copy = realloc(copy, n ? n : 1);
        const char *data = copy;
        fuzz_need(feed_mend_take(&m, &data, &n, at + step > len) == 0);
        buf_put(&out, data, n);
        free(copy);
    }
    *ret_repaired = m.repaired;
    feed_mend_deinit(&m);
    return out;
}

static void check_mending(const char *text, size_t len, size_t step)
{
    uint64_t one, two, again;
    struct buf a = mend_all(text, len, len + 1, &one), b = mend_all(text, len, step, &two);
    struct buf c = mend_all(a.data ? a.data : "", a.len, a.len + 1, &again);
    fuzz_need(one == two && a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0));
    fuzz_need(again == 0 && c.len == a.len && (a.len == 0 || memcmp(a.data, c.data, a.len) == 0));
    buf_deinit(&a);
    buf_deinit(&b);
    buf_deinit(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf b = BUF_INIT;
    if (size < 2)
        return 0;
    const char *text = (const char *)data + 2;
    size_t len = size - 2;
    const char *end = memchr(text, '\0', len);
    size_t subset = end ? (size_t)(end - text) : 0, from = end ? subset + 1 : 0;
    buf_put(&b, data, 2);
    buf_puts(&b, "<!DOCTYPE a SYSTEM 'no.dtd' [");
    buf_put(&b, text, subset);
    buf_puts(&b, "]><a>");
    buf_put(&b, text + from, len - from);
    buf_puts(&b, "</a>");
    fuzz_parse(&parser_xml, choices, 2, (const uint8_t *)b.data, b.len);
    buf_deinit(&b);
    if (utf8_valid(text, len) == len)
        check_mending(text, len, 1 + data[1] % 7);
    return 0;
}
