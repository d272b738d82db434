/* Streams made by each format's own encoder, and a reader of what the decoders make of them. */
#ifndef PENSTOCK_TESTS_ENCODED_H
#define PENSTOCK_TESTS_ENCODED_H

#include "flow/decode.h"

#include <brotli/encode.h>
#include <bzlib.h>
#include <errno.h>
#include <lzma.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include <cmocka.h>

#define ROOM ((size_t)4 << 20)

struct bytes {
    uint8_t data[ROOM];
    size_t len;
};

/* --- encoders --------------------------------------------------------------------------------- */

static inline void put_zlib(struct bytes *to, const void *data, size_t len, int bits)
{
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (Bytef *)data;
    z.avail_in = (uInt)len;
    z.next_out = to->data + to->len;
    z.avail_out = (uInt)(ROOM - to->len);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    to->len = ROOM - z.avail_out;
    deflateEnd(&z);
}

static inline void put_gzip(struct bytes *to, const void *data, size_t len)
{
    put_zlib(to, data, len, 15 + 16);
}

static inline void put_deflate(struct bytes *to, const void *data, size_t len)
{
    put_zlib(to, data, len, 15);
}

static inline void put_raw(struct bytes *to, const void *data, size_t len)
{
    put_zlib(to, data, len, -15);
}

static inline void put_brotli(struct bytes *to, const void *data, size_t len)
{
    size_t n = ROOM - to->len;
    assert_true(
        BrotliEncoderCompress(5, 18, BROTLI_MODE_GENERIC, len, data, &n, to->data + to->len));
    to->len += n;
}

static inline void put_zstd_as(struct bytes *to, const void *data, size_t len, int checksum,
                               int window)
{
    ZSTD_CCtx *ctx = ZSTD_createCCtx();
    ZSTD_CCtx_setParameter(ctx, ZSTD_c_checksumFlag, checksum);
    if (window) {
        ZSTD_CCtx_setParameter(ctx, ZSTD_c_windowLog, window);
        ZSTD_CCtx_setParameter(ctx, ZSTD_c_contentSizeFlag, 0);
    }
    ZSTD_inBuffer in = {data, len, 0};
    ZSTD_outBuffer out = {to->data, ROOM, to->len};
    assert_int_equal(ZSTD_compressStream2(ctx, &out, &in, ZSTD_e_flush) * 0, 0);
    assert_int_equal(ZSTD_compressStream2(ctx, &out, &in, ZSTD_e_end), 0);
    to->len = out.pos;
    ZSTD_freeCCtx(ctx);
}

static inline void put_zstd(struct bytes *to, const void *data, size_t len)
{
    put_zstd_as(to, data, len, 1, 0);
}

static inline void put_bzip2(struct bytes *to, const void *data, size_t len)
{
    unsigned n = (unsigned)(ROOM - to->len);
    assert_int_equal(BZ2_bzBuffToBuffCompress((char *)to->data + to->len, &n, (char *)data,
                                              (unsigned)len, 1, 0, 0),
                     BZ_OK);
    to->len += n;
}

static inline void put_xz_as(struct bytes *to, const void *data, size_t len, lzma_check check)
{
    assert_int_equal(lzma_easy_buffer_encode(1, check, NULL, data, len, to->data, &to->len, ROOM),
                     LZMA_OK);
}

static inline void put_xz(struct bytes *to, const void *data, size_t len)
{
    put_xz_as(to, data, len, LZMA_CHECK_CRC32);
}

typedef void (*put_fn)(struct bytes *to, const void *data, size_t len);

/* --- reading ---------------------------------------------------------------------------------- */

struct source {
    const uint8_t *data;
    size_t len, step;
    bool broken; /* at its end: -1 in place of 0 */
};

static inline ssize_t give(void *arg, char *data, size_t size)
{
    struct source *s = arg;
    size_t n = s->len < s->step ? s->len : s->step;
    n = n < size ? n : size;
    if (n == 0)
        return s->broken ? -1 : 0;
    memcpy(data, s->data, n);
    s->data += n;
    s->len -= n;
    return (ssize_t)n;
}

struct outcome {
    enum decode_fault fault;
    bool vouches, active;
    char message[256];
};

static struct bytes *in, *out;

/* Decodes `from` into `out`, reading `step` bytes at once and giving `size`. */
static inline struct outcome run(const struct decode_plan *plan, const struct bytes *from,
                                 size_t len, size_t step, size_t size)
{
    struct source source = {from->data, len, step, false};
    struct decode *d = decode_new(plan, give, &source);
    struct outcome o = {DECODE_FINE, false, false, ""};
    ssize_t n;
    assert_non_null(d);
    out->len = 0;
    while ((n = decode_read(d, (char *)out->data + out->len,
                            size < ROOM - out->len ? size : ROOM - out->len)) > 0)
        out->len += (size_t)n;
    assert_int_equal(decode_read(d, (char *)out->data, 1), n); /* the end, or the fault, stays */
    o.fault = decode_fault(d);
    o.vouches = decode_vouches(d);
    o.active = decode_active(d);
    snprintf(o.message, sizeof o.message, "%s", decode_message(d));
    assert_int_equal(n == 0, o.fault == DECODE_FINE);
    assert_true(n == 0 || o.message[0]);
    assert_true(n == 0 || !o.vouches);
    decode_free(d);
    return o;
}

static inline struct decode_plan coding(enum decode_coding c)
{
    return (struct decode_plan){.codings = {c}, .coding_count = 1};
}

static inline struct decode_plan file(enum decode_file f)
{
    return (struct decode_plan){.file = f};
}

static inline int setup(void **state)
{
    in = malloc(sizeof *in);
    out = malloc(sizeof *out);
    return in && out ? 0 : -1;
}

static inline int teardown(void **state)
{
    free(in);
    free(out);
    return 0;
}

/* Text that does not shrink to nothing, so that there are many places to cut it at. */
static inline size_t make_text(char *text, size_t size)
{
    unsigned seed = 1;
    for (size_t i = 0; i < size; i++)
        text[i] = (char)(i % 17 == 16 ? '\n' : 'a' + rand_r(&seed) % 20);
    return size;
}

static const struct format {
    const char *name;
    put_fn put;
    struct decode_plan plan;
    bool checked, several;
} formats[] = {
    {"gzip", put_gzip, {.codings = {DECODE_GZIP}, .coding_count = 1}, true, true},
    {"deflate", put_deflate, {.codings = {DECODE_DEFLATE}, .coding_count = 1}, true, false},
    {"raw", put_raw, {.codings = {DECODE_DEFLATE}, .coding_count = 1}, false, false},
    {"br", put_brotli, {.codings = {DECODE_BROTLI}, .coding_count = 1}, false, false},
    {"zstd", put_zstd, {.codings = {DECODE_ZSTD}, .coding_count = 1}, true, true},
    {"gzip file", put_gzip, {.file = DECODE_FILE_GZIP}, true, true},
    {"bzip2 file", put_bzip2, {.file = DECODE_FILE_BZIP2}, true, true},
    {"xz file", put_xz, {.file = DECODE_FILE_XZ}, true, true},
    {"zstd file", put_zstd, {.file = DECODE_FILE_ZSTD}, true, true},
    {"auto gzip", put_gzip, {.file = DECODE_FILE_AUTO}, true, true},
    {"auto bzip2", put_bzip2, {.file = DECODE_FILE_AUTO}, true, true},
    {"auto xz", put_xz, {.file = DECODE_FILE_AUTO}, true, true},
    {"auto zstd", put_zstd, {.file = DECODE_FILE_AUTO}, true, true},
};
#define FORMATS (sizeof formats / sizeof formats[0])

#endif
