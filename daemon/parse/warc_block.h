/* The block of a WARC record as it goes by (ISO 28500): its bytes as they are written, their
 * digest, and the payload in it, which is what follows an HTTP head, without the chunks of its
 * transfer coding. One thread. */
#ifndef PENSTOCK_PARSE_WARC_BLOCK_H
#define PENSTOCK_PARSE_WARC_BLOCK_H

#include "parse/block.h"
#include "parse/warc_head.h"

#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The file, byte by byte. */
struct warc_input {
    struct block block;
    size_t taken; /* of the block */
};

void warc_input_init(struct warc_input *in, FILE *file);
/* What is at hand, at least a byte; NULL: the file has ended, or (ferror) cannot be had. */
const char *warc_input_look(struct warc_input *in, size_t *ret_len);
void warc_input_skip(struct warc_input *in, size_t len);
uint64_t warc_input_offset(const struct warc_input *in);

enum warc_chunks { CHUNKS_NONE, CHUNKS_SIZE, CHUNKS_DATA, CHUNKS_END, CHUNKS_DONE };

struct warc_block {
    struct warc_input *in;
    uint64_t left;      /* bytes of the block that have not been read */
    EVP_MD_CTX *digest; /* or NULL */
    enum warc_chunks chunks;
    uint64_t chunk;  /* bytes of it that are left */
    const char *why; /* what is wrong: a chunk; or "cut" */
};

/* `size` bytes are to come. `digest`: a WARC-Block-Digest field, or NULL; one that is of an
 * algorithm that is not known is not looked at. 0 or -ENOMEM. */
int warc_block_begin(struct warc_block *b, struct warc_input *in, uint64_t size,
                     const char *digest);
void warc_block_deinit(struct warc_block *b);

/* Bytes of the block: up to `size`; 0: its end; -1: the file has ended before, or cannot be had. */
ssize_t warc_block_read(struct warc_block *b, char *data, size_t size);

/* Reads an HTTP head off the block. 1: it is there; 0: the block ends first; -1; -EMSGSIZE,
 * -ENOMEM. */
int warc_block_head(struct warc_block *b, struct warc_head *head);

/* From here on the payload is in chunks, if it looks so: programs that put chunks together leave
 * the field in the head. */
void warc_block_chunked(struct warc_block *b);

/* Bytes of the payload. As warc_block_read; -1 with `why` if the chunks are none. */
ssize_t warc_block_payload(struct warc_block *b, char *data, size_t size);

/* At the block's end: is the digest that `field` names another one? */
bool warc_block_differs(struct warc_block *b, const char *field);

#endif
