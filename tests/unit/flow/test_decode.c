/* The decoders: streams made by each format's own encoder, in reads of every size, whole and cut at
 * each byte, damaged, followed by others; and what must not be decoded without bounds. */
#include "encoded.h"
#include "flow/decode_plan.h"

static void put_bytes(struct bytes *to, const void *data, size_t len)
{
    memcpy(to->data + to->len, data, len);
    to->len += len;
}

/* --- whole ------------------------------------------------------------------------------------ */

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

/* Of a content coding an empty body is an empty body, as servers send it; a file that was said to
 * be of a format is not. Nobody vouches for it. */
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

/* --- cut and damaged -------------------------------------------------------------------------- */

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

/* With a checksum no flipped bit goes unnoticed, but for those of a header that say nothing about
 * the data. */
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

/* --- several ---------------------------------------------------------------------------------- */

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

/* --- auto ------------------------------------------------------------------------------------- */

/* Any of the sixteen in front, one or several, and frames between them. */
static void test_auto_knows_skippable_frames(void **state)
{
    struct decode_plan plan = file(DECODE_FILE_AUTO);
    for (int n = 0; n < 16; n++)
        for (size_t step = 1; step < 20; step += 3) {
            char skippable[] = "P*M\x18\3\0\0\0abc";
            skippable[0] = (char)(0x50 + n);
            in->len = 0;
            for (int i = 0; i < 2; i++) {
                put_bytes(in, skippable, sizeof skippable - 1);
                put_bytes(in, skippable, sizeof skippable - 1);
                put_zstd(in, "text", 4);
            }
            struct outcome o = run(&plan, in, in->len, step, 7);
            assert_int_equal(o.fault, DECODE_FINE);
            assert_true(o.active);
            assert_int_equal(out->len, 8);
            assert_memory_equal(out->data, "texttext", 8);
        }
}

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
                                        "\x28\xb5\x2f text",
                                        "P*M text",
                                        "_*"};
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

/* --- the plan --------------------------------------------------------------------------------- */

static void test_content_encoding(void **state)
{
    struct decode_plan plan = {0};
    struct error err;
    assert_int_equal(decode_plan_add(&plan, "", &err), 0);
    assert_int_equal(decode_plan_add(&plan, "identity, ,", &err), 0);
    assert_int_equal(plan.skipped, 1);
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
        cmocka_unit_test(test_auto_knows_skippable_frames),
        cmocka_unit_test(test_auto_leaves_the_rest_alone),
        cmocka_unit_test(test_auto_waits_no_longer_than_needed),
        cmocka_unit_test(test_flushed_data_does_not_wait),
        cmocka_unit_test(test_content_encoding),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
