/* The reader side of a body pipe: a FILE * that blocks, and that gives EIO, never end-of-file,
 * unless the body is complete. One worker thread uses it; the FILE does no locking, so a getc is
 * cheap and nobody's fflush(NULL) waits behind a blocked read. */
#ifndef PENSTOCK_FLOW_BODY_READER_H
#define PENSTOCK_FLOW_BODY_READER_H

#include "flow/body.h"
#include "flow/decode.h"
#include "flow/transcode.h"

#include <stddef.h>
#include <stdio.h>

/* stdio's buffer: 32 KiB halves the writer's calls against the default 4 KiB. */
#define BODY_READER_BUFFER 32768
/* Until so much of a body was read, as of most never is, a read fills this part of the buffer and
 * no more: the rest of its pages is no memory. */
#define BODY_READER_SMALL (256 << 10)
#define BODY_READER_PIECE 8192

/* Why a reader is broken. */
enum body_fault {
    BODY_FAULT_NONE,
    BODY_FAULT_CUT,        /* the body was aborted, or its pipe ended without a word */
    BODY_FAULT_UNVERIFIED, /* BODY_ENDED, and no decoder can vouch for the end */
    BODY_FAULT_DECODE,     /* not what its coding or its charset demands */
    BODY_FAULT_LIMIT,      /* a limit of the decoding */
    BODY_FAULT_MEMORY,
};

struct body_reader {
    struct body *body; /* a reference */
    int fd;            /* the read end; owned */
    FILE *file;        /* NULL after the parser has closed it */
    char *buffer;
    struct decode *decode;  /* or NULL */
    struct transcode *text; /* behind it; or NULL: the parser reads bytes */
    /* Gets a copy of each byte as it leaves the pipe, before it is decoded. May block: that is not
     * the parser's time. Set after body_reader_open, or NULL. */
    void (*tee)(void *arg, const char *data, size_t len);
    void *tee_arg;
    bool ended;  /* read(2) gave 0, the body was complete and the decoding whole */
    bool broken; /* `fault` tells why: EIO for good */
    enum body_fault fault;
    bool pipe_ended; /* read(2) gave 0, and the state was not one of a cut */
    bool unverified; /* the state was BODY_ENDED then */
};

/* Takes `fd` over (also on failure, where it is closed) and a reference of `body`. The reader must
 * stay where it is. A parser that closes the FILE leaves the descriptor open, for the drain. 0, or
 * a negative errno. */
int body_reader_open(struct body_reader *reader, struct body *body, int fd);

/* Before the first byte is read: what the FILE gives is decoded as planned. Nothing is done for an
 * empty plan. A body whose end the writer could not verify is complete if a decoder vouches for it.
 * 0 or -ENOMEM. */
int body_reader_decode(struct body_reader *reader, const struct decode_plan *plan);

/* For a broken reader: did the encoding end too early, and the body with it, whose end nobody had
 * verified? */
bool body_reader_cut(const struct body_reader *reader);

/* Before the first byte is read, for a parser of text: the FILE gives UTF-8 (flow/transcode.h). 0
 * or -ENOMEM. */
int body_reader_text(struct body_reader *reader, const struct charset_plan *plan);

/* For a broken reader: the decoder's message, or the one about its text; or "". Valid until
 * body_reader_close. */
const char *body_reader_message(const struct body_reader *reader);

/* At the end: the decoding alone shows that the body was whole (decode_vouches). */
bool body_reader_vouched(const struct body_reader *reader);

/* Reads and throws away what is left (decoding it, so that its end is checked), blocking, whether
 * or not the parser has closed the FILE. 0: the body ended, complete; -EIO: the reader is
 * broken. */
int body_reader_drain(struct body_reader *reader);

/* Closes the FILE, unless the parser has, and the descriptor: the writer sees EPIPE from now on.
 * Takes a reader that was never opened, if zeroed with fd = -1. */
void body_reader_close(struct body_reader *reader);

#endif
