/* Bytes in two pieces that part at each place, and soups of a format's own words in small ones:
 * what is told is the same as of the whole. */
#include "pieces.h"

#define TEXT(s) s, sizeof(s) - 1

/* --- two pieces ------------------------------------------------------------------------------- */

/* The whole is told well, in so many records; then it is parted at every byte. */
static void part(const struct penstock_parser *parser, const char *options, const char *data,
                 size_t len, size_t records)
{
    struct input in = {parser, options, data, len};
    struct told whole = tell(&in, 0, 4096);
    if (whole.kind != KIND_NONE)
        fail_msg("%s: %s", parser->name, whole.message);
    assert_int_equal(count_lines(whole.records), records);
    for (size_t first = 1; first < len; first += test_sanitized() ? 5 : 1)
        expect_same(&in, &whole, first, 4096);
    told_deinit(&whole);
}

static void lines_part_anywhere(void **state)
{
    (void)state;
    part(&parser_lines, "match=(?<word>[a-z]+)\nexclude=^no",
         TEXT("\xef\xbb\xbf"
              "first\r\n\r\nno\nsecond \"two\"\\\rstill\n\xe6\x97\xa5\xe6\x9c\xac z\nnul \0 "
              "a\r\nlast"),
         5);
    part(&parser_lines, "charset=utf-16le", TEXT("a\0\r\0\n\0\x3d\xd8\0\xde\n\0b\0"), 3);
}

static void csv_parts_anywhere(void **state)
{
    (void)state;
    part(&parser_csv, "comment=#\nskip_lines=2",
         TEXT("title "
              "\"\r\n\nid,\"na\"\"me\",x,x\r\n#no,\"row\r\n1,\"a\r\nb\",\"\"\"\",\r2,\"c\"d,"
              "\xc3\xbc\n"
              "\n3\n4,\"\",,,5,6\r\n\"\"\n"),
         5);
    part(&parser_csv, "header=no\ndelimiter=tab\nquote='",
         TEXT("'a''b'\t'\t'\t''\r\n\"x\"\ty'z\t\0\r\n"), 2);
}

static void json_parts_anywhere(void **state)
{
    (void)state;
    part(&parser_json, "pointer=/a~1b/1\neach=value",
         TEXT("{\"x\":[\"\\u00fc\\ud83d\\ude00\\\"\\\\\"],\n \"a/b\" : [ -1.50e+10 , { \"t\": "
              "true,\r\n"
              "\"f\":false, \"n\" : null, \"\xf0\x9f\x98\x80\":[[],{}]} ] }\n"),
         1);
    part(&parser_json, "each=member",
         TEXT("{\"a\":1,\"\\u0061b\":\"\xe6\x97\xa5\"}\n\x1e[2, {\"c\":0.0}]"), 4);
    part(&parser_ndjson, "on_error=skip",
         TEXT("{\"a\": 1}\r\n "
              "\t\r\n\"\xe6\x97\xa5\\n\"\nnot\n[1,\r2]\n{\"a\":\n12345678901234567890"),
         5);
}

static void xml_parts_anywhere(void **state)
{
    (void)state;
    part(
        &parser_xml, "path=item",
        TEXT(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?>\r\n<!DOCTYPE r [<!ENTITY e '&#x65;!'>]>\n"
            "<r xmlns:n='u'><!-- a - b --><item id=\"&lt;1&gt;\"> t&e; <![CDATA[<]]]]><![CDATA[>]]>"
            "<n:s/>\r\n</item><?pi x?><item/>&#128512;<item>\xe6\x97\xa5</item></r>\n"),
        3);
}

static void feeds_part_anywhere(void **state)
{
    (void)state;
    part(&parser_feed, NULL,
         TEXT("<?xml version='1.0'?><rss version='2.0'><channel><title>T</title>\n<item>"
              "<title>a &amp;amp; b</title><link>http://x/1</link><guid>g1</guid><pubDate>Mon, 02 "
              "Jan 2006 15:04:05 GMT</pubDate><description><![CDATA[<p>x]]&gt;</p>]]></description>"
              "</item>\r\n<item><title>\xc3\xbc</title><link>http://x/2</link></item></channel></"
              "rss>"),
         2);
    part(
        &parser_feed, NULL,
        TEXT("{\"version\":\"https://jsonfeed.org/version/1.1\",\"title\":\"T\",\"items\":[{\"id\":"
             "\"1\",\"content_text\":\"a\\n\\u00fc\",\"date_published\":\"2010-02-07T14:04:00-05:"
             "00\""
             "},{\"id\":2,\"url\":\"http://x/2\"}]}"),
        2);
}

static void fixed_and_sums_part_anywhere(void **state)
{
    (void)state;
    part(&parser_fixed, "columns=id:3 -:1 name:4 rest:*\ncomment=#\nskip_lines=1",
         TEXT("heading\r\n#c\n  1|\xc3\xbc\xc3\xa4 x tail \r\n\n12 |ab\n\xe6\x97\xa5\xe6\x9c\xac"),
         3);
    part(&parser_count, NULL,
         TEXT("a b\xc2\xa0"
              "c\n\n \0 d\r\n  \x80 e"),
         1);
    part(&parser_digest, "algorithms=md5 sha256 blake2b512", TEXT("abc\0\r\n\xff"), 1);
}

static void warcs_part_anywhere(void **state)
{
    (void)state;
    part(&parser_warc, "parser=lines",
         TEXT("WARC/1.0\r\nWARC-Type: resource\r\nWARC-Target-URI: http://a/\r\nWARC-Date: 2024\r\n"
              "WARC-Record-ID: <i>\r\nContent-Type: text/plain\r\nContent-Length: "
              "7\r\n\r\na\n\xc3\xbc\r\nb"
              "\r\n\r\nWARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: http://b/\r\nWARC-Date: "
              "2024"
              "\r\nWARC-Record-ID: <j>\r\nContent-Type: application/http;\r\n msgtype=response\r\n"
              "Content-Length: 70\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: "
              "chunked\r\n\r\n3\r\nx\ny"
              "\r\n1\r\n\n\r\n0\r\n\r\n\r\n\r\n\r\n\r\n"),
         5);
}

/* --- soups ------------------------------------------------------------------------------------ */

/* Words of a format, thrown together: nearly all of it is wrong, each time elsewhere. */
static void stir(const struct penstock_parser *parser, const char *const *options, size_t variants,
                 const char *const *words, size_t word_count, unsigned rounds)
{
    uint32_t random = 12345;
    size_t well = 0, wrong = 0;
    for (unsigned round = 0; round < rounds; round++) {
        char text[256];
        size_t len = 0;
        random = random * 1664525 + 1013904223;
        for (size_t n = 1 + (random >> 8) % 12; n > 0; n--) {
            random = random * 1664525 + 1013904223;
            const char *word = words[(random >> 8) % word_count];
            size_t size = word[0] ? strlen(word) : 1; /* "": a NUL */
            if (len + size >= sizeof text)
                break;
            memcpy(text + len, word, size);
            len += size;
        }
        text[len] = '\0';
        struct input in = {parser, options[round % variants], text, len};
        struct told whole = tell(&in, 0, 4096);
        *(whole.kind == KIND_NONE ? &well : &wrong) += 1;
        expect_same(&in, &whole, 0, 1);
        expect_same(&in, &whole, 0, 3);
        told_deinit(&whole);
    }
    assert_true(wrong > 0 || parser == &parser_lines);
    assert_true(well > 0);
}

#define STIR(parser, rounds, words, ...)                                                   \
    do {                                                                                   \
        static const char *const options[] = {__VA_ARGS__};                                \
        stir(parser, options, sizeof options / sizeof options[0], words,                   \
             sizeof(words) / sizeof((words)[0]), rounds * (test_sanitized() ? 1 : 6) / 2); \
    } while (0)

static void soups_of_csv(void **state)
{
    static const char *const words[] = {"a",  ",",  "\"", "\"\"", "\r\n", "\n", "\r", "#",
                                        "bb", "\t", "'",  "",     "ü",    ",,", " ",  "\"c\""};
    (void)state;
    STIR(&parser_csv, 150, words, NULL, "header=no", "quotes=strict", "comment=#\nskip_lines=1",
         "ragged=fail", "max_record=5", "max_fields=2\nheader=no");
}

static void soups_of_lines(void **state)
{
    static const char *const words[] = {"a", "\n", "\r",   "\r\n", "ü",
                                        "",  "bb", "\xff", "\n\n", "x y"};
    (void)state;
    STIR(&parser_lines, 60, words, NULL, "max_line=3", "skip_empty=yes\ncharset_errors=replace",
         "match=a", "exclude=b");
    STIR(&parser_fixed, 60, words, "columns=a:1 b:2\nragged=fail", "columns=a:1 -:1 c:*",
         "columns=a:2\nskip_lines=1", "columns=a:3\nmax_line=4");
}

static void soups_of_json(void **state)
{
    static const char *const words[] = {
        "{",     "}",      "[",    "]",  ",",     ":",         "\"a\"", "\"b\\n\"",
        "1",     "-",      ".5",   "e3", "\n",    " ",         "true",  "null",
        "\"\\u", "00e4\"", "\xff", "",   "[1,2]", "{\"a\":1}", "\x1e"};
    (void)state;
    STIR(&parser_json, 120, words, "each=value", NULL, "each=member", "pointer=/a\neach=value",
         "each=value\nmax_record=4", "each=value\nmax_depth=2");
    STIR(&parser_ndjson, 120, words, NULL, "on_error=skip", "max_line=6", "max_depth=1");
}

static void soups_of_xml(void **state)
{
    static const char *const words[] = {
        "<r>",  "</r>", "<i a='1'>", "</i>", "<i/>",  "x",  "&lt;", "&#65;",           "&no;",
        "<!--", "-->",  "<![CDATA[", "]]>",  "<?p?>", "\n", "ü",    "<r><i>y</i></r>", ""};
    (void)state;
    STIR(&parser_xml, 200, words, "path=i", NULL, "path=/r", "path=i\nmax_record=3",
         "path=i\nmax_depth=1");
}

static void soups_of_feeds(void **state)
{
    static const char *const words[] = {
        "<rss>",      "<channel>",
        "<item>",     "</item>",
        "</channel>", "</rss>",
        "<title>",    "</title>",
        "<link>h",    "</link>",
        "&amp;",      "&nbsp;",
        "&",          "<br>",
        "x",          "<![CDATA[",
        "]]>",        "ü",
        "\n",         "<!--",
        "-->",        "<rss><channel><item><title>t</title></item></channel></rss>"};
    (void)state;
    STIR(&parser_feed, 200, words, NULL, "strict=yes", "max_record=4", "max_depth=4");
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_part_anywhere), cmocka_unit_test(csv_parts_anywhere),
        cmocka_unit_test(json_parts_anywhere), cmocka_unit_test(xml_parts_anywhere),
        cmocka_unit_test(feeds_part_anywhere), cmocka_unit_test(fixed_and_sums_part_anywhere),
        cmocka_unit_test(warcs_part_anywhere), cmocka_unit_test(soups_of_csv),
        cmocka_unit_test(soups_of_lines),      cmocka_unit_test(soups_of_json),
        cmocka_unit_test(soups_of_xml),        cmocka_unit_test(soups_of_feeds),
    };
    return cmocka_run_group_tests_name("pieces", tests, NULL, NULL);
}
