/* Bytes as gzip has them, by zlib itself. */
#ifndef TESTS_UNIT_PARSE_GZIPPED_H
#define TESTS_UNIT_PARSE_GZIPPED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <zlib.h>

#include <cmocka.h>

#define GZIPPED_ROOM ((size_t)64 << 10)

struct gzipped {
    unsigned char data[GZIPPED_ROOM];
    size_t len;
};

static inline void gzip(struct gzipped *to, const void *data, size_t len)
{
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (Bytef *)(uintptr_t)data;
    z.avail_in = (uInt)len;
    z.next_out = to->data;
    z.avail_out = (uInt)GZIPPED_ROOM;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    to->len = GZIPPED_ROOM - z.avail_out;
    deflateEnd(&z);
}

#endif
