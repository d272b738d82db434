/* feed: what its formats mean, and what feeds do to them. */
#include "samples.h"

#define RSS(items)  "<rss version='2.0'><channel>" items "</channel></rss>"
#define ITEM(inner) RSS("<item>" inner "</item>")
#define ATOM(inner) "<feed xmlns='http://www.w3.org/2005/Atom'><entry>" inner "</entry></feed>"
#define TITLE(text) "{\"title\":\"" text "\",\"title_type\":\"text\"}\n"

static void test_namespaces(void **state)
{
    static const struct sample samples[] = {
        WELL(NULL,
             "<rss "
             "xmlns='http://blogs.law.harvard.edu/tech/rss'><channel><item><title>t</title></"
             "item></channel></rss>",
             TITLE("t")),
        WELL(NULL,
             "<rss "
             "xmlns='http://purl.org/rss/2.0/'><channel><item><title>t</title></item></channel></"
             "rss>",
             TITLE("t")),
        WELL(NULL,
             "<rss><channel "
             "xmlns='http://any.example/'><item><title>t</title></item></channel></rss>",
             TITLE("t")),
        /* Even one that is another's. With a prefix that one is what it is. */
        WELL(NULL,
             "<rss xmlns='http://www.w3.org/2005/Atom' "
             "xmlns:m='http://search.yahoo.com/mrss/'><channel>"
             "<item><m:title>no</m:title><title>t</title><description>d</description></item></"
             "channel></rss>",
             "{\"title\":\"t\",\"title_type\":\"text\",\"summary\":\"d\",\"summary_type\":\"html\"}"
             "\n"),
        WELL(NULL,
             "<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#' "
             "xmlns='http://purl.org/dc/elements/1.1/'><item><title>t</title></item></rdf:RDF>",
             TITLE("t")),
        WELL(NULL,
             "<rss xmlns='http://search.yahoo.com/mrss/'><channel><item><title>t</title>"
             "<body xmlns='http://www.w3.org/1999/xhtml'><p>x</p></body></item></channel></rss>",
             "{\"title\":\"t\",\"title_type\":\"text\",\"content\":\"<p>x</"
             "p>\",\"content_type\":\"xhtml\"}\n"),
        WELL(NULL,
             "<r:rss "
             "xmlns:r='http://any.example/'><r:channel><r:item><r:title>t</r:title></r:item></"
             "r:channel></r:rss>",
             TITLE("t")),
        WELL(NULL,
             "<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#' "
             "xmlns='http://channel.netscape.com/rdf/simple/0.9/'><item><title>t</title></item></"
             "rdf:RDF>",
             TITLE("t")),
        WELL(NULL,
             "<r:RDF xmlns:r='http://www.w3.org/1999/02/22-rdf-syntax-ns#' "
             "xmlns:s='http://purl.org/rss/1.0/'>"
             "<s:item r:about='i'><s:title>t</s:title></s:item></r:RDF>",
             "{\"id\":\"i\",\"title\":\"t\",\"title_type\":\"text\"}\n"),
        WELL(NULL,
             "<feed xmlns='http://purl.org/atom/ns#draft'><entry><title>t</title></entry></feed>",
             TITLE("t")),
        WELL(NULL,
             "<a:feed "
             "xmlns:a='http://www.w3.org/2005/Atom'><a:entry><a:title>t</a:title></a:entry></"
             "a:feed>",
             TITLE("t")),
        WELL(NULL, "<entry xmlns='http://www.w3.org/2005/Atom'><title>t</title></entry>",
             TITLE("t")),
        WELL(NULL,
             "<CHANNEL HREF='c'><ITEM HREF='i' "
             "LASTMOD='2024-01-02'><TITLE>t</TITLE><ABSTRACT>a</ABSTRACT></ITEM></CHANNEL>",
             "{\"id\":\"i\",\"title\":\"t\",\"title_type\":\"text\",\"link\":\"i\",\"updated\":"
             "\"2024-01-02T00:00:00Z\","
             "\"summary\":\"a\",\"summary_type\":\"html\",\"feed\":{\"link\":\"c\"}}\n"),
        /* Another's elements are passed over, also those that have the same names. */
        WELL(NULL,
             ITEM("<x:title xmlns:x='u'>no</x:title><title xmlns='u'>no</title><title>t</title>"),
             TITLE("t")),
        /* A prefix that nobody has declared means what it usually does. */
        MENDED(NULL, ITEM("<title>t</title><dc:creator>A</dc:creator><no:such>x</no:such>"),
               "{\"title\":\"t\",\"title_type\":\"text\",\"author\":\"A\"}\n", 2),
        FAILS("strict=yes", ITEM("<dc:creator>A</dc:creator>"), "", KIND_PARSER_FAILED, 1,
              "the prefix of <dc:creator> is not declared"),
    };
    CHECK(&parser_feed, samples);
}

/* An entry is one however deep it stands, and in whatever namespace. */
static void test_entries_anywhere(void **state)
{
    static const struct sample samples[] = {
        WELL(NULL, RSS("<items><item><title>t</title></item></items>"), TITLE("t")),
        WELL(NULL, RSS("<title>F<item><title>t</title></item></title>"),
             "{\"title\":\"t\",\"title_type\":\"text\",\"feed\":{\"title\":\"F\"}}\n"),
        WELL(NULL, "<rss><channel/><a><b><item><title>t</title></item></b>x</a></rss>", TITLE("t")),
        WELL(NULL,
             "<feed "
             "xmlns='http://www.w3.org/2005/Atom'><entries><entry><title>t</title></entry></"
             "entries></feed>",
             TITLE("t")),
        WELL(NULL, "<CHANNEL><a><ITEM HREF='i'/></a></CHANNEL>", "{\"id\":\"i\",\"link\":\"i\"}\n"),
        WELL(
            NULL,
            ITEM("<title>t</title><item><title>no</title></item><x><entry><id>no</id></entry></x>"),
            TITLE("t")),
        WELL(NULL,
             "<rss "
             "xmlns:a='http://www.w3.org/2005/Atom'><channel><a:entry><a:title>t</a:title><a:id>i</"
             "a:id>"
             "<a:link href='l'/></a:entry></channel></rss>",
             "{\"id\":\"i\",\"title\":\"t\",\"title_type\":\"text\",\"link\":\"l\"}\n"),
        WELL(NULL,
             RSS("<entry><title>t</title><id>i</id><link "
                 "href='l'/><description>d</description></entry>"),
             "{\"id\":\"i\",\"title\":\"t\",\"title_type\":\"text\",\"link\":\"l\",\"summary\":"
             "\"d\","
             "\"summary_type\":\"html\"}\n"),
        WELL(
            NULL,
            "<feed "
            "xmlns='http://www.w3.org/2005/Atom'><item><title>t</title><link>l</link><guid>g</guid>"
            "<summary>s</summary></item></feed>",
            "{\"id\":\"g\",\"title\":\"t\",\"title_type\":\"text\",\"link\":\"l\",\"summary\":"
            "\"s\","
            "\"summary_type\":\"text\"}\n"),
        WELL(NULL,
             RSS("<item xmlns='http://any/'><title>t</title><guid "
                 "isPermaLink='false'>g</guid></item>"),
             "{\"id\":\"g\",\"title\":\"t\",\"title_type\":\"text\"}\n"),
        WELL(NULL,
             "<feed xmlns='http://www.w3.org/2005/Atom'><entry "
             "xmlns='http://any/'><id>i</id></entry></feed>",
             "{\"id\":\"i\"}\n"),
        WELL(NULL, ITEM("<title xmlns='x'>t</title>"), TITLE("t")),
        WELL(NULL, ITEM("<title>t</title><title xmlns='x'>no</title>"), TITLE("t")),
        WELL(NULL,
             ITEM("<author xmlns='x'>no</author><author>A</author><author>B</author><author "
                  "xmlns='x'>no</author>"),
             "{\"author\":\"A, B\"}\n"),
        WELL(NULL, RSS("<x:item xmlns:x='u'><title>no</title></x:item>"), ""),
        WELL(NULL, ITEM("<link href='l'/>"), "{\"id\":\"l\",\"link\":\"l\"}\n"),
        WELL(NULL, ITEM("<link href='no'>l</link>"), "{\"id\":\"l\",\"link\":\"l\"}\n"),
        WELL(NULL, ITEM("<link rel='self' href='no'/>"), "{}\n"),
        WELL(NULL, RSS("<link href='c'/><item/>"), "{\"feed\":{\"link\":\"c\"}}\n"),
        WELL(NULL, ATOM("<link>l</link>"), "{\"id\":\"l\",\"link\":\"l\"}\n"),
        WELL("strict=yes", RSS("<items><item xmlns='x'/></items>"), "{}\n"),
        FAILS(NULL, "<html><item><title>no</title></item></html>", "", KIND_PARSER_FAILED, 1,
              "this is no feed"),
    };
    CHECK(&parser_feed, samples);
}

static void test_mended(void **state)
{
    static const struct sample samples[] = {
        MENDED(NULL, "\r\n \t<?xml version='1.0'?>" ITEM("<title>t</title>"), TITLE("t"), 1),
        WELL(NULL, "\n\n" ITEM("<title>t</title>"), TITLE("t")),
        MENDED(NULL, "<!-- c -->\n<?xml version='1.0'?>" ITEM("<title>t</title>"), TITLE("t"), 1),
        WELL(NULL, "<?xml-stylesheet href='x'?>" ITEM("<title>t</title>"), TITLE("t")),
        MENDED(NULL,
               ITEM("<title>a\x01\x0c\x1f"
                    "b</title>") "\0\0\0",
               TITLE("ab"), 6),
        MENDED(NULL,
               ITEM("<title>a\xef\xbf\xbf"
                    "b\xef\xbf\xbe\xef\xbc\xa1</title>"),
               TITLE("ab\xef\xbc\xa1"), 2),
        MENDED(NULL, ITEM("<title>a & b &nosuch; &# &#; &#x; &#0; &#xD800; &amp &;</title>"),
               TITLE("a & b &nosuch; &# &#; &#x; &#0; &#xD800; &amp &;"), 9),
        WELL(NULL, ITEM("<title>&lt;&#65;&#x42;&apos;&nbsp;&uuml;&Alpha;</title>"),
             TITLE("<AB'\xc2\xa0\xc3\xbc\xce\x91")),
        MENDED(NULL, ITEM("<title>t</title><enclosure url='u?a=1&b=2&c&amp;d&uuml;'/>"),
               "{\"title\":\"t\",\"title_type\":\"text\",\"enclosures\":[{\"url\":\"u?a=1&b=2&c&"
               "d\xc3\xbc\"}]}\n",
               2),
        MENDED(NULL, ITEM("<title>a]]>b]]]>&gt;]</title>"), TITLE("a]]>b]]]>>]"), 2),
        WELL(NULL, ITEM("<title>a]] ]>b<![CDATA[c]]></title>"), TITLE("a]] ]>bc")),
        FAILS("strict=yes", ITEM("<title>a]]>b</title>"), "", KIND_PARSER_FAILED, 1,
              "not well-formed"),
        MENDED(NULL, ITEM("<!-- a -- b ---- c ---><title>t</title><!--->-->"), TITLE("t"), 5),
        MENDED(NULL, "<!DOCTYPE rss [<!-- -- -->]>" ITEM("<title>t</title>") "<!-- -- -->",
               TITLE("t"), 2),
        FAILS("strict=yes", "<!-- -- -->" ITEM(""), "", KIND_PARSER_FAILED, 1, "not well-formed"),
        MENDED(NULL,
               ITEM("<title a=b>t</title><enclosure url=http://u/?a=1&amp;b='\"c length = 5 "
                    "type=a/b/>"),
               "{\"title\":\"t\",\"title_type\":\"text\",\"enclosures\":[{\"url\":\"http://u/"
               "?a=1&b='\\\"c\","
               "\"type\":\"a/b\",\"length\":\"5\"}]}\n",
               4),
        MENDED(NULL, "<rss version=2.0><channel><item><title a=b>t</title></item></channel></rss>x",
               TITLE("t"), 3),
        WELL(NULL, ITEM("<title a = 'b=c' d\n=\n\"e\">a = b</title><!-- a=b --><?a b=c?>"),
             TITLE("a = b")),
        FAILS(NULL, ITEM("<title a=>t</title>"), "", KIND_PARSER_FAILED, 1, "not well-formed"),
        FAILS("strict=yes", ITEM("<title a=b>t</title>"), "", KIND_PARSER_FAILED, 1,
              "not well-formed"),
        MENDED(NULL, ITEM("<description>a<br>b<IMG src=\"i\"><b>c<hr></b></description>"),
               "{\"summary\":\"a<br/>b<IMG "
               "src=\\\"i\\\"/><b>c<hr/></b>\",\"summary_type\":\"xhtml\"}\n",
               3),
        MENDED(NULL, ITEM("<description><img src=i ><i/></br><br>x</br >y</description>"),
               "{\"summary\":\"<img src=\\\"i\\\"/><i/><br/>xy\",\"summary_type\":\"xhtml\"}\n", 5),
        WELL(NULL,
             ITEM("<description>a<br/>b<br></br>c<hr /><x:br xmlns:x='u'>d</x:br></description>"),
             "{\"summary\":\"a<br/>b<br></br>c<hr/><br>d</br>\",\"summary_type\":\"xhtml\"}\n"),
        FAILS("strict=yes", ITEM("<description>a<br>b</description>"), "", KIND_PARSER_FAILED, 1,
              "mismatched"),
        FAILS(NULL, ITEM("<description>a<p>b</description>"), "", KIND_PARSER_FAILED, 1,
              "mismatched"),
        MENDED(NULL, ITEM("<title>a < b <3</title>"), TITLE("a < b <3"), 2),
        /* Nothing is mended where nothing is wrong. */
        WELL(NULL,
             ITEM("<!-- a & b < --><title><![CDATA[a & b < c &nbsp;]]></title><?php a & b ?>"),
             TITLE("a & b < c &nbsp;")),
        WELL(NULL,
             "<!DOCTYPE rss [<!-- don't --><?a ' ?><!ENTITY own \"a'&#62;b\">]>" ITEM(
                 "<title>&own;&uuml;</title>"),
             TITLE("a'>b\xc3\xbc")),
        WELL(NULL,
             "<!DOCTYPE rss PUBLIC '-//Netscape Communications//DTD RSS 0.91//EN' "
             "'http://my.netscape.com/publish/formats/rss-0.91.dtd'>" ITEM(
                 "<title>&eacute;</title>"),
             TITLE("\xc3\xa9")),
        MENDED(NULL, "<!DOCTYPE rss SYSTEM 'x'>" ITEM("<title>&nosuch;</title>"), TITLE("&nosuch;"),
               1),
        FAILS("strict=yes", "\n<?xml version='1.0'?>" ITEM(""), "", KIND_PARSER_FAILED, 2,
              "not at start"),
        FAILS("strict=yes", ITEM("<title>a\x01</title>"), "", KIND_PARSER_FAILED, 1,
              "not well-formed"),
        FAILS("strict=yes", ITEM("<title>a & b</title>"), "", KIND_PARSER_FAILED, 1,
              "not well-formed"),
        FAILS("strict=yes", ITEM("<title>&nosuch;</title>"), "", KIND_PARSER_FAILED, 1,
              "undefined entity &nosuch;"),
        WELL("strict=yes", ITEM("<title>&nbsp;&amp;</title>"), TITLE("\xc2\xa0&")),
        FAILS(NULL, ITEM("<title>t"), "", KIND_PARSER_FAILED, 1, "mismatched tag"),
        FAILS(NULL, " \n ", "", KIND_PARSER_FAILED, 2, "no element found"),
    };
    CHECK(&parser_feed, samples);
}

/* An XML declaration that is none is left out. */
static void test_declarations(void **state)
{
    static const struct sample samples[] = {
        MENDED(NULL, "<?xml?>" ITEM("<title>t</title>"), TITLE("t"), 1),
        MENDED(NULL, "<?xml encoding='utf-8'?>" ITEM("<title>t</title>"), TITLE("t"), 1),
        MENDED(NULL, "<?xml version=1.0 encoding=utf-8?>" ITEM("<title>t</title>"), TITLE("t"), 1),
        MENDED(NULL, "<?xml 1.0 utf-8 ?>" ITEM("<title>t</title>"), TITLE("t"), 1),
        MENDED(NULL, "<?xml version='1.0' encoding=' utf-8 '?>" ITEM("<title>t</title>"),
               TITLE("t"), 1),
        MENDED(NULL, "<?xml version='1.0' encoding=''?>" ITEM("<title>t</title>"), TITLE("t"), 1),
        MENDED(NULL, "<?xml version='1.0'>" ITEM("<title>t</title>"), TITLE("t"), 1),
        MENDED(NULL, "<?xml version='1.0' encoding='windows-1251'>" ITEM("<title>\xff</title>"),
               TITLE("\xd1\x8f"), 1),
        MENDED(NULL, "<?xml version='1.0' encoding=windows-1251?>" ITEM("<title>\xff</title>"),
               TITLE("\xd1\x8f"), 1),
        MENDED(NULL, "<?XML version='1.0' encoding='windows-1251'?>" ITEM("<title>\xff</title>"),
               TITLE("\xd1\x8f"), 1),
        MENDED(NULL, "<?xml version='2.0'?>" ITEM("<title>t</title>"), TITLE("t"), 1),
        MENDED(NULL, "<?xml version='1.0' standalone='1'?>" ITEM("<title>t</title>"), TITLE("t"),
               1),
        MENDED(NULL, "<?xml version='1.0'encoding='utf-8'?>" ITEM("<title>t</title>"), TITLE("t"),
               1),
        MENDED(NULL, "<?xml version='1.0' encoding='utf-8' more='x'?>" ITEM("<title>t</title>"),
               TITLE("t"), 1),
        MENDED(NULL, " <?xml\nversion=1.0\n?>\n<?xml version='1.0'?>" ITEM("<title>t</title>"),
               TITLE("t"), 2),
        MENDED(NULL, "<?xml 1?><?xml version='1.0'?>" ITEM("<title>t</title>"), TITLE("t"), 1),
        WELL("strict=yes",
             "<?xml  version = \"1.0\"\n encoding='UTF-8' standalone='no' ?>" ITEM(
                 "<title>t</title>"),
             TITLE("t")),
        WELL(NULL,
             "<?xml  version = \"1.0\"\n encoding='UTF-8' standalone='no' ?>" ITEM(
                 "<title>t</title>"),
             TITLE("t")),
        WELL(NULL,
             "<?xml version='1.0' standalone=\"yes\" ?><!DOCTYPE rss SYSTEM 'x'>" ITEM(
                 "<title>&uuml;</title>"),
             TITLE("\xc3\xbc")),
        WELL(NULL, "<?xml version='1.0' standalone='yes'?>" ITEM("<title>&uuml;</title>"),
             TITLE("\xc3\xbc")),
        FAILS("strict=yes",
              "<?xml version='1.0' standalone='yes'?><!DOCTYPE rss SYSTEM 'x'>" ITEM(
                  "<title>&uuml;</title>"),
              "", KIND_PARSER_FAILED, 1, "&uuml;"),
        WELL("strict=yes", "<?xml version='1.1'?>" ITEM("<title>t</title>"), TITLE("t")),
        WELL(NULL, "<?xml version='1.1'?>" ITEM("<title>t</title>"), TITLE("t")),
        FAILS("strict=yes", "<?xml version=1.0?>" ITEM(""), "", KIND_PARSER_FAILED, 1,
              "XML declaration"),
        FAILS(NULL, "<?xml\nversion=1.0\n?>\n" RSS("<item></x>"), "", KIND_PARSER_FAILED, 4,
              "mismatched"),
        FAILS(NULL, "<?xml version='1.0' encoding='nosuch'>" ITEM(""), "", KIND_DECODE_ERROR, 0,
              "nosuch"),
    };
    CHECK(&parser_feed, samples);
}

/* Elements that nobody has ended at the document's end. */
static void test_open(void **state)
{
    static const struct sample samples[] = {
        MENDED(NULL, "<rss><channel><item><title>t</title></item></channel>", TITLE("t"), 1),
        MENDED(NULL, "<rss><channel><item><title>t</title></item>\n", TITLE("t"), 2),
        MENDED(NULL,
               "<rss><channel><item><title>t</title></item><item><title>u</title>\n<!-- c -->",
               TITLE("t") TITLE("u"), 3),
        MENDED(NULL, "<rss><channel><items><item><title>t</title></item>", TITLE("t"), 3),
        MENDED(NULL, "<a:feed xmlns:a='http://www.w3.org/2005/Atom'><a:entry><a:title>t</a:title>",
               TITLE("t"), 2),
        MENDED(NULL, "<rss><channel>", "", 2),
        FAILS("strict=yes", "<rss><channel><item><title>t</title></item>", TITLE("t"),
              KIND_PARSER_FAILED, 1, "no element found"),
        FAILS(NULL, "<rss><channel><item>", "", KIND_PARSER_FAILED, 1, "no element found"),
        FAILS(NULL, "<rss><channel><item><title>t", "", KIND_PARSER_FAILED, 1, "no element found"),
        FAILS(NULL, "<rss><channel><item><title>t</title", "", KIND_PARSER_FAILED, 1,
              "unclosed token"),
        FAILS(NULL, "<rss><channel><item><title>t</title><!-- ", "", KIND_PARSER_FAILED, 1,
              "unclosed token"),
        FAILS(NULL, "<rss><channel><item><title>t</title><x a='", "", KIND_PARSER_FAILED, 1,
              "unclosed token"),
        FAILS(NULL, "<rss><channel><item><title>t</channel></rss>", "", KIND_PARSER_FAILED, 1,
              "mismatched"),
    };
    CHECK(&parser_feed, samples);
}

/* What a script says in front of the feed or behind it is passed over. */
static void test_around(void **state)
{
    static const struct sample samples[] = {
        MENDED(NULL,
               "<br />\n<b>Warning</b>: x & y in <b>/a.php</b><br />\n<?xml version='1.0'?>" ITEM(
                   "<title>t</title>"),
               TITLE("t"), 1),
        MENDED(NULL, "Notice: <x>\n" ITEM("<title>t</title>"), TITLE("t"), 1),
        MENDED(NULL, "<?xml version='1.0'?>\nNotice: <x>\n<!-- c -->" ITEM("<title>t</title>"),
               TITLE("t"), 1),
        MENDED(NULL, "Notice\n<feed><entry><title>t</title></entry></feed>", TITLE("t"), 1),
        MENDED(NULL, "<root>" ITEM("<title>t</title>") "</root>", TITLE("t"), 2),
        MENDED(NULL, ITEM("<title>t</title>") "<script>a && b < c</script>", TITLE("t"), 1),
        MENDED(NULL, ITEM("<title>t</title>") "\ntext <", TITLE("t"), 1),
        MENDED(NULL, ITEM("<title>t</title>") ITEM("<title>no</title>"), TITLE("t"), 1),
        MENDED(NULL, ITEM("<title>t</title>") "</x>", TITLE("t"), 1),
        MENDED(NULL, ITEM("<title a='>'>t</title>") " &", TITLE("t"), 1),
        MENDED(NULL, "<rss/> x", "", 1),
        WELL(NULL,
             ITEM("<title a='/'>t</title><x/><x a='/'/><x />") "\n<!-- c <a> -->\n<?php < & ?>\n",
             TITLE("t")),
        FAILS("strict=yes", "</x>" ITEM(""), "", KIND_PARSER_FAILED, 1, ""),
        FAILS("strict=yes", ITEM("<title>t</title>") "x", TITLE("t"), KIND_PARSER_FAILED, 1,
              "junk"),
        FAILS(NULL, "\nNotice\n", "", KIND_PARSER_FAILED, 2, "not well-formed"),
        FAILS(NULL, "\n<x a='1'>\n<y/></x>", "", KIND_PARSER_FAILED, 2,
              "this is no feed: the document's element is <x>"),
        FAILS(NULL, "<html><rss></rss></html>", "", KIND_PARSER_FAILED, 1, "this is no feed"),
        FAILS(NULL, "Notice\nnotice\n" RSS("<item></x>"), "", KIND_PARSER_FAILED, 3, "mismatched"),
        FAILS(NULL, "<?xml version='1.0'?>\nNotice\n" RSS("<item></x>"), "", KIND_PARSER_FAILED, 3,
              "mismatched"),
    };
    CHECK(&parser_feed, samples);
}

static void test_charsets(void **state)
{
    static const struct sample samples[] = {
        WELL(NULL, "<?xml version='1.0' encoding='windows-1251'?>" ITEM("<title>\xff</title>"),
             TITLE("\xd1\x8f")),
        WELL(NULL, "<?xml version='1.0' encoding='Shift_JIS'?>" ITEM("<title>\x93\xfa</title>"),
             TITLE("\xe6\x97\xa5")),
        WELL(NULL,
             "\xef\xbb\xbf<?xml version='1.0' encoding='iso-8859-1'?>" ITEM(
                 "<title>\xc3\xbc</title>"),
             TITLE("\xc3\xbc")),
        FAILS(NULL, ITEM("<title>\xff</title>"), "", KIND_DECODE_ERROR, 0, "no text in utf-8"),
    };
    CHECK(&parser_feed, samples);
}

#define CONTENT(text, type) "{\"content\":\"" text "\",\"content_type\":\"" type "\"}\n"
#define SUMMARY(text, type) "{\"summary\":\"" text "\",\"summary_type\":\"" type "\"}\n"

static void test_meaning(void **state)
{
    static const struct sample samples[] = {
        WELL(NULL, ATOM("<content>a &lt;b&gt;</content>"), CONTENT("a <b>", "text")),
        WELL(NULL, ATOM("<content type='html'>a &lt;b&gt;</content>"), CONTENT("a <b>", "html")),
        WELL(NULL, ATOM("<content type='text/html'>a &lt;b&gt;</content>"),
             CONTENT("a <b>", "html")),
        WELL(NULL,
             ATOM("<content type='xhtml'><div xmlns='http://www.w3.org/1999/xhtml'>1 &lt; "
                  "2<br/><b></b></div></content>"),
             CONTENT("<div>1 &lt; 2<br/><b></b></div>", "xhtml")),
        WELL(NULL,
             ATOM("<content type='application/xml'><x:a xmlns:x='u' b='&lt;'>1 &lt; "
                  "2</x:a></content>"),
             CONTENT("<x:a xmlns:x=\\\"u\\\" b=\\\"&lt;\\\">1 &lt; 2</x:a>", "application/xml")),
        WELL(NULL,
             ATOM("<content type='image/svg+xml'><svg><text>1 &amp; 2</text></svg></content>"),
             CONTENT("<svg><text>1 &amp; 2</text></svg>", "image/svg+xml")),
        WELL(NULL, ATOM("<content type='text/markdown'>1 &lt; 2</content>"),
             CONTENT("1 < 2", "text/markdown")),
        WELL(NULL, ATOM("<content type='image/png'>/wA=</content>"),
             "{\"content\":\"/wA=\",\"content_type\":\"image/"
             "png\",\"content_encoding\":\"base64\"}\n"),
        WELL(NULL, ATOM("<content type='application/json'>\n eyJh\n Ijox fQ== </content>"),
             CONTENT("{\\\"a\\\":1}", "application/json")),
        WELL(NULL, ATOM("<content mode='base64' type='text/html'>PGI+</content>"),
             CONTENT("<b>", "html")),
        WELL(NULL, ATOM("<content mode='escaped' type='text/html'>&lt;b></content>"),
             CONTENT("<b>", "html")),
        WELL(NULL, ATOM("<content type='video/mp4' src='http://v.example/'/>"),
             "{\"content_type\":\"video/mp4\",\"content_src\":\"http://v.example/\"}\n"),
        WELL(NULL, ATOM("<summary type='html'>&amp;lt;</summary>"), SUMMARY("&lt;", "html")),
        WELL(NULL, ATOM("<title type='xhtml'><b>x</b></title>"),
             "{\"title\":\"<b>x</b>\",\"title_type\":\"xhtml\"}\n"),
        WELL(NULL, ITEM("<description>&lt;b&gt;1 &amp;lt; 2</description>"),
             SUMMARY("<b>1 &lt; 2", "html")),
        WELL(NULL, ITEM("<description>1 &lt; 2 <b>x</b><br/></description>"),
             SUMMARY("1 &lt; 2 <b>x</b><br/>", "xhtml")),
        WELL(NULL, ITEM("<body xmlns='http://www.w3.org/1999/xhtml'><p>1 &lt; 2</p></body>"),
             CONTENT("<p>1 &lt; 2</p>", "xhtml")),
        WELL(NULL, ITEM("<guid isPermaLink='False'>g</guid>"), "{\"id\":\"g\"}\n"),
        WELL(NULL, ITEM("<guid isPermaLink='TRUE'>g</guid>"), "{\"id\":\"g\",\"link\":\"g\"}\n"),
        WELL(NULL, ITEM("<guid ISPERMALINK=' FALSE\n'>g</guid>"), "{\"id\":\"g\"}\n"),
        WELL(NULL, ITEM("<guid isPermaLink='falsely'>g</guid>"), "{\"id\":\"g\",\"link\":\"g\"}\n"),
        WELL(NULL, ITEM("<guid>g</guid>"), "{\"id\":\"g\",\"link\":\"g\"}\n"),
        WELL(NULL, ITEM("<PubDate>2024-05-01</PubDate><LINK>l</LINK>"),
             "{\"id\":\"l\",\"link\":\"l\",\"published\":\"2024-05-01T00:00:00Z\"}\n"),
    };
    CHECK(&parser_feed, samples);
}

static void test_about(void **state)
{
    static const struct sample samples[] = {
        WELL(NULL,
             RSS("<title>F</title><link>l</link><image><title>no</title></image><item><guid "
                 "isPermaLink='false'>1</guid></item>"),
             "{\"id\":\"1\",\"feed\":{\"title\":\"F\",\"link\":\"l\"}}\n"),
        WELL(NULL,
             RSS("<item><guid isPermaLink='false'>1</guid></item><title>F</title><item><guid "
                 "isPermaLink='false'>2</guid></item>"),
             "{\"id\":\"1\"}\n{\"id\":\"2\",\"feed\":{\"title\":\"F\"}}\n"),
        WELL(NULL,
             "<feed xmlns='http://www.w3.org/2005/Atom'><title>F</title><link rel='self' href='s'/>"
             "<link href='l'/><entry><id>1</id></entry></feed>",
             "{\"id\":\"1\",\"feed\":{\"title\":\"F\",\"link\":\"l\"}}\n"),
    };
    CHECK(&parser_feed, samples);
}

#define PODCAST                                                  \
    " xmlns:itunes='http://www.itunes.com/DTDs/Podcast-1.0.dtd'" \
    " xmlns:media='http://search.yahoo.com/mrss'"                \
    " xmlns:podcast='https://podcastindex.org/namespace/1.0'"

static void test_podcasts(void **state)
{
    static const struct sample samples[] = {
        WELL(NULL,
             "<rss" PODCAST
             "><channel><item><itunes:title>T</itunes:title><itunes:author>A</itunes:author>"
             "<itunes:summary>S</itunes:summary><enclosure url='u' type='audio/mpeg' length='5'/>"
             "<itunes:duration>1:02:03</itunes:duration><itunes:image "
             "href='i'/><itunes:explicit>no</itunes:explicit>"
             "<itunes:season>2</itunes:season><itunes:episode>7</"
             "itunes:episode><itunes:episodeType>full</itunes:episodeType>"
             "<podcast:transcript url='t' type='text/vtt'/><podcast:chapters url='c' "
             "type='application/json+chapters'/>"
             "</item></channel></rss>",
             "{\"title\":\"T\",\"title_type\":\"text\",\"author\":\"A\",\"summary\":\"S\","
             "\"summary_type\":\"text\","
             "\"enclosures\":[{\"url\":\"u\",\"type\":\"audio/"
             "mpeg\",\"length\":\"5\"}],\"duration\":\"1:02:03\","
             "\"image\":\"i\",\"explicit\":\"no\",\"season\":\"2\",\"episode\":\"7\",\"episode_"
             "type\":\"full\","
             "\"transcripts\":[{\"url\":\"t\",\"type\":\"text/vtt\"}],"
             "\"chapters\":[{\"url\":\"c\",\"type\":\"application/json+chapters\"}]}\n"),
        WELL(NULL,
             "<rss" PODCAST "><channel><item><title>t</title><media:group><media:content url='u' "
             "type='video/mp4' fileSize='9' "
             "duration='60'><media:thumbnail url='i'/></media:content><media:content "
             "url='v'/></media:group>"
             "<media:description "
             "type='html'>&lt;b></media:description><itunes:title>no</itunes:title>"
             "<enclosure url='v'/></item></channel></rss>",
             "{\"title\":\"t\",\"title_type\":\"text\",\"summary\":\"<b>\",\"summary_type\":"
             "\"html\",\"enclosures\":["
             "{\"url\":\"u\",\"type\":\"video/"
             "mp4\",\"length\":\"9\",\"duration\":\"60\"},{\"url\":\"v\"}],\"image\":\"i\"}\n"),
    };
    CHECK(&parser_feed, samples);
}

#define JSON(items) \
    "{\"version\":\"https://jsonfeed.org/version/1.1\",\"title\":\"F\",\"items\":[" items "]}"

static void test_json_feed(void **state)
{
    static const struct sample samples[] = {
        WELL(NULL, JSON(""), ""),
        WELL(NULL,
             JSON("{\"id\":7,\"url\":\"u\",\"title\":\"t\",\"content_html\":\"<p>\",\"content_"
                  "text\":\"no\",\"summary\":\"s\","
                  "\"date_published\":\"2024-05-01T01:00:00+01:00\",\"tags\":[\"a\",\"b\"],"
                  "\"image\":\"i\","
                  "\"authors\":[{\"name\":\"A\"},{\"name\":\"B\"}],\"attachments\":[{\"url\":\"x\","
                  "\"mime_type\":\"audio/mpeg\","
                  "\"size_in_bytes\":12,\"duration_in_seconds\":3}]},\n{\"id\":\"2\",\"content_"
                  "text\":\"1 < 2\"}"),
             "{\"id\":\"7\",\"title\":\"t\",\"title_type\":\"text\",\"link\":\"u\",\"published\":"
             "\"2024-05-01T00:00:00Z\","
             "\"author\":\"A, "
             "B\",\"summary\":\"s\",\"summary_type\":\"text\",\"content\":\"<p>\",\"content_type\":"
             "\"html\","
             "\"categories\":[\"a\",\"b\"],\"enclosures\":[{\"url\":\"x\",\"type\":\"audio/"
             "mpeg\",\"length\":\"12\","
             "\"duration\":\"3\"}],\"image\":\"i\",\"feed\":{\"title\":\"F\"}}\n"
             "{\"id\":\"2\",\"content\":\"1 < "
             "2\",\"content_type\":\"text\",\"feed\":{\"title\":\"F\"}}\n"),
        WELL(NULL,
             " \n{\"items\":[{\"id\":\"1\",\"author\":{\"name\":\"A\"},\"x\":{\"items\":[1]}}],"
             "\"home_page_url\":\"h\","
             "\"version\":\"https://jsonfeed.org/version/1\"}",
             "{\"id\":\"1\",\"author\":\"A\"}\n"),
        WELL(NULL,
             "{\"version\":\"https://jsonfeed.org/version/"
             "1\",\"items\":[{\"id\":12345678901234567890123},"
             "{\"id\":-1.50},{\"id\":1E3},{\"id\":123456789012345678},{\"id\":\"\\\"1.5\\\\\","
             "\"x\":[1e999]}]}",
             "{\"id\":\"12345678901234567890123\"}\n{\"id\":\"-1.50\"}\n{\"id\":\"1E3\"}\n"
             "{\"id\":\"123456789012345678\"}\n{\"id\":\"\\\"1.5\\\\\"}\n"),
        FAILS(NULL, JSON("{\"id\":1.}"), "", KIND_PARSER_FAILED, 1, ""),
        FAILS(NULL, JSON("{\"id\":00000000000000000001}"), "", KIND_PARSER_FAILED, 1, ""),
        FAILS(NULL, "{\"error\":\"rate limited\"}", "", KIND_PARSER_FAILED, 0, "no JSON Feed"),
        FAILS(NULL, "{\"items\":[]}", "", KIND_PARSER_FAILED, 0, "no JSON Feed"),
        FAILS(NULL, JSON("1"), "", KIND_PARSER_FAILED, 1, "no object"),
        FAILS(NULL, JSON("{\"id\":\"1\"},\n{\"id\":}"),
              "{\"id\":\"1\",\"feed\":{\"title\":\"F\"}}\n", KIND_PARSER_FAILED, 2,
              "no JSON value"),
        FAILS(NULL, JSON("") "\n{}", "", KIND_PARSER_FAILED, 2, "more than one"),
        FAILS(NULL, "{\"version\":\"https://jsonfeed.org/version/1\",\"items\":[{}", "{}\n",
              KIND_PARSER_FAILED, 1, "cut short"),
        FAILS("max_record=9", JSON("{\"id\":\"123456789\"}"), "", KIND_LIMIT_EXCEEDED, 1,
              "9 bytes"),
    };
    CHECK(&parser_feed, samples);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_namespaces),   cmocka_unit_test(test_entries_anywhere),
        cmocka_unit_test(test_declarations), cmocka_unit_test(test_around),
        cmocka_unit_test(test_open),         cmocka_unit_test(test_mended),
        cmocka_unit_test(test_charsets),     cmocka_unit_test(test_meaning),
        cmocka_unit_test(test_about),        cmocka_unit_test(test_podcasts),
        cmocka_unit_test(test_json_feed),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
