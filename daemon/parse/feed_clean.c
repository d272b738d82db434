#include "parse/feed_clean.h"

#include <errno.h>

void feed_clean_init(struct feed_clean *m)
{
    *m = (struct feed_clean){0};
    for (int c = 0; c < 0x20; c++)
        m->strange[c] = c != '\t' && c != '\n' && c != '\r';
    m->strange[0xef] = true; /* U+FFFE and U+FFFF begin so */
}

void feed_clean_deinit(struct feed_clean *m)
{
    buf_deinit(&m->cut);
    buf_deinit(&m->out);
}

static size_t next_strange(const struct feed_clean *m, const char *data, size_t at, size_t len)
{
    while (at < len && !m->strange[(unsigned char)data[at]])
        at++;
    return at;
}

int feed_clean_take(struct feed_clean *m, const char **data, size_t *len, bool last,
                    uint64_t *count)
{
    size_t at = m->cut.len > 0 ? 0 : next_strange(m, *data, 0, *len);
    if (at == *len && m->cut.len == 0)
        return 0;
    buf_put(&m->cut, *data, *len);
    buf_reset(&m->out);
    const char *p = m->cut.data;
    size_t size = m->cut.len, from = 0;
    for (at = next_strange(m, p, 0, size); at < size; at = next_strange(m, p, from, size)) {
        buf_put(&m->out, p + from, at - from);
        from = at;
        bool sequence = (unsigned char)p[at] == 0xef;
        if (sequence && size - at < 3 && !last)
            break;
        if (sequence &&
            !(size - at >= 3 && p[at + 1] == '\xbf' && (unsigned char)p[at + 2] >= 0xbe)) {
            buf_put(&m->out, p + from++, 1);
            continue;
        }
        (*count)++;
        from += sequence ? 3 : 1;
    }
    if (at == size) {
        buf_put(&m->out, p + from, size - from);
        from = size;
    }
    buf_drop(&m->cut, from);
    *data = m->out.data ? m->out.data : "";
    *len = m->out.len;
    return m->cut.failed || m->out.failed ? -ENOMEM : 0;
}
