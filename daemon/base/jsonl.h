/* JSON-line framing: bytes in, whole lines out, bounded. No I/O. One owner. */
#ifndef PENSTOCK_BASE_JSONL_H
#define PENSTOCK_BASE_JSONL_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>

struct jsonl {
    struct buf buf;
    size_t start;   /* what lies before has been taken */
    size_t scanned; /* no newline between start and here */
    size_t max;     /* bytes of a line without its newline */
    bool skipping;  /* inside a line that was too long */
};

void jsonl_init(struct jsonl *j, size_t max);
void jsonl_deinit(struct jsonl *j);

/* Appends input. 0 or -ENOMEM. The caller takes all lines before it feeds more, so memory stays
 * within max + one read. Ends the life of the line that jsonl_next gave. */
int jsonl_feed(struct jsonl *j, const void *data, size_t len);

/* The next line without its newline (and a CR before it), NUL-terminated, valid until the next
 * call: 1; 0: none whole yet; -EMSGSIZE: a line was too long and has been skipped (told once a
 * line). */
int jsonl_next(struct jsonl *j, char **ret_line, size_t *ret_len);

/* At the peer's end of input: the last line if it had no newline. 1, 0 or -EMSGSIZE as above. */
int jsonl_last(struct jsonl *j, char **ret_line, size_t *ret_len);

#endif
