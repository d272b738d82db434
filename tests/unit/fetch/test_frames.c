/* The frames of HTTP/2: when a stream has ended, and how much else there was, however the bytes
 * come in pieces. */
#include "fetch/frames.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PING = 6, CONTINUATION = 9 };
enum { END_STREAM = 1, END_HEADERS = 4, PADDED = 8 };

struct bytes {
    uint8_t data[65536];
    size_t len;
};

static void put(struct bytes *b, int type, int flags, uint32_t stream, const char *payload,
                size_t len)
{
    uint8_t header[FRAMES_HEADER] = {
        (uint8_t)(len >> 16),    (uint8_t)(len >> 8),    (uint8_t)len,
        (uint8_t)type,           (uint8_t)flags,         (uint8_t)(stream >> 24),
        (uint8_t)(stream >> 16), (uint8_t)(stream >> 8), (uint8_t)stream};
    memcpy(b->data + b->len, header, sizeof header);
    memcpy(b->data + b->len + sizeof header, payload, len);
    b->len += sizeof header + len;
}

/* In pieces of every size, with the same result, and not before the last byte. */
static void expect(const struct bytes *b, bool ended, uint64_t data)
{
    for (size_t piece = 1; piece <= b->len; piece++) {
        struct frames f = {0};
        frames_expect(&f);
        for (size_t at = 0; at < b->len; at += piece) {
            assert_false(f.ended);
            frames_read(&f, b->data + at, piece < b->len - at ? piece : b->len - at);
        }
        assert_int_equal(f.ended, ended);
        assert_int_equal(f.data, data);
        assert_int_equal(f.data + f.other, b->len);
    }
}

static void test_ends(void **state)
{
    static struct bytes b;
    b.len = 0;
    put(&b, SETTINGS, 0, 0, "", 0);
    put(&b, HEADERS, END_HEADERS, 1, "\x88", 1);
    put(&b, DATA, 0, 1, "hel", 3);
    put(&b, DATA, END_STREAM, 1, "lo", 2);
    expect(&b, true, 5);
    b.len = 0; /* by a frame of nothing */
    put(&b, HEADERS, END_HEADERS, 1, "\x88", 1);
    put(&b, DATA, END_STREAM, 1, "", 0);
    expect(&b, true, 0);
    b.len = 0; /* by the head, over several frames */
    put(&b, HEADERS, END_STREAM, 1, "\x88", 1);
    put(&b, CONTINUATION, 0, 1, "xx", 2);
    put(&b, CONTINUATION, END_HEADERS, 1, "x", 1);
    expect(&b, true, 0);
    b.len = 0; /* by trailers */
    put(&b, HEADERS, END_HEADERS, 1, "\x88", 1);
    put(&b, DATA, 0, 1, "hello", 5);
    put(&b, HEADERS, END_STREAM | END_HEADERS, 1, "x", 1);
    expect(&b, true, 5);
}

static void test_does_not_end(void **state)
{
    static struct bytes b;
    b.len = 0;
    put(&b, DATA, END_STREAM, 1, "before a head", 13);
    expect(&b, false, 0);
    b.len = 0;
    put(&b, HEADERS, END_HEADERS, 1, "\x88", 1);
    put(&b, DATA, 0, 1, "hel", 3);
    put(&b, RST_STREAM, 0, 1, "\0\0\0\0", 4);
    put(&b, RST_STREAM, END_STREAM, 1, "\0\0\0\0", 4);
    put(&b, DATA, END_STREAM, 3, "of another", 10);
    put(&b, HEADERS, END_HEADERS | END_STREAM, 2, "\x88", 1);
    put(&b, PING, 1, 0, "12345678", 8);
    expect(&b, false, 3);
    b.len = 0; /* a block that is not whole */
    put(&b, HEADERS, END_STREAM, 1, "\x88", 1);
    put(&b, CONTINUATION, END_HEADERS, 3, "x", 1);
    expect(&b, false, 0);
    b.len = 0; /* a frame that is not whole */
    put(&b, HEADERS, END_HEADERS, 1, "\x88", 1);
    put(&b, DATA, END_STREAM, 1, "hello", 5);
    b.len--;
    expect(&b, false, 4);
}

static void test_one_request_after_another(void **state)
{
    static struct bytes b;
    struct frames f = {0};
    frames_expect(&f);
    b.len = 0;
    put(&b, HEADERS, END_HEADERS | END_STREAM, 1, "\x88", 1);
    frames_read(&f, b.data, b.len);
    assert_true(f.ended);
    frames_expect(&f);
    assert_false(f.ended);
    frames_read(&f, b.data, b.len); /* that answer once more is none to this request */
    assert_false(f.ended);
    b.len = 0;
    put(&b, HEADERS, END_HEADERS, 3, "\x88", 1);
    put(&b, DATA, END_STREAM, 3, "x", 1);
    frames_read(&f, b.data, b.len);
    assert_true(f.ended);
}

static void test_padding(void **state)
{
    static struct bytes b;
    static const char padded[16] = "\x05hello";
    b.len = 0;
    put(&b, HEADERS, END_HEADERS, 1, "\x88", 1);
    put(&b, DATA, PADDED, 1, padded, 11);
    put(&b, DATA, PADDED, 1, "\xff", 1);
    put(&b, DATA, PADDED, 1, "\xffxyz", 4);
    put(&b, DATA, PADDED | END_STREAM, 1, "\0ab", 3);
    expect(&b, true, 7);
}

static void test_excess(void **state)
{
    static const int types[] = {DATA, PRIORITY, SETTINGS, PING, CONTINUATION, 99};
    static const char zeros[100];
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        static struct bytes b;
        struct frames f = {0};
        size_t sent = 0;
        frames_expect(&f);
        b.len = 0;
        put(&b, HEADERS, END_HEADERS, 1, "\x88", 1);
        frames_read(&f, b.data, b.len);
        b.len = 0;
        put(&b, types[i], 0, types[i] == DATA ? 3 : 1, zeros, 100);
        for (; !frames_excess(&f); sent += b.len)
            frames_read(&f, b.data, b.len);
        assert_in_range(sent, 1 << 20, (1 << 20) + 200);
    }
    /* A body of the smallest frames is none. */
    static struct bytes b;
    struct frames f = {0};
    frames_expect(&f);
    b.len = 0;
    put(&b, HEADERS, END_HEADERS, 1, "\x88", 1);
    frames_read(&f, b.data, b.len);
    b.len = 0;
    put(&b, DATA, 0, 1, "x", 1);
    for (int i = 0; i < 1000000; i++)
        frames_read(&f, b.data, b.len);
    assert_false(frames_excess(&f));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_does_not_end),
        cmocka_unit_test(test_one_request_after_another),
        cmocka_unit_test(test_padding),
        cmocka_unit_test(test_excess),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
