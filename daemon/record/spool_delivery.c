/* A spool on its way to the targets: the sink's thread reads it piece by piece into the batch, and
 * each piece is written, handed to the tap and forgotten as any other batch. A piece is whole
 * lines, so whatever interrupts a delivery leaves a file at the end of a line, and it goes on with
 * the next. */
#include "record/spool_delivery.h"

#include "record/spool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Room for another piece; a longer line grows it. */
static int reserve(struct delivery *d, size_t size)
{
    if (d->size >= size)
        return 0;
    char *data = realloc(d->data, size);
    if (!data)
        return -ENOMEM;
    d->data = data;
    d->size = size;
    return 0;
}

static int read_full(int fd, char *data, size_t len, uint64_t offset)
{
    while (len > 0) {
        ssize_t n = pread(fd, data, len, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO; /* shorter than it was */
        data += n;
        len -= (size_t)n;
        offset += (uint64_t)n;
    }
    return 0;
}

/* Indexes the whole lines among the first `len` bytes. */
static void index_lines(struct batch *batch, size_t len)
{
    struct delivery *d = &batch->delivery;
    char *end;
    d->len = 0;
    while (batch->count < QUEUE_BATCH_LINES &&
           (end = memchr(d->data + d->len, '\n', len - d->len)) != NULL) {
        size_t line = (size_t)(end - (d->data + d->len)) + 1;
        batch->lines[batch->count++] = (struct batch_line){
            .text = d->data + d->len, .len = line, .event = EVENT_RECORD, .job = d->line->job};
        d->len += line;
    }
    batch->bytes = d->len;
}

void batch_piece_done(struct batch *batch)
{
    struct delivery *d = &batch->delivery;
    d->offset += d->len;
    d->lines -= batch->count;
    d->len = batch->count = batch->bytes = 0;
}

int batch_read(struct batch *batch)
{
    struct delivery *d = &batch->delivery;
    const struct spool *spool = d->line->spool;
    size_t want = QUEUE_BATCH_BYTES;

    while (d->offset < spool->size) {
        uint64_t left = spool->size - d->offset;
        size_t len = left < want ? (size_t)left : want;
        int r = reserve(d, len);
        if (r == 0)
            r = read_full(spool->fd, d->data, len, d->offset);
        if (r < 0)
            return r;
        index_lines(batch, len);
        if (batch->count > 0)
            return 1;
        if (len == left)
            return -EIO; /* a spool ends with a whole line */
        want *= 2;
    }
    d->line = NULL;
    if (d->size > QUEUE_BATCH_BYTES) {
        free(d->data);
        d->data = NULL;
        d->size = 0;
    }
    return 0;
}
