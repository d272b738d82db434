#include "store/postgresql/pg_feed.h"

#include "record/spool.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#define PIECE ((size_t)256 << 10)

/* The formats of COPY BINARY are in the chapter "COPY" of PostgreSQL's manual. */
static const char copy_head[] = "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0";
static const char copy_tail[] = {'\377', '\377'};

static void put_i16(struct buf *out, uint16_t value)
{
    value = htobe16(value);
    buf_put(out, (const char *)&value, sizeof value);
}

static void put_i32(struct buf *out, uint32_t value)
{
    value = htobe32(value);
    buf_put(out, (const char *)&value, sizeof value);
}

static void put_i64(struct buf *out, uint64_t value)
{
    value = htobe64(value);
    put_i32(out, sizeof value);
    buf_put(out, (const char *)&value, sizeof value);
}

static void put_row(struct buf *out, const struct feed_source *source,
                    const struct spool_item *item)
{
    put_i16(out, 4);
    put_i64(out, source->job);
    put_i32(out, sizeof(uint32_t));
    put_i32(out, source->attempt);
    put_i64(out, item->seq);
    put_i32(out, (uint32_t)item->len);
    buf_put(out, item->json, item->len);
}

/* 1: a record; 0: none is left of all; or a negative errno. */
static int next_record(struct feed *feed, struct spool_item *item)
{
    for (; feed->at < feed->count; feed->at++) {
        const struct feed_source *source = &feed->sources[feed->at];
        if (!feed->reading) {
            spool_reader_init(&feed->reader, source->spool);
            feed->reader.offset =
                source->from < source->spool->size ? source->from : source->spool->size;
        }
        feed->reading = true;
        int r = spool_reader_next(&feed->reader, item);
        if (r != 0)
            return r;
        spool_reader_deinit(&feed->reader);
        feed->reading = false;
    }
    return 0;
}

void feed_begin(struct feed *feed, const struct feed_source *sources, size_t count)
{
    spool_reader_deinit(&feed->reader);
    feed->reading = false;
    feed->sources = sources;
    feed->count = count;
    feed->at = 0;
    buf_reset(&feed->out);
    buf_put(&feed->out, copy_head, sizeof copy_head - 1);
}

int feed_piece(struct feed *feed)
{
    struct spool_item item;
    int r = 1;
    if (feed->at > 0 || feed->reading) /* else the head waits there */
        buf_reset(&feed->out);
    while (feed->out.len < PIECE && (r = next_record(feed, &item)) > 0)
        put_row(&feed->out, &feed->sources[feed->at], &item);
    if (r == 0)
        buf_put(&feed->out, copy_tail, sizeof copy_tail);
    return feed->out.failed ? -ENOMEM : r;
}

void feed_deinit(struct feed *feed)
{
    spool_reader_deinit(&feed->reader);
    buf_deinit(&feed->out);
}
