/* What must not be decoded without bounds. */
#include "encoded.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_max_decoded),
        cmocka_unit_test(test_max_ratio),
        cmocka_unit_test(test_max_ratio_of_a_chain),
        cmocka_unit_test(test_max_window),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
