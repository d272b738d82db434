/* The sink's queue: records as bytes in chunks, and the lines that were posted between them, in one
 * order; and the batch that the sink's thread takes from it. Every queue_* function is called under
 * the sink's lock; a batch belongs to the sink's thread alone. */
#ifndef PENSTOCK_RECORD_QUEUE_H
#define PENSTOCK_RECORD_QUEUE_H

#include "base/list.h"
#include "record/sink.h"

#include <stdint.h>

#define QUEUE_CHUNK_BYTES  ((size_t)64 << 10)
#define QUEUE_CHUNK_LINES  1024
#define QUEUE_CHUNK_POSTED 256 /* lines posted while a chunk is being filled */
#define QUEUE_BATCH_BYTES  ((size_t)256 << 10)
#define QUEUE_BATCH_LINES  4096

struct queue {
    struct list chunks; /* oldest first */
    struct list posted; /* struct sink_line */
    struct list spare;  /* empty chunks, kept */
    size_t spare_count;
    struct sink_chunk *open; /* the last of `chunks` while records are still added to it, or NULL */
    size_t open_posted;
    uint64_t put, taken; /* bytes of records, ever */
    size_t bytes;        /* of all lines, those of the batch under way included */
    size_t lines;        /* not taken yet */
};

struct batch_line {
    const char *text;
    size_t len; /* with the newline */
    enum event event;
    uint64_t job;
    bool credited;
};

/* A spool on its way out: it is the only one in `posted`, and the batch holds one piece of it after
 * another. */
struct delivery {
    const struct sink_line *line; /* NULL: an ordinary batch */
    char *data;                   /* the piece: whole lines */
    size_t size, len;
    uint64_t offset; /* of the piece in the file */
    uint64_t lines;  /* left, those of the piece included */
};

struct batch {
    struct list chunks, posted;
    uint64_t start; /* position of the first chunk, in bytes of records */
    struct batch_line *lines;
    size_t count, bytes;
    bool posts; /* some of its lines were posted */
    struct delivery delivery;
};

void queue_init(struct queue *q);
/* Frees chunks; posted lines are the caller's matter before. */
void queue_deinit(struct queue *q);

/* Formats the record at the end. 0 or -ENOMEM. */
int queue_record(struct queue *q, const struct sink_source *source, uint64_t seq, const char *json,
                 size_t len);
void queue_post(struct queue *q, struct sink_line *line);
bool queue_empty(const struct queue *q);

/* Moves the oldest lines into the batch, which must be empty. If a spool is next, it begins a
 * delivery instead: no lines yet, then batch_read for each piece. */
void queue_take(struct queue *q, struct batch *batch);
/* Gives the batch's chunks and bytes back and empties it; its posted lines are gone already. */
void queue_release(struct queue *q, struct batch *batch);

int batch_init(struct batch *batch); /* 0 or -ENOMEM */
void batch_deinit(struct batch *batch);
/* Fills `lines` in the order of the queue, once after queue_take. Needs no lock. */
void batch_index(struct batch *batch);
/* A copy of all its lines as one chunk. NULL: out of memory. */
struct sink_chunk *batch_chunk(const struct batch *batch);

void sink_chunk_free(struct sink_chunk *chunk);
/* Leaves only what must not be lost: no records, but for those that a credit was taken for. Returns
 * how many lines went. */
uint64_t sink_chunk_drop_records(struct sink_chunk *chunk);

#endif
