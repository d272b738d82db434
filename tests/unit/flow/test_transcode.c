/* Text becomes UTF-8, whatever charset it is in and however it comes in pieces. */
#include "flow/transcode.h"

#include <errno.h>
#include <iconv.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct source {
    const char *data;
    size_t len, chunk;
    bool broken; /* -1 in place of the end */
};

static ssize_t give(void *arg, char *data, size_t size)
{
    struct source *s = arg;
    size_t n = s->len < s->chunk ? s->len : s->chunk;
    if (n > size)
        n = size;
    if (n == 0 && s->broken)
        return -1;
    memcpy(data, s->data, n);
    s->data += n;
    s->len -= n;
    return (ssize_t)n;
}

struct outcome {
    char text[4096];
    size_t len;
    enum transcode_fault fault;
    char message[512];
    uint64_t offset, replaced;
    const char *charset;
    bool contradicted;
};

static struct outcome run(const struct charset_plan *plan, const char *data, size_t len,
                          size_t chunk, size_t size)
{
    struct source source = {data, len, chunk, false};
    struct outcome o = {.len = 0};
    struct transcode *t = transcode_new(plan, give, &source);
    ssize_t n;
    assert_non_null(t);
    while ((n = transcode_read(t, o.text + o.len, size)) > 0) {
        o.len += (size_t)n;
        assert_true(o.len + size < sizeof o.text);
    }
    assert_int_equal(n, transcode_fault(t) == TRANSCODE_FINE ? 0 : -1);
    assert_int_equal(transcode_read(t, o.text + o.len, size), n); /* it stays so */
    o.text[o.len] = '\0';
    o.fault = transcode_fault(t);
    snprintf(o.message, sizeof o.message, "%s", transcode_message(t));
    o.offset = transcode_offset(t);
    o.replaced = transcode_replaced(t);
    o.charset = transcode_charset(t) ? transcode_charset(t)->name : "";
    o.contradicted = transcode_contradicted(t);
    transcode_free(t);
    return o;
}

/* --- what comes out --------------------------------------------------------------------------- */

struct row {
    struct charset_plan plan;
    const char *in;
    size_t len;
    const char *out, *charset;
    uint64_t replaced;
};

#define IN(text) text, sizeof(text) - 1
#define BAD      "\xef\xbf\xbd"

static void check_row(const struct row *row)
{
    static const size_t sizes[] = {1, 2, 5, 63, 64, 65, 1000};
    for (size_t chunk = 1; chunk <= row->len + 1; chunk++)
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            struct outcome o = run(&row->plan, row->in, row->len, chunk, sizes[i]);
            if (strcmp(o.text, row->out) != 0 || o.fault != TRANSCODE_FINE)
                printf("%s (%s): \"%s\", not \"%s\": %s\n", row->charset, row->plan.option, o.text,
                       row->out, o.message);
            assert_int_equal(o.fault, TRANSCODE_FINE);
            assert_string_equal(o.text, row->out);
            assert_string_equal(o.charset, row->charset);
            assert_int_equal(o.replaced, row->replaced);
        }
}

static void check_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        check_row(&rows[i]);
}
#define CHECK_ROWS(rows) check_rows(rows, sizeof(rows) / sizeof((rows)[0]))

static void test_rule(void **state)
{
    static const struct row rows[] = {
        {{.option = ""}, IN(""), "", "utf-8", 0},
        {{.option = ""}, IN("Zo\xc3\xab"), "Zo\xc3\xab", "utf-8", 0},
        /* A mark wins over all, but for an option that is meant so. */
        {{.header = "iso-8859-1"}, IN("\xef\xbb\xbfZo\xc3\xab"), "Zo\xc3\xab", "utf-8", 0},
        {{.header = "iso-8859-1"},
         IN("\xff\xfe"
            "a\0\xeb\0"),
         "a\xc3\xab",
         "utf-16le",
         0},
        {{.option = "windows-1252!"}, IN("\xff\xfe"), "\xc3\xbf\xc3\xbe", "windows-1252", 0},
        {{.option = "utf-8!"}, IN("\xef\xbb\xbfx"), "x", "utf-8", 0},
        {{.option = "utf-16!"}, IN("\xfe\xff\0x"), "x", "utf-16be", 0},
        {{.option = "utf-16le!"}, IN("\xff\xfe\0\0x\0"), "", "utf-16le", 0}, /* NUL, as C sees it */
        {{.option = ""}, IN("\0\0\xfe\xff\0\0\0x"), "x", "utf-32be", 0},
        {{.option = ""}, IN("\xff\xfe\0\0x\0\0\0"), "x", "utf-32le", 0},
        {{.option = ""}, IN("\x84\x31\x95\x33\xc4\xe3"), "\xe4\xbd\xa0", "gb18030", 0},
        /* Content-Type over the declaration, over the option. */
        {{.header = "windows-1251", .declares = true},
         IN("<?xml version='1.0' encoding='iso-8859-1'?><a>\xcf</a>"),
         "<?xml version='1.0' encoding='iso-8859-1'?><a>\xd0\x9f</a>",
         "windows-1251",
         0},
        {{.option = "koi8-r", .declares = true},
         IN("\n <?xml version=\"1.0\" encoding = \"windows-1251\"?>\xcf"),
         "\n <?xml version=\"1.0\" encoding = \"windows-1251\"?>\xd0\x9f",
         "windows-1251",
         0},
        {{.option = "windows-1251", .declares = true},
         IN("<?xml version='1.0'?>\xcf"),
         "<?xml version='1.0'?>\xd0\x9f",
         "windows-1251",
         0},
        {{.option = "koi8-r", .header = "utf-8"}, IN("\xc3\xab"), "\xc3\xab", "utf-8", 0},
        {{.option = "koi8-r"}, IN("\xc3"), "\xd1\x86", "koi8-r", 0},
        {{.option = "koi8-r!", .header = "utf-8"}, IN("\xc3"), "\xd1\x86", "koi8-r", 0},
        /* Zeros tell. */
        {{.option = ""}, IN("a\0\xe4\0"), "a\xc3\xa4", "utf-16le", 0},
        {{.option = ""}, IN("\0a\0b\0\xe4"), "ab\xc3\xa4", "utf-16be", 0},
        {{.option = ""}, IN("a\0\0\0b\0\0\0"), "ab", "utf-32le", 0},
        {{.header = "UTF-16"}, IN("\0a"), "a", "utf-16be", 0},
        {{.header = "UTF-16"}, IN("\x42\x30"), "\xe3\x81\x82", "utf-16le", 0},
        {{.header = "utf-32"}, IN("\0\1\xf6\0"), "\xf0\x9f\x98\x80", "utf-32be", 0},
        /* A declaration that cannot be true. */
        {{.declares = true},
         IN("<?xml version='1.0' encoding='utf-16'?>\xc3\xab"),
         "<?xml version='1.0' encoding='utf-16'?>\xc3\xab",
         "utf-8",
         0},
        {{.declares = true},
         IN("<?xml-stylesheet encoding='koi8-r'?>\xc3\xab"),
         "<?xml-stylesheet encoding='koi8-r'?>\xc3\xab",
         "utf-8",
         0},
        {{.declares = true}, IN("<?xml version='1.0'"), "<?xml version='1.0'", "utf-8", 0},
    };
    CHECK_ROWS(rows);
    struct charset_plan plan = {.declares = true};
    assert_true(run(&plan, IN("<?xml version='1.0' encoding='utf-16'?>"), 9, 64).contradicted);
    assert_false(run(&plan, IN("<?xml version='1.0' encoding='utf-8'?>"), 9, 64).contradicted);
}

static void test_charsets(void **state)
{
    static const struct row rows[] = {
        {{.option = "latin1"}, IN("\x80 \xe9"), "\xe2\x82\xac \xc3\xa9", "windows-1252", 0},
        {{.option = "iso-8859-15"}, IN("\xa4"), "\xe2\x82\xac", "iso-8859-15", 0},
        {{.option = "iso-8859-2"}, IN("\xb1"), "\xc4\x85", "iso-8859-2", 0},
        {{.option = "TIS-620"}, IN("\xa1"), "\xe0\xb8\x81", "tis-620", 0},
        {{.option = "shift_jis"},
         IN("\x93\xfa\x96\x7b\xb1\\"),
         "\xe6\x97\xa5\xe6\x9c\xac\xef\xbd\xb1\\",
         "shift_jis",
         0},
        {{.option = "euc-jp"}, IN("\xc6\xfc\xcb\xdc"), "\xe6\x97\xa5\xe6\x9c\xac", "euc-jp", 0},
        {{.option = "iso-2022-jp"},
         IN("a\x1b$BF|K\\\x1b(Bb"),
         "a\xe6\x97\xa5\xe6\x9c\xac"
         "b",
         "iso-2022-jp",
         0},
        {{.option = "iso-2022-jp"},
         IN("\x1b(I6E\x1b$BF|\x1b(Bb"),
         "\xef\xbd\xb6\xef\xbe\x85\xe6\x97\xa5"
         "b",
         "iso-2022-jp",
         0},
        {{.option = "iso-2022-kr"},
         IN("\x1b$)C\x0eGQ\x0f\nb"),
         "\xed\x95\x9c\nb",
         "iso-2022-kr",
         0},
        {{.option = "euc-kr"}, IN("\xc7\xd1"), "\xed\x95\x9c", "euc-kr", 0},
        {{.option = "gb2312"}, IN("\xc4\xe3\xba\xc3"), "\xe4\xbd\xa0\xe5\xa5\xbd", "gb18030", 0},
        {{.option = "gbk"}, IN("\x81\x40"), "\xe4\xb8\x82", "gb18030", 0},
        {{.option = "gb18030"}, IN("\x94\x39\xfc\x36"), "\xf0\x9f\x98\x80", "gb18030", 0},
        {{.option = "big5"}, IN("\xa7\x41\x88\x66"), "\xe4\xbd\xa0\xc3\x8a", "big5", 0},
        /* Letters that iconv would hold back for what they may combine with. */
        {{.option = "windows-1255"}, IN("\xe9\xe0"), "\xd7\x99\xd7\x90", "windows-1255", 0},
        {{.option = "windows-1255"}, IN("\xe9"), "\xd7\x99", "windows-1255", 0},
        {{.option = "windows-1258"}, IN("xa"), "xa", "windows-1258", 0},
        {{.option = "windows-1258"}, IN("a\xec"), "a\xcc\x81", "windows-1258", 0},
        {{.option = "tcvn"}, IN("A\xb0"), "A\xcc\x80", "tcvn", 0},
        {{.option = "ibm037"}, IN("\x81\x82\x25"), "ab\n", "ibm037", 0},
        {{.option = "utf-16le"}, IN("\x3d\xd8\x00\xde"), "\xf0\x9f\x98\x80", "utf-16le", 0},
        {{.option = "utf-8"},
         IN("\xf0\x9f\x98\x80\xe2\x82\xac"),
         "\xf0\x9f\x98\x80\xe2\x82\xac",
         "utf-8",
         0},
    };
    CHECK_ROWS(rows);
}

static void test_replacing(void **state)
{
    static const struct row rows[] = {
        {{.replace = true}, IN("a\xe9,b"), "a" BAD ",b", "utf-8", 1},
        {{.replace = true},
         IN("\xf0\x9f\x98x\xc0\xaf\xed\xa0\x80"),
         BAD "x" BAD BAD BAD BAD BAD,
         "utf-8",
         6},
        {{.replace = true}, IN("ok\xe2\x82"), "ok" BAD, "utf-8", 1},
        {{.replace = true}, IN("\xff"), BAD, "utf-8", 1},
        {{.replace = true}, IN("\xef\xbb"), BAD, "utf-8", 1},
        {{.replace = true, .option = "utf-16le"},
         IN("\x3d\xd8x\0\x00\xdcy\0z"),
         BAD "x" BAD "y" BAD,
         "utf-16le",
         3},
        {{.replace = true, .option = "utf-16be"}, IN("x\xd8"), "\xe7\xa3\x98", "utf-16be", 0},
        {{.replace = true, .option = "utf-16be!"}, IN("\xd8\x3d"), BAD, "utf-16be", 1},
        {{.replace = true, .option = "utf-32le!"},
         IN("x\0\0\0\0\0\x11\0\0\xd8\0\0yz"),
         "x" BAD BAD BAD,
         "utf-32le",
         3},
        {{.replace = true, .option = "windows-1252"}, IN("a\x81z"), "a" BAD "z", "windows-1252", 1},
        {{.replace = true, .option = "windows-1255"},
         IN("\xe9\xff\xe0"),
         "\xd7\x99" BAD "\xd7\x90",
         "windows-1255",
         1},
        {{.replace = true, .option = "shift_jis"}, IN("\x93\x20\xa0"), BAD " " BAD, "shift_jis", 2},
        {{.replace = true, .option = "euc-kr"},
         IN("\xc7\xd1\xff\xffx\xc7"),
         "\xed\x95\x9c" BAD "x" BAD,
         "euc-kr",
         2},
        {{.replace = true, .option = "gb18030"},
         IN("\xc4\xe3\x80\xff"),
         "\xe4\xbd\xa0" BAD,
         "gb18030",
         1},
        {{.replace = true, .option = "iso-2022-jp"},
         IN("a\x1b(Xb\x1b$BF|F\x1b(Bc\x1b"),
         "a" BAD "(Xb\xe6\x97\xa5" BAD "c" BAD,
         "iso-2022-jp",
         3},
    };
    CHECK_ROWS(rows);
}

/* Everything before the fault is given, whatever the pieces; and the fault says where and what to
 * do. */
static void test_failing(void **state)
{
    static const struct {
        struct charset_plan plan;
        const char *in;
        size_t len;
        const char *out;
        uint64_t offset;
        const char *message;
    } rows[] = {
        {{.option = ""},
         IN("a\nZo\xeb,1"),
         "a\nZo",
         4,
         "byte 0xeb at offset 4 is no text in utf-8; charset = NAME says"},
        {{.option = ""}, IN("\xef\xbb\xbfZo\xeb,1"), "Zo", 5, "byte 0xeb at offset 5"},
        {{.header = "utf8"},
         IN("ok\xe2\x82"),
         "ok",
         2,
         "0xe2 0x82 at offset 2 are no text in utf-8, and the body ends"},
        {{.option = "utf-16le"},
         IN("o\0k\0x"),
         "ok",
         4,
         "byte 0x78 at offset 4 is no text in utf-16le"},
        {{.option = "windows-1255"}, IN("\xe9\xff"), "\xd7\x99", 1, "byte 0xff at offset 1"},
        {{.option = "gb18030"}, IN("\xc4\xe3\xff"), "\xe4\xbd\xa0", 2, "offset 2"},
        /* Not letters and brackets in place of what it would have led to. */
        {{.option = "iso-2022-jp"}, IN("ok\x1b[31m"), "ok", 2, "byte 0x1b at offset 2"},
        {{.option = "iso-2022-jp"},
         IN("\x1b$BF|\x1b(X"),
         "\xe6\x97\xa5",
         5,
         "byte 0x1b at offset 5"},
        {{.option = "iso-2022-jp"}, IN("\x1b$BF\x1b(Bx"), "", 3, "byte 0x46 at offset 3"},
        {{.option = "iso-2022-kr"}, IN("ok\x1b$)X"), "ok", 2, "byte 0x1b at offset 2"},
        {{.header = "x-nobody"},
         IN("ok"),
         "",
         0,
         "Content-Type says that the text is in the charset 'x-nobody', which"},
        {{.declares = true}, IN("<?xml encoding='klingon'?>"), "", 0, "the document says that"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        for (size_t chunk = 1; chunk <= rows[i].len; chunk++) {
            struct outcome o =
                run(&rows[i].plan, rows[i].in, rows[i].len, chunk, chunk % 2 ? 64 : 3);
            assert_int_equal(o.fault, TRANSCODE_WRONG);
            assert_string_equal(o.text, rows[i].out);
            assert_int_equal(o.offset, rows[i].offset);
            if (!strstr(o.message, rows[i].message))
                fail_msg("%s", o.message);
        }
}

static void test_broken_source(void **state)
{
    static const char *const options[] = {"", "windows-1252", "utf-16", "euc-jp"};
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        struct charset_plan plan = {.replace = true};
        struct source source = {"abcd", 4, 3, true};
        char data[64];
        ssize_t n;
        snprintf(plan.option, sizeof plan.option, "%s", options[i]);
        struct transcode *t = transcode_new(&plan, give, &source);
        while ((n = transcode_read(t, data, sizeof data)) > 0)
            ;
        assert_int_equal(n, -1);
        assert_int_equal(transcode_fault(t), TRANSCODE_BROKEN_SOURCE);
        assert_string_equal(transcode_message(t), "");
        transcode_free(t);
    }
}

/* --- names ------------------------------------------------------------------------------------ */

static void test_names(void **state)
{
    static const char *const same[][2] = {{"utf8", "utf-8"},
                                          {"UTF_8", "utf-8"},
                                          {"Utf8", "utf-8"},
                                          {"us-ascii", "utf-8"},
                                          {"Latin-1", "windows-1252"},
                                          {"ISO_8859-1:1987", "windows-1252"},
                                          {"cp1251", "windows-1251"},
                                          {"x-sjis", "shift_jis"},
                                          {"ks_c_5601-1987", "euc-kr"},
                                          {"Windows-31J", "shift_jis"},
                                          {"gb_2312-80", "gb18030"},
                                          {"csISO885915", "iso-8859-15"},
                                          {"csISO88598I", "iso-8859-8"},
                                          {"csHPRoman8", "hp-roman8"},
                                          {"csPCp855", "ibm855"},
                                          {"csUCS4", "utf-32"},
                                          {"u16", "utf-16"},
                                          {"tis620.2529-1", "tis-620"}};
    struct error err;
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        assert_non_null(charset_find(same[i][0]));
        assert_string_equal(charset_find(same[i][0])->name, same[i][1]);
        assert_int_equal(charset_check(same[i][0], &err), 0);
    }
    assert_int_equal(charset_check("koi8-r!", &err), 0);
    static const char *const wrong[] = {"",       "!",       "klingon", "utf-8//IGNORE",
                                        "utf!-8", "utf-8!!", "../../x"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(charset_check(wrong[i], &err), -EINVAL);
        assert_non_null(strstr(err.text, "is no charset that is known here"));
    }
}

/* Each name of the list is one that the C library has, and its ASCII or EBCDIC letters are
 * letters. */
static void test_all_open(void **state)
{
    static const char *const names[] = {
        "gb18030",      "big5",         "euc-jp",       "iso-2022-jp",  "shift_jis",
        "euc-kr",       "windows-1250", "windows-1251", "windows-1252", "windows-1253",
        "windows-1254", "windows-1255", "windows-1256", "windows-1257", "windows-1258",
        "windows-874",  "iso-8859-2",   "iso-8859-3",   "iso-8859-4",   "iso-8859-5",
        "iso-8859-6",   "iso-8859-7",   "iso-8859-8",   "iso-8859-10",  "iso-8859-11",
        "iso-8859-13",  "iso-8859-14",  "iso-8859-15",  "iso-8859-16",  "koi8-r",
        "koi8-u",       "koi8-t",       "tis-620",      "macintosh",    "x-mac-cyrillic",
        "ibm437",       "ibm737",       "ibm775",       "ibm850",       "ibm852",
        "ibm855",       "ibm857",       "ibm858",       "ibm860",       "ibm861",
        "ibm862",       "ibm863",       "ibm864",       "ibm865",       "ibm866",
        "ibm869",       "armscii-8",    "georgian-ps",  "hp-roman8",    "pt154",
        "rk1048",       "viscii",       "tcvn",         "euc-tw",       "johab",
        "iso-2022-kr"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct charset_plan plan = {.replace = false};
        snprintf(plan.option, sizeof plan.option, "%s!", names[i]);
        struct outcome o = run(&plan, IN("penstock, 7\n"), 5, 64);
        if (o.fault != TRANSCODE_FINE)
            fail_msg("%s: %s", names[i], o.message);
        assert_string_equal(o.text, "penstock, 7\n");
        assert_string_equal(o.charset, names[i]);
    }
    struct charset_plan plan = {.option = "ibm1047!"};
    assert_string_equal(run(&plan, IN("\x97\x85\x95"), 1, 64).text, "pen");
    struct charset_plan other = {.option = "cp500!"};
    assert_string_equal(run(&other, IN("\x97\x85\x95"), 1, 64).text, "pen");
}

static void test_content_type(void **state)
{
    static const char *const rows[][2] = {
        {NULL, ""},
        {"", ""},
        {"text/csv", ""},
        {"text/csv; charset=iso-8859-1", "iso-8859-1"},
        {"text/csv;charset = \"utf-8\" ; x=y", "utf-8"},
        {"text/csv; header=\"a;charset=b\"; CHARSET=koi8-r", "koi8-r"},
        {"text/csv; charset='utf-8'", "utf-8"},
        {"text/csv; charset=", ""},
        {"text/csv; charset", ""},
        {"text/csv; charset=\"u\\tf-8\"", "utf-8"},
        {"text/csv; xcharset=a; charset=b; charset=c", "b"},
        {"text/csv;;; charset=utf-8,", "utf-8"},
    };
    char label[CHARSET_LABEL];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        charset_of_type(rows[i][0], label);
        assert_string_equal(label, rows[i][1]);
    }
    char long_type[200] = "text/csv; charset=";
    memset(long_type + strlen(long_type), 'x', 100);
    charset_of_type(long_type, label);
    assert_int_equal(strlen(label), CHARSET_LABEL - 1);
}

/* --- much of it ------------------------------------------------------------------------------- */

/* Longer than any buffer, cut at all kinds of places: as iconv makes of the whole. */
static void test_long(void **state)
{
    static const char *const names[] = {"UTF-8",     "CP1251",      "UTF-16LE", "UTF-32BE",
                                        "EUC-JP-MS", "ISO-2022-JP", "GB18030"};
    static const char word[] = "sch\xc3\xb6n \xe6\x97\xa5\xe6\x9c\xac \xd0\x9f\xd1\x80\xd0\xb8 ";
    enum { WORDS = 20000, SIZE = WORDS * sizeof word };
    char *text = malloc(SIZE), *in = malloc(4 * SIZE), *out = malloc(SIZE + 4096);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        size_t len = 0, skip = i == 1 ? 13 : 0; /* Cyrillic alone */
        if (i >= 4)
            skip = 7;
        for (size_t w = 0; w < WORDS; w++) {
            memcpy(text + len, word + skip, sizeof word - 1 - skip);
            len += sizeof word - 1 - skip;
        }
        iconv_t cd = iconv_open(names[i], "UTF-8");
        char *from = text, *to = in;
        size_t from_left = len, to_left = 4 * (size_t)SIZE;
        assert_int_equal(iconv(cd, &from, &from_left, &to, &to_left), 0);
        iconv(cd, NULL, NULL, &to, &to_left);
        iconv_close(cd);
        for (size_t chunk = 8191; chunk < 200000; chunk = chunk * 2 + 3) {
            struct charset_plan plan = {.replace = false};
            struct source source = {in, (size_t)(to - in), chunk, false};
            snprintf(plan.option, sizeof plan.option, "%s!", names[i]);
            struct transcode *t = transcode_new(&plan, give, &source);
            size_t got = 0;
            ssize_t n;
            while ((n = transcode_read(t, out + got, 4096)) > 0)
                got += (size_t)n;
            assert_int_equal(n, 0);
            assert_int_equal(got, len);
            assert_memory_equal(out, text, len);
            transcode_free(t);
        }
    }
    free(text);
    free(in);
    free(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rule),          cmocka_unit_test(test_charsets),
        cmocka_unit_test(test_replacing),     cmocka_unit_test(test_failing),
        cmocka_unit_test(test_broken_source), cmocka_unit_test(test_names),
        cmocka_unit_test(test_all_open),      cmocka_unit_test(test_content_type),
        cmocka_unit_test(test_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
