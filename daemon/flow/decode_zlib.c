/* gzip (RFC 1952) and deflate: zlib (RFC 1950), or raw (RFC 1951) as some servers send it. */
#include "flow/decode_codec.h"

#include <limits.h>
#include <stdlib.h>
#include <zlib.h>

#define GZIP \
    16 /* inflateInit2: added to the window's bits, a gzip header and trailer are demanded */

struct state {
    z_stream z;
    bool open;
    bool deflate; /* zlib or raw, told by the first two bytes */
    bool raw;
    uint8_t head[2];
    size_t head_len, head_used; /* deflate: bytes kept back to tell */
};

static void *state_new(bool deflate)
{
    struct state *s = calloc(1, sizeof *s);
    if (s)
        s->deflate = deflate;
    return s;
}

static void *open_gzip(uint64_t max_window)
{
    return state_new(false);
}

static void *open_deflate(uint64_t max_window)
{
    return state_new(true);
}

static bool reset(struct state *s, int bits)
{
    int r = s->open ? inflateReset2(&s->z, bits) : inflateInit2(&s->z, bits);
    s->open = s->open || r == Z_OK;
    return r == Z_OK;
}

static bool begin(void *state)
{
    struct state *s = state;
    s->head_len = s->head_used = 0;
    s->raw = false;
    return s->deflate || reset(s, MAX_WBITS + GZIP);
}

static enum codec_step inflate_some(struct state *s, struct codec_io *io)
{
    uInt in = io->in_len > UINT_MAX ? UINT_MAX : (uInt)io->in_len;
    uInt out = io->out_len > UINT_MAX ? UINT_MAX : (uInt)io->out_len;
    s->z.next_in = (Bytef *)io->in;
    s->z.avail_in = in;
    s->z.next_out = io->out;
    s->z.avail_out = out;
    int r = inflate(&s->z, Z_NO_FLUSH);
    io->in += in - s->z.avail_in;
    io->in_len -= in - s->z.avail_in;
    io->out += out - s->z.avail_out;
    io->out_len -= out - s->z.avail_out;
    switch (r) {
    case Z_OK:
    case Z_BUF_ERROR:
        return CODEC_GOING;
    case Z_STREAM_END:
        return CODEC_END;
    case Z_MEM_ERROR:
        return CODEC_NO_MEMORY;
    default:
        return CODEC_CORRUPT;
    }
}

/* A zlib header is a multiple of 31 with method 8, a window of at most 32 KiB and no dictionary. A
 * raw stream that looks so would have to begin with a stored block of a certain length. */
static bool is_zlib(const uint8_t head[2])
{
    return (head[0] & 0x0f) == 8 && head[0] >> 4 <= 7 && (head[0] << 8 | head[1]) % 31 == 0 &&
           !(head[1] & 0x20);
}

static enum codec_step step(void *state, struct codec_io *io)
{
    struct state *s = state;
    if (!s->deflate)
        return inflate_some(s, io);
    if (s->head_len < 2) {
        while (s->head_len < 2 && io->in_len > 0) {
            s->head[s->head_len++] = *io->in++;
            io->in_len--;
        }
        if (s->head_len < 2)
            return CODEC_GOING;
        s->raw = !is_zlib(s->head);
        if (!reset(s, s->raw ? -MAX_WBITS : MAX_WBITS))
            return CODEC_NO_MEMORY;
    }
    while (s->head_used < 2) {
        struct codec_io head = {s->head + s->head_used, 2 - s->head_used, io->out, io->out_len};
        enum codec_step r = inflate_some(s, &head);
        s->head_used = 2 - head.in_len;
        io->out = head.out;
        io->out_len = head.out_len;
        if (r != CODEC_GOING) /* no stream is shorter than two bytes */
            return r;
        if (io->out_len == 0)
            return CODEC_GOING;
    }
    return io->in_len > 0 || io->out_len > 0 ? inflate_some(s, io) : CODEC_GOING;
}

static bool checked(const void *state)
{
    return !((const struct state *)state)->raw;
}

static void close_state(void *state)
{
    struct state *s = state;
    if (s && s->open)
        inflateEnd(&s->z);
    free(s);
}

const struct codec codec_gzip = {
    .name = "gzip",
    .several = true,
    .first = 0x1f,
    .padding = 1,
    .open = open_gzip,
    .begin = begin,
    .step = step,
    .checked = checked,
    .close = close_state,
};

const struct codec codec_deflate = {
    .name = "deflate",
    .open = open_deflate,
    .begin = begin,
    .step = step,
    .checked = checked,
    .close = close_state,
};
