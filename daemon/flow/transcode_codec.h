/* The converters of transcode.c: from one charset each to UTF-8. */
#ifndef PENSTOCK_FLOW_TRANSCODE_CODEC_H
#define PENSTOCK_FLOW_TRANSCODE_CODEC_H

#include "flow/charset.h"

#include <stdint.h>

/* Bytes from `in` on become text from `out` on; both are moved. */
struct text_step {
    const unsigned char *in, *in_end;
    unsigned char *out, *out_end;
};

/* Room in which every step can do something. */
#define TEXT_STEP_ROOM 32

enum text_result {
    TEXT_MORE,   /* what is left of `in`, less than a character, needs more */
    TEXT_FULL,   /* no room for the next character */
    TEXT_WRONG,  /* at `in` stand bytes that are no character: `wrong` of them */
    TEXT_FAILED, /* out of memory, or iconv does not keep its word */
};

struct text_codec {
    const struct charset *charset;
    enum text_result (*run)(struct text_codec *codec, struct text_step *step);
    size_t wrong;
    iconv_t cd; /* or NULL */
    /* For a charset of single bytes: what each is in UTF-8, its length in the last byte; length 0:
     * no character. */
    unsigned char (*table)[4];
    bool ascii; /* and whether the first half of it is ASCII */
};

/* Sets up a zeroed codec. 0; -EINVAL: this system's iconv does not know the charset; -ENOMEM. */
int text_codec_init(struct text_codec *codec, const struct charset *charset);
void text_codec_deinit(struct text_codec *codec);

/* Behind the last byte, or before a wrong one: what the converter has held back. 0 or -EINVAL. */
int text_codec_flush(struct text_codec *codec, struct text_step *step);

#endif
