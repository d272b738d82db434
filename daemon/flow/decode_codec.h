/* A decoder of one format, for decode.c alone. It sees one stream (member, frame) at a time; what
 * follows a stream's end is decode.c's business. */
#ifndef PENSTOCK_FLOW_DECODE_CODEC_H
#define PENSTOCK_FLOW_DECODE_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct codec_io {
    const uint8_t *in;
    size_t in_len;
    uint8_t *out;
    size_t out_len;
};

enum codec_step {
    CODEC_GOING, /* used up the input or filled the output */
    CODEC_END,   /* the stream has ended, and its checksum was right */
    CODEC_CORRUPT,
    CODEC_WINDOW, /* needs more memory than allowed */
    CODEC_NO_MEMORY,
};

struct codec {
    const char *name;
    bool several;     /* a stream may follow a stream */
    uint8_t first;    /* byte of each stream; 0: one of several */
    unsigned padding; /* zeros may follow the last one: any multiple of this; 0: none */
    /* The state; NULL: out of memory. */
    void *(*open)(uint64_t max_window);
    /* Before each stream. False: out of memory. */
    bool (*begin)(void *state);
    /* Moves `io` forward. After CODEC_GOING with room left in the output, it holds nothing back. */
    enum codec_step (*step)(void *state, struct codec_io *io);
    /* After CODEC_END: did the stream carry a checksum? */
    bool (*checked)(const void *state);
    void (*close)(void *state); /* takes NULL */
};

extern const struct codec codec_gzip, codec_deflate, codec_brotli, codec_zstd, codec_bzip2,
    codec_xz;

#endif
