/* Each option of each built-in parser: what it takes by itself, and a sentence that names it for
 * what it does not take, however little room there is for that. */
#include "harness.h"

static const struct penstock_parser *const parsers[] = {
    &parser_count, &parser_lines, &parser_csv,   &parser_ndjson,  &parser_json, &parser_digest,
    &parser_xml,   &parser_feed,  &parser_fixed, &parser_archive, &parser_warc};
#define PARSERS (sizeof parsers / sizeof parsers[0])

struct asked {
    const struct penstock_parser *parser;
    const char *name, *value; /* of the one that is not its standard */
};

static const char *get(void *arg, const char *name)
{
    const struct asked *a = arg;
    if (a->name && strcmp(name, a->name) == 0)
        return a->value;
    for (const struct penstock_option *o = a->parser->options; o && o->name; o++)
        if (strcmp(o->name, name) == 0)
            return o->standard;
    fail_msg("%s asks for an option that it does not list: %s", a->parser->name, name);
    return NULL;
}

static bool takes(const struct penstock_parser *parser, const char *name, const char *value,
                  char *message, size_t size)
{
    struct asked a = {parser, name, value};
    return parser->check(get, &a, message, size) == 0;
}

/* A sentence of one line, which names the option and nothing that could break a terminal. */
static void expect_sentence(const struct asked *a, const char *message)
{
    char named[64];
    snprintf(named, sizeof named, "option \"%s\"", a->name);
    if (!strstr(message, named))
        fail_msg("%s: %s=%.40s: %s", a->parser->name, a->name, a->value, message);
    assert_true(strlen(message) > strlen(named) + 2);
}

/* --- standards -------------------------------------------------------------------------------- */

static void each_takes_its_standards(void **state)
{
    char message[256];
    (void)state;
    for (size_t i = 0; i < PARSERS; i++) {
        const struct penstock_parser *p = parsers[i];
        if (!p->options) {
            assert_null(p->check);
            continue;
        }
        message[0] = '\0';
        bool needs = p == &parser_archive || p == &parser_warc; /* a parser for their members */
        if (!takes(p, NULL, NULL, message, sizeof message) && !needs)
            fail_msg("%s: %s", p->name, message);
        for (const struct penstock_option *o = p->options; o->name; o++) {
            assert_non_null(o->standard);
            assert_true(o->help && strlen(o->help) > 5);
            for (const struct penstock_option *other = p->options; other < o; other++)
                assert_string_not_equal(other->name, o->name);
        }
    }
}

/* --- what none takes -------------------------------------------------------------------------- */

struct fault {
    const struct penstock_parser *parser;
    const char *name;
    const char *values[8]; /* each is refused */
};

static const struct fault faults[] = {
    {&parser_csv, "delimiter", {"", ",,", "\r", "\n", "\x80", "none", "Tab"}},
    {&parser_csv, "quote", {"", "''", "\n", "\xc3\xa4", ","}},
    {&parser_csv, "comment", {"", "##", "\r", "\"", ",", "\xff"}},
    {&parser_csv, "quotes", {"", "LAX", "lax ", "no"}},
    {&parser_csv, "header", {"", "2", "True", "Yes"}},
    {&parser_csv, "ragged", {"", "skip", "fail,keep"}},
    {&parser_csv, "skip_lines", {"", "-1", "1000001", "one", "1M1"}},
    {&parser_csv, "max_record", {"", "0", "67108865", "65M", "-1", "64MM", "0x10"}},
    {&parser_csv, "max_fields", {"", "0", "65537", "many"}},
    {&parser_lines, "skip_empty", {"", "maybe"}},
    {&parser_lines, "max_line", {"0", "65M", " 5", "18446744073709551617"}},
    {&parser_lines, "match", {"(", "[a", "*", "(?<1a>x)", "a{2,1}"}},
    {&parser_lines, "exclude", {")", "(?P<", "\\"}},
    {&parser_ndjson, "on_error", {"", "ignore", "Fail"}},
    {&parser_ndjson, "max_depth", {"0", "1025", "-1"}},
    {&parser_json, "pointer", {"a", "a/b", "/~", "/~2", "#/a"}},
    {&parser_json, "each", {"", "elements", "value,member"}},
    {&parser_json, "max_record", {"0", "65M"}},
    {&parser_json, "max_depth", {"0", "1025"}},
    {&parser_xml, "path", {"", "/", "//", "/a//b", "a/"}},
    {&parser_xml, "trim", {"", "both"}},
    {&parser_xml, "max_depth", {"0", "1025"}},
    {&parser_xml, "max_record", {"0", "65M"}},
    {&parser_feed, "strict", {"", "very"}},
    {&parser_feed, "max_depth", {"0", "1025"}},
    {&parser_feed, "max_record", {"0", "65M"}},
    {&parser_fixed, "columns", {"", ",", "a", "a:", ":1", "a:0", "a:1000001", "a:* b:1"}},
    {&parser_fixed, "trim", {"", "left"}},
    {&parser_fixed, "comment", {"", "##", "\xc3\xa4"}},
    {&parser_fixed, "max_line", {"0", "65M"}},
    {&parser_digest, "algorithms", {"", " ,", "md4", "sha256 sha256", "SHA256", "md5;sha1"}},
};

static void what_an_option_does_not_take_is_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        const struct fault *f = &faults[i];
        for (size_t k = 0; k < 8 && f->values[k]; k++) {
            char message[256] = "";
            struct asked a = {f->parser, f->name, f->values[k]};
            if (takes(f->parser, f->name, f->values[k], message, sizeof message))
                fail_msg("%s takes %s=%s", f->parser->name, f->name, f->values[k]);
            expect_sentence(&a, message);
        }
    }
}

/* Whatever room there is, the sentence ends within it. */
static void a_sentence_ends_where_its_room_does(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        char whole[256], some[257];
        const struct fault *f = &faults[i];
        takes(f->parser, f->name, f->values[0], whole, sizeof whole);
        for (size_t size = 1; size < 64; size += 7) {
            memset(some, 'G', sizeof some);
            assert_false(takes(f->parser, f->name, f->values[0], some, size));
            assert_non_null(memchr(some, '\0', size));
            assert_true(strncmp(some, whole, strlen(some)) == 0);
            assert_int_equal(some[size], 'G');
        }
    }
}

/* A value of any length is quoted in part. */
static void a_long_value_is_told_in_part(void **state)
{
    char value[5000], message[256];
    (void)state;
    memset(value, 'z', sizeof value - 1);
    value[sizeof value - 1] = '\0';
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        const struct fault *f = &faults[i];
        if (takes(f->parser, f->name, value, message, sizeof message))
            continue; /* a pattern, or a path */
        struct asked a = {f->parser, f->name, value};
        expect_sentence(&a, message);
    }
}

/* --- what is just taken ----------------------------------------------------------------------- */

static void the_outermost_values_are_taken(void **state)
{
    static const struct asked good[] = {
        {&parser_csv, "delimiter", "tab"},
        {&parser_csv, "delimiter", "\\t"},
        {&parser_csv, "delimiter", ";"},
        {&parser_csv, "quote", "none"},
        {&parser_csv, "quote", "'"},
        {&parser_csv, "comment", "none"},
        {&parser_csv, "skip_lines", "0"},
        {&parser_csv, "skip_lines", "1000000"},
        {&parser_csv, "max_record", "1"},
        {&parser_csv, "max_record", "64M"},
        {&parser_csv, "max_record", "67108864"},
        {&parser_csv, "max_fields", "65536"},
        {&parser_lines, "max_line", "1"},
        {&parser_lines, "max_line", "64M"},
        {&parser_lines, "match", ""},
        {&parser_lines, "match", "(?i)^a|b$"},
        {&parser_ndjson, "max_depth", "1024"},
        {&parser_json, "pointer", "/"},
        {&parser_json, "pointer", "/a~0~1/0"},
        {&parser_json, "max_depth", "1"},
        {&parser_xml, "path", "name"},
        {&parser_xml, "path", "/*"},
        {&parser_feed, "strict", "yes"},
        {&parser_fixed, "columns", "a:1000000"},
        {&parser_fixed, "columns", "a:1,-:2\tb:*"},
        {&parser_fixed, "columns", "a:b:3"},
        {&parser_fixed, "comment", ";"},
        {&parser_digest, "algorithms", "sha1,md5"},
        {&parser_digest, "algorithms", " sha3-256  blake2b512 "},
    };
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        char message[256] = "";
        if (!takes(good[i].parser, good[i].name, good[i].value, message, sizeof message))
            fail_msg("%s: %s=%s: %s", good[i].parser->name, good[i].name, good[i].value, message);
    }
}

/* So many columns and no more. */
static void columns_have_a_number(void **state)
{
    struct buf text = BUF_INIT;
    char message[256];
    (void)state;
    for (int i = 0; i < 1024; i++)
        buf_printf(&text, "c%d:1 ", i);
    assert_true(takes(&parser_fixed, "columns", text.data, message, sizeof message));
    buf_puts(&text, "more:1");
    assert_false(takes(&parser_fixed, "columns", text.data, message, sizeof message));
    assert_string_equal(message, "option \"columns\": there are more than 1024");
    buf_deinit(&text);
}

static void sums_have_a_number(void **state)
{
    char message[256];
    (void)state;
    assert_true(takes(&parser_digest, "algorithms",
                      "md5 sha1 sha224 sha256 sha384 sha512 sha3-256 sha3-512", message,
                      sizeof message));
    assert_false(takes(&parser_digest, "algorithms",
                       "md5 sha1 sha224 sha256 sha384 sha512 sha3-256 sha3-512 blake2b512", message,
                       sizeof message));
    assert_string_equal(message, "option \"algorithms\": more than 8");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_takes_its_standards),
        cmocka_unit_test(what_an_option_does_not_take_is_named),
        cmocka_unit_test(a_sentence_ends_where_its_room_does),
        cmocka_unit_test(a_long_value_is_told_in_part),
        cmocka_unit_test(the_outermost_values_are_taken),
        cmocka_unit_test(columns_have_a_number),
        cmocka_unit_test(sums_have_a_number),
    };
    return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
