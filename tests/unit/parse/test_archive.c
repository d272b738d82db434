/* archive: files made by libarchive's own writers, in every format, in pieces of all sizes. */
#include "archives.h"

#include <zlib.h>

static const struct {
    int format;
    const char *options;
} formats[] = {
    {ARCHIVE_FORMAT_TAR_USTAR, NULL},
    {ARCHIVE_FORMAT_TAR_GNUTAR, NULL},
    {ARCHIVE_FORMAT_TAR_PAX_INTERCHANGE, NULL},
    {ARCHIVE_FORMAT_CPIO_POSIX, NULL},
    {ARCHIVE_FORMAT_CPIO_SVR4_NOCRC, NULL},
    {ARCHIVE_FORMAT_ZIP, "zip:compression=deflate"},
    {ARCHIVE_FORMAT_ZIP, "zip:compression=store"},
};
#define FORMATS (sizeof formats / sizeof formats[0])

static void test_every_format(void **state)
{
    for (size_t i = 0; i < FORMATS; i++) {
        struct archive *a = begin(formats[i].format, formats[i].options);
        put(a, "./a.csv", "x,y\n1,2\n");
        put_kind(a, "dir", AE_IFDIR, NULL, 0);
        put(a, "dir/b.csv", "x\n\"3\n4\"\n");
        put_kind(a, "dir/l.csv", AE_IFLNK, NULL, 0);
        put(a, "dir/c.txt", "no csv");
        put(a, "empty.csv", "");
        finish(a);
        expect("parser=csv\nmember=*.csv", KIND_NONE,
               "{\"member\":\"./a.csv\",\"data\":{\"x\":\"1\",\"y\":\"2\"}}\n"
               "{\"member\":\"dir/b.csv\",\"data\":{\"x\":\"3\\n4\"}}\n",
               "");
        expect("parser=lines\nmember=dir/@(c|d).txt", KIND_NONE,
               "{\"member\":\"dir/c.txt\",\"data\":{\"line\":1,\"text\":\"no csv\"}}\n", "");
        expect("member=nothing", KIND_NONE, "", "");
    }
}

static void test_names(void **state)
{
    static const int kinds[] = {ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FORMAT_TAR_PAX_INTERCHANGE,
                                ARCHIVE_FORMAT_ZIP};
    for (size_t i = 0; i < 3; i++) {
        struct archive *a = begin(kinds[i], NULL);
        put(a, "\xc3\xbc \"x\".txt", "1");
        finish(a);
        expect("member=*.txt\nparser=ndjson", KIND_NONE,
               "{\"member\":\"\xc3\xbc \\\"x\\\".txt\",\"data\":1}\n", "");
    }
    struct archive *a = begin(ARCHIVE_FORMAT_TAR_USTAR, NULL);
    put(a, "\xff.txt", "2");
    finish(a);
    expect("member=*.txt\nparser=ndjson", KIND_NONE,
           "{\"member\":\"%FF.txt\",\"escaped\":true,\"data\":2}\n", "");
}

/* Long enough that it comes in several reads of the inner FILE. */
static void test_large_members(void **state)
{
    static char text[200000];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)(i % 10 == 9 ? '\n' : 'a' + i * i % 23);
    for (size_t i = 0; i < FORMATS; i++) {
        struct archive *a = begin(formats[i].format, formats[i].options);
        put_kind(a, "one", AE_IFREG, text, sizeof text);
        put_kind(a, "two", AE_IFREG, text, 99999);
        finish(a);
        expect(NULL, KIND_NONE,
               "{\"member\":\"one\",\"data\":{\"bytes\":200000,\"lines\":20000,\"words\":20000}}\n"
               "{\"member\":\"two\",\"data\":{\"bytes\":99999,\"lines\":9999,\"words\":10000}}\n",
               "");
    }
}

static size_t gzip_text(const char *text, uint8_t *to, size_t size)
{
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (Bytef *)text;
    z.avail_in = (uInt)strlen(text);
    z.next_out = to;
    z.avail_out = (uInt)size;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return size - z.avail_out;
}

static void test_compressed_members(void **state)
{
    uint8_t gz[200];
    size_t len = gzip_text("{\"a\":1}\n", gz, sizeof gz);
    struct archive *a = begin(ARCHIVE_FORMAT_TAR_USTAR, NULL);
    put_kind(a, "a.gz", AE_IFREG, gz, len);
    put(a, "b", "2");
    put_kind(a, "c.gz", AE_IFREG, gz, len - 1);
    put(a, "d", "3");
    finish(a);
    expect("parser=ndjson\nmember=[abd]*", KIND_NONE,
           "{\"member\":\"a.gz\",\"data\":{\"a\":1}}\n{\"member\":\"b\",\"data\":2}\n"
           "{\"member\":\"d\",\"data\":3}\n",
           "");
    expect("parser=ndjson", KIND_DECODE_ERROR,
           "{\"member\":\"a.gz\",\"data\":{\"a\":1}}\n{\"member\":\"b\",\"data\":2}\n"
           "{\"member\":\"c.gz\",\"data\":{\"a\":1}}\n",
           "member \"c.gz\": the gzip data is cut");
    expect("parser=ndjson\ndecode=none", KIND_DECODE_ERROR, "", "member \"a.gz\": byte 0x8b");
}

static void test_inner_failures(void **state)
{
    struct archive *a = begin(ARCHIVE_FORMAT_TAR_USTAR, NULL);
    put(a, "a", "1\n");
    put(a, "b", "2\nx\n");
    put(a, "c", "3\n");
    finish(a);
    expect("parser=ndjson", KIND_PARSER_FAILED,
           "{\"member\":\"a\",\"data\":1}\n{\"member\":\"b\",\"data\":2}\n",
           "member \"b\", line 2: ");
    expect("parser=ndjson\nndjson_max_line=1\nndjson_on_error=skip", KIND_NONE,
           "{\"member\":\"a\",\"data\":1}\n{\"member\":\"b\",\"data\":2}\n"
           "{\"member\":\"b\",\"data\":{\"skipped\":1,\"line\":2,\"reason\":\"no JSON value\"}}\n"
           "{\"member\":\"c\",\"data\":3}\n",
           "");
    expect("parser=ndjson\nmax_members=2\nmember=a", KIND_LIMIT_EXCEEDED,
           "{\"member\":\"a\",\"data\":1}\n", "more than 2 members (option max_members)");
    expect("parser=ndjson\nmax_bytes=1", KIND_LIMIT_EXCEEDED, "", "option max_bytes");
}

static void test_what_is_no_archive(void **state)
{
    file->len = 0;
    expect(NULL, KIND_PARSER_FAILED, "", "cannot be read");
    strcpy(file->data, "this is a text, and no archive at all\n");
    file->len = strlen(file->data);
    expect(NULL, KIND_PARSER_FAILED, "", "cannot be read: Unrecognized archive format");
}

/* A body that is whole, of an archive that is not: whatever is missing of a member is missed. */
static void test_cut_archives(void **state)
{
    for (size_t i = 0; i < FORMATS; i++) {
        struct archive *a = begin(formats[i].format, formats[i].options);
        put(a, "a", "some text that is here\n");
        finish(a);
        const char *end = memmem(file->data, file->len, "some text", 9);
        size_t within = end ? (size_t)(end - file->data) + 10 : 60; /* deflated */
        file->len = within;
        expect(NULL, KIND_PARSER_FAILED, "", "cannot be read");
    }
}

/* All members are there, but not what a zip ends with; libarchive has no words for that in a long
 * one. */
static void test_zip_without_end(void **state)
{
    static const char member[] = "PK\3\4\24\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0a";
    file->len = 0;
    for (int i = 0; i < 3000; i++) {
        memcpy(file->data + file->len, member, sizeof member - 1);
        file->len += sizeof member - 1;
    }
    expect("member=none", KIND_PARSER_FAILED, "", "it is cut: its end is missing");
}

static void test_damaged_zip(void **state)
{
    struct archive *a = begin(ARCHIVE_FORMAT_ZIP, "zip:compression=store");
    put(a, "a", "some text\n");
    finish(a);
    char *text = memmem(file->data, file->len, "some", 4);
    assert_non_null(text);
    *text = 'S';
    expect(NULL, KIND_PARSER_FAILED, "", "cannot be read");
    a = begin(ARCHIVE_FORMAT_ZIP, "zip:encryption=zipcrypt");
    put(a, "a", "some text\n");
    finish(a);
    expect(NULL, KIND_PARSER_FAILED, "", "member \"a\": it is encrypted");
}

/* A header that says that it is 2 GiB long is not waited for. */
static void test_endless_header(void **state)
{
    struct harness h;
    size_t len = (size_t)8 << 20;
    char *data = calloc(1, len);
    assert_non_null(data);
    strcpy(data, "070701"
                 "00000001"
                 "000081a4"
                 "00000000"
                 "00000000"
                 "00000001"
                 "00000000"
                 "00000000"
                 "00000000"
                 "00000000"
                 "00000000"
                 "00000000"
                 "7fffffff"
                 "00000000"
                 "name");
    harness_init(&h, &parser_archive, NULL);
    harness_run(&h, data, len);
    assert_int_equal(h.task.result, PENSTOCK_FAILED);
    if (archive_version_number() < 3008000) { /* later ones have a limit of their own, below ours */
        assert_int_equal(h.task.kind, KIND_LIMIT_EXCEEDED);
        assert_non_null(strstr(h.task.message, "a header of more than 4 MiB"));
    }
    harness_deinit(&h);
    free(data);
}

/* A body that is cut: never a success, and the beginning of the same records. */
static void test_cut_bodies(void **state)
{
    struct archive *a = begin(ARCHIVE_FORMAT_TAR_USTAR, NULL);
    put(a, "a", "1\n2\n");
    put(a, "b", "3\n");
    finish(a);
    static const char all[] = "{\"member\":\"a\",\"data\":1}\n{\"member\":\"a\",\"data\":2}\n"
                              "{\"member\":\"b\",\"data\":3}\n";
    for (size_t cut = 0; cut <= file->len; cut += cut < 2100 ? 7 : 300) {
        struct harness h;
        harness_init(&h, &parser_archive, "parser=ndjson");
        h.ending = BODY_OPEN;
        harness_run(&h, file->data, cut);
        assert_int_equal(h.task.result, PENSTOCK_FAILED);
        assert_int_equal(h.task.kind, KIND_TRUNCATED);
        assert_int_equal(strncmp(h.records.data, all, h.records.len), 0);
        harness_deinit(&h);
    }
}

/* A sink that takes no more ends it. */
static void test_refused_records(void **state)
{
    struct archive *a = begin(ARCHIVE_FORMAT_TAR_USTAR, NULL);
    struct harness h;
    put(a, "a", "1\n2\n3\n");
    put(a, "b", "4\n");
    finish(a);
    harness_init(&h, &parser_archive, "parser=ndjson");
    h.emit_result = -ECANCELED;
    h.emit_from = 1;
    harness_run(&h, file->data, file->len);
    assert_int_equal(h.task.result, PENSTOCK_FAILED);
    assert_string_equal(h.records.data, "{\"member\":\"a\",\"data\":1}\n");
    harness_deinit(&h);
}

/* --- options ---------------------------------------------------------------------------------- */

static const struct penstock_option *find(const struct penstock_parser *parser, const char *name)
{
    for (const struct penstock_option *o = parser->options; o && o->name; o++)
        if (strcmp(o->name, name) == 0)
            return o;
    return NULL;
}

/* Each option of each inner parser is there, with its default, and nothing else with a prefix. */
static void test_inner_options(void **state)
{
    static const struct penstock_parser *const inner[] = {
        &parser_count, &parser_csv,   &parser_digest, &parser_feed, &parser_fixed,
        &parser_json,  &parser_lines, &parser_ndjson, &parser_xml};
    size_t expected = 0, prefixed = 0;
    for (size_t i = 0; i < sizeof inner / sizeof inner[0]; i++)
        for (const struct penstock_option *o = inner[i]->options; o && o->name; o++, expected++) {
            char name[64];
            snprintf(name, sizeof name, "%s_%s", inner[i]->name, o->name);
            const struct penstock_option *ours = find(&parser_archive, name);
            if (!ours || strcmp(ours->standard, o->standard) != 0)
                fail_msg("%s", name);
        }
    for (const struct penstock_option *o = parser_archive.options; o->name; o++)
        prefixed += strncmp(o->name, "max_", 4) != 0 && strchr(o->name, '_');
    assert_int_equal(prefixed, expected);
}

static const char *get(void *arg, const char *name)
{
    const char *const *pairs = arg;
    for (; pairs[0]; pairs += 2)
        if (strcmp(pairs[0], name) == 0)
            return pairs[1];
    const struct penstock_option *o = find(&parser_archive, name);
    return o ? o->standard : NULL;
}

static void test_options_are_checked(void **state)
{
    char message[256];
    const char *good[] = {"parser", "csv", "csv_delimiter", ";", NULL};
    const char *bad[] = {"parser", "csv", "csv_delimiter", ";;", NULL};
    const char *other[] = {"parser", "lines", "csv_delimiter", ";;", NULL};
    const char *itself[] = {"parser", "archive", NULL};
    assert_int_equal(parser_archive.check(get, good, message, sizeof message), 0);
    assert_int_not_equal(parser_archive.check(get, bad, message, sizeof message), 0);
    assert_non_null(strstr(message, "csv: option \"delimiter\": \";;\""));
    assert_int_equal(parser_archive.check(get, other, message, sizeof message), 0);
    assert_int_not_equal(parser_archive.check(get, itself, message, sizeof message), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_format),   cmocka_unit_test(test_names),
        cmocka_unit_test(test_large_members),  cmocka_unit_test(test_compressed_members),
        cmocka_unit_test(test_inner_failures), cmocka_unit_test(test_what_is_no_archive),
        cmocka_unit_test(test_cut_archives),   cmocka_unit_test(test_zip_without_end),
        cmocka_unit_test(test_damaged_zip),    cmocka_unit_test(test_endless_header),
        cmocka_unit_test(test_cut_bodies),     cmocka_unit_test(test_refused_records),
        cmocka_unit_test(test_inner_options),  cmocka_unit_test(test_options_are_checked),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, setup, teardown);
}
