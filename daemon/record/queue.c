/* Records lie in chunks that emit appends to; posted lines stay where they are, in their objects,
 * and remember how many bytes of records came before them. So posting needs no memory, and the
 * order is kept.
 *
 * A chunk's number of lines, and the number of lines posted while it is filled, are bounded, so
 * that a chunk and all that was posted into it fit into a batch, whose index is allocated once. */
#include "record/queue.h"

#include "base/clock.h"
#include "record/credit.h"
#include "record/line.h"
#include "record/spool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SPARE_CHUNKS 4
/* More than a record's line has around extra and data: 138 bytes with all numbers at their longest.
 */
#define LINE_OVERHEAD 160

/* --- chunks ---------------------------------------------------------------------------------- */

static struct sink_chunk *chunk_new(size_t size, size_t marks)
{
    struct sink_chunk *chunk = calloc(1, sizeof *chunk);
    if (!chunk)
        return NULL;
    list_init(&chunk->link);
    chunk->data = malloc(size);
    chunk->marks = malloc(marks * sizeof *chunk->marks);
    if (!chunk->data || !chunk->marks) {
        sink_chunk_free(chunk);
        return NULL;
    }
    chunk->size = size;
    chunk->mark_size = marks;
    return chunk;
}

void sink_chunk_free(struct sink_chunk *chunk)
{
    if (!chunk)
        return;
    free(chunk->data);
    free(chunk->marks);
    free(chunk);
}

/* Gives back the memory of what is not there any more. */
static void shrink(struct sink_chunk *chunk)
{
    char *data = chunk->len > 0 ? realloc(chunk->data, chunk->len) : NULL;
    if (!data)
        return;
    chunk->data = data;
    chunk->size = chunk->len;
}

uint64_t sink_chunk_drop_records(struct sink_chunk *chunk)
{
    uint64_t dropped = 0;
    size_t kept = 0;
    chunk->len = 0;
    for (size_t i = 0; i < chunk->mark_count; i++) {
        struct sink_mark mark = chunk->marks[i];
        if (mark.event == EVENT_RECORD && !mark.credited) {
            dropped++;
            continue;
        }
        memmove(chunk->data + chunk->len, chunk->data + mark.start, mark.len);
        mark.start = (uint32_t)chunk->len;
        chunk->len += mark.len;
        chunk->marks[kept++] = mark;
    }
    chunk->mark_count = kept;
    shrink(chunk);
    return dropped;
}

static void chunk_mark(struct sink_chunk *chunk, size_t start, enum event event, uint64_t job,
                       bool credited)
{
    chunk->marks[chunk->mark_count++] = (struct sink_mark){.start = (uint32_t)start,
                                                           .len = (uint32_t)(chunk->len - start),
                                                           .event = event,
                                                           .job = job,
                                                           .credited = credited};
}

static void free_chunks(struct list *chunks)
{
    for (struct list *e; (e = list_pop(chunks));)
        sink_chunk_free(container_of(e, struct sink_chunk, link));
}

/* --- the queue ------------------------------------------------------------------------------- */

void queue_init(struct queue *q)
{
    *q = (struct queue){0};
    list_init(&q->chunks);
    list_init(&q->posted);
    list_init(&q->spare);
}

void queue_deinit(struct queue *q)
{
    free_chunks(&q->chunks);
    free_chunks(&q->spare);
}

bool queue_empty(const struct queue *q)
{
    return list_empty(&q->chunks) && list_empty(&q->posted);
}

/* A chunk with room for a line of `need` bytes, at the queue's end. */
static struct sink_chunk *chunk_for(struct queue *q, size_t need)
{
    struct sink_chunk *chunk = q->open;
    if (chunk && chunk->size - chunk->len >= need && chunk->mark_count < QUEUE_CHUNK_LINES)
        return chunk;
    if (need <= QUEUE_CHUNK_BYTES && !list_empty(&q->spare)) {
        chunk = container_of(list_pop(&q->spare), struct sink_chunk, link);
        q->spare_count--;
    } else {
        chunk = chunk_new(need > QUEUE_CHUNK_BYTES ? need : QUEUE_CHUNK_BYTES, QUEUE_CHUNK_LINES);
        if (!chunk)
            return NULL;
    }
    list_add_tail(&q->chunks, &chunk->link);
    q->open = chunk;
    q->open_posted = 0;
    return chunk;
}

int queue_record(struct queue *q, const struct sink_source *source, uint64_t seq, const char *json,
                 size_t len)
{
    size_t extra_len = source->extra ? strlen(source->extra) : 0;
    struct sink_chunk *chunk = chunk_for(q, len + extra_len + LINE_OVERHEAD);
    if (!chunk)
        return -ENOMEM;
    size_t start = chunk->len;
    struct buf b = {.data = chunk->data, .len = chunk->len, .size = chunk->size};
    line_record(&b, clock_real_us(), source, seq, json, len);
    chunk->data = b.data;
    chunk->size = b.size;
    if (b.failed)
        return -ENOMEM;
    chunk->len = b.len;
    bool credited = sink_credit_take(source->credit, chunk->len - start);
    chunk_mark(chunk, start, EVENT_RECORD, source->job, credited);
    q->put += chunk->len - start;
    q->bytes += chunk->len - start;
    q->lines++;
    return 0;
}

void queue_post(struct queue *q, struct sink_line *line)
{
    line->at = q->put;
    list_add_tail(&q->posted, &line->link);
    q->bytes += line->text.len;
    q->lines += line->spool ? line->spool->lines : 1;
    /* A spool never stands inside a chunk: batches end before it. */
    if (line->spool || (q->open && ++q->open_posted == QUEUE_CHUNK_POSTED))
        q->open = NULL;
}

/* The line posted first, if it stands before this position. */
static struct sink_line *next_posted(const struct queue *q, uint64_t before)
{
    if (list_empty(&q->posted))
        return NULL;
    struct sink_line *line = container_of(q->posted.next, struct sink_line, link);
    return line->at < before ? line : NULL;
}

static bool spool_is_next(const struct queue *q)
{
    const struct sink_line *line = next_posted(q, q->taken + 1);
    return line && line->spool;
}

static bool take_line(struct queue *q, struct batch *batch, uint64_t before)
{
    struct sink_line *line = next_posted(q, before);
    if (!line || line->spool)
        return false;
    list_del(&line->link);
    list_add_tail(&batch->posted, &line->link);
    batch->bytes += line->text.len;
    batch->count++;
    batch->posts = true;
    return true;
}

static bool take_chunk(struct queue *q, struct batch *batch)
{
    if (list_empty(&q->chunks) || spool_is_next(q))
        return false;
    struct sink_chunk *chunk = container_of(q->chunks.next, struct sink_chunk, link);
    if (batch->count + chunk->mark_count + QUEUE_CHUNK_POSTED > QUEUE_BATCH_LINES)
        return false;
    if (batch->count > 0 && batch->bytes + chunk->len > QUEUE_BATCH_BYTES)
        return false;
    list_del(&chunk->link);
    list_add_tail(&batch->chunks, &chunk->link);
    if (q->open == chunk)
        q->open = NULL;
    q->taken += chunk->len;
    batch->bytes += chunk->len;
    batch->count += chunk->mark_count;
    return true;
}

static void take_spool(struct queue *q, struct batch *batch)
{
    struct sink_line *line = container_of(list_pop(&q->posted), struct sink_line, link);
    list_add_tail(&batch->posted, &line->link);
    batch->delivery.line = line;
    batch->delivery.offset = batch->delivery.len = 0;
    batch->delivery.lines = line->spool->lines;
    q->lines -= line->spool->lines;
}

void queue_take(struct queue *q, struct batch *batch)
{
    batch->start = q->taken;
    if (spool_is_next(q)) {
        take_spool(q, batch);
        return;
    }
    do {
        /* What was posted inside the chunk just taken belongs to it, and fits. */
        while (take_line(q, batch, q->taken))
            ;
        while (batch->count < QUEUE_BATCH_LINES && take_line(q, batch, q->taken + 1))
            ;
        if (batch->count == QUEUE_BATCH_LINES)
            break;
    } while (take_chunk(q, batch));
    q->lines -= batch->count;
}

void queue_release(struct queue *q, struct batch *batch)
{
    for (struct list *e; (e = list_pop(&batch->chunks));) {
        struct sink_chunk *chunk = container_of(e, struct sink_chunk, link);
        if (q->spare_count == SPARE_CHUNKS || chunk->size != QUEUE_CHUNK_BYTES) {
            sink_chunk_free(chunk);
            continue;
        }
        chunk->len = chunk->mark_count = 0;
        list_add_head(&q->spare, &chunk->link);
        q->spare_count++;
    }
    q->bytes -= batch->bytes;
    batch->count = batch->bytes = 0;
    batch->posts = false;
}

/* --- the batch ------------------------------------------------------------------------------- */

int batch_init(struct batch *batch)
{
    *batch = (struct batch){0};
    list_init(&batch->chunks);
    list_init(&batch->posted);
    batch->lines = malloc(QUEUE_BATCH_LINES * sizeof *batch->lines);
    return batch->lines ? 0 : -ENOMEM;
}

void batch_deinit(struct batch *batch)
{
    if (!batch->lines)
        return;
    free_chunks(&batch->chunks);
    free(batch->lines);
    batch->lines = NULL;
    free(batch->delivery.data);
}

static struct list *index_posted(struct batch *batch, struct list *e, uint64_t pos, size_t *n)
{
    for (; e != &batch->posted; e = e->next) {
        const struct sink_line *line = container_of(e, struct sink_line, link);
        if (line->at > pos)
            break;
        batch->lines[(*n)++] = (struct batch_line){
            .text = line->text.data, .len = line->text.len, .event = line->event, .job = line->job};
    }
    return e;
}

void batch_index(struct batch *batch)
{
    struct list *posted = batch->posted.next;
    uint64_t pos = batch->start;
    size_t n = 0;

    list_for_each(e, &batch->chunks)
    {
        const struct sink_chunk *chunk = container_of(e, struct sink_chunk, link);
        for (size_t i = 0; i < chunk->mark_count; i++) {
            const struct sink_mark *mark = &chunk->marks[i];
            posted = index_posted(batch, posted, pos, &n);
            batch->lines[n++] = (struct batch_line){.text = chunk->data + mark->start,
                                                    .len = mark->len,
                                                    .event = mark->event,
                                                    .job = mark->job,
                                                    .credited = mark->credited};
            pos += mark->len;
        }
    }
    index_posted(batch, posted, pos, &n);
}

struct sink_chunk *batch_chunk(const struct batch *batch)
{
    struct sink_chunk *chunk = chunk_new(batch->bytes + 1, batch->count);
    if (!chunk)
        return NULL;
    for (size_t i = 0; i < batch->count; i++) {
        const struct batch_line *line = &batch->lines[i];
        size_t start = chunk->len;
        if (line->len > 0)
            memcpy(chunk->data + start, line->text, line->len);
        chunk->len += line->len;
        chunk_mark(chunk, start, line->event, line->job, line->credited);
    }
    return chunk;
}
