/* The misbehaving origin misbehaves as its header says: seen by a client that knows nothing but
 * sockets. */
#include "origin_client.h"

#include <zlib.h>

/* --- bodies ----------------------------------------------------------------------------------- */

static void bodies_are_what_they_say(void **state)
{
    static const struct {
        const char *path, *header, *format;
    } cases[] = {
        {"/lines?n=12345", "", "line %1$d\n"},
        {"/csv?n=12345", "id,name,note\n", "%1$d,name %1$d,\"a \"\"quoted\"\", note %1$d\"\n"},
        {"/ndjson?n=12345", "", "{\"id\":%1$d,\"name\":\"name %1$d\"}\n"}};
    for (size_t i = 0; i < 3; i++) {
        struct buf want = BUF_INIT, expected = BUF_INIT;
        struct reply reply;
        buf_puts(&want, cases[i].header);
        for (int k = 1; k <= 12345; k++) {
            char row[128];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
            snprintf(row, sizeof row, cases[i].format, k);
#pragma GCC diagnostic pop
            buf_puts(&want, row);
        }
        get(cases[i].path, &reply);
        assert_int_equal(reply.status, 200);
        assert_int_equal(reply.body_len, want.len);
        assert_memory_equal(reply.body, want.data, want.len);
        assert_int_equal(origin_expected(cases[i].path, &expected), 0);
        assert_int_equal(expected.len, want.len);
        assert_memory_equal(expected.data, want.data, want.len);
        buf_deinit(&reply.wire);
        buf_deinit(&want);
        buf_deinit(&expected);
    }
}

static void every_offset_can_be_asked_for(void **state)
{
    struct buf whole = BUF_INIT;
    assert_int_equal(origin_expected("/csv?n=1200", &whole), 0);
    for (size_t from = 0; from < whole.len; from += 997) {
        char range[64];
        struct reply reply;
        snprintf(range, sizeof range, "Range: bytes=%zu-\r\n", from);
        get_with("/csv?n=1200", range, &reply);
        assert_int_equal(reply.status, 206);
        assert_int_equal(reply.body_len, whole.len - from);
        assert_memory_equal(reply.body, whole.data + from, reply.body_len);
        buf_deinit(&reply.wire);
    }
    buf_deinit(&whole);
}

static void files_data_and_requests_are_served(void **state)
{
    struct reply reply;
    assert_int_equal(origin_put(origin, "thing", "old", 3), 0);
    assert_int_equal(origin_put(origin, "thing", "a\0b", 3), 0);
    get("/data/thing", &reply);
    assert_int_equal(reply.body_len, 3);
    assert_memory_equal(reply.body, "a\0b", 3);
    buf_deinit(&reply.wire);
    test_write_file(test_path("real.txt"), "real\n", 5);
    get("/file/real.txt", &reply);
    assert_string_equal(reply.body, "real\n");
    assert_true(has(&reply, "Last-Modified: "));
    buf_deinit(&reply.wire);
    get("/file/../etc/passwd", &reply);
    assert_int_equal(reply.status, 404);
    buf_deinit(&reply.wire);
    get_with("/request", "X-Mark: 7\r\n", &reply);
    assert_non_null(strstr(reply.body, "X-Mark: 7\r\n"));
    buf_deinit(&reply.wire);
    get("/text?text=a%20b%26", &reply);
    assert_string_equal(reply.body, "a b&");
    buf_deinit(&reply.wire);
}

static void a_post_is_echoed(void **state)
{
    struct reply reply = {0};
    struct buf b = BUF_INIT;
    int fd = dial();
    buf_puts(
        &b,
        "POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 300000\r\n\r\n");
    for (size_t i = 0; i < 300000; i++)
        buf_putc(&b, (char)origin_pattern(i));
    assert_int_equal(fd_write_all(fd, b.data, b.len), 0);
    hear(fd, &reply);
    assert_int_equal(reply.body_len, 300000);
    assert_memory_equal(reply.body, b.data + b.len - 300000, 300000);
    close(fd);
    buf_deinit(&b);
    buf_deinit(&reply.wire);
}

static void a_gzip_body_unpacks(void **state)
{
    struct buf want = BUF_INIT;
    struct reply reply;
    char out[16384];
    assert_int_equal(origin_expected("/lines?n=1000", &want), 0);
    get("/lines?n=1000&gzip=1", &reply);
    assert_true(has(&reply, "Content-Encoding: gzip\r\n"));
    z_stream z = {.next_in = (void *)reply.body, .avail_in = (uInt)reply.body_len};
    z.next_out = (void *)out;
    z.avail_out = sizeof out;
    assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
    assert_int_equal(z.total_out, want.len);
    assert_memory_equal(out, want.data, want.len);
    inflateEnd(&z);
    buf_deinit(&reply.wire);

    get("/lines?n=1000&gzip=crc", &reply);
    z = (z_stream){.next_in = (void *)reply.body, .avail_in = (uInt)reply.body_len};
    z.next_out = (void *)out;
    z.avail_out = sizeof out;
    assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
    assert_int_equal(inflate(&z, Z_FINISH), Z_DATA_ERROR);
    inflateEnd(&z);
    buf_deinit(&reply.wire);
    buf_deinit(&want);
}

/* --- faults ----------------------------------------------------------------------------------- */

static void faults_look_as_documented(void **state)
{
    static const struct {
        const char *path;
        int status;    /* 0: no head that one could read */
        int end;       /* of the connection */
        long body_len; /* -1: not looked at */
        const char *has;
    } cases[] = {
        {"/bytes?n=50000&cut=20000", 200, 0, 20000, "Content-Length: 50000\r\n"},
        {"/bytes?n=50000&cut=0", 200, 0, 0, "Content-Length: 50000\r\n"},
        {"/bytes?n=50000&reset=20000", 200, ECONNRESET, 20000, NULL},
        {"/bytes?n=50000&cut=20000&framing=close", 200, 0, 20000, "Connection: close\r\n"},
        {"/bytes?n=100&length=%2B5", 200, 0, 100, "Content-Length: 105\r\n"},
        {"/bytes?n=100&length=+5", 200, 0, 100, "Content-Length: 105\r\n"},
        {"/bytes?n=100&length=-5", 200, 0, 100, "Content-Length: 95\r\n"},
        {"/text?text=abcdef&framing=chunked&chunk=4", 200, 0, -1,
         "\r\n\r\n4\r\nabcd\r\n2\r\nef\r\n0\r\n\r\n"},
        {"/text?text=abcdef&framing=chunked&chunk=4&cut=5", 200, 0, -1, "4\r\nabcd\r\n2\r\ne"},
        {"/text?text=abcdef&framing=chunked&bad_chunk=2", 200, 0, -1, "\r\n\r\n2\r\nab\r\nzz\r\n"},
        {"/text?text=abcd&framing=chunked&no_final_chunk=1", 200, 0, 9, "4\r\nabcd\r\n"},
        {"/text?text=abcd&framing=chunked&no_final_crlf=1", 200, 0, 12, "4\r\nabcd\r\n0\r\n"},
        {"/text?text=abcd&framing=chunked&trailer=1", 200, 0, -1, "0\r\nX-Trailer: here\r\n\r\n"},
        {"/text?text=a&dup_length=other", 200, 0, 1, "Content-Length: 1\r\nContent-Length: 2\r\n"},
        {"/text?text=a&te_cl=1", 200, 0, -1, "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"},
        {"/text?text=a&http10=1", 200, 0, 1, "HTTP/1.0 200"},
        {"/text?text=a&status=404", 404, 0, 1, NULL},
        {"/text?text=a&status=204", 204, 0, 0, NULL},
        {"/text?text=a&status=304", 304, 0, 0, NULL},
        {"/text?text=a&info=103,2", 103, 0, -1, "rel=preload\r\n\r\nHTTP/1.1 103"},
        {"/text?text=a&header=X-A:b&header=X-C:d", 200, 0, 1, "X-A: b\r\nX-C: d\r\n"},
        {"/text?text=a&header_flood=500", 200, 0, 1, "X-Flood-499: "},
        {"/text?text=a&huge_header=100K", 200, 0, 1, "X-Huge: abc"},
        {"/text?text=a&head_cut=0", 0, 0, -1, NULL},
        {"/text?text=a&head_cut=10", 0, 0, -1, "HTTP/1.1 2"},
        {"/text?text=a&head_reset=10", 0, ECONNRESET, -1, "HTTP/1.1 2"},
        {"/text?text=a&no_status_line=1", 0, 0, -1, "Content-Length: 1\r\n"},
        {"/text?text=a&bad_status=1", 0, 0, -1, "HTTP/1.1 abc\r\n"},
        {"/text?text=abc&http09=1", 0, 0, -1, "abc"},
        {"/text?text=a&garbage=1", 0, 0, -1, "\x8b\xb0"},
        {"/text?redirect=http://x/y", 302, 0, -1, "Location: http://x/y\r\n"},
        {"/text?redirect=/y&status=307", 307, 0, -1, "Location: /y\r\n"},
        {"/text?redirects=2&text=a", 302, 0, -1, "Location: /text?redirects=1&text=a\r\n"},
        {"/text?redirects=0&text=a", 200, 0, 1, NULL},
        {"/text?loop=1", 302, 0, -1, "Location: /text?loop=1\r\n"},
        {"/text?text=a&status=503&retry_after=7", 503, 0, 1, "Retry-After: 7\r\n"},
        {"/text?text=abc&digest=sha256", 200, 0, 3,
         "Repr-Digest: sha-256=:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=:\r\n"},
        {"/text?text=a&etag=weak", 200, 0, 1, "ETag: W/\""},
        {"/nothing", 404, 0, -1, "there is no /nothing here"},
        {"/bytes", 400, 0, -1, "needs n=N"},
        {"/bytes?n=1&cutt=3", 400, 0, -1, "no parameter 'cutt'"},
        {"/bytes?n=x", 400, 0, -1, "n=x: it is n=N"},
        {"/bytes?n=1&framing=chunky", 400, 0, -1, "length|chunked|close"},
        {"/bytes?n=1&framing=length%20chunked", 400, 0, -1, "length|chunked|close"},
        {"/bytes?n", 400, 0, -1, "has no value"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct reply reply;
        get(cases[i].path, &reply);
        bool good = reply.status == cases[i].status && reply.end == cases[i].end &&
                    (cases[i].body_len < 0 || reply.body_len == (size_t)cases[i].body_len) &&
                    (!cases[i].has || has(&reply, cases[i].has));
        if (!good)
            fail_msg("%s: status %d, end %d, body of %zu:\n%s", cases[i].path, reply.status,
                     reply.end, reply.body_len, reply.wire.data);
        buf_deinit(&reply.wire);
    }
}

static void cuts_keep_the_bytes_before_them(void **state)
{
    static const char *const paths[] = {"/bytes?n=2M&cut=1M", "/bytes?n=2M&reset=1M"};
    for (size_t i = 0; i < 2; i++) {
        struct reply reply;
        get(paths[i], &reply);
        assert_int_equal(reply.body_len, 1 << 20);
        for (size_t k = 0; k < reply.body_len; k++)
            if ((unsigned char)reply.body[k] != origin_pattern(k))
                fail_msg("%s: byte %zu", paths[i], k);
        buf_deinit(&reply.wire);
    }
}

static void ranges_go_wrong_as_asked(void **state)
{
    static const struct {
        const char *how;
        int status;
        size_t len;
        const char *has;
    } cases[] = {{"ok", 206, 900, "Content-Range: bytes 100-999/1000\r\n"},
                 {"ignore", 200, 1000, "Content-Length: 1000\r\n"},
                 {"shift", 206, 899, "Content-Range: bytes 101-999/1000\r\n"},
                 {"short", 206, 450, "Content-Range: bytes 100-549/1000\r\n"},
                 {"othertotal", 206, 900, "Content-Range: bytes 100-999/1001\r\n"},
                 {"otheretag", 206, 900, "ETag: \"other\"\r\n"},
                 {"nocr", 206, 900, "Content-Length: 900\r\n"},
                 {"416", 416, 14, "Content-Range: bytes */1000\r\n"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char path[64];
        struct reply reply;
        snprintf(path, sizeof path, "/bytes?n=1000&range=%s", cases[i].how);
        get_with(path, "Range: bytes=100-\r\n", &reply);
        assert_int_equal(reply.status, cases[i].status);
        assert_int_equal(reply.body_len, cases[i].len);
        if (!has(&reply, cases[i].has))
            fail_msg("%s: %s", cases[i].how, reply.wire.data);
        assert_int_equal(has(&reply, "Content-Range"), i != 1 && i != 6);
        buf_deinit(&reply.wire);
    }
}

static void if_range_is_honoured(void **state)
{
    static const struct {
        const char *value;
        int status;
    } cases[] = {{"\"wrong\"", 200},
                 {"Wed, 01 Jan 2025 00:00:00 GMT", 206},
                 {"Wed, 01 Jan 2025 00:00:01 GMT", 200}};
    struct reply reply;
    char headers[256], etag[96];
    for (size_t i = 0; i < 3; i++) {
        snprintf(headers, sizeof headers, "Range: bytes=5-\r\nIf-Range: %s\r\n", cases[i].value);
        get_with("/bytes?n=9", headers, &reply);
        assert_int_equal(reply.status, cases[i].status);
        buf_deinit(&reply.wire);
    }
    get("/bytes?n=9", &reply);
    assert_int_equal(sscanf(strstr(reply.wire.data, "ETag: "), "ETag: %95s", etag), 1);
    buf_deinit(&reply.wire);
    snprintf(headers, sizeof headers, "Range: bytes=5-\r\nIf-Range: %s\r\n", etag);
    get_with("/bytes?n=9", headers, &reply);
    assert_int_equal(reply.status, 206);
    buf_deinit(&reply.wire);
    get_with("/bytes?n=9", "Range: bytes=9-\r\n", &reply);
    assert_int_equal(reply.status, 416);
    buf_deinit(&reply.wire);
    struct origin_counts counts;
    assert_true(origin_counts(origin, "/bytes", &counts));
    assert_string_equal(counts.last_range, "bytes=9-");
}

static void conditions_are_honoured(void **state)
{
    static const struct {
        const char *path, *headers;
        int status;
    } cases[] = {
        {"/bytes?n=9", "If-None-Match: \"wrong\"\r\n", 200},
        {"/bytes?n=9", "If-None-Match: \"wrong\", *\r\n", 304},
        {"/bytes?n=9", "If-Modified-Since: Wed, 01 Jan 2025 00:00:00 GMT\r\n", 304},
        {"/bytes?n=9", "If-Modified-Since: Tue, 31 Dec 2024 23:59:59 GMT\r\n", 200},
        {"/bytes?n=9", "If-Modified-Since: yesterday\r\n", 200},
        {"/bytes?n=9&status=404", "If-None-Match: *\r\n", 404},
        {"/bytes?n=9",
         "If-None-Match: \"wrong\"\r\nIf-Modified-Since: Wed, 01 Jan 2025 00:00:00 GMT\r\n", 200},
    };
    struct reply reply;
    char headers[256], etag[96];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        get_with(cases[i].path, cases[i].headers, &reply);
        assert_int_equal(reply.status, cases[i].status);
        buf_deinit(&reply.wire);
    }
    get("/bytes?n=9", &reply);
    assert_int_equal(sscanf(strstr(reply.wire.data, "ETag: "), "ETag: %95s", etag), 1);
    buf_deinit(&reply.wire);
    snprintf(headers, sizeof headers, "If-None-Match: \"other\", W/%s\r\n", etag);
    get_with("/bytes?n=9", headers, &reply);
    assert_int_equal(reply.status, 304);
    assert_true(has(&reply, etag));
    assert_false(has(&reply, "Content-Length"));
    buf_deinit(&reply.wire);
}

static void another_content_has_another_etag(void **state)
{
    struct reply first, second;
    assert_int_equal(origin_put(origin, "twin", "one", 3), 0);
    get("/data/twin", &first);
    assert_int_equal(origin_put(origin, "twin", "two", 3), 0);
    get("/data/twin", &second);
    const char *a = strstr(first.wire.data, "ETag: "), *b = strstr(second.wire.data, "ETag: ");
    assert_true(a && b && strncmp(a, b, strcspn(a, "\r")) != 0);
    buf_deinit(&first.wire);
    buf_deinit(&second.wire);
}

static void faults_can_pass(void **state)
{
    static const struct {
        const char *path;
        int status[3];
        size_t len[3];
    } cases[] = {
        {"/bytes?n=100&id=a&cut_first=10", {200, 200, 200}, {10, 100, 100}},
        {"/bytes?n=100&id=b&cut=10&first=2", {200, 200, 200}, {10, 10, 100}},
        {"/bytes?n=100&id=c&flaky=2", {503, 503, 200}, {10, 10, 100}},
        {"/bytes?n=100&id=d&flaky=1&flaky_status=429", {429, 200, 200}, {10, 100, 100}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (size_t k = 0; k < 3; k++) {
            struct reply reply;
            get(cases[i].path, &reply);
            assert_int_equal(reply.status, cases[i].status[k]);
            assert_int_equal(reply.body_len, cases[i].len[k]);
            buf_deinit(&reply.wire);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies_are_what_they_say),
        cmocka_unit_test(every_offset_can_be_asked_for),
        cmocka_unit_test(files_data_and_requests_are_served),
        cmocka_unit_test(a_post_is_echoed),
        cmocka_unit_test(a_gzip_body_unpacks),
        cmocka_unit_test(faults_look_as_documented),
        cmocka_unit_test(cuts_keep_the_bytes_before_them),
        cmocka_unit_test(ranges_go_wrong_as_asked),
        cmocka_unit_test(if_range_is_honoured),
        cmocka_unit_test(conditions_are_honoured),
        cmocka_unit_test(another_content_has_another_etag),
        cmocka_unit_test(faults_can_pass),
    };
    return cmocka_run_group_tests_name("origin", tests, start, finish);
}
