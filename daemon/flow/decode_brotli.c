/* Brotli (RFC 7932): windows up to 16 MiB, one stream, no checksum. */
#include "flow/decode_codec.h"

#include <brotli/decode.h>
#include <stdlib.h>

struct state {
    BrotliDecoderState *decoder;
};

static void close_state(void *state)
{
    struct state *s = state;
    if (s && s->decoder)
        BrotliDecoderDestroyInstance(s->decoder);
    free(s);
}

static void *open_state(uint64_t max_window)
{
    return calloc(1, sizeof(struct state));
}

static bool begin(void *state)
{
    struct state *s = state;
    if (s->decoder)
        BrotliDecoderDestroyInstance(s->decoder);
    s->decoder = BrotliDecoderCreateInstance(NULL, NULL, NULL);
    return s->decoder != NULL;
}

static bool out_of_memory(BrotliDecoderErrorCode code)
{
    return code <= BROTLI_DECODER_ERROR_ALLOC_CONTEXT_MODES &&
           code >= BROTLI_DECODER_ERROR_ALLOC_BLOCK_TYPE_TREES;
}

static enum codec_step step(void *state, struct codec_io *io)
{
    struct state *s = state;
    switch (BrotliDecoderDecompressStream(s->decoder, &io->in_len, &io->in, &io->out_len, &io->out,
                                          NULL)) {
    case BROTLI_DECODER_RESULT_SUCCESS:
        return CODEC_END;
    case BROTLI_DECODER_RESULT_ERROR:
        return out_of_memory(BrotliDecoderGetErrorCode(s->decoder)) ? CODEC_NO_MEMORY
                                                                    : CODEC_CORRUPT;
    default:
        return CODEC_GOING;
    }
}

static bool checked(const void *state)
{
    return false;
}

const struct codec codec_brotli = {
    .name = "br",
    .open = open_state,
    .begin = begin,
    .step = step,
    .checked = checked,
    .close = close_state,
};
