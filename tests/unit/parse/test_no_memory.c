/* Runs of parsers and processes without memory: allocation 1, 2, 3 … fails, in a run each. Such a
 * run fails as `resources`, whichever library asked, or gives all its records; it does not crash,
 * hang or leave anything behind. */
#include "support/exhaust.h"

#include "harness.h"
#include "parse/process.h"
#include "parse/process_host.h"

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <openssl/err.h>
#include <zlib.h>

#define ROOM ((size_t)1 << 16)

/* One run of a parser. */
struct scene {
    const char *title;
    const struct penstock_parser *parser;
    const char *options;
    const char *content_type; /* or NULL */
    const struct process_def *process;
    struct decode_plan decode;
    const char *data;
    size_t len;
    long lost; /* blocks that a run may lose, as libarchive is left in the middle of a call */
};

static struct buf whole; /* the records of a run that lacked nothing */

static int emit(struct parse_task *task, const char *json, size_t len)
{
    exhaust_spares = true;
    int r = harness_emit(task, json, len);
    exhaust_spares = false;
    return r;
}

static void *feed(void *arg)
{
    exhaust_spares = true;
    return harness_feed(arg);
}

/* The n-th allocation fails, and `more` behind it. True: there were fewer. */
static bool run_once(const struct scene *s, long n, long more)
{
    struct harness h;
    struct parse_pair type = {"Content-Type", s->content_type};
    pthread_t thread;
    int ends[2];
    harness_init(&h, s->parser, s->options);
    h.task.emit = emit;
    h.task.decode = s->decode;
    h.task.facts.headers = &type;
    h.task.facts.header_count = s->content_type ? 1 : 0;
    h.data = s->data;
    h.len = s->len;
    buf_reserve(&h.records, ROOM);
    buf_puts(&h.records, "");
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    h.write_fd = ends[1];
    h.task.read_fd = ends[0];
    h.task.write_fd = -1;
    if (s->process) {
        assert_int_equal(body_watch(h.task.body), 0);
        process_attach(&h.task, s->process);
        h.task.write_fd = fd_dup(ends[1]);
    }
    assert_int_equal(pthread_create(&thread, NULL, feed, &h), 0);
    atomic_store(&exhaust_more, more);
    atomic_store(&exhaust_at, n);
    exhaust_spares = false;
    parse_task_run(&h.task);
    ERR_clear_error(); /* of which OpenSSL keeps the last sixteen */
    exhaust_spares = true;
    bool all = atomic_exchange(&exhaust_at, 0) > 0 || n == 0;
    atomic_store(&exhaust_more, 0);
    pthread_join(thread, NULL);
    assert_int_equal(atomic_load(&h.task.body->refs), 1);
    if (n == 0) {
        buf_reset(&whole);
        buf_put(&whole, h.records.data, h.records.len);
    }
    bool same = h.records.len == whole.len && memcmp(h.records.data, whole.data, whole.len) == 0;
    bool good = h.task.result == PENSTOCK_OK && same;
    bool told = h.task.result == PENSTOCK_FAILED && h.task.kind == KIND_RESOURCES;
    if (!good && (all || !told))
        fail_msg("%s, allocation %ld: result %d, kind %s, %s\n%s", s->title, n, h.task.result,
                 kind_name(h.task.kind), h.task.message, h.records.data);
    harness_deinit(&h);
    return all;
}

static size_t fd_count(void)
{
    size_t count = 0;
    DIR *dir = opendir("/proc/self/fd");
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

static void exhaust(const struct scene *s, long more)
{
    long n = 0, live;
    run_once(s, 0, 0);
    run_once(s, 0, 0); /* what libraries keep for good is there now */
    size_t fds = fd_count();
    do {
        live = atomic_load(&exhaust_live);
        bool all = run_once(s, ++n, more);
        if (atomic_load(&exhaust_live) > live + s->lost)
            fail_msg("%s, allocation %ld: %ld blocks were left", s->title, n,
                     atomic_load(&exhaust_live) - live);
        if (all)
            break;
        assert_true(n < 5000);
    } while (true);
    assert_int_equal(fd_count(), fds);
    assert_true(n > 1);
    print_message("%s: %ld allocations, %ld at once\n", s->title, n - 1, more + 1);
}

static void exhaust_both(const struct scene *s)
{
    if (!exhaust_counts)
        skip();
    exhaust(s, 0);
    exhaust(s, 1000000);
}

/* --- parsers ---------------------------------------------------------------------------------- */

#define SCENE(def, opts, type, text)                                                        \
    {                                                                                       \
        .title = #def, .parser = &def, .options = opts, .content_type = type, .data = text, \
        .len = sizeof(text) - 1                                                             \
    }

static const struct scene texts[] = {
    SCENE(parser_count, NULL, NULL, "one two\nthree\n"),
    SCENE(parser_csv, NULL, NULL, "a,b\n1,\"x\ny\"\n3,4\n"),
    SCENE(parser_csv, NULL, "text/csv; charset=windows-1252", "a,b\n1,\x80\n3,\xe4\n"),
    SCENE(parser_digest, "algorithms=sha256 sha512", NULL, "text"),
    SCENE(
        parser_feed, NULL, "application/rss+xml",
        "<?xml version=\"1.0\"?><rss version=\"2.0\"><channel><title>t</title><item><title>a &amp; "
        "b</title><link>http://a/</link><pubDate>Mon, 06 Sep 2021 00:01:00 GMT</pubDate>"
        "<description>&lt;p&gt;x&lt;/p&gt;</description></item></channel></rss>"),
    SCENE(parser_feed, NULL, "application/rss+xml",
          "<rss><channel><title>a & b &nbsp;</title><item><title>x</title></item></channel>"),
    SCENE(parser_feed, NULL, "application/atom+xml",
          "<feed xmlns=\"http://www.w3.org/2005/Atom\"><title>t</title><entry><id>1</id><content "
          "type=\"text/plain\">aGVsbG8=</content><link rel=\"enclosure\" href=\"http://a/b\" "
          "length=\"1\"/><category term=\"x\"/><author><name>n</name></author></entry></feed>"),
    SCENE(parser_feed, NULL, "application/feed+json",
          "{\"version\":\"https://jsonfeed.org/version/1.1\",\"title\":\"t\",\"items\":[{\"id\":"
          "\"1\",\"content_text\":\"x\"}]}"),
    SCENE(parser_fixed, "columns=a:3 b:2 c:*", NULL, "one12three\n"),
    SCENE(parser_json, NULL, NULL, "[{\"a\":[1,2,\"x\\u00e4\"]},true,1e5]"),
    SCENE(parser_json, "pointer=/a/b", NULL, "{\"x\":1,\"a\":{\"b\":[1,{\"c\":2}]}}"),
    SCENE(parser_lines, "match=(o+)\nexclude=^x", NULL, "one\ntwo\nxoo\nthree\n"),
    SCENE(parser_ndjson, "on_error=skip", NULL, "{\"a\":1}\n{]\n[2]\n"),
    SCENE(parser_xml, NULL, NULL,
          "<?xml version=\"1.0\" encoding=\"iso-8859-1\"?><a><b c=\"1\">x<d/>\xe4</b><b>y</b></a>"),
    SCENE(parser_warc, "parser=count", NULL,
          "WARC/1.0\r\nWARC-Type: resource\r\nWARC-Target-URI: http://a/\r\nWARC-Record-ID: "
          "<urn:1>\r\n"
          "WARC-Date: 2020-01-01T00:00:00Z\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\n"
          "text\r\n\r\n"),
};

static void test_texts(void **state)
{
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        exhaust_both(&texts[i]);
}

static void test_decoded(void **state)
{
    static char packed[ROOM];
    static const char text[] = "a,b\n1,2\n3,4\n";
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (Bytef *)text;
    z.avail_in = sizeof text - 1;
    z.next_out = (Bytef *)packed;
    z.avail_out = sizeof packed;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    const struct scene gzip = {.title = "gzip",
                               .parser = &parser_csv,
                               .data = packed,
                               .len = sizeof packed - z.avail_out,
                               .decode = {.codings = {DECODE_GZIP}, .coding_count = 1}};
    deflateEnd(&z);
    exhaust_both(&gzip);
}

static void write_archive(char *to, size_t *len, int format, int filter, const char *name)
{
    struct archive *a = archive_write_new();
    struct archive_entry *entry = archive_entry_new();
    assert_int_equal(archive_write_add_filter(a, filter), ARCHIVE_OK);
    assert_int_equal(archive_write_set_format(a, format), ARCHIVE_OK);
    assert_int_equal(archive_write_open_memory(a, to, ROOM, len), ARCHIVE_OK);
    archive_entry_set_pathname(entry, name);
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0644);
    archive_entry_set_size(entry, 5);
    assert_int_equal(archive_write_header(a, entry), ARCHIVE_OK);
    assert_int_equal(archive_write_data(a, "one\n\n", 5), 5);
    archive_entry_free(entry);
    archive_write_close(a);
    archive_write_free(a);
}

static void test_archives(void **state)
{
    static const struct {
        const char *title;
        int format, filter;
    } kinds[] = {
        {"tar", ARCHIVE_FORMAT_TAR_PAX_RESTRICTED, ARCHIVE_FILTER_NONE},
        {"tar.gz", ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FILTER_GZIP},
        {"tar.xz", ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FILTER_XZ},
        {"tar.zst", ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FILTER_ZSTD},
        {"cpio", ARCHIVE_FORMAT_CPIO_SVR4_NOCRC, ARCHIVE_FILTER_NONE},
        {"zip", ARCHIVE_FORMAT_ZIP, ARCHIVE_FILTER_NONE},
    };
    static char data[ROOM];
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct scene s = {
            .title = kinds[i].title, .parser = &parser_archive, .options = "parser=lines"};
        s.decode.file = DECODE_FILE_AUTO;
        s.lost = 2;
        s.data = data;
        write_archive(data, &s.len, kinds[i].format, kinds[i].filter, "a/b.txt");
        exhaust_both(&s);
    }
}

/* --- processes -------------------------------------------------------------------------------- */

static const struct penstock_parser exec_parser = {.abi = PENSTOCK_PARSER_ABI,
                                                   .size = sizeof(struct penstock_parser),
                                                   .name = "exec",
                                                   .summary = "a pipeline"};

/* The host gets no order, or half of one, and is not waited for while it waits. */
static void test_pipeline(void **state)
{
    struct process_def def = {.output = PROCESS_JSON};
    struct error err;
    struct scene s = {.title = "a pipeline",
                      .parser = &exec_parser,
                      .process = &def,
                      .data = "[1]\n[2]\n",
                      .len = 8};
    if (!exhaust_counts)
        skip();
    assert_int_equal(process_def_add_stage(&def, "cat", &err), 0);
    assert_int_equal(process_def_add_stage(&def, "sort -r", &err), 0);
    exhaust_both(&s);
    def.output = PROCESS_TEXT;
    s.title = "a pipeline, decoding";
    s.decode = (struct decode_plan){.file = DECODE_FILE_AUTO, .coding_count = 1};
    s.decode.codings[0] = DECODE_GZIP;
    process_def_deinit(&def);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_decoded),
        cmocka_unit_test(test_archives),
        cmocka_unit_test(test_pipeline),
    };
    signal(SIGPIPE, SIG_IGN);
    process_set_host(PENSTOCK_HOST);
    exhaust_spares = true;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
