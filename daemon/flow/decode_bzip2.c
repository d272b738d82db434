#include "flow/decode_codec.h"

#include <bzlib.h>
#include <limits.h>
#include <stdlib.h>

struct state {
    bz_stream bz;
    bool open;
};

static void end(struct state *s)
{
    if (s->open)
        BZ2_bzDecompressEnd(&s->bz);
    s->open = false;
}

static void close_state(void *state)
{
    if (state)
        end(state);
    free(state);
}

static void *open_state(uint64_t max_window)
{
    return calloc(1, sizeof(struct state));
}

static bool begin(void *state)
{
    struct state *s = state;
    end(s);
    s->bz = (bz_stream){0};
    s->open = BZ2_bzDecompressInit(&s->bz, 0, 0) == BZ_OK;
    return s->open;
}

static enum codec_step step(void *state, struct codec_io *io)
{
    struct state *s = state;
    unsigned in = io->in_len > UINT_MAX ? UINT_MAX : (unsigned)io->in_len;
    unsigned out = io->out_len > UINT_MAX ? UINT_MAX : (unsigned)io->out_len;
    s->bz.next_in = (char *)io->in;
    s->bz.avail_in = in;
    s->bz.next_out = (char *)io->out;
    s->bz.avail_out = out;
    int r = BZ2_bzDecompress(&s->bz);
    io->in += in - s->bz.avail_in;
    io->in_len -= in - s->bz.avail_in;
    io->out += out - s->bz.avail_out;
    io->out_len -= out - s->bz.avail_out;
    switch (r) {
    case BZ_OK:
        return CODEC_GOING;
    case BZ_STREAM_END:
        return CODEC_END;
    case BZ_MEM_ERROR:
        return CODEC_NO_MEMORY;
    default:
        return CODEC_CORRUPT;
    }
}

static bool checked(const void *state)
{
    return true;
}

const struct codec codec_bzip2 = {
    .name = "bzip2",
    .several = true,
    .first = 'B',
    .open = open_state,
    .begin = begin,
    .step = step,
    .checked = checked,
    .close = close_state,
};
