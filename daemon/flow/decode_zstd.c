/* Zstandard (RFC 8878). Skippable frames count as streams, without a checksum. */
#include "flow/decode_codec.h"

#include <stdlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#define HEAD         18 /* the longest frame header, with the magic number */
#define MAGIC        4
#define DESCRIPTOR   4 /* the byte behind it */
#define CHECKSUM_BIT 0x04

struct state {
    ZSTD_DCtx *ctx;
    uint8_t head[HEAD];
    size_t head_len;
    uint64_t given; /* of this frame */
};

static void close_state(void *state)
{
    struct state *s = state;
    if (s)
        ZSTD_freeDCtx(s->ctx);
    free(s);
}

/* The largest power of two that is allowed. */
static int window_log(uint64_t max_window)
{
    ZSTD_bounds bounds = ZSTD_dParam_getBounds(ZSTD_d_windowLogMax);
    int log = bounds.lowerBound;
    while (log < bounds.upperBound && UINT64_C(2) << log <= max_window)
        log++;
    return log;
}

static void *open_state(uint64_t max_window)
{
    struct state *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->ctx = ZSTD_createDCtx();
    if (s->ctx &&
        !ZSTD_isError(ZSTD_DCtx_setParameter(s->ctx, ZSTD_d_windowLogMax, window_log(max_window))))
        return s;
    close_state(s);
    return NULL;
}

static bool begin(void *state)
{
    struct state *s = state;
    s->head_len = 0;
    s->given = 0;
    return !ZSTD_isError(ZSTD_DCtx_reset(s->ctx, ZSTD_reset_session_only));
}

/* The frame has ended: were it as many bytes as its header says? The library looks at most times
 * only. */
static bool right_size(const struct state *s)
{
    unsigned long long size = ZSTD_getFrameContentSize(s->head, s->head_len);
    return size == ZSTD_CONTENTSIZE_UNKNOWN || size == ZSTD_CONTENTSIZE_ERROR || size == s->given;
}

static enum codec_step step(void *state, struct codec_io *io)
{
    struct state *s = state;
    /* The magic number alone first: a frame that it finds whole in its input the library decodes by
     * another way, which is not of one mind with the usual one about what is damaged. */
    size_t len =
        s->head_len < MAGIC && io->in_len > MAGIC - s->head_len ? MAGIC - s->head_len : io->in_len;
    ZSTD_inBuffer in = {io->in, len, 0};
    ZSTD_outBuffer out = {io->out, io->out_len, 0};
    size_t r = ZSTD_decompressStream(s->ctx, &out, &in);
    for (size_t i = 0; s->head_len < HEAD && i < in.pos; i++)
        s->head[s->head_len++] = io->in[i];
    s->given += out.pos;
    io->in += in.pos;
    io->in_len -= in.pos;
    io->out += out.pos;
    io->out_len -= out.pos;
    if (!ZSTD_isError(r))
        return r > 0 ? CODEC_GOING : right_size(s) ? CODEC_END : CODEC_CORRUPT;
    switch (ZSTD_getErrorCode(r)) {
    case ZSTD_error_memory_allocation:
        return CODEC_NO_MEMORY;
    case ZSTD_error_frameParameter_windowTooLarge:
        return CODEC_WINDOW;
    default:
        return CODEC_CORRUPT;
    }
}

static bool checked(const void *state)
{
    const struct state *s = state;
    bool skippable = s->head[1] != 0xb5;
    return s->head_len > DESCRIPTOR && !skippable && (s->head[DESCRIPTOR] & CHECKSUM_BIT);
}

const struct codec codec_zstd = {
    .name = "zstd",
    .several = true,
    .open = open_state,
    .begin = begin,
    .step = step,
    .checked = checked,
    .close = close_state,
};
