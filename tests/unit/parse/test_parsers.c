/* The built-in parsers on tables of inputs: each in chunks of several sizes, and each cut at every
 * byte. */
#include "samples.h"

/* --- lines ------------------------------------------------------------------------------------ */

static void test_lines(void **state)
{
    static const struct sample samples[] = {
        WELL(NULL, "", ""),
        WELL(NULL, "a", "{\"line\":1,\"text\":\"a\"}\n"),
        WELL(NULL, "a\n", "{\"line\":1,\"text\":\"a\"}\n"),
        WELL(NULL, "\n\nb\n",
             "{\"line\":1,\"text\":\"\"}\n{\"line\":2,\"text\":\"\"}\n{\"line\":3,\"text\":\"b\"}"
             "\n"),
        WELL("skip_empty=yes", "\n\r\nb\n\n", "{\"line\":3,\"text\":\"b\"}\n"),
        WELL(NULL, "a\r\nb\rc\r\r\nd\r",
             "{\"line\":1,\"text\":\"a\"}\n{\"line\":2,\"text\":\"b\\rc\\r\"}\n{\"line\":3,"
             "\"text\":\"d\\r\"}\n"),
        WELL(NULL, "\xef\xbb\xbfüber \"x\" \\\n",
             "{\"line\":1,\"text\":\"über \\\"x\\\" \\\\\"}\n"),
        WELL(NULL, "\xef\xbb\xbf", ""),
        WELL("charset_errors=replace", "\xef\xbb", "{\"line\":1,\"text\":\"\xef\xbf\xbd\"}\n"),
        WELL("charset_errors=replace", "\xef\xbbz\n", "{\"line\":1,\"text\":\"\xef\xbf\xbdz\"}\n"),
        FAILS(NULL, "a\nb\xff\n", "{\"line\":1,\"text\":\"a\"}\n", KIND_DECODE_ERROR, 0,
              "byte 0xff at offset 3 is no text in utf-8"),
        FAILS("match=x", "a\xff\n", "", KIND_DECODE_ERROR, 0, "0xff"),
        WELL("charset=windows-1252\nmatch=caf.$", "caf\xe9\ncaff\xe9\n",
             "{\"line\":1,\"text\":\"café\"}\n"),
        WELL("charset_errors=replace\nexclude=^.$", "\xff\n", ""),
        WELL("charset_errors=replace", "a\xff\xfe\xe4\xbd\n",
             "{\"line\":1,\"text\":\"a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"}\n"),
        WELL(NULL, "nul\0and\x01\n", "{\"line\":1,\"text\":\"nul\\u0000and\\u0001\"}\n"),
        WELL("max_line=3", "abc\r\nabc\nabc",
             "{\"line\":1,\"text\":\"abc\"}\n{\"line\":2,\"text\":\"abc\"}\n{\"line\":3,\"text\":"
             "\"abc\"}\n"),
        FAILS("max_line=3", "a\nabcd\n", "{\"line\":1,\"text\":\"a\"}\n", KIND_LIMIT_EXCEEDED, 2,
              "3 bytes (option max_line)"),
        FAILS("max_line=3", "a\n\nabcd",
              "{\"line\":1,\"text\":\"a\"}\n{\"line\":2,\"text\":\"\"}\n", KIND_LIMIT_EXCEEDED, 3,
              NULL),
    };
    CHECK(&parser_lines, samples);
}

/* --- ndjson ----------------------------------------------------------------------------------- */

static void test_ndjson(void **state)
{
    static const struct sample samples[] = {
        WELL(NULL, "", ""),
        WELL(NULL, "\n \t\r\n", ""),
        WELL(NULL, "1", "1\n"),
        WELL(NULL, "{\"b\":1,\"a\":[2, 3]}\n\n  \"x\" \r\nnull\n",
             "{\"b\":1,\"a\":[2, 3]}\n\"x\"\nnull\n"),
        WELL(NULL, "\xef\xbb\xbf[]\n{}\n", "[]\n{}\n"),
        WELL(NULL, "12345678901234567890.00\n-0.0e-00\n", "12345678901234567890.00\n-0.0e-00\n"),
        WELL(NULL, "[1,\r2]\n", "[1,2]\n"),
        WELL(NULL, "\"\\ud800 ü\"\n", "\"\\ud800 ü\"\n"),
        FAILS(NULL, "1\n\"\xff\"\n", "1\n", KIND_DECODE_ERROR, 0, "offset 3"),
        FAILS("on_error=skip", "1\n\"\xff\"\n", "1\n", KIND_DECODE_ERROR, 0, "offset 3"),
        WELL("charset=utf-16", "1\0\n\0", "1\n"),
        WELL("charset_errors=replace", "\"\xff\xe4\xbd z\xc0\x80\"\n",
             "\"\xef\xbf\xbd\xef\xbf\xbd z\xef\xbf\xbd\xef\xbf\xbd\"\n"),
        FAILS("charset_errors=replace", "1\n\xff\n", "1\n", KIND_PARSER_FAILED, 2, NULL),
        FAILS(NULL, "1\n\n{\"a\":}\n2\n", "1\n", KIND_PARSER_FAILED, 3, NULL),
        FAILS(NULL, "{\"a\":1\n}", "", KIND_PARSER_FAILED, 1, "cut short"),
        FAILS(NULL, "[1]\n\"abc", "[1]\n", KIND_PARSER_FAILED, 2, "cut short"),
        FAILS(NULL, "1 2\n", "", KIND_PARSER_FAILED, 1, "more than one"),
        WELL("on_error=skip", "1\n{\n2\nx\n3",
             "1\n2\n3\n{\"skipped\":2,\"line\":2,\"reason\":\"the JSON value is cut short\"}\n"),
        WELL("on_error=skip", "1\n2\n", "1\n2\n"),
        WELL("on_error=skip", "\n \n", ""),
        FAILS("on_error=skip", "<html>\n<p>no\n", "", KIND_PARSER_FAILED, 1,
              "no line is a JSON value; the first of 2: no JSON value"),
        WELL("max_depth=2", "[[1]]\n", "[[1]]\n"),
        FAILS("max_depth=2", "[[1]]\n[[[1]]]\n", "[[1]]\n", KIND_LIMIT_EXCEEDED, 2,
              "nested deeper than 2 levels (option max_depth)"),
        FAILS("max_depth=2\non_error=skip", "1\n[[[1]]]\n", "1\n", KIND_LIMIT_EXCEEDED, 2,
              "max_depth"),
        FAILS("max_line=4", "1234\n12345\n", "1234\n", KIND_LIMIT_EXCEEDED, 2, NULL),
        FAILS("max_line=4\non_error=skip", "x\n12345\n", "", KIND_LIMIT_EXCEEDED, 2, NULL),
    };
    CHECK(&parser_ndjson, samples);
}

static void test_ndjson_depth(void **state)
{
    char line[300];
    for (int depth = 126; depth <= 131; depth++) {
        memset(line, '[', (size_t)depth);
        memset(line + depth, ']', (size_t)depth);
        struct harness h;
        harness_init(&h, &parser_ndjson, NULL);
        harness_run(&h, line, 2 * (size_t)depth);
        assert_int_equal(h.task.result, depth <= 128 ? PENSTOCK_OK : PENSTOCK_FAILED);
        if (depth > 128)
            assert_non_null(strstr(h.task.message, "nested deeper than 128 levels"));
        harness_deinit(&h);
    }
}

/* The offset of an error is a byte of the body. */
static void test_ndjson_offset(void **state)
{
    struct harness h;
    const char *input = "[1]\n  {\"a\" 2}\n";
    harness_init(&h, &parser_ndjson, NULL);
    harness_run(&h, input, strlen(input));
    assert_int_equal(h.task.result, PENSTOCK_FAILED);
    assert_in_range(h.task.offset, 10, 13);
    harness_deinit(&h);
}

/* --- fixed ------------------------------------------------------------------------------------ */

static void test_fixed(void **state)
{
    static const struct sample samples[] = {
        WELL(NULL, "ab \n\n cd", "{\"text\":\"ab\"}\n{\"text\":\"cd\"}\n"),
        WELL("columns=id:3 name:5", "  1Zoë  \r\n22 b\n",
             "{\"id\":\"1\",\"name\":\"Zoë\"}\n{\"id\":\"22\",\"name\":\"b\"}\n"),
        WELL("columns=a:1,-:2,b:2", "1xx22\n", "{\"a\":\"1\",\"b\":\"22\"}\n"),
        WELL("columns=-:1 a:1 a:1", "xyz\n", "{\"a\":\"y\",\"a_2\":\"z\"}\n"),
        WELL("columns=a:2 b:2", "1\n12\n123\n1234  \n12345\n",
             "{\"a\":\"1\"}\n{\"a\":\"12\"}\n{\"a\":\"12\",\"b\":\"3\"}\n{\"a\":\"12\",\"b\":"
             "\"34\"}\n"
             "{\"a\":\"12\",\"b\":\"34\",\"_extra\":\"5\"}\n"),
        WELL("columns=a:1 b:*", "x y z \n", "{\"a\":\"x\",\"b\":\"y z\"}\n"),
        WELL("columns=a:1 b:*\ntrim=no\nragged=fail", "x y z \nx\n",
             "{\"a\":\"x\",\"b\":\" y z \"}\n{\"a\":\"x\"}\n"),
        WELL("columns=a:2\ntrim=no", "é \"x", "{\"a\":\"é \",\"_extra\":\"\\\"x\"}\n"),
        FAILS("columns=a:1 b:2\nragged=fail", "123\n12\n", "{\"a\":\"1\",\"b\":\"23\"}\n",
              KIND_PARSER_FAILED, 2, "ends before its last column"),
        FAILS("columns=a:1 -:2\nragged=fail", "1\n", "", KIND_PARSER_FAILED, 1, "ends before"),
        FAILS("columns=a:1\nragged=fail", "é\n12\n", "{\"a\":\"é\"}\n", KIND_PARSER_FAILED, 2,
              "is longer than its columns"),
        WELL("columns=a:1\ncomment=#\nskip_lines=2", "x\n\n#\n1\n#2", "{\"a\":\"1\"}\n"),
        WELL("columns=a:1\ncharset=utf-16", "1\0\n\0", "{\"a\":\"1\"}\n"),
        FAILS("columns=a:1\nmax_line=2", "1\n123\n", "{\"a\":\"1\"}\n", KIND_LIMIT_EXCEEDED, 2,
              "max_line"),
        FAILS(NULL, "a\nb\xff\n", "{\"text\":\"a\"}\n", KIND_DECODE_ERROR, 0, "offset 3"),
    };
    CHECK(&parser_fixed, samples);
}

/* --- csv -------------------------------------------------------------------------------------- */

static void test_csv_objects(void **state)
{
    static const struct sample samples[] = {
        WELL(NULL, "", ""),
        WELL(NULL, "a,b\n", ""),
        WELL(NULL, "a,b\n1,2\n3,4", "{\"a\":\"1\",\"b\":\"2\"}\n{\"a\":\"3\",\"b\":\"4\"}\n"),
        WELL(NULL, "a,b\r\n1,2\r\n\r\n3,4\r\n",
             "{\"a\":\"1\",\"b\":\"2\"}\n{\"a\":\"3\",\"b\":\"4\"}\n"),
        WELL(NULL, "a,b\r1,2\r3,4\r", "{\"a\":\"1\",\"b\":\"2\"}\n{\"a\":\"3\",\"b\":\"4\"}\n"),
        WELL(NULL, "\xef\xbb\xbf\"a\",b\n1,\"2\"", "{\"a\":\"1\",\"b\":\"2\"}\n"),
        WELL(NULL, "\n\r\n\na\n\n1\n\n", "{\"a\":\"1\"}\n"),
        WELL(NULL, "a,a,a_2,,\n1,2,3,4,5\n",
             "{\"a\":\"1\",\"a_2\":\"2\",\"a_2_2\":\"3\",\"\":\"4\",\"_2\":\"5\"}\n"),
        WELL(NULL, "a,b\n1\n1,2,3,4\n",
             "{\"a\":\"1\"}\n{\"a\":\"1\",\"b\":\"2\",\"_extra\":[\"3\",\"4\"]}\n"),
        WELL(NULL, "_extra\n1,2\n", "{\"_extra\":\"1\",\"_extra_2\":[\"2\"]}\n"),
        FAILS("ragged=fail", "a,b\n1,2\n\n\n1\n", "{\"a\":\"1\",\"b\":\"2\"}\n", KIND_PARSER_FAILED,
              5, "1 fields, 2 were expected"),
        FAILS(NULL, "a\n1\n\xff\n", "{\"a\":\"1\"}\n", KIND_DECODE_ERROR, 0, "offset 4"),
        WELL("charset=windows-1252", "\xe4\n\"\xe9\"\n", "{\"ä\":\"é\"}\n"),
        WELL("charset_errors=replace", "a\n\xff\n\"\xc3\xa9\xc3\"\n",
             "{\"a\":\"\xef\xbf\xbd\"}\n{\"a\":\"é\xef\xbf\xbd\"}\n"),
        WELL("comment=#", "#x\n#\"\r\na,b\r\n#,\n1,#2\n\"#3\",4\n #5\n#",
             "{\"a\":\"1\",\"b\":\"#2\"}\n{\"a\":\"#3\",\"b\":\"4\"}\n{\"a\":\" #5\"}\n"),
        FAILS("comment=#\nragged=fail", "#c\r\na,b\r#c\r\r\n#\n1\n", "", KIND_PARSER_FAILED, 6,
              "1 fields"),
        FAILS("quotes=strict", "a\n#\n\"b\"c\n", "{\"a\":\"#\"}\n", KIND_PARSER_FAILED, 3,
              "text follows a closing quote (option quotes)"),
        FAILS("quotes=strict", "a\nb\"c\"\n", "", KIND_PARSER_FAILED, 2,
              "a quote stands in a field that does not begin with one"),
        WELL("quotes=strict", "a\n\"b\"\"c\"\n\"\"\n", "{\"a\":\"b\\\"c\"}\n{\"a\":\"\"}\n"),
        WELL("skip_lines=2", "x,\"y\r\n\r\na\r\n1\r\n", "{\"a\":\"1\"}\n"),
        WELL("skip_lines=3", "x\ry\n\na\n1", "{\"a\":\"1\"}\n"),
        WELL("skip_lines=3", "\n\nx", ""),
        FAILS("skip_lines=1\nragged=fail", "x\r\na\r\n1,2\r\n", "", KIND_PARSER_FAILED, 3,
              "2 fields"),
        WELL("skip_lines=1\nmax_record=4", "a longer one\na\n1", "{\"a\":\"1\"}\n"),
        WELL("comment=#\nmax_record=4", "# a longer one\na\n1", "{\"a\":\"1\"}\n"),
        WELL(NULL, "a\0b\n1\n", "{\"a\\u0000b\":\"1\"}\n"),
    };
    CHECK(&parser_csv, samples);
}

/* What follows a closing quote is not lost, and not silent. */
static void test_csv_repaired(void **state)
{
    static const char input[] = "a,b\n\"1\"x,\"2\"y\"z\"\n5\" disk,\"6\"\n";
    struct harness h;
    for (size_t chunk = 1; chunk <= sizeof input; chunk++) {
        harness_init(&h, &parser_csv, NULL);
        h.chunk = chunk;
        harness_run(&h, input, sizeof input - 1);
        assert_string_equal(h.records.data, "{\"a\":\"1x\",\"b\":\"2y\\\"z\\\"\"}\n"
                                            "{\"a\":\"5\\\" disk\",\"b\":\"6\"}\n");
        assert_int_equal(h.task.repaired, 2);
        harness_deinit(&h);
    }
}

static void test_csv_arrays(void **state)
{
    static const struct sample samples[] = {
        WELL("header=no", "a,b\n1\n,\n\"\"\n", "[\"a\",\"b\"]\n[\"1\"]\n[\"\",\"\"]\n[\"\"]\n"),
        WELL("header=no", "1,", "[\"1\",\"\"]\n"),
        WELL("header=no", "\"\"", "[\"\"]\n"),
        WELL("header=no", "\"a\nb\",\"c\r\nd\",\"e\rf\"\n", "[\"a\\nb\",\"c\\r\\nd\",\"e\\rf\"]\n"),
        WELL("header=no", "\"a\"\"b\",\"\"\"\",\"\"\"\"\"\"\n",
             "[\"a\\\"b\",\"\\\"\",\"\\\"\\\"\"]\n"),
        MENDED("header=no", "a\"b,\"c\"d\"e,\"f\" ,g\n", "[\"a\\\"b\",\"cd\\\"e\",\"f \",\"g\"]\n",
               2),
        WELL("header=no", " a , \"b\"\n", "[\" a \",\" \\\"b\\\"\"]\n"),
        WELL("header=no\ndelimiter=tab", "a\tb,c\n", "[\"a\",\"b,c\"]\n"),
        WELL("header=no\ndelimiter=\\t", "a\tb\n", "[\"a\",\"b\"]\n"),
        WELL("header=no\ndelimiter=;\nquote='", "'a;''b';c\n", "[\"a;'b\",\"c\"]\n"),
        WELL("header=no\nquote=none", "\"a,b\"\n", "[\"\\\"a\",\"b\\\"\"]\n"),
        WELL("header=no\ndelimiter=|", "a|b\r\n", "[\"a\",\"b\"]\n"),
        FAILS("header=no\nragged=fail", "1,2\n3,4\n5\n", "[\"1\",\"2\"]\n[\"3\",\"4\"]\n",
              KIND_PARSER_FAILED, 3, "1 fields, 2 were expected"),
    };
    CHECK(&parser_csv, samples);
}

static void test_csv_faults(void **state)
{
    static const struct sample samples[] = {
        FAILS("header=no", "a\n\"b\nc\n", "[\"a\"]\n", KIND_PARSER_FAILED, 2, "not closed"),
        FAILS("header=no", "a\r\n\"x\r\ny\"\r\nb,\"", "[\"a\"]\n[\"x\\r\\ny\"]\n",
              KIND_PARSER_FAILED, 4, "not closed"),
        FAILS("header=no", "a\r\"x\ry\"\rb,\"\"\"", "[\"a\"]\n[\"x\\ry\"]\n", KIND_PARSER_FAILED, 4,
              "not closed"),
        FAILS("header=no\nmax_record=3", "abc\nabcd\n", "[\"abc\"]\n", KIND_LIMIT_EXCEEDED, 2,
              "max_record"),
        FAILS("header=no\nmax_record=3", "a\n\"b\n\nc", "[\"a\"]\n", KIND_LIMIT_EXCEEDED, 2,
              "max_record"),
        FAILS("header=no\nmax_fields=2", "1,2\n1,2,3\n", "[\"1\",\"2\"]\n", KIND_LIMIT_EXCEEDED, 2,
              "max_fields"),
        FAILS("max_fields=2", "a,b,c\n", "", KIND_LIMIT_EXCEEDED, 1, "max_fields"),
    };
    CHECK(&parser_csv, samples);
}

/* As many columns of one name as are allowed: no quadratic search for the next number. */
static void test_csv_many_columns_of_one_name(void **state)
{
    struct buf text = BUF_INIT;
    struct harness h;
    for (int i = 0; i < 65535; i++)
        buf_puts(&text, "a,");
    buf_puts(&text, "a\n1\n");
    harness_init(&h, &parser_csv, "max_fields=65536");
    harness_run(&h, text.data, text.len);
    assert_int_equal(h.task.result, PENSTOCK_OK);
    assert_string_equal(h.records.data, "{\"a\":\"1\"}\n");
    harness_deinit(&h);
    buf_deinit(&text);
}

/* --- count ------------------------------------------------------------------------------------ */

static void test_count(void **state)
{
    static const struct sample samples[] = {
        WELL(NULL, "", "{\"bytes\":0,\"lines\":0,\"words\":0}\n"),
        WELL(NULL, "one two\nthree", "{\"bytes\":13,\"lines\":1,\"words\":3}\n"),
        WELL(NULL, " \t\n\v\f\r \n", "{\"bytes\":8,\"lines\":2,\"words\":0}\n"),
        WELL(NULL, "a\0b \x80 \x80z\x80q\n", "{\"bytes\":11,\"lines\":1,\"words\":2}\n"),
    };
    CHECK(&parser_count, samples);
}

/* What `words` means, a byte after the other. */
static void count_plainly(const char *p, size_t len, char *record, size_t size)
{
    size_t lines = 0, words = 0;
    bool in_word = false;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)p[i];
        lines += c == '\n';
        if (c == ' ' || (c >= 9 && c <= 13))
            in_word = false;
        else if (c > ' ' && c < 127 && !in_word)
            words += in_word = true;
    }
    snprintf(record, size, "{\"bytes\":%zu,\"lines\":%zu,\"words\":%zu}\n", len, lines, words);
}

static void test_count_any_bytes(void **state)
{
    static const char few[] = " \n\tab\x80\x01";
    char data[1000], record[128];
    unsigned seed = 7;
    for (int round = 0; round < 400; round++) {
        size_t len = (size_t)rand_r(&seed) % sizeof data;
        for (size_t i = 0; i < len; i++)
            data[i] =
                round % 2 ? (char)rand_r(&seed) : few[(size_t)rand_r(&seed) % (sizeof few - 1)];
        struct harness h;
        harness_init(&h, &parser_count, NULL);
        h.chunk = 1 + (size_t)rand_r(&seed) % 300;
        harness_run(&h, data, len);
        count_plainly(data, len, record, sizeof record);
        assert_string_equal(h.records.data, record);
        harness_deinit(&h);
    }
}

/* --- options ---------------------------------------------------------------------------------- */

struct bad_option {
    const struct penstock_parser *parser;
    const char *name, *value;
};

static const char *get_option(void *arg, const char *name)
{
    const struct bad_option *bad = arg;
    if (bad->name && strcmp(name, bad->name) == 0)
        return bad->value;
    for (const struct penstock_option *o = bad->parser->options; o->name; o++)
        if (strcmp(o->name, name) == 0)
            return o->standard;
    fail_msg("%s asks for an option that it does not list: %s", bad->parser->name, name);
    return NULL;
}

static void test_bad_options(void **state)
{
    static const struct bad_option bads[] = {
        {&parser_csv, "delimiter", ""},
        {&parser_csv, "delimiter", "ab"},
        {&parser_csv, "delimiter", "\n"},
        {&parser_csv, "delimiter", "\xc3"},
        {&parser_csv, "delimiter", "none"},
        {&parser_csv, "delimiter", "\""},
        {&parser_csv, "quote", ","},
        {&parser_csv, "quote", ""},
        {&parser_fixed, "columns", ""},
        {&parser_fixed, "columns", "a"},
        {&parser_fixed, "columns", "a:0"},
        {&parser_fixed, "columns", "a:-1"},
        {&parser_fixed, "columns", ":3"},
        {&parser_fixed, "columns", "a:* b:1"},
        {&parser_fixed, "columns", "-:1"},
        {&parser_fixed, "columns", "a:1x"},
        {&parser_fixed, "columns", "a:9999999"},
        {&parser_fixed, "comment", "##"},
        {&parser_csv, "comment", ","},
        {&parser_csv, "comment", "//"},
        {&parser_csv, "quotes", "loose"},
        {&parser_csv, "skip_lines", "-1"},
        {&parser_csv, "header", "maybe"},
        {&parser_csv, "ragged", "drop"},
        {&parser_csv, "max_fields", "0"},
        {&parser_csv, "max_fields", "65537"},
        {&parser_csv, "max_record", "1T"},
        {&parser_lines, "max_line", "0"},
        {&parser_lines, "max_line", "-1"},
        {&parser_lines, "max_line", "65M"},
        {&parser_lines, "skip_empty", ""},
        {&parser_ndjson, "on_error", "ignore"},
        {&parser_ndjson, "max_line", "many"},
    };
    for (size_t i = 0; i < sizeof bads / sizeof bads[0]; i++) {
        char message[256] = "";
        struct bad_option bad = bads[i], good = {bad.parser, NULL, NULL};
        assert_int_not_equal(bad.parser->check(get_option, &bad, message, sizeof message), 0);
        assert_non_null(strstr(message, "option \""));
        assert_int_equal(bad.parser->check(get_option, &good, message, sizeof message), 0);
    }
}

/* --- larger than any buffer ------------------------------------------------------------------- */

static void test_long_lines(void **state)
{
    struct buf text = BUF_INIT, wanted = BUF_INIT;
    for (int i = 1; i <= 40; i++) {
        buf_printf(&wanted, "{\"line\":%d,\"text\":\"", i);
        for (int j = 0; j < i * 997; j++) {
            char c = (char)('a' + (i + j) % 26);
            buf_putc(&text, c);
            buf_putc(&wanted, c);
        }
        buf_puts(&text, i % 2 ? "\n" : "\r\n");
        buf_puts(&wanted, "\"}\n");
    }
    struct harness h;
    harness_init(&h, &parser_lines, NULL);
    harness_run(&h, text.data, text.len);
    assert_string_equal(h.records.data, wanted.data);
    harness_deinit(&h);
    buf_deinit(&text);
    buf_deinit(&wanted);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_long_lines),
        cmocka_unit_test(test_ndjson),
        cmocka_unit_test(test_ndjson_depth),
        cmocka_unit_test(test_ndjson_offset),
        cmocka_unit_test(test_csv_objects),
        cmocka_unit_test(test_fixed),
        cmocka_unit_test(test_csv_repaired),
        cmocka_unit_test(test_csv_arrays),
        cmocka_unit_test(test_csv_faults),
        cmocka_unit_test(test_csv_many_columns_of_one_name),
        cmocka_unit_test(test_count),
        cmocka_unit_test(test_count_any_bytes),
        cmocka_unit_test(test_bad_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
