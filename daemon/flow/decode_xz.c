/* The .xz format. A check that liblzma does not know is an error, as nobody would have checked. */
#include "flow/decode_codec.h"

#include <lzma.h>
#include <stdlib.h>

/* What the decoder needs besides the dictionary, generously: it counts into liblzma's limit. */
#define OVERHEAD (UINT64_C(2) << 20)

struct state {
    lzma_stream lzma;
    uint64_t limit;
    bool checked;
};

static void close_state(void *state)
{
    struct state *s = state;
    if (s)
        lzma_end(&s->lzma);
    free(s);
}

static void *open_state(uint64_t max_window)
{
    struct state *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->lzma = (lzma_stream)LZMA_STREAM_INIT;
    s->limit = max_window + OVERHEAD;
    return s;
}

static bool begin(void *state)
{
    struct state *s = state;
    s->checked = false;
    return lzma_stream_decoder(&s->lzma, s->limit,
                               LZMA_TELL_UNSUPPORTED_CHECK | LZMA_TELL_ANY_CHECK) == LZMA_OK;
}

static enum codec_step step(void *state, struct codec_io *io)
{
    struct state *s = state;
    lzma_ret r;
    s->lzma.next_in = io->in;
    s->lzma.avail_in = io->in_len;
    s->lzma.next_out = io->out;
    s->lzma.avail_out = io->out_len;
    do {
        r = lzma_code(&s->lzma, LZMA_RUN);
        if (r == LZMA_GET_CHECK)
            s->checked = lzma_get_check(&s->lzma) != LZMA_CHECK_NONE;
    } while (r == LZMA_GET_CHECK);
    io->in = s->lzma.next_in;
    io->in_len = s->lzma.avail_in;
    io->out = s->lzma.next_out;
    io->out_len = s->lzma.avail_out;
    switch (r) {
    case LZMA_OK:
    case LZMA_BUF_ERROR:
        return CODEC_GOING;
    case LZMA_STREAM_END:
        return CODEC_END;
    case LZMA_MEM_ERROR:
        return CODEC_NO_MEMORY;
    case LZMA_MEMLIMIT_ERROR:
        return CODEC_WINDOW;
    default:
        return CODEC_CORRUPT;
    }
}

static bool checked(const void *state)
{
    return ((const struct state *)state)->checked;
}

const struct codec codec_xz = {
    .name = "xz",
    .several = true,
    .first = 0xfd,
    .padding = 4,
    .open = open_state,
    .begin = begin,
    .step = step,
    .checked = checked,
    .close = close_state,
};
