#include "base/jsonl.h"

#include <errno.h>
#include <string.h>

/* An idle client's buffer goes back to the heap if it ever grew past this. */
#define KEEP_SIZE 65536

void jsonl_init(struct jsonl *j, size_t max)
{
    *j = (struct jsonl){.max = max};
}

void jsonl_deinit(struct jsonl *j)
{
    buf_deinit(&j->buf);
    j->start = j->scanned = 0;
}

/* Drops what has been taken, so that a partial line begins at the front. */
static void compact(struct jsonl *j)
{
    if (j->start == j->buf.len) {
        if (j->buf.size > KEEP_SIZE)
            buf_deinit(&j->buf);
        else
            buf_reset(&j->buf);
    } else {
        buf_drop(&j->buf, j->start);
    }
    j->scanned -= j->start;
    j->start = 0;
}

int jsonl_feed(struct jsonl *j, const void *data, size_t len)
{
    if (j->start > 0)
        compact(j);
    return buf_put(&j->buf, data, len);
}

/* Hands out [start, end) as a line and goes on at `next`. */
static int take(struct jsonl *j, size_t end, size_t next, char **ret_line, size_t *ret_len)
{
    char *line = j->buf.data + j->start;
    size_t len = end - j->start;

    j->start = j->scanned = next;
    if (len > 0 && line[len - 1] == '\r')
        len--;
    if (len > j->max)
        return -EMSGSIZE;
    line[len] = '\0';
    *ret_line = line;
    *ret_len = len;
    return 1;
}

/* No newline yet. One byte over `max` may still be the CR of a line that fits. */
static int wait_for_more(struct jsonl *j)
{
    size_t held = j->buf.len - j->start;
    bool over = held > j->max + 1 || (held == j->max + 1 && j->buf.data[j->buf.len - 1] != '\r');

    j->scanned = j->buf.len;
    if (!over && !j->skipping) {
        if (j->start > 0)
            compact(j);
        return 0;
    }
    bool told = j->skipping;
    j->skipping = true;
    j->start = j->buf.len;
    compact(j);
    return told ? 0 : -EMSGSIZE;
}

int jsonl_next(struct jsonl *j, char **ret_line, size_t *ret_len)
{
    for (;;) {
        char *newline = NULL;
        if (j->scanned < j->buf.len)
            newline = memchr(j->buf.data + j->scanned, '\n', j->buf.len - j->scanned);
        if (!newline)
            return wait_for_more(j);
        size_t end = (size_t)(newline - j->buf.data);
        if (!j->skipping)
            return take(j, end, end + 1, ret_line, ret_len);
        j->skipping = false; /* the rest of a line that has been told as too long */
        j->start = j->scanned = end + 1;
    }
}

int jsonl_last(struct jsonl *j, char **ret_line, size_t *ret_len)
{
    int r = jsonl_next(j, ret_line, ret_len);
    if (r != 0 || j->start == j->buf.len)
        return r;
    return take(j, j->buf.len, j->buf.len, ret_line, ret_len);
}
