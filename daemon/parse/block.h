/* A FILE * as blocks: whatever stdio has read, in place, without waiting until a buffer is full, so
 * a slow body's records come as their bytes do. For built-in parsers; one thread. Uses that glibc's
 * FILE shows its read pointers (as gnulib's freadptr does). */
#ifndef PENSTOCK_PARSE_BLOCK_H
#define PENSTOCK_PARSE_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct block {
    FILE *file;
    const char *data; /* valid until the next block_next */
    size_t len;
    uint64_t offset; /* of data in the body */
};

void block_init(struct block *block, FILE *file);

/* The next bytes, at least one. False: the body has ended, or (ferror) will not arrive whole. */
bool block_next(struct block *block);

#endif
