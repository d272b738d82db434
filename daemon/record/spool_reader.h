/* Reads a spool back, record by record: from its file, at a place of its own, so that the sink may
 * read it meanwhile. One thread at a time; blocks as files do. */
#ifndef PENSTOCK_RECORD_SPOOL_READER_H
#define PENSTOCK_RECORD_SPOOL_READER_H

#include <stddef.h>
#include <stdint.h>

struct spool;

struct spool_reader {
    const struct spool *spool; /* flushed; the caller's */
    uint64_t offset;           /* of the file: what comes behind `data` */
    char *data;
    size_t size, len, at; /* of `data`: allocated, read, and what of it has been given out */
};

struct spool_item {
    uint64_t seq;
    const char *json; /* the record alone, without an end; stands until the next call */
    size_t len;
};

/* From its first record on. Takes memory only with the first call of spool_reader_next. */
void spool_reader_init(struct spool_reader *reader, const struct spool *spool);
/* Frees. Takes a zeroed one. */
void spool_reader_deinit(struct spool_reader *reader);

/* 1 and the next record; 0: there is none left; -EIO: the file is not what was written; or another
 * negative errno. */
int spool_reader_next(struct spool_reader *reader, struct spool_item *ret_item);

#endif
