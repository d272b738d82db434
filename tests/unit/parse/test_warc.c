/* warc: records put together here, in pieces of all sizes and cut at every byte. */
#include "samples.h"

#include <openssl/evp.h>

#define HTTP "application/http; msgtype=response"
#define SHOWN(type, uri, rest) \
    "{\"warc\":{\"type\":\"" type "\",\"uri\":\"" uri "\",\"date\":\"2024\",\"id\":\"<i>\"}" rest

static struct buf file;

static void put(const char *type, const char *uri, const char *content, const char *fields,
                const char *block)
{
    buf_printf(&file,
               "WARC/1.1\r\nWARC-Type: %s\r\nWARC-Target-URI: %s\r\nWARC-Date: "
               "2024\r\nwarc-record-id:\t<i> \r\n"
               "Content-Type: %s\r\n%sContent-Length: %zu\r\n\r\n%s\r\n\r\n",
               type, uri, content, fields, strlen(block), block);
}

static uint64_t skipped, repaired /* is to be */;

static void expect(const char *options, enum error_kind kind, const char *records,
                   const char *message)
{
    struct sample s = {options, file.data, file.len, records, kind, 0, message, repaired};
    static const size_t chunks[] = {1, 2, 3, 100, 4096};
    for (size_t i = 0; i < sizeof chunks / sizeof chunks[0]; i++)
        check_whole(&parser_warc, &s, chunks[i]);
    for (size_t cut = 0; cut <= s.len; cut++)
        check_cut(&parser_warc, &s, cut);
    struct harness h;
    harness_init(&h, &parser_warc, options);
    harness_run(&h, file.data, file.len);
    skipped = h.task.skipped;
    repaired = 0;
    harness_deinit(&h);
    buf_reset(&file);
}

static void test_records(void **state)
{
    put("warcinfo", "x", "application/warc-fields", "", "software: x\r\n");
    put("request", "http://a/", "application/http; msgtype=request", "", "GET / HTTP/1.1\r\n\r\n");
    put("response", "http://a/1", HTTP, "",
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n1\n2");
    put("resource", "<http://a/2>", "text/plain", "", "3");
    put("conversion", "http://a/3", "text/plain", "", "4");
    put("response", "http://a/4", HTTP, "", "HTTP/1.1 204 No\n\n");
    expect("parser=ndjson", KIND_NONE,
           SHOWN("response", "http://a/1",
                 ",\"http\":{\"status\":200,\"type\":\"text/plain\"},\"data\":1}\n")
               SHOWN("response", "http://a/1",
                     ",\"http\":{\"status\":200,\"type\":\"text/plain\"},\"data\":2}\n")
                   SHOWN("resource", "http://a/2", ",\"data\":3}\n")
                       SHOWN("conversion", "http://a/3", ",\"data\":4}\n"),
           "");
}

static void test_which(void **state)
{
    for (int i = 0; i < 4; i++) {
        static const char *const options[] = {
            "parser=ndjson\nuri=*b*", "parser=ndjson\nmedia=text/*",
            "parser=ndjson\ntypes=metadata", "parser=ndjson\ntypes="};
        static const char *const records[] = {SHOWN("resource", "http://b/", ",\"data\":2}\n"),
                                              SHOWN("resource", "http://a/", ",\"data\":1}\n"),
                                              SHOWN("metadata", "http://c/", ",\"data\":3}\n"), ""};
        put("resource", "http://a/", "text/plain; charset=utf-8", "", "1");
        put("resource", "http://b/", "image/png", "", "2");
        put("metadata", "http://c/", "text/plain", "", "3");
        expect(options[i], KIND_NONE, records[i], "");
    }
}

/* What came in chunks, and what only says so. */
static void test_chunks(void **state)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
#define ONE(value) \
    SHOWN("response", "http://a/", ",\"http\":{\"status\":200},\"data\":" value "}\n")
    static const struct {
        const char *body, *records, *message;
        enum error_kind kind;
    } bodies[] = {
        {"1\r\n1\r\n2;x=y\r\n\n2\r\n0\r\nA: b\r\n\r\n", ONE("1") ONE("2"), "", KIND_NONE},
        {"[3]\n", ONE("[3]"), "", KIND_NONE},
        {"5\r\n1\n", ONE("1"), "record 1: its chunks are damaged", KIND_PARSER_FAILED},
        {"1\r\n1x", "", "record 1: its chunks are damaged", KIND_PARSER_FAILED},
        {"1 \r\n1\r\n", "", "its chunks are damaged", KIND_PARSER_FAILED},
    };
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        char block[200];
        snprintf(block, sizeof block, "%s%s", head, bodies[i].body);
        put("response", "http://a/", HTTP, "", block);
        expect("parser=ndjson", bodies[i].kind, bodies[i].records, bodies[i].message);
    }
}

/* An interim head is none of the payload, and what is no head at all is not taken for one. */
static void test_heads(void **state)
{
    put("response", "http://a/", HTTP, "",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nContent-Type: x\r\n\r\nHTTP/1.1 "
        "200 OK\r\n\r\n1");
    put("response", "http://b/", HTTP, "", "<html>\n\n2");
    put("response", "http://c/", HTTP, "", "");
    expect("parser=ndjson", KIND_NONE, ONE("1"), "");
    assert_int_equal(skipped, 1);
}

/* Of any length. */
static void test_long_uri(void **state)
{
    static char uri[6000], records[7000];
    memset(uri, 'u', sizeof uri - 1);
    snprintf(records, sizeof records, SHOWN("resource", "%s", ",\"data\":1}\n"), uri);
    put("resource", uri, "text/plain", "", "1");
    struct sample s = {"parser=ndjson", file.data, file.len, records, KIND_NONE, 0, "", 0};
    check_whole(&parser_warc, &s, 4096);
    buf_reset(&file);
}

static void test_blank_lines(void **state)
{
    buf_puts(&file, "\n");
    put("resource", "http://a/", "text/plain", "", "1");
    buf_puts(&file, "\r\n\n\r\n");
    put("resource", "http://b/", "text/plain", "", "2");
    buf_puts(&file, "\r\n");
    repaired = 3;
    expect("parser=ndjson", KIND_NONE,
           SHOWN("resource", "http://a/", ",\"data\":1}\n")
               SHOWN("resource", "http://b/", ",\"data\":2}\n"),
           "");
}

static void test_all_headers(void **state)
{
    put("response", "http://a/", HTTP, "X-Long: a\r\n  b\r\nX: 1\r\nx: 2\r\n",
        "HTTP/1.1 200 OK\r\nSet-Cookie: a\r\nset-cookie: b\r\n\r\n1");
    expect("parser=ndjson\nheaders=all", KIND_NONE,
           "{\"warc\":{\"WARC-Type\":\"response\",\"WARC-Target-URI\":\"http://a/"
           "\",\"WARC-Date\":\"2024\","
           "\"warc-record-id\":\"<i>\",\"Content-Type\":\"" HTTP
           "\",\"X-Long\":\"a    b\",\"X\":\"1, 2\","
           "\"Content-Length\":\"50\"},\"http\":{\"status\":200,\"headers\":{\"Set-Cookie\":\"a, "
           "b\"}},\"data\":1}\n",
           "");
}

static void test_digests(void **state)
{
    static const char *const bad[] = {"sha1:IWSVZFCG4NFS6J5OMSDGGZCFCOJ5QFUF", "sha1:00", "md5:0",
                                      "sha256:A"};
    char field[200];
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len;
    EVP_Digest("1\n", 2, digest, &len, EVP_sha1(), NULL);
    snprintf(field, sizeof field, "WARC-Block-Digest: sha1:");
    for (unsigned i = 0; i < len; i++)
        sprintf(field + strlen(field), "%02X", digest[i]);
    strcat(field, "\r\n");
    put("resource", "http://a/", "text/plain", field, "1\n");
    expect("parser=ndjson", KIND_NONE, SHOWN("resource", "http://a/", ",\"data\":1}\n"), "");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        snprintf(field, sizeof field, "WARC-Block-Digest: %s\r\n", bad[i]);
        put("resource", "http://a/", "text/plain", field, "1\n");
        expect("parser=ndjson", KIND_DIGEST_MISMATCH,
               SHOWN("resource", "http://a/", ",\"data\":1}\n"),
               "record 1: its block has another digest");
    }
    put("resource", "http://a/", "text/plain", "WARC-Block-Digest: blake3:xyz\r\n", "1\n");
    expect("parser=ndjson", KIND_NONE, SHOWN("resource", "http://a/", ",\"data\":1}\n"), "");
}

static void test_cut_payloads(void **state)
{
    static const char *const fields[] = {"WARC-Truncated: length\r\n",
                                         "WARC-Segment-Number: 1\r\n"};
    for (size_t i = 0; i < 2; i++) {
        put("resource", "http://a/", "text/plain", fields[i], "1\n");
        put("resource", "http://b/", "text/plain", "", "2\n");
        expect("parser=ndjson", KIND_NONE, SHOWN("resource", "http://b/", ",\"data\":2}\n"), "");
        assert_int_equal(skipped, 1);
    }
    put("resource", "http://a/", "text/plain", fields[0], "1\n");
    expect(
        "parser=ndjson\ntruncated=take", KIND_NONE,
        "{\"warc\":{\"type\":\"resource\",\"uri\":\"http://a/\",\"date\":\"2024\",\"id\":\"<i>\","
        "\"truncated\":\"length\"},\"data\":1}\n",
        "");
}

static void test_text(void **state)
{
    put("response", "http://a/", HTTP, "",
        "HTTP/1.1 200 OK\r\nContent-Type: text/x; charset=windows-1251\r\n\r\n\"\xff\"");
    put("resource", "http://b/", "text/x; charset=latin1", "", "\"\xe9\"");
    expect("parser=ndjson", KIND_NONE,
           SHOWN("response", "http://a/",
                 ",\"http\":{\"status\":200,\"type\":\"text/x; "
                 "charset=windows-1251\"},\"data\":\"\xd1\x8f\"}\n")
               SHOWN("resource", "http://b/", ",\"data\":\"\xc3\xa9\"}\n"),
           "");
}

static void fails(const char *text, size_t len, const char *message)
{
    buf_put(&file, text, len);
    expect("parser=ndjson", KIND_PARSER_FAILED, "", message);
}

#define FAILS_AT(text, message) fails(text, sizeof(text) - 1, message)

static void test_damage(void **state)
{
    FAILS_AT("", "record 1: it is cut");
    FAILS_AT("hello\r\n\r\n", "record 1: it does not begin as");
    FAILS_AT("\r\n", "record 1: it is cut");
    FAILS_AT("WARC/1.0\r\nWARC-Type: resource\r\n\r\n", "no Content-Length");
    FAILS_AT("WARC/1.0\r\nContent-Length: -1\r\n\r\n", "no Content-Length");
    FAILS_AT("WARC/1.0\r\nContent-Length: 99999999999999999999999\r\n\r\n", "no Content-Length");
    FAILS_AT("WARC/1.0\r\nContent-Length: 5\r\n\r\nabcd", "it is cut");
    FAILS_AT("WARC/1.0\r\nContent-Length: 5\r\n\r\nabcde", "what follows each record is missing");
    FAILS_AT("WARC/1.0\r\nContent-Length: 5\r\n\r\nabcde\r\n",
             "what follows each record is missing");
    FAILS_AT("WARC/1.0\r\nContent-Length: 5\r\n\r\nabcdefg\r\n\r\n",
             "longer than its Content-Length");
    FAILS_AT("WARC/1.0\r\nContent-Length: 1\r\n\r\na\r\n\r\nWARC/1.0\r\nContent",
             "record 2: it is cut");
}

static int tidy(void **state)
{
    buf_deinit(&file);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_records),      cmocka_unit_test(test_which),
        cmocka_unit_test(test_chunks),       cmocka_unit_test(test_all_headers),
        cmocka_unit_test(test_heads),        cmocka_unit_test(test_long_uri),
        cmocka_unit_test(test_blank_lines),  cmocka_unit_test(test_digests),
        cmocka_unit_test(test_cut_payloads), cmocka_unit_test(test_text),
        cmocka_unit_test(test_damage),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, tidy);
}
