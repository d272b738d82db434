#include "parse/warc_head.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

void warc_head_deinit(struct warc_head *h)
{
    buf_deinit(&h->text);
}

void warc_head_reset(struct warc_head *h)
{
    buf_reset(&h->text);
    h->line = NULL;
    h->count = 0;
}

/* Is what has come an empty line at the end of others? (An empty one at the very start ends it as
 * well.) */
static bool is_whole(const struct buf *b)
{
    const char *p = b->data;
    size_t len = b->len;
    if (len == 0 || p[len - 1] != '\n')
        return false;
    len--;
    if (len > 0 && p[len - 1] == '\r')
        len--;
    return len == 0 || p[len - 1] == '\n';
}

int warc_head_take(struct warc_head *h, const char *data, size_t len, size_t *ret_used)
{
    size_t at = 0;
    while (at < len) {
        const char *end = memchr(data + at, '\n', len - at);
        size_t n = end ? (size_t)(end - data) + 1 - at : len - at;
        if (h->text.len + n > HEAD_SIZE)
            return -EMSGSIZE;
        if (buf_put(&h->text, data + at, n) < 0)
            return -ENOMEM;
        at += n;
        if (is_whole(&h->text)) {
            *ret_used = at;
            return 1;
        }
    }
    *ret_used = at;
    return 0;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The value of the field that begins at p: ends it with a NUL, and what goes on in the next lines
 * is one with it. */
static char *end_value(char *p)
{
    char *end = strchr(p, '\n');
    while (end && (end[1] == ' ' || end[1] == '\t')) {
        *end = ' ';
        if (end > p && end[-1] == '\r')
            end[-1] = ' ';
        end = strchr(end, '\n');
    }
    char *next = end ? end + 1 : p + strlen(p);
    if (!end)
        end = next;
    while (end > p && is_blank(end[-1]))
        end--;
    *end = '\0';
    return next;
}

void warc_head_read(struct warc_head *h)
{
    char *p = h->text.data;
    for (size_t i = 0; i < h->text.len; i++)
        if (p[i] == '\0')
            p[i] = ' ';
    h->line = p;
    p = p ? end_value(p) : NULL;
    while (p && *p && h->count < HEAD_FIELDS) {
        char *name = p, *colon = strpbrk(p, ":\n");
        p = end_value(p);
        if (!colon || *colon != ':')
            continue;
        *colon++ = '\0';
        while (is_blank(*colon))
            colon++;
        h->fields[h->count++] = (struct parse_pair){name, colon};
    }
}

const char *warc_head_get(const struct warc_head *h, const char *name)
{
    for (size_t i = 0; i < h->count; i++)
        if (strcasecmp(h->fields[i].name, name) == 0)
            return h->fields[i].value;
    return NULL;
}
