/* Decoding on the reader's side: between a body's pipe and the parser's FILE *.
 *
 * A chain of decoders: those of Content-Encoding, and then one for the file itself (a .gz that was
 * downloaded as it is), which `auto` recognises by its first bytes. Each demands the end of its
 * stream and the checksum where there is one; behind it only another stream of the same kind may
 * follow (gzip members, zstd frames, bzip2 and xz streams) and what the format calls padding: zeros
 * behind gzip, multiples of four behind xz. Anything else is an error.
 *
 * Memory is bounded by 32 KiB a decoder and its window; work by limits on the bytes that any
 * decoder gives and on their ratio to the bytes of the body. One thread. */
#ifndef PENSTOCK_FLOW_DECODE_H
#define PENSTOCK_FLOW_DECODE_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum decode_coding {
    DECODE_GZIP,
    DECODE_DEFLATE, /* zlib, as RFC 9110 has it; or raw, as some servers do */
    DECODE_BROTLI,
    DECODE_ZSTD,
    DECODE_BZIP2,
    DECODE_XZ,
    DECODE_CODINGS_
};

enum decode_file {
    DECODE_FILE_NONE,
    DECODE_FILE_AUTO, /* gzip, bzip2, xz or zstd by its first bytes, else none */
    DECODE_FILE_GZIP,
    DECODE_FILE_BZIP2,
    DECODE_FILE_XZ,
    DECODE_FILE_ZSTD,
};

#define DECODE_STACK 4 /* content codings, one over the other */

/* What to decode. Zeroed: nothing. */
struct decode_plan {
    enum decode_coding codings[DECODE_STACK]; /* in the order they were applied */
    size_t coding_count;
    enum decode_file file;
    unsigned skipped;     /* words of Content-Encoding that are no coding */
    uint64_t max_decoded; /* bytes out of any decoder; 0: no limit */
    uint64_t
        max_ratio; /* bytes out for each byte of the body, beyond DECODE_RATIO_FREE; 0: no limit */
    uint64_t max_window; /* bytes of a decoder's window or dictionary; 0: DECODE_WINDOW */
};

#define DECODE_RATIO      1000 /* what is meant if nobody says otherwise */
#define DECODE_RATIO_FREE ((uint64_t)16 << 20)
#define DECODE_WINDOW     ((uint64_t)128 << 20)

static inline bool decode_plan_empty(const struct decode_plan *plan)
{
    return plan->coding_count == 0 && plan->file == DECODE_FILE_NONE;
}

/* What DECODE_FILE_AUTO makes of a file's first bytes: a coding; -1 for none; -2: too few to tell.
 * DECODE_MAGIC of them are always enough. */
#define DECODE_MAGIC 10
int decode_sniff(const void *head, size_t len);

enum decode_fault {
    DECODE_FINE,
    DECODE_BROKEN_SOURCE, /* the source gave -1 */
    DECODE_CORRUPT,       /* cut, damaged, or something else follows */
    DECODE_LIMIT,         /* over one of the plan's limits */
    DECODE_NO_MEMORY,
};

struct decode;

/* Where encoded bytes come from: up to `size` of them; 0 at the end; -1: they cannot be had. */
typedef ssize_t (*decode_source)(void *arg, char *data, size_t size);

/* NULL: out of memory. */
struct decode *decode_new(const struct decode_plan *plan, decode_source source, void *arg);
void decode_free(struct decode *d); /* takes NULL */

/* Up to `size` decoded bytes, as soon as there are any; 0: the end, everything was whole; -1: a
 * fault, which stays. size > 0. */
ssize_t decode_read(struct decode *d, char *data, size_t size);

enum decode_fault decode_fault(const struct decode *d);
/* Is the fault that the source ended in the middle of a stream, and nothing else? Where nobody has
 * verified the source's end, the source was cut then; else its encoding was before it was sent. */
bool decode_cut(const struct decode *d);
/* One sentence; "" without a fault of the decoding's own. */
const char *decode_message(const struct decode *d);

/* Is or was there anything to decode? (`auto` knows only after the first bytes.) */
bool decode_active(const struct decode *d);

/* At the end: can this end be no cut? True if one of the decoders read exactly one stream that
 * carries a checksum. Of several streams nobody can tell whether more were to come. */
bool decode_vouches(const struct decode *d);

#endif
