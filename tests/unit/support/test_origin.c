/* The misbehaving origin misbehaves as its header says: seen by a client that knows nothing but sockets. */
#include "base/fd.h"
#include "support/origin.h"
#include "support/testlib.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

#define PATIENCE (10000 * test_patience())

static struct origin *origin;

/* What came back on one connection, and how it ended: 0 for FIN, else an errno. */
struct reply {
    struct buf wire;
    int end;
    int status;
    const char *body; /* into wire; NULL if there is no whole head */
    size_t body_len;
};

static int dial(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(origin_port(origin)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_return_code(connect(fd, (struct sockaddr *)&address, sizeof address), errno);
    return fd;
}

static void say(int fd, const char *path, const char *headers)
{
    struct buf b = BUF_INIT;
    buf_printf(&b, "GET %s HTTP/1.1\r\nHost: x\r\n%s\r\n", path, headers);
    assert_int_equal(fd_write_all(fd, b.data, b.len), 0);
    buf_deinit(&b);
}

static void hear(int fd, struct reply *reply)
{
    ssize_t n;
    do {
        struct pollfd pfd = {.fd = fd, .events = POLLIN};
        assert_int_equal(poll(&pfd, 1, (int)PATIENCE), 1);
        assert_int_equal(buf_reserve(&reply->wire, 65536), 0);
        n = recv(fd, reply->wire.data + reply->wire.len, 65536, 0);
        reply->wire.len += n > 0 ? (size_t)n : 0;
        reply->wire.data[reply->wire.len] = '\0';
    } while (n > 0);
    reply->end = n < 0 ? errno : 0;
    char *end = memmem(reply->wire.data, reply->wire.len, "\r\n\r\n", 4);
    if (end && sscanf(reply->wire.data, "HTTP/1.%*d %d", &reply->status) == 1) {
        reply->body = end + 4;
        reply->body_len = reply->wire.len - (size_t)(reply->body - reply->wire.data);
    }
}

static void get_with(const char *path, const char *headers, struct reply *reply)
{
    struct buf all = BUF_INIT;
    int fd = dial();
    buf_printf(&all, "Connection: close\r\n%s", headers);
    say(fd, path, all.data);
    *reply = (struct reply){0};
    hear(fd, reply);
    close(fd);
    buf_deinit(&all);
}

static void get(const char *path, struct reply *reply)
{
    get_with(path, "", reply);
}

static bool has(const struct reply *reply, const char *text)
{
    return memmem(reply->wire.data, reply->wire.len, text, strlen(text));
}

/* --- bodies --------------------------------------------------------------- */

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

/* --- faults --------------------------------------------------------------- */

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

/* --- connections and time ------------------------------------------------- */

static void a_connection_serves_many(void **state)
{
    struct reply reply = {0};
    struct origin_totals before, after;
    origin_totals(origin, &before);
    int fd = dial();
    say(fd, "/text?text=one", "");
    say(fd, "/text?text=two&framing=chunked", "");
    say(fd, "/text?text=three", "Connection: close\r\n");
    hear(fd, &reply);
    assert_true(has(&reply, "one") && has(&reply, "3\r\ntwo\r\n0\r\n\r\n") && has(&reply, "three"));
    origin_totals(origin, &after);
    assert_int_equal(after.connections, before.connections + 1);
    assert_int_equal(after.requests, before.requests + 3);
    close(fd);
    buf_deinit(&reply.wire);
}

static bool count_is(const char *key, size_t offset, uint64_t want)
{
    struct origin_counts counts;
    origin_counts(origin, key, &counts);
    return *(const uint64_t *)(const void *)((const char *)&counts + offset) == want;
}
#define COUNT_IS(key, field, want) count_is(key, offsetof(struct origin_counts, field), want)

static void held_responses_wait_for_their_release(void **state)
{
    struct reply early = {0}, late = {0};
    int first = dial(), second = dial();
    say(first, "/bytes?n=1000&hold=gate&id=early", "Connection: close\r\n");
    say(second, "/bytes?n=1000&hold=gate&hold_at=600&id=late", "Connection: close\r\n");
    TEST_WAIT(COUNT_IS("early", held, 1) && COUNT_IS("late", held, 1), PATIENCE);
    assert_true(COUNT_IS("early", body_sent, 0));
    assert_true(COUNT_IS("late", body_sent, 600));
    assert_int_equal(origin_release(origin, "gate"), 0);
    hear(first, &early);
    hear(second, &late);
    assert_int_equal(early.body_len, 1000);
    assert_int_equal(late.body_len, 1000);
    assert_true(COUNT_IS("early", held, 0) && COUNT_IS("late", held, 0));
    close(first);
    close(second);
    buf_deinit(&early.wire);
    buf_deinit(&late.wire);
    get("/bytes?n=5&hold=gate&id=early", &early);
    assert_int_equal(early.body_len, 5);
    buf_deinit(&early.wire);
}

static void silence_lasts_until_the_client_goes(void **state)
{
    static const char *const paths[] = {"/silence?id=s0", "/bytes?n=1000&stall=300&id=s1",
                                        "/bytes?n=1000&stall=0&id=s2"};
    for (size_t i = 0; i < 3; i++) {
        char id[3] = {'s', (char)('0' + i), '\0'};
        int fd = dial();
        say(fd, paths[i], "");
        TEST_WAIT(COUNT_IS(id, stalled, 1), PATIENCE);
        assert_true(COUNT_IS(id, body_sent, i == 1 ? 300 : 0));
        close(fd);
        TEST_WAIT(COUNT_IS(id, client_left, 1), PATIENCE);
        assert_true(COUNT_IS(id, stalled, 0));
    }
}

static void time_is_taken(void **state)
{
    static const char *const paths[] = {"/text?text=a&slow_head=60", "/text?text=a&head_drip=1",
                                        "/bytes?n=60&drip=10,10"};
    for (size_t i = 0; i < 3; i++) {
        struct reply reply;
        uint64_t start = test_now_ms();
        get(paths[i], &reply);
        assert_int_equal(reply.status, 200);
        assert_true(test_now_ms() - start >= 50);
        buf_deinit(&reply.wire);
    }
}

static void an_endless_body_goes_no_further_than_buffers(void **state)
{
    struct origin_config config = {.send_buffer = 32768};
    struct origin *shared = origin;
    struct origin_counts counts;
    uint64_t last = 1;
    origin = origin_new(&config);
    assert_non_null(origin);
    int fd = dial();
    say(fd, "/lines?endless=1", "");
    do { /* until nothing was sent for 50 ms */
        last = origin_counts(origin, "/lines", &counts) ? counts.body_sent : 0;
        poll(NULL, 0, 50);
        origin_counts(origin, "/lines", &counts);
    } while (counts.body_sent == 0 || counts.body_sent != last);
    assert_true(last < 16 << 20);
    close(fd);
    TEST_WAIT(COUNT_IS("/lines", client_left, 1), PATIENCE);
    origin_free(origin);
    origin = shared;
}

static void a_thousand_connections_stall_at_once(void **state)
{
    enum { COUNT = 1000 };
    static int fds[COUNT];
    fd_raise_limit();
    if (fd_limit() < 2 * COUNT + 64)
        skip();
    for (size_t i = 0; i < COUNT; i++) {
        fds[i] = dial();
        say(fds[i], "/bytes?n=1G&stall=1000&id=many", "");
    }
    TEST_WAIT(COUNT_IS("many", stalled, COUNT), PATIENCE);
    assert_true(COUNT_IS("many", body_sent, COUNT * 1000));
    for (size_t i = 0; i < COUNT; i++)
        close(fds[i]);
    TEST_WAIT(COUNT_IS("many", stalled, 0), PATIENCE);
}

static void the_counters_are_json_too(void **state)
{
    struct reply reply;
    get("/text?text=abcd&id=counted", &reply);
    buf_deinit(&reply.wire);
    get("/_stats", &reply);
    assert_non_null(strstr(reply.body, "\"counted\":{\"body_sent\":4,"));
    buf_deinit(&reply.wire);
    get("/_release?name=later", &reply);
    assert_int_equal(reply.status, 200);
    buf_deinit(&reply.wire);
    get("/text?text=a&hold=later", &reply);
    assert_int_equal(reply.body_len, 1);
    buf_deinit(&reply.wire);
}

static void nothing_is_left_behind(void **state)
{
    struct origin *shared = origin;
    struct origin_totals totals;
    TEST_WAIT((origin_totals(origin, &totals), totals.open == 0), PATIENCE);
    int fds = test_fd_count(0), threads = test_thread_count(0);
    origin = origin_new(&(struct origin_config){.tls = ORIGIN_TLS});
    assert_non_null(origin);
    int fd = dial(); /* in mid-handshake when the origin ends */
    origin_free(origin);
    close(fd);
    origin = shared;
    assert_int_equal(test_fd_count(0), fds);
    TEST_WAIT(test_thread_count(0) == threads, PATIENCE);
}

static int start(void **state)
{
    origin = origin_new(&(struct origin_config){.root = test_dir()});
    return origin ? 0 : -1;
}

static int stop(void **state)
{
    origin_free(origin);
    return 0;
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
        cmocka_unit_test(a_connection_serves_many),
        cmocka_unit_test(held_responses_wait_for_their_release),
        cmocka_unit_test(silence_lasts_until_the_client_goes),
        cmocka_unit_test(time_is_taken),
        cmocka_unit_test(an_endless_body_goes_no_further_than_buffers),
        cmocka_unit_test(a_thousand_connections_stall_at_once),
        cmocka_unit_test(the_counters_are_json_too),
        cmocka_unit_test(nothing_is_left_behind),
    };
    return cmocka_run_group_tests_name("origin", tests, start, stop);
}
