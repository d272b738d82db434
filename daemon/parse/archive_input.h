/* A body as libarchive is given it: in blocks, after one of the filters that libarchive knows and
 * flow/decode does not (.lz4, .lzma, .lzo, .Z). It remembers of what went by as much as is needed
 * to look at a zip's headers afterwards, and where the zeros begin that the body ends with. One
 * thread. */
#ifndef PENSTOCK_PARSE_ARCHIVE_INPUT_H
#define PENSTOCK_PARSE_ARCHIVE_INPUT_H

#include "base/buf.h"
#include "base/error.h"
#include "parse/archive_safe.h"
#include "parse/block.h"
#include "parse/lzop.h"
#include "record/kind.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct archive_input {
    struct block body;
    struct buf head;               /* the first block: enough of it to know a filter by */
    struct archive_safe filter;    /* or zeroed */
    struct lzop *lzop;             /* in its place, or NULL */
    size_t head_at, block_at;      /* of head and block, what lzop has taken */
    char *filtered;                /* its output */
    uint64_t max_ratio, max_bytes; /* of that, as in struct decode_plan */
    /* The block at hand. */
    const char *data;
    size_t len;
    uint64_t offset;
    struct buf back;     /* what stood before it, up to it */
    struct buf joined;   /* archive_input_since */
    uint64_t marked;     /* from here on everything is kept; UINT64_MAX: nothing is asked for */
    uint64_t zeros_from; /* behind the last byte that is not zero */
    bool started, head_given, ended;
    enum error_kind kind; /* of a failure of its own … */
    struct error why;     /* … and its sentence */
};

void archive_input_init(struct archive_input *in, FILE *file, uint64_t max_ratio,
                        uint64_t max_bytes);
void archive_input_deinit(struct archive_input *in);

/* The next block, in `data` and `len`. False: the body has ended, or (kind, or ferror of the body)
 * cannot be had. */
bool archive_input_next(struct archive_input *in);

/* Keeps everything from this offset on, which is in the block at hand or a little before it. */
void archive_input_mark(struct archive_input *in, uint64_t from);
void archive_input_unmark(struct archive_input *in);

/* The bytes from `from` on, which was marked, up to the end of the block at hand: contiguous, valid
 * until the next call of anything here. NULL: out of memory, or they are gone. */
const char *archive_input_since(struct archive_input *in, uint64_t from, size_t *ret_len);

#endif
