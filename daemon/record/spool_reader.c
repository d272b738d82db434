/* A spool's lines are those of the log (record/line.c): the record is the last member of each, and
 * its number stands before it. No member between them can hold what is looked for, as quotes within
 * a string are escaped. */
#include "record/spool_reader.h"

#include "record/spool.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PIECE ((size_t)256 << 10) /* that is read at once; a longer line takes more */

void spool_reader_init(struct spool_reader *reader, const struct spool *spool)
{
    *reader = (struct spool_reader){.spool = spool};
}

void spool_reader_deinit(struct spool_reader *reader)
{
    free(reader->data);
    *reader = (struct spool_reader){.spool = NULL};
}

/* Room behind what has not been given out, which moves to the front. */
static int make_room(struct spool_reader *r)
{
    r->len -= r->at;
    if (r->len > 0)
        memmove(r->data, r->data + r->at, r->len);
    r->at = 0;
    if (r->len < r->size)
        return 0;
    size_t size = r->size ? 2 * r->size : PIECE;
    char *data = realloc(r->data, size);
    if (!data)
        return -ENOMEM;
    r->data = data;
    r->size = size;
    return 0;
}

/* 1: there is more than before; 0: the spool has no more. */
static int fill(struct spool_reader *r)
{
    uint64_t left = r->spool->size - r->offset;
    if (left == 0)
        return 0;
    int code = make_room(r);
    if (code < 0)
        return code;
    size_t room = r->size - r->len;
    ssize_t n;
    do
        n = pread(r->spool->fd, r->data + r->len, left < room ? (size_t)left : room,
                  (off_t)r->offset);
    while (n < 0 && errno == EINTR);
    if (n <= 0)
        return n < 0 ? -errno : -EIO;
    r->len += (size_t)n;
    r->offset += (uint64_t)n;
    return 1;
}

/* Behind `what` in the line; NULL: it is not there. */
static const char *behind(const char *line, const char *end, const char *what)
{
    size_t len = strlen(what);
    const char *at = memmem(line, (size_t)(end - line), what, len);
    return at ? at + len : NULL;
}

/* `end`: the line's last byte, a newline. */
static int split(const char *line, const char *end, struct spool_item *item)
{
    const char *seq = behind(line, end, ",\"seq\":");
    const char *data = seq ? behind(seq, end, ",\"data\":") : NULL;
    if (!data || end - data < 2 || end[-1] != '}')
        return -EIO;
    item->seq = strtoull(seq, NULL, 10);
    item->json = data;
    item->len = (size_t)(end - 1 - data);
    return 1;
}

int spool_reader_next(struct spool_reader *r, struct spool_item *ret_item)
{
    const char *end = NULL;
    size_t seen = 0; /* behind `at`, without a newline */
    while (true) {
        if (r->len - r->at > seen)
            end = memchr(r->data + r->at + seen, '\n', r->len - r->at - seen);
        if (end)
            break;
        seen = r->len - r->at;
        int code = fill(r);
        if (code < 0)
            return code;
        if (code == 0)
            return seen == 0 ? 0 : -EIO; /* a spool ends with a whole line */
    }
    const char *line = r->data + r->at;
    r->at = (size_t)(end - r->data) + 1;
    return split(line, end, ret_item);
}
