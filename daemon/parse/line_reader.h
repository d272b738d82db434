/* A FILE * as lines, of bounded length. For the built-in parsers `lines` and `ndjson`; one thread.
 *
 * A line ends with LF or CRLF, which are not part of it; the last one may have neither. */
#ifndef PENSTOCK_PARSE_LINE_READER_H
#define PENSTOCK_PARSE_LINE_READER_H

#include "base/buf.h"
#include "parse/block.h"
#include "penstock/parser.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct lines {
    struct block block;
    size_t taken;    /* of the block */
    struct buf part; /* a line that began in an earlier block */
    size_t max;      /* bytes of a line */
    uint64_t number; /* of the line last given, from 1 */
    uint64_t offset; /* of its first byte in the body */
    bool part_given; /* `part` was the line last given */
};

void lines_init(struct lines *lines, FILE *file, size_t max);
void lines_deinit(struct lines *lines);

/* 1 and a line, valid until the next call; 0: the body has ended; -EIO: it will not arrive whole
 * (what was read of a last line is not given); -EMSGSIZE: line `number` is longer than max;
 * -ENOMEM. */
int lines_next(struct lines *lines, const char **ret_line, size_t *ret_len);

/* Says to the run why a parser of lines fails, where the run does not know it yet: r is what
 * lines_next (or a -ENOMEM of the parser's own) was. */
void lines_fail(struct lines *lines, struct penstock_run *run, int r);

#endif
