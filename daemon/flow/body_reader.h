/* The reader side of a body pipe: a FILE * that blocks, and that gives EIO, never end-of-file, unless
 * the body is complete. One worker thread uses it; the FILE does no locking, so a getc is cheap and
 * nobody's fflush(NULL) waits behind a blocked read. */
#ifndef PENSTOCK_FLOW_BODY_READER_H
#define PENSTOCK_FLOW_BODY_READER_H

#include "flow/body.h"

#include <stddef.h>
#include <stdio.h>

/* stdio's buffer: 32 KiB keeps a waiting download below 128 KiB of private memory and halves the
 * writer's calls against the default 4 KiB. */
#define BODY_READER_BUFFER 32768

struct body_reader {
    struct body *body; /* a reference */
    int fd;            /* the read end; owned */
    FILE *file;        /* NULL after the parser has closed it */
    char *buffer;
    bool ended;  /* read(2) gave 0 and the body was complete */
    bool broken; /* a read met the body's abort, or an end that nobody vouched for: EIO for good */
};

/* Takes `fd` over (also on failure, where it is closed) and a reference of `body`. The reader must stay
 * where it is. A parser that closes the FILE leaves the descriptor open, for the drain. 0, or a negative
 * errno. */
int body_reader_open(struct body_reader *reader, struct body *body, int fd);

/* Reads and throws away what is left, blocking, whether or not the parser has closed the FILE. 0: the
 * body ended, complete; -EIO: it was aborted, or a read before this met that. */
int body_reader_drain(struct body_reader *reader);

/* Closes the FILE, unless the parser has, and the descriptor: the writer sees EPIPE from now on.
 * Takes a reader that was never opened, if zeroed with fd = -1. */
void body_reader_close(struct body_reader *reader);

#endif
