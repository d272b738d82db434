/* The decoders: streams made by each format's own encoder, in reads of every size, whole and cut at each byte,
 * damaged, followed by others; and what must not be decoded without bounds. */
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

/* --- encoders ------------------------------------------------------------------------------------- */

static void put_zlib(struct bytes *to, const void *data, size_t len, int bits)
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

static void put_gzip(struct bytes *to, const void *data, size_t len)
{
    put_zlib(to, data, len, 15 + 16);
}

static void put_deflate(struct bytes *to, const void *data, size_t len)
{
    put_zlib(to, data, len, 15);
}

static void put_raw(struct bytes *to, const void *data, size_t len)
{
    put_zlib(to, data, len, -15);
}

static void put_brotli(struct bytes *to, const void *data, size_t len)
{
    size_t n = ROOM - to->len;
    assert_true(
        BrotliEncoderCompress(5, 18, BROTLI_MODE_GENERIC, len, data, &n, to->data + to->len));
    to->len += n;
}

static void put_zstd_as(struct bytes *to, const void *data, size_t len, int checksum, int window)
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

static void put_zstd(struct bytes *to, const void *data, size_t len)
{
    put_zstd_as(to, data, len, 1, 0);
}

static void put_bzip2(struct bytes *to, const void *data, size_t len)
{
    unsigned n = (unsigned)(ROOM - to->len);
    assert_int_equal(BZ2_bzBuffToBuffCompress((char *)to->data + to->len, &n, (char *)data,
                                              (unsigned)len, 1, 0, 0),
                     BZ_OK);
    to->len += n;
}

static void put_xz_as(struct bytes *to, const void *data, size_t len, lzma_check check)
{
    assert_int_equal(lzma_easy_buffer_encode(1, check, NULL, data, len, to->data, &to->len, ROOM),
                     LZMA_OK);
}

static void put_xz(struct bytes *to, const void *data, size_t len)
{
    put_xz_as(to, data, len, LZMA_CHECK_CRC32);
}

typedef void (*put_fn)(struct bytes *to, const void *data, size_t len);

static void put_bytes(struct bytes *to, const void *data, size_t len)
{
    memcpy(to->data + to->len, data, len);
    to->len += len;
}

/* --- reading -------------------------------------------------------------------------------------- */

struct source {
    const uint8_t *data;
    size_t len, step;
    bool broken; /* at its end: -1 in place of 0 */
};

static ssize_t give(void *arg, char *data, size_t size)
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
static struct outcome run(const struct decode_plan *plan, const struct bytes *from, size_t len,
                          size_t step, size_t size)
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

static struct decode_plan coding(enum decode_coding c)
{
    return (struct decode_plan){.codings = {c}, .coding_count = 1};
}

static struct decode_plan file(enum decode_file f)
{
    return (struct decode_plan){.file = f};
}

static int setup(void **state)
{
    in = malloc(sizeof *in);
    out = malloc(sizeof *out);
    return in && out ? 0 : -1;
}

static int teardown(void **state)
{
    free(in);
    free(out);
    return 0;
}

/* Text that does not shrink to nothing, so that there are many places to cut it at. */
static size_t make_text(char *text, size_t size)
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

/* --- whole ---------------------------------------------------------------------------------------- */

static void test_whole_in_reads_of_all_sizes(void **state)
{
    static const size_t sizes[] = {1, 2, 3, 7, 100, 4096, 65536, ROOM};
    static char text[100000];
    size_t len = make_text(text, sizeof text);
    for (size_t f = 0; f < FORMATS; f++) {
        in->len = 0;
        formats[f].put(in, text, len);
        for (size_t i = 0; i < 8; i++)
            for (size_t j = 0; j < 8; j++) {
                struct outcome o = run(&formats[f].plan, in, in->len, sizes[i], sizes[j]);
                assert_string_equal(o.message, "");
                assert_int_equal(out->len, len);
                assert_memory_equal(out->data, text, len);
                assert_int_equal(o.vouches, formats[f].checked);
                assert_true(o.active);
            }
    }
}

static void test_of_nothing(void **state)
{
    for (size_t f = 0; f < FORMATS; f++) {
        in->len = 0;
        formats[f].put(in, "", 0);
        struct outcome o = run(&formats[f].plan, in, in->len, 3, 100);
        assert_string_equal(o.message, "");
        assert_int_equal(out->len, 0);
        assert_int_equal(o.vouches, formats[f].checked);
    }
}

/* Of a content coding an empty body is an empty body, as servers send it; a file that was said to be of a
 * format is not. Nobody vouches for it. */
static void test_no_stream_at_all(void **state)
{
    in->len = 0;
    for (size_t f = 0; f < FORMATS; f++) {
        struct outcome o = run(&formats[f].plan, in, 0, 1, 100);
        bool demanded = formats[f].plan.file > DECODE_FILE_AUTO;
        assert_int_equal(o.fault, demanded ? DECODE_CORRUPT : DECODE_FINE);
        assert_false(o.vouches);
    }
}

/* --- cut and damaged --------------------------------------------------------------------------------- */

static void test_cut_at_every_byte(void **state)
{
    static char text[3000];
    size_t len = make_text(text, sizeof text);
    for (size_t f = 0; f < FORMATS; f++) {
        in->len = 0;
        formats[f].put(in, text, len);
        for (size_t cut = 1; cut < in->len; cut++) {
            struct outcome o = run(&formats[f].plan, in, cut, 1000, 512);
            if (formats[f].plan.file == DECODE_FILE_AUTO && !o.active) {
                assert_in_range(cut, 1, DECODE_MAGIC - 1); /* too little to be told */
                assert_int_equal(out->len, cut);
                continue;
            }
            assert_int_equal(o.fault, DECODE_CORRUPT);
            assert_non_null(strstr(o.message, "cut"));
            assert_true(out->len <= len);
            assert_memory_equal(out->data, text, out->len);
        }
    }
}

/* With a checksum no flipped bit goes unnoticed, but for those of a header that say nothing about the
 * data. */
static void test_flipped_bits(void **state)
{
    static char text[2000];
    size_t len = make_text(text, sizeof text);
    for (size_t f = 0; f < FORMATS; f++) {
        unsigned unnoticed = 0;
        in->len = 0;
        formats[f].put(in, text, len);
        for (size_t i = 0; i < in->len; i++) {
            in->data[i] ^= 0x10;
            struct outcome o = run(&formats[f].plan, in, in->len, 5000, 5000);
            if (o.fault == DECODE_FINE && o.active) {
                unnoticed++;
                if (formats[f].checked) {
                    assert_int_equal(out->len, len);
                    assert_memory_equal(out->data, text, len);
                }
            }
            in->data[i] ^= 0x10;
        }
        if (formats[f].checked)
            assert_in_range(unnoticed, 0, 8);
    }
}

static void test_something_else_follows(void **state)
{
    static const char *const tails[] = {"x", "\n",
                                        "<html>and so on, long enough for a header</html>"};
    for (size_t f = 0; f < FORMATS; f++)
        for (size_t i = 0; i < 3; i++) {
            in->len = 0;
            formats[f].put(in, "hello", 5);
            put_bytes(in, tails[i], strlen(tails[i]));
            for (size_t step = 1; step < 200; step += 66) {
                struct outcome o = run(&formats[f].plan, in, in->len, step, 100);
                assert_int_equal(o.fault, DECODE_CORRUPT);
                assert_int_equal(out->len, 5);
            }
        }
}

static void test_padding(void **state)
{
    for (size_t f = 0; f < FORMATS; f++)
        for (size_t zeros = 1; zeros < 9; zeros++) {
            const char *name = formats[f].name;
            bool good = strstr(name, "gzip") || (strstr(name, "xz") && zeros % 4 == 0);
            in->len = 0;
            formats[f].put(in, "hello", 5);
            put_bytes(in, "\0\0\0\0\0\0\0\0\0", zeros);
            struct outcome o = run(&formats[f].plan, in, in->len, zeros, 100);
            assert_int_equal(o.fault, good ? DECODE_FINE : DECODE_CORRUPT);
            assert_int_equal(out->len, 5);
        }
}

/* --- several ---------------------------------------------------------------------------------------- */

static void test_several_streams(void **state)
{
    for (size_t f = 0; f < FORMATS; f++) {
        in->len = 0;
        formats[f].put(in, "one ", 4);
        formats[f].put(in, "", 0);
        formats[f].put(in, "two", 3);
        for (size_t step = 1; step < 40; step++) {
            struct outcome o = run(&formats[f].plan, in, in->len, step, 2);
            if (!formats[f].several) {
                assert_int_equal(o.fault, DECODE_CORRUPT);
                assert_int_equal(out->len, 4);
                continue;
            }
            assert_string_equal(o.message, "");
            assert_int_equal(out->len, 7);
            assert_memory_equal(out->data, "one two", 7);
            assert_false(o.vouches); /* who knows whether more were to come? */
        }
    }
}

static void test_codings_over_each_other(void **state)
{
    static char text[50000];
    size_t len = make_text(text, sizeof text);
    struct bytes *inner = malloc(sizeof *inner);
    struct decode_plan plan = {0};
    assert_non_null(inner);
    for (int flip = 0; flip < 2; flip++) {
        plan.coding_count = 0;
        assert_int_equal(decode_plan_add(&plan, flip ? "br, gzip" : "gzip,br", NULL), 0);
        inner->len = in->len = 0;
        (flip ? put_brotli : put_gzip)(inner, text, len);
        (flip ? put_gzip : put_brotli)(in, inner->data, inner->len);
        struct outcome o = run(&plan, in, in->len, 777, 3000);
        assert_string_equal(o.message, "");
        assert_int_equal(out->len, len);
        assert_memory_equal(out->data, text, len);
        assert_true(o.vouches);
    }
    /* A .xz file that a server gzips. */
    plan =
        (struct decode_plan){.codings = {DECODE_GZIP}, .coding_count = 1, .file = DECODE_FILE_AUTO};
    inner->len = in->len = 0;
    put_xz(inner, text, len);
    put_gzip(in, inner->data, inner->len);
    struct outcome o = run(&plan, in, in->len, 1, 3000);
    assert_string_equal(o.message, "");
    assert_int_equal(out->len, len);
    free(inner);
}

static void test_unchecked_streams_vouch_for_nothing(void **state)
{
    struct decode_plan zstd = coding(DECODE_ZSTD), xz = file(DECODE_FILE_XZ);
    in->len = 0;
    put_zstd_as(in, "hello", 5, 0, 0);
    assert_false(run(&zstd, in, in->len, 1, 100).vouches);
    in->len = 0;
    put_xz_as(in, "hello", 5, LZMA_CHECK_NONE);
    struct outcome o = run(&xz, in, in->len, 1, 100);
    assert_int_equal(o.fault, DECODE_FINE);
    assert_false(o.vouches);
}

/* A skippable frame is no data, but it is passed over. */
static void test_skippable_frame(void **state)
{
    struct decode_plan zstd = file(DECODE_FILE_ZSTD);
    in->len = 0;
    put_bytes(in, "\x50\x2a\x4d\x18\x04\0\0\0abcd", 12);
    put_zstd(in, "hello", 5);
    for (size_t step = 1; step < 30; step++) {
        struct outcome o = run(&zstd, in, in->len, step, 100);
        assert_int_equal(o.fault, DECODE_FINE);
        assert_int_equal(out->len, 5);
        assert_false(o.vouches);
    }
}

/* --- auto -------------------------------------------------------------------------------------------- */

static void test_auto_leaves_the_rest_alone(void **state)
{
    static const char *const texts[] = {"",
                                        "a",
                                        "plain text, longer than any magic number",
                                        "\x1f",
                                        "\x1f\x8b",
                                        "\x1f\x8b\x07 no",
                                        "BZ",
                                        "BZh",
                                        "BZh0 and so on",
                                        "BZh9 is no bzip2 file",
                                        "\3757zX",
                                        "\x28\xb5\x2f text"};
    struct decode_plan plan = file(DECODE_FILE_AUTO);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        for (size_t step = 1; step < 12; step++)
            for (size_t size = 1; size < 12; size++) {
                in->len = 0;
                put_bytes(in, texts[i], strlen(texts[i]));
                struct outcome o = run(&plan, in, in->len, step, size);
                assert_int_equal(o.fault, DECODE_FINE);
                assert_false(o.active);
                assert_false(o.vouches);
                assert_int_equal(out->len, strlen(texts[i]));
                assert_memory_equal(out->data, texts[i], out->len);
            }
}

/* What does not look like a magic number is given at once: nothing waits for ten bytes. */
static void test_auto_waits_no_longer_than_needed(void **state)
{
    struct source source = {(const uint8_t *)"ab", 2, 1, true};
    struct decode_plan plan = file(DECODE_FILE_AUTO);
    struct decode *d = decode_new(&plan, give, &source);
    char data[100];
    assert_int_equal(decode_read(d, data, sizeof data), 1);
    assert_int_equal(data[0], 'a');
    assert_int_equal(decode_read(d, data, sizeof data), 1);
    assert_int_equal(decode_read(d, data, sizeof data), -1);
    assert_int_equal(decode_fault(d), DECODE_BROKEN_SOURCE);
    assert_string_equal(decode_message(d), "");
    decode_free(d);
}

/* What was flushed into the stream comes out before the next bytes come in. */
static void test_flushed_data_does_not_wait(void **state)
{
    struct decode_plan plan = coding(DECODE_GZIP);
    z_stream z = {0};
    uint8_t text[200];
    char data[100];
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (Bytef *)"tick\n";
    z.avail_in = 5;
    z.next_out = text;
    z.avail_out = sizeof text;
    assert_int_equal(deflate(&z, Z_SYNC_FLUSH), Z_OK);
    struct source source = {text, sizeof text - z.avail_out, sizeof text, true};
    struct decode *d = decode_new(&plan, give, &source);
    assert_int_equal(decode_read(d, data, sizeof data), 5);
    assert_int_equal(decode_read(d, data, sizeof data), -1);
    assert_int_equal(decode_fault(d), DECODE_BROKEN_SOURCE);
    decode_free(d);
    deflateEnd(&z);
}

/* --- limits ------------------------------------------------------------------------------------------ */

static void test_max_decoded(void **state)
{
    static char text[5000];
    size_t len = make_text(text, sizeof text);
    for (size_t f = 0; f < FORMATS; f++) {
        struct decode_plan plan = formats[f].plan;
        in->len = 0;
        formats[f].put(in, text, len);
        plan.max_decoded = len;
        assert_int_equal(run(&plan, in, in->len, 100, 100).fault, DECODE_FINE);
        plan.max_decoded = len - 1;
        struct outcome o = run(&plan, in, in->len, 100, 100);
        assert_int_equal(o.fault, DECODE_LIMIT);
        assert_non_null(strstr(o.message, "more than 4999 bytes (max_decoded)"));
        assert_true(out->len < len);
    }
}

/* 64 MiB of zeros, in pieces so that the test itself does not hold them. */
static void put_bomb(struct bytes *to)
{
    static uint8_t zeros[1 << 16];
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_out = to->data;
    z.avail_out = (uInt)ROOM;
    for (int i = 0; i < 1024; i++) {
        z.next_in = zeros;
        z.avail_in = sizeof zeros;
        assert_int_equal(deflate(&z, i == 1023 ? Z_FINISH : Z_NO_FLUSH),
                         i == 1023 ? Z_STREAM_END : Z_OK);
    }
    to->len = ROOM - z.avail_out;
    deflateEnd(&z);
}

static uint64_t count_decoded(const struct decode_plan *plan, enum decode_fault *ret_fault)
{
    static char data[65536];
    struct source source = {in->data, in->len, 16384, false};
    struct decode *d = decode_new(plan, give, &source);
    uint64_t total = 0;
    ssize_t n;
    while ((n = decode_read(d, data, sizeof data)) > 0)
        total += (uint64_t)n;
    *ret_fault = decode_fault(d);
    decode_free(d);
    return total;
}

static void test_max_ratio(void **state)
{
    struct decode_plan plan = coding(DECODE_GZIP);
    enum decode_fault fault;
    in->len = 0;
    put_bomb(in);
    assert_int_equal(count_decoded(&plan, &fault), 64 << 20);
    assert_int_equal(fault, DECODE_FINE);
    plan.max_ratio = 100;
    uint64_t total = count_decoded(&plan, &fault);
    assert_int_equal(fault, DECODE_LIMIT);
    assert_in_range(total, DECODE_RATIO_FREE - 65536, DECODE_RATIO_FREE);
}

/* A bomb in a bomb counts by what the body had. */
static void test_max_ratio_of_a_chain(void **state)
{
    struct decode_plan plan = {
        .codings = {DECODE_GZIP, DECODE_GZIP}, .coding_count = 2, .max_ratio = 1000};
    struct bytes *inner = malloc(sizeof *inner);
    enum decode_fault fault;
    assert_non_null(inner);
    inner->len = in->len = 0;
    put_bomb(inner);
    put_gzip(in, inner->data, inner->len);
    uint64_t total = count_decoded(&plan, &fault);
    assert_int_equal(fault, DECODE_LIMIT);
    assert_in_range(total, DECODE_RATIO_FREE - 65536, DECODE_RATIO_FREE);
    free(inner);
}

static void test_max_window(void **state)
{
    static char text[1 << 20];
    size_t len = make_text(text, sizeof text);
    struct decode_plan zstd = coding(DECODE_ZSTD), xz = file(DECODE_FILE_XZ);
    in->len = 0;
    put_zstd_as(in, text, len, 1, 24);
    zstd.max_window = 16 << 20;
    assert_int_equal(run(&zstd, in, in->len, 4096, 4096).fault, DECODE_FINE);
    zstd.max_window--;
    struct outcome o = run(&zstd, in, in->len, 4096, 4096);
    assert_int_equal(o.fault, DECODE_LIMIT);
    assert_non_null(strstr(o.message, "flow.decode_window"));

    lzma_options_lzma options;
    assert_false(lzma_lzma_preset(&options, 1));
    options.dict_size = 32 << 20;
    lzma_filter filters[] = {{LZMA_FILTER_LZMA2, &options}, {LZMA_VLI_UNKNOWN, NULL}};
    in->len = 0;
    assert_int_equal(lzma_stream_buffer_encode(filters, LZMA_CHECK_CRC64, NULL, (uint8_t *)text,
                                               len, in->data, &in->len, ROOM),
                     LZMA_OK);
    xz.max_window = 32 << 20;
    assert_int_equal(run(&xz, in, in->len, 4096, 4096).fault, DECODE_FINE);
    xz.max_window = 16 << 20;
    assert_int_equal(run(&xz, in, in->len, 4096, 4096).fault, DECODE_LIMIT);
}

/* --- the plan ---------------------------------------------------------------------------------------- */

static void test_content_encoding(void **state)
{
    struct decode_plan plan = {0};
    struct error err;
    assert_int_equal(decode_plan_add(&plan, "", &err), 0);
    assert_int_equal(decode_plan_add(&plan, "identity, ,", &err), 0);
    assert_true(decode_plan_empty(&plan));
    assert_int_equal(decode_plan_add(&plan, " GZip ,x-gzip", &err), 0);
    assert_int_equal(decode_plan_add(&plan, "deflate", &err), 0);
    assert_int_equal(decode_plan_add(&plan, "zstd", &err), 0);
    assert_int_equal(plan.coding_count, 4);
    assert_int_equal(plan.codings[0], DECODE_GZIP);
    assert_int_equal(plan.codings[1], DECODE_GZIP);
    assert_int_equal(plan.codings[2], DECODE_DEFLATE);
    assert_int_equal(plan.codings[3], DECODE_ZSTD);
    assert_int_equal(decode_plan_add(&plan, "br", &err), -EINVAL);
    assert_string_equal(err.text, "Content-Encoding: more than 4 codings");
    plan.coding_count = 0;
    assert_int_equal(decode_plan_add(&plan, "compress", &err), -EINVAL);
    assert_non_null(strstr(err.text, "compress is none that can be decoded"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_in_reads_of_all_sizes),
        cmocka_unit_test(test_of_nothing),
        cmocka_unit_test(test_no_stream_at_all),
        cmocka_unit_test(test_cut_at_every_byte),
        cmocka_unit_test(test_flipped_bits),
        cmocka_unit_test(test_something_else_follows),
        cmocka_unit_test(test_padding),
        cmocka_unit_test(test_several_streams),
        cmocka_unit_test(test_codings_over_each_other),
        cmocka_unit_test(test_unchecked_streams_vouch_for_nothing),
        cmocka_unit_test(test_skippable_frame),
        cmocka_unit_test(test_auto_leaves_the_rest_alone),
        cmocka_unit_test(test_auto_waits_no_longer_than_needed),
        cmocka_unit_test(test_flushed_data_does_not_wait),
        cmocka_unit_test(test_max_decoded),
        cmocka_unit_test(test_max_ratio),
        cmocka_unit_test(test_max_ratio_of_a_chain),
        cmocka_unit_test(test_max_window),
        cmocka_unit_test(test_content_encoding),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
