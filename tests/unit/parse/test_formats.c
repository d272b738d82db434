/* json, xml, feed, digest, archive and the filters of lines on tables of inputs. */
#include "samples.h"

#include "parse/feed_date.h"
#include "parse/html_entities.h"

/* --- json ------------------------------------------------------------------------------------- */

static void test_json_elements(void **state)
{
    static const struct sample samples[] = {
        WELL(NULL, "[]", ""),
        WELL(NULL, "[1,2.50,-0e1,\"x\",null,[3],{\"a\":[]}]",
             "1\n2.50\n-0e1\n\"x\"\nnull\n[3]\n{\"a\":[]}\n"),
        WELL(NULL, " [ 1 , 2 ] ", "1\n2\n"),
        WELL(NULL, "\xef\xbb\xbf[1]", "1\n"),
        WELL(NULL, "[\n  {\n    \"a\": 1,\r\n    \"b\": \"x  y\"\n  }\n]\n",
             "{\"a\": 1,\"b\": \"x  y\"}\n"),
        WELL("each=value", "{\"a\":1,\"a\":2}", "{\"a\":1,\"a\":2}\n"),
        WELL("each=value", "7", "7\n"),
        WELL(NULL, "[1] [{\"a\":2}]\n[]\n[4]", "1\n{\"a\":2}\n4\n"),
        WELL("each=value", "[1] {\"a\":2}\n3\n\"x\" [4]", "[1]\n{\"a\":2}\n3\n\"x\"\n[4]\n"),
        WELL(NULL, "\x1e[1]\n\x1e[{}]\n", "1\n{}\n"),
        WELL("each=value", "1\x1e[]\x1e\"\"", "1\n[]\n\"\"\n"),
        FAILS(NULL, "[][]", "", KIND_PARSER_FAILED, 1, "white space must come"),
        FAILS("each=value", "[1]\n{}\"x\"", "[1]\n{}\n", KIND_PARSER_FAILED, 2,
              "white space must come"),
        FAILS(NULL, "{\"error\":\"rate limited\"}", "", KIND_PARSER_FAILED, 1,
              "there is an object where option each=element wants an array; each=value"),
        FAILS(NULL, "[1]\n\"x\"", "1\n", KIND_PARSER_FAILED, 2, "there is a string where"),
        FAILS(NULL, "null", "", KIND_PARSER_FAILED, 1, "there is null where"),
        FAILS("each=member", " -1", "", KIND_PARSER_FAILED, 1,
              "there is a number where option each=member wants an array or object"),
        FAILS("each=member\npointer=/a", "{\"a\":true}", "", KIND_PARSER_FAILED, 1,
              "there is true or false where"),
        FAILS(NULL, "[1,\"\xff\"]", "1\n", KIND_DECODE_ERROR, 0, "offset 4"),
        WELL("charset=shift_jis", "[\"\x93\xfa\"]", "\"日\"\n"),
        WELL("charset_errors=replace", "[\"\xff\xe4\xbd\"]", "\"\xef\xbf\xbd\xef\xbf\xbd\"\n"),
        WELL("each=value", "[1,2] {}", "[1,2]\n{}\n"),
        WELL("each=member", "{\"a\":1,\"b\\n\":{\"c\":[\n1]}}",
             "{\"name\":\"a\",\"value\":1}\n{\"name\":\"b\\n\",\"value\":{\"c\":[1]}}\n"),
        WELL("each=member", "[1,{\"a\":2}]", "1\n{\"a\":2}\n"),
        WELL("max_record=3", "[123,\"a\"]", "123\n\"a\"\n"),
        FAILS("max_record=3", "[1,\n 1234]", "1\n", KIND_LIMIT_EXCEEDED, 2, "3 bytes"),
        FAILS("max_record=3", "[1,\"abcd", "1\n", KIND_LIMIT_EXCEEDED, 1, "max_record"),
        FAILS("max_depth=2", "[1,[2],[[3]]]", "1\n[2]\n", KIND_LIMIT_EXCEEDED, 1, "2 levels"),
        FAILS(NULL, "", "", KIND_PARSER_FAILED, 1, "no JSON value"),
        FAILS(NULL, "\n\n", "", KIND_PARSER_FAILED, 3, "no JSON value"),
        FAILS(NULL, "[1,2", "1\n", KIND_PARSER_FAILED, 1, "cut short"),
        FAILS(NULL, "[1,\n2,\n]", "1\n2\n", KIND_PARSER_FAILED, 3, "no JSON value"),
        FAILS(NULL, "[1]]", "1\n", KIND_PARSER_FAILED, 1, "white space must come"),
        FAILS(NULL, "[1 2]", "1\n", KIND_PARSER_FAILED, 1, "comma"),
        FAILS("charset_errors=replace", "[\xff]", "", KIND_PARSER_FAILED, 1, "no JSON value"),
    };
    CHECK(&parser_json, samples);
}

static void test_json_pointer(void **state)
{
    static const struct sample samples[] = {
        WELL("pointer=/a", "{\"b\":[1],\"a\":[2,[3]],\"c\":{\"a\":[4]}}", "2\n[3]\n"),
        WELL("pointer=/a/b", "{\"a\":{\"x\":{\"b\":[1]},\"b\":[2]},\"b\":[3]}", "2\n"),
        WELL("pointer=/a/b\neach=value", "{\"a\":{\"b\":{\"c\":1}}}", "{\"c\":1}\n"),
        FAILS("pointer=/a/b", "{\"a\":{\"b\":{\"c\":1}}}", "", KIND_PARSER_FAILED, 1,
              "there is an object where"),
        FAILS("pointer=/a", "{\"a\":null}", "", KIND_PARSER_FAILED, 1, "there is null where"),
        WELL("pointer=/1", "[[1],[2,3],[4]]", "2\n3\n"),
        WELL("pointer=/1/a/0\neach=value", "[{\"a\":[1]},{\"a\":[\"x\",2]}]", "\"x\"\n"),
        WELL("pointer=/0", "{\"0\":[1]} [[2]]", "1\n2\n"),
        WELL("pointer=/", "{\"\":[1]}", "1\n"),
        WELL("pointer=/a~1b~0", "{\"a/b~\":[1]}", "1\n"),
        WELL("pointer=/\xc3\xbc", "{\"\\u00fc\":[1]}", "1\n"),
        WELL("pointer=/\xf0\x9f\x98\x80", "{\"\\ud83d\\ude00\":[1]}", "1\n"),
        FAILS("pointer=/a", "{\"a\":[1],\n\"a\":[2]}", "1\n", KIND_PARSER_FAILED, 2,
              "the object has this name twice, and the pointer goes to it"),
        FAILS("pointer=/a/b", "{\"a\":{\"b\":[1]},\"\\u0061\":{}}", "1\n", KIND_PARSER_FAILED, 1,
              "twice"),
        FAILS("pointer=/a/b", "{\"a\":1,\"a\":{\"b\":[1]}}", "", KIND_PARSER_FAILED, 1, "twice"),
        WELL("pointer=/a", "{\"b\":1,\"b\":{\"a\":1,\"a\":2},\"a\":[{\"c\":1,\"c\":2}]}",
             "{\"c\":1,\"c\":2}\n"),
        WELL("pointer=/a", "{\"a\":[1]} {\"a\":[2]}", "1\n2\n"),
        WELL("pointer=/a", "{\"a\":[]}", ""),
        WELL("pointer=/a", "{\"b\":1} {\"a\":[5]}", "5\n"),
        WELL("pointer=/a\neach=member", "{\"a\":{\"x\":1},\"b\":{\"y\":2}}",
             "{\"name\":\"x\",\"value\":1}\n"),
        WELL("pointer=/a\neach=value", "{\"a\":[1,2]}", "[1,2]\n"),
        FAILS("pointer=/a/b", "{\"a\":[1],\"b\":2}", "", KIND_PARSER_FAILED, 1,
              "nothing at \"/a/b\""),
        FAILS("pointer=/00", "[[1]]", "", KIND_PARSER_FAILED, 1, "nothing at"),
        FAILS("pointer=/2", "[[1],[2]]", "", KIND_PARSER_FAILED, 1, "nothing at"),
        FAILS("pointer=/a", "{\"a\":[1],\"b\":[}", "1\n", KIND_PARSER_FAILED, 1, "no JSON value"),
    };
    CHECK(&parser_json, samples);
}

static const char *get_option(void *arg, const char *name)
{
    const char *const *pair = arg;
    const struct penstock_option *o =
        ((const struct penstock_parser *)(const void *)pair[2])->options;
    if (strcmp(name, pair[0]) == 0)
        return pair[1];
    while (strcmp(o->name, name) != 0)
        o++;
    return o->standard;
}

/* The sentence, or NULL if the value will do. */
static const char *refused(const struct penstock_parser *parser, const char *name,
                           const char *value)
{
    static char message[256];
    const char *arg[3] = {name, value, (const char *)parser};
    return parser->check(get_option, arg, message, sizeof message) ? message : NULL;
}

static void assert_refused(const struct penstock_parser *parser, const char *name,
                           const char *value, const char *part)
{
    const char *message = refused(parser, name, value);
    assert_non_null(message);
    if (!strstr(message, part))
        fail_msg("%s=%s: %s", name, value, message);
}

static void test_json_options(void **state)
{
    char deep[200] = "";
    for (int i = 0; i < 33; i++)
        strcat(deep, "/a");
    assert_null(refused(&parser_json, "pointer", "/a/0"));
    assert_refused(&parser_json, "pointer", "a/b", "no JSON Pointer");
    assert_refused(&parser_json, "pointer", "/a~2", "~0");
    assert_refused(&parser_json, "pointer", deep, "32 steps");
    assert_refused(&parser_json, "each", "line", "element, member, value");
    assert_refused(&parser_json, "max_depth", "2000", "between");
}

/* --- digest ----------------------------------------------------------------------------------- */

static void test_digest(void **state)
{
    static const struct sample samples[] = {
        WELL(NULL, "",
             "{\"bytes\":0,\"sha256\":"
             "\"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"}"
             "\n"),
        WELL("algorithms=md5, sha1", "abc",
             "{\"bytes\":3,\"md5\":\"900150983cd24fb0d6963f7d28e17f72\","
             "\"sha1\":\"a9993e364706816aba3e25717850c26c9cd0d89d\"}\n"),
        WELL("algorithms=sha3-256", "abc",
             "{\"bytes\":3,\"sha3-256\":"
             "\"3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532\"}"
             "\n"),
    };
    CHECK(&parser_digest, samples);
    assert_null(refused(&parser_digest, "algorithms", "sha512 blake2b512"));
    assert_refused(&parser_digest, "algorithms", "sha256 crc32", "crc32 is none of");
    assert_refused(&parser_digest, "algorithms", "md5 md5", "twice");
    assert_refused(&parser_digest, "algorithms", " , ", "names none");
}

/* --- the filters of lines --------------------------------------------------------------------- */

static void test_lines_that_match(void **state)
{
    static const struct sample samples[] = {
        WELL("match=b", "a\nb\nabc\n",
             "{\"line\":2,\"text\":\"b\"}\n{\"line\":3,\"text\":\"abc\"}\n"),
        WELL("exclude=b", "a\nb\nabc\n", "{\"line\":1,\"text\":\"a\"}\n"),
        WELL("match=^a\nexclude=c$", "a\r\nb\r\nabc\r\n", "{\"line\":1,\"text\":\"a\"}\n"),
        WELL("match=(?i)^X.$", "x\xc3\xbc\nx\n", "{\"line\":1,\"text\":\"x\xc3\xbc\"}\n"),
        WELL("match=^..b\ncharset_errors=replace",
             "\xff\xc0"
             "b\n",
             "{\"line\":1,\"text\":\"\xef\xbf\xbd\xef\xbf\xbd"
             "b\"}\n"),
        WELL(
            "match=(?<k>\\w+)=(?<v>\"[^\"]*\")?", "a=\"1\" b\nno\nc=2",
            "{\"line\":1,\"text\":\"a=\\\"1\\\" b\",\"groups\":{\"k\":\"a\",\"v\":\"\\\"1\\\"\"}}\n"
            "{\"line\":3,\"text\":\"c=2\",\"groups\":{\"k\":\"c\",\"v\":null}}\n"),
        FAILS("match=^(a+)+$",
              "aaa\naaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\n",
              "{\"line\":1,\"text\":\"aaa\"}\n", KIND_LIMIT_EXCEEDED, 2, "too many steps"),
    };
    CHECK(&parser_lines, samples);
    assert_refused(&parser_lines, "match", "a(b",
                   "no regular expression: missing closing parenthesis");
    assert_refused(&parser_lines, "exclude", "((a{1,999}){1,999}){1,999}", "too large");
}

/* --- xml -------------------------------------------------------------------------------------- */

static void test_xml(void **state)
{
    static const struct sample samples[] = {
        WELL(NULL, "<a/>", ""),
        WELL(NULL, "<a><b/><c>x</c></a>", "{\"name\":\"b\"}\n{\"name\":\"c\",\"text\":\"x\"}\n"),
        WELL(NULL,
             "<?xml version='1.0' encoding='UTF-8'?>\n<!DOCTYPE a [<!ENTITY e 'E&#65;'>]>\n<a>\n"
             " <b i='1' j='&lt;&e;\"'> t1 <c/>t&amp;2<!-- no --><?no no?>\n  "
             "<c>&e;<![CDATA[<&]]></c>\n </b>\n</a>\n",
             "{\"name\":\"b\",\"attributes\":{\"i\":\"1\",\"j\":\"<EA\\\"\"},\"children\":[{"
             "\"name\":\"c\"},"
             "{\"name\":\"c\",\"text\":\"EA<&\"}],\"text\":\"t1 t&2\"}\n"),
        WELL("trim=no", "<a><b> \n</b><c> x </c></a>",
             "{\"name\":\"b\",\"text\":\" \\n\"}\n{\"name\":\"c\",\"text\":\" x \"}\n"),
        WELL("path=/a/b/c", "<a><b><c>1</c><d><c>2</c></d><c>3</c></b><c>4</c><b><c>5</c></b></a>",
             "{\"name\":\"c\",\"text\":\"1\"}\n{\"name\":\"c\",\"text\":\"3\"}\n{\"name\":\"c\","
             "\"text\":\"5\"}\n"),
        WELL("path=/a", "<a>x</a>", "{\"name\":\"a\",\"text\":\"x\"}\n"),
        WELL("path=/*/b/*", "<a><b><x/></b><c><y/></c></a>", "{\"name\":\"x\"}\n"),
        WELL("path=b", "<a><b><b>1</b></b><c><b>2</b></c></a>",
             "{\"name\":\"b\",\"children\":[{\"name\":\"b\",\"text\":\"1\"}]}\n{\"name\":\"b\","
             "\"text\":\"2\"}\n"),
        WELL("path=m:x", "<a xmlns:m='u'><m:x m:y='1'/></a>",
             "{\"name\":\"m:x\",\"attributes\":{\"m:y\":\"1\"}}\n"),
        WELL("path=nothing", "<a><b/></a>", ""),
        WELL(NULL, "<?xml version='1.0' encoding='ISO-8859-1'?><a><b>\xfc</b></a>",
             "{\"name\":\"b\",\"text\":\"\xc3\xbc\"}\n"),
        WELL(NULL, "<?xml version='1.0' encoding='windows-1251'?><a><b>\xff</b></a>",
             "{\"name\":\"b\",\"text\":\"\xd1\x8f\"}\n"),
        WELL(NULL, "<?xml version='1.0' encoding='EUC-JP'?><a><b>\xc6\xfc</b></a>",
             "{\"name\":\"b\",\"text\":\"\xe6\x97\xa5\"}\n"),
        WELL(NULL, "\xff\xfe<\0a\0>\0<\0b\0>\0\xe9\0<\0/\0b\0>\0<\0/\0a\0>\0",
             "{\"name\":\"b\",\"text\":\"\xc3\xa9\"}\n"),
        FAILS(NULL, "<?xml version='1.0' encoding='none-such'?><a/>", "", KIND_DECODE_ERROR, 0,
              "none-such"),
        FAILS(NULL, "", "", KIND_PARSER_FAILED, 1, "no element found"),
        FAILS(NULL, "<a><b/>\n<c></a>", "{\"name\":\"b\"}\n", KIND_PARSER_FAILED, 2,
              "mismatched tag"),
        FAILS(NULL, "<a><b/>", "{\"name\":\"b\"}\n", KIND_PARSER_FAILED, 1, "no element found"),
        FAILS(NULL, "<a>&none;</a>", "", KIND_PARSER_FAILED, 1, "undefined entity"),
        FAILS(NULL, "<a>\xff</a>", "", KIND_DECODE_ERROR, 0, "no text in utf-8"),
        FAILS("max_depth=2", "<a><b/><b><c/></b></a>", "{\"name\":\"b\"}\n", KIND_LIMIT_EXCEEDED, 1,
              "2 levels"),
        FAILS("max_record=30", "<a><b>short</b>\n<b>much longer than that</b></a>",
              "{\"name\":\"b\",\"text\":\"short\"}\n", KIND_LIMIT_EXCEEDED, 2, "30 bytes"),
    };
    CHECK(&parser_xml, samples);
    static const char *const none[] = {"/a//b",     "/r/a[1]", "/r/a/@x", "//a",   "/a/",
                                       "/a/text()", "/a/b*",   "/{u}a",   "/a/1b", "/a/.",
                                       "/a/..",     "a b",     "/a|/b",   "/-a",   "a/b"};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        assert_refused(&parser_xml, "path", none[i], "option \"path\"");
    assert_null(refused(&parser_xml, "path", "/a/*/b:c-d.e_1/\xc3\xa9"));
    assert_refused(&parser_xml, "path", "a/b", "option \"path\"");
    assert_refused(&parser_xml, "path", "/", "option \"path\"");
    assert_refused(&parser_xml, "path", "", "option \"path\"");
}

#define DTD "<!DOCTYPE a SYSTEM 'no.dtd'>"

static void test_xml_entities(void **state)
{
    static const struct sample samples[] = {
        WELL(NULL, DTD "<a><b x='&uuml;&nbsp;'>J&uuml;rgen &euro;&Alpha;</b></a>",
             "{\"name\":\"b\",\"attributes\":{\"x\":\"\xc3\xbc\xc2\xa0\"},"
             "\"text\":\"J\xc3\xbcrgen \xe2\x82\xac\xce\x91\"}\n"),
        WELL(NULL,
             "<!DOCTYPE a PUBLIC '-//Netscape Communications//DTD RSS 0.91//EN' "
             "'http://my.netscape.com/publish/formats/rss-0.91.dtd'><a><b>&eacute;</b></a>",
             "{\"name\":\"b\",\"text\":\"\xc3\xa9\"}\n"),
        /* The document's own come first, also where both declare. */
        WELL(NULL,
             "<!DOCTYPE a SYSTEM 'no.dtd' [<!ENTITY uuml 'mine'><!ENTITY own '&uuml;&auml;'>]>"
             "<a><b x='&own;'>&uuml;&auml;&own;</b></a>",
             "{\"name\":\"b\",\"attributes\":{\"x\":\"mine\xc3\xa4\"},\"text\":"
             "\"mine\xc3\xa4mine\xc3\xa4\"}\n"),
        WELL(NULL,
             "<!DOCTYPE a [<!ENTITY % l PUBLIC '-//W3C//ENTITIES Latin 1 for XHTML//EN' 'no.ent'> "
             "%l;"
             "<!ENTITY after 'x'>]><a><b>&uuml;&after;</b></a>",
             "{\"name\":\"b\",\"text\":\"\xc3\xbcx\"}\n"),
        WELL(NULL, "<!DOCTYPE a [<!ENTITY % p '<!ENTITY q \"x\">'>%p;]><a><b>&q;</b></a>",
             "{\"name\":\"b\",\"text\":\"x\"}\n"),
        WELL(NULL, "<?xml version='1.0' standalone='yes'?>" DTD "<a><b>&amp;&#65;</b></a>",
             "{\"name\":\"b\",\"text\":\"&A\"}\n"),
        /* Whatever else is not there fails, with its name. */
        FAILS(NULL, "<a>\n&none;</a>", "", KIND_PARSER_FAILED, 2, "undefined entity &none;"),
        FAILS(NULL, "<a>&uuml;</a>", "", KIND_PARSER_FAILED, 1, "undefined entity &uuml;"),
        FAILS(NULL, "<a><b x='&amp;&none;'/></a>", "", KIND_PARSER_FAILED, 1,
              "undefined entity &none;"),
        FAILS(NULL, DTD "<a><b/><b>\n&none;</b></a>", "{\"name\":\"b\"}\n", KIND_PARSER_FAILED, 2,
              "undefined entity &none;"),
        FAILS(NULL, DTD "<a><b/>\n<b x='&uuml;&none;'/></a>", "{\"name\":\"b\"}\n",
              KIND_PARSER_FAILED, 2, "undefined entity &none;"),
        FAILS(NULL, "<!DOCTYPE a [<!ENTITY % p SYSTEM 'p'>%p;]><a><b x='&none;'/></a>", "",
              KIND_PARSER_FAILED, 1, "undefined entity &none;"),
        FAILS(NULL, "<!DOCTYPE a [%none;]><a/>", "", KIND_PARSER_FAILED, 1, "none"),
        FAILS(NULL, "<!DOCTYPE a SYSTEM 'x' [<!ENTITY e '<b x=\"&none;\"/>'>]><a>&e;</a>", "",
              KIND_PARSER_FAILED, 1, "undefined entity &none;"),
        FAILS(NULL,
              "<!DOCTYPE a [<!ENTITY % p SYSTEM 'p'>%p;<!ATTLIST b x CDATA '&none;'>]><a><b/></a>",
              "", KIND_PARSER_FAILED, 1, "undefined entity &none;"),
        FAILS(NULL, "<?xml version='1.0' standalone='yes'?>" DTD "<a><b>&uuml;</b></a>", "",
              KIND_PARSER_FAILED, 1, "&uuml;"),
        FAILS(NULL,
              "<!DOCTYPE a [<!NOTATION n SYSTEM 'x'><!ENTITY u SYSTEM 'f' NDATA "
              "n>]><a><b>&u;</b></a>",
              "", KIND_PARSER_FAILED, 1, "binary entity &u;"),
        FAILS(NULL, "<!DOCTYPE a [<!ENTITY u '&u;'>]><a><b>&u;</b></a>", "", KIND_PARSER_FAILED, 1,
              "recursive entity reference"),
        /* Nothing outside is ever read. */
        FAILS(NULL, "<!DOCTYPE a [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><a><b>&e;</b></a>", "",
              KIND_PARSER_FAILED, 1, "the entity &e; is outside the document (file:///etc/passwd)"),
        FAILS(
            NULL,
            "<!DOCTYPE a SYSTEM 'x' [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><a><b x='&e;'/></a>",
            "", KIND_PARSER_FAILED, 1, "reference to external entity in attribute &e;"),
    };
    CHECK(&parser_xml, samples);
}

/* Each of the 253 names, as XHTML's DTDs have them. */
static void test_html_entities(void **state)
{
    static const struct {
        const char *name;
        unsigned character;
    } some[] = {{"AElig", 198}, {"zwnj", 8204},    {"zeta", 950},  {"quot", 34},
                {"apos", 39},   {"thetasym", 977}, {"yuml", 255},  {"euro", 8364},
                {"nbsp", 160},  {"Zeta", 918},     {"lang", 9001}, {"fnof", 402}};
    for (size_t i = 0; i < sizeof some / sizeof some[0]; i++)
        assert_int_equal(html_entity(some[i].name, strlen(some[i].name)), some[i].character);
    assert_int_equal(html_entity("nbs", 3), 0);
    assert_int_equal(html_entity("nbspx", 5), 0);
    assert_int_equal(html_entity("", 0), 0);
    struct buf b = BUF_INIT;
    html_entities_declare(&b);
    size_t count = 5;
    for (const char *p = b.data; (p = strstr(p, "<!ENTITY ")); p++)
        count++;
    assert_int_equal(count, 253);
    buf_deinit(&b);
}

static void run_long(const struct penstock_parser *parser, const char *options, struct buf *text,
                     enum error_kind kind, const char *message)
{
    struct harness h;
    assert_false(text->failed);
    harness_init(&h, parser, options);
    harness_run(&h, text->data, text->len);
    assert_int_equal(h.task.kind, kind);
    if (!strstr(h.task.message, message))
        fail_msg("%s", h.task.message);
    harness_deinit(&h);
    buf_reset(text);
}

/* What a document can make expat keep. */
static void test_xml_memory(void **state)
{
    struct buf b = BUF_INIT;
    buf_puts(&b, "<!DOCTYPE a [<!ENTITY x0 'ha'>");
    for (int i = 1; i < 40; i++)
        buf_printf(&b, "<!ENTITY x%d '&x%d;&x%d;'>", i, i - 1, i - 1);
    buf_puts(&b, "]><a>&x39;</a>");
    run_long(&parser_xml, NULL, &b, KIND_LIMIT_EXCEEDED, "amplification");

    buf_puts(&b, "<a>");
    for (int i = 0; i < 1000000; i++)
        buf_printf(&b, "<name%d/>", i);
    run_long(&parser_xml, "path=b", &b, KIND_LIMIT_EXCEEDED, "too many different names");

    buf_puts(&b, "<a><!--");
    for (int i = 0; i < 200000; i++)
        buf_puts(&b, " a long comment");
    buf_puts(&b, "--></a>");
    run_long(&parser_xml, NULL, &b, KIND_LIMIT_EXCEEDED, "one tag or comment");
    buf_deinit(&b);
}

/* --- feed ------------------------------------------------------------------------------------- */

static void test_feed(void **state)
{
    static const struct sample samples[] = {
        WELL(NULL, "<rss version='2.0'><channel><title>F</title></channel></rss>", ""),
        WELL(NULL,
             "<rss version='2.0' xmlns:dc='http://purl.org/dc/elements/1.1/'"
             " xmlns:content='http://purl.org/rss/1.0/modules/content/'><channel><title>F</title>\n"
             "<item><title> One &amp; two </title><link>http://a.example/1</link><guid "
             "isPermaLink='false'>g1</guid>"
             "<pubDate>Wed, 01 May 2024 10:11:12 "
             "+0200</pubDate><dc:creator>Ann</dc:creator><dc:creator>Bob</dc:creator>"
             "<description><![CDATA[<p>x</p>]]></description><content:encoded>&lt;b&gt;</"
             "content:encoded>"
             "<category>c1</category><category>c\"2</category>"
             "<enclosure url='http://a.example/1.mp3' type='audio/mpeg' length='12'/></item>"
             "<item><guid>http://a.example/2</guid><pubDate>some "
             "day</pubDate></item></channel></rss>",
             "{\"id\":\"g1\",\"title\":\"One & "
             "two\",\"title_type\":\"text\",\"link\":\"http://a.example/1\","
             "\"published\":\"2024-05-01T08:11:12Z\",\"author\":\"Ann, "
             "Bob\",\"summary\":\"<p>x</p>\",\"summary_type\":\"html\","
             "\"content\":\"<b>\",\"content_type\":\"html\",\"categories\":[\"c1\",\"c\\\"2\"],"
             "\"enclosures\":[{\"url\":\"http://a.example/1.mp3\",\"type\":\"audio/"
             "mpeg\",\"length\":\"12\"}],\"feed\":{\"title\":\"F\"}}\n"
             "{\"id\":\"http://a.example/2\",\"link\":\"http://a.example/"
             "2\",\"published_text\":\"some day\",\"feed\":{\"title\":\"F\"}}\n"),
        WELL(NULL,
             "<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#' "
             "xmlns='http://purl.org/rss/1.0/'"
             " xmlns:dc='http://purl.org/dc/elements/1.1/'><channel "
             "rdf:about='x'><title>no</title></channel>"
             "<item rdf:about='http://a.example/1'><title>t</title><link>http://a.example/1</link>"
             "<dc:date>2024-05-01</dc:date></item></rdf:RDF>",
             "{\"id\":\"http://a.example/"
             "1\",\"title\":\"t\",\"title_type\":\"text\",\"link\":\"http://a.example/1\","
             "\"published\":\"2024-05-01T00:00:00Z\",\"feed\":{\"title\":\"no\"}}\n"),
        WELL(NULL,
             "<feed xmlns='http://www.w3.org/2005/Atom' "
             "xmlns:x='http://other.example/'><title>no</title>"
             "<entry><id>urn:1</id><title type='html'>a&lt;b</title><link rel='self' href='/s'/>"
             "<link href='http://a.example/1'/><link rel='enclosure' href='/e' type='t/t'/>"
             "<updated>2003-12-13T18:30:02.25+01:00</updated><author><name>A</name><email>e</"
             "email></author>"
             "<x:author>no</x:author><author><name>B</name></author><category term='c' label='L'/>"
             "<content type='xhtml'><div xmlns='http://www.w3.org/1999/xhtml'>a &lt; <b "
             "class='&quot;'>c</b></div></content>"
             "<source><id>no</id></source></entry></feed>",
             "{\"id\":\"urn:1\",\"title\":\"a<b\",\"title_type\":\"html\",\"link\":\"http://"
             "a.example/1\","
             "\"updated\":\"2003-12-13T17:30:02.25Z\",\"author\":\"A, B\","
             "\"content\":\"<div>a &lt; <b "
             "class=\\\"&quot;\\\">c</b></div>\",\"content_type\":\"xhtml\",\"categories\":[\"c\"],"
             "\"enclosures\":[{\"url\":\"/e\",\"type\":\"t/t\"}],\"feed\":{\"title\":\"no\"}}\n"),
        WELL(NULL,
             "<feed version='0.3' xmlns='http://purl.org/atom/ns#'><entry><title>t</title>"
             "<issued>2004-01-02T03:04Z</issued><modified>2004-01-03</modified></entry></feed>",
             "{\"title\":\"t\",\"title_type\":\"text\",\"published\":\"2004-01-02T03:04:00Z\","
             "\"updated\":\"2004-01-03T00:"
             "00:00Z\"}\n"),
        FAILS(NULL, "<html><body/></html>", "", KIND_PARSER_FAILED, 1,
              "no feed: the document's element is <html>"),
        FAILS(NULL, "<rss><channel><item><title>t</title></item>\n<item>",
              "{\"title\":\"t\",\"title_type\":\"text\"}\n", KIND_PARSER_FAILED, 2,
              "no element found"),
        FAILS("max_record=9",
              "<rss><channel>\n<item><title>0123456789</title></item></channel></rss>", "",
              KIND_LIMIT_EXCEEDED, 2, "9 bytes"),
    };
    CHECK(&parser_feed, samples);
}

static void test_feed_dates(void **state)
{
    static const char *const dates[][2] = {
        {"Wed, 01 May 2024 10:11:12 GMT", "2024-05-01T10:11:12Z"},
        {"Wed, 1 May 2024 10:11 +0000", "2024-05-01T10:11:00Z"},
        {"1 May 24 10:11:12 EST", "2024-05-01T15:11:12Z"},
        {"01 Sept 1999 23:59:59 PDT", "1999-09-02T06:59:59Z"},
        {"Thursday, 29 February 2024 00:00:00 -0330", "2024-02-29T03:30:00Z"},
        {"Sat, 07 Sep 2002 00:00:01 GMT+0100", "2002-09-06T23:00:01Z"},
        {"07-Sep-2002 00:00:01 Z (comment)", "2002-09-07T00:00:01Z"},
        {"7 Sep 2002", "2002-09-07T00:00:00Z"},
        {"  Sun, 31 Dec 2023 23:59:60 GMT\n", "2023-12-31T23:59:59Z"},
        {"2024", "2024-01-01T00:00:00Z"},
        {"2024-05", "2024-05-01T00:00:00Z"},
        {"2024-05-01", "2024-05-01T00:00:00Z"},
        {"2024-05-01T10:11Z", "2024-05-01T10:11:00Z"},
        {"2024-05-01t10:11:12.5+05:30", "2024-05-01T04:41:12.5Z"},
        {"2024-05-01 10:11:12", "2024-05-01T10:11:12Z"},
        {"2024-05-01T24:00:00Z", "2024-05-02T00:00:00Z"},
        {"2024-05-01T10:11:12.12345678901Z", "2024-05-01T10:11:12.123456789Z"},
        {"", NULL},
        {"today", NULL},
        {"2024-13-01", NULL},
        {"2023-02-29", NULL},
        {"2024-05-01T25:00Z", NULL},
        {"2024-05-01T10:60Z", NULL},
        {"2024-05-01X10:00", NULL},
        {"32 May 2024 00:00:00 GMT", NULL},
        {"1 Foo 2024 00:00:00 GMT", NULL},
        {"1 May 2024 00:00:00 XYZ", NULL},
        {"1 May 2024 00:00:00 GMT trailing", NULL},
        {"1 May 2024 00:00:00 +9999", NULL},
        {"1 May 20245 00:00:00 GMT", NULL},
    };
    for (size_t i = 0; i < sizeof dates / sizeof dates[0]; i++) {
        char text[FEED_DATE_SIZE] = "none", *copy = strdup(dates[i][0]);
        size_t len = strlen(copy);
        copy = realloc(copy, len ? len : 1); /* no NUL: a sanitizer sees a read beyond it */
        bool good = feed_date(copy, len, text);
        if (good != (dates[i][1] != NULL) || (good && strcmp(text, dates[i][1]) != 0))
            fail_msg("%s: %s", dates[i][0], text);
        free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_elements),    cmocka_unit_test(test_json_pointer),
        cmocka_unit_test(test_json_options),     cmocka_unit_test(test_digest),
        cmocka_unit_test(test_lines_that_match), cmocka_unit_test(test_xml),
        cmocka_unit_test(test_xml_entities),     cmocka_unit_test(test_html_entities),
        cmocka_unit_test(test_xml_memory),       cmocka_unit_test(test_feed),
        cmocka_unit_test(test_feed_dates),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
