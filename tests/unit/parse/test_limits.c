/* Every limit of every parser, at each value from nothing to beyond what the input has: it is kept
 * to the byte, it is told by the option's name, what came before it stands, and where the pieces of
 * the body end changes nothing. */
#include "pieces.h"

struct sweep {
    const struct penstock_parser *parser;
    const char *options; /* besides; "" or ends with a newline */
    const char *limit;   /* the option's name */
    const char *data;
    size_t enough; /* from this value on the whole is told */
};

/* A limit that is the smallest which does, does; and one less does not. */
static void sweep_limit(const struct sweep *s, size_t limit)
{
    char options[160], named[48];
    snprintf(options, sizeof options, "%s%s=%zu", s->options, s->limit, limit);
    snprintf(named, sizeof named, "option %s", s->limit);
    struct input in = {s->parser, options, s->data, strlen(s->data)};
    struct told told = tell(&in, 0, 4096);
    if ((told.kind == KIND_NONE) != (limit >= s->enough))
        fail_msg("%s with %s: %s", s->parser->name, options, told.message);
    if (told.kind != KIND_NONE) {
        assert_int_equal(told.kind, KIND_LIMIT_EXCEEDED);
        if (!strstr(told.message, named))
            fail_msg("%s with %s: %s", s->parser->name, options, told.message);
    }
    told_deinit(&told);
    expect_same_in_pieces(&in);
}

/* What is told under a limit is the beginning of what is told without one. */
static void expect_beginnings(const struct sweep *s)
{
    char options[160];
    snprintf(options, sizeof options, "%s%s=%zu", s->options, s->limit, s->enough);
    struct input in = {s->parser, options, s->data, strlen(s->data)};
    struct told whole = tell(&in, 0, 4096);
    size_t most = 0;
    for (size_t limit = 1; limit < s->enough; limit++) {
        snprintf(options, sizeof options, "%s%s=%zu", s->options, s->limit, limit);
        struct told told = tell(&in, 0, 4096);
        size_t len = strlen(told.records);
        assert_int_equal(strncmp(told.records, whole.records, len), 0);
        assert_true(len >= most); /* a higher limit brings no less */
        most = len;
        told_deinit(&told);
    }
    told_deinit(&whole);
}

static void sweep_all(const struct sweep *sweeps, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t limit = 1; limit <= sweeps[i].enough + 2; limit++)
            sweep_limit(&sweeps[i], limit);
        expect_beginnings(&sweeps[i]);
    }
}

#define SWEEP(sweeps) sweep_all(sweeps, sizeof(sweeps) / sizeof((sweeps)[0]))

static void lines_have_so_many_bytes(void **state)
{
    static const struct sweep sweeps[] = {
        {&parser_lines, "", "max_line", "a\nbb\r\n\nccccc\ndd", 5},
        {&parser_lines, "", "max_line", "\xc3\xbc\xc3\xbc\n", 4},
        {&parser_lines, "skip_empty=yes\n", "max_line", "a\n\nb\n", 1},
        {&parser_lines, "match=^x\n", "max_line", "xy\nzzzz\n", 4}, /* wanted or not */
        {&parser_fixed, "columns=a:1 b:*\n", "max_line", "ab\r\ncdef\n", 4},
        {&parser_fixed, "columns=a:*\ncomment=#\n", "max_line", "#comment\nab\n", 8},
        {&parser_ndjson, "", "max_line", "1\n[1,2]\n\"abc\"\n", 5},
        {&parser_ndjson, "on_error=skip\n", "max_line", "1\nnone at all\n", 11},
    };
    (void)state;
    SWEEP(sweeps);
}

static void rows_have_so_many_bytes(void **state)
{
    static const struct sweep sweeps[] = {
        {&parser_csv, "header=no\n", "max_record", "a,b\nccc,ddd\n\ne\n", 7},
        {&parser_csv, "header=no\n", "max_record", "a\n\"b\nb\"\"\",c\n", 9},
        {&parser_csv, "", "max_record", "long,header\n1,2\n", 11}, /* which is a row, too */
        {&parser_csv, "header=no\ncomment=#\n", "max_record", "#passed over\nab\n", 2},
        {&parser_csv, "header=no\nskip_lines=1\n", "max_record", "passed over\nabc", 3},
        {&parser_csv, "header=no\n", "max_record", "a\r\nbb\rccc\r\n", 3},
    };
    (void)state;
    SWEEP(sweeps);
}

static void rows_have_so_many_fields(void **state)
{
    static const struct sweep sweeps[] = {
        {&parser_csv, "header=no\n", "max_fields", "a\nb,c\n,,,\n", 4},
        {&parser_csv, "", "max_fields", "a,b\n1\n1,2,3,4,5\n", 5},
        {&parser_csv, "", "max_fields", "a,b,c\n", 3},
        {&parser_csv, "header=no\n", "max_fields", "\"a,b,c\",d\n", 2},
    };
    (void)state;
    SWEEP(sweeps);
}

static void values_have_so_many_bytes(void **state)
{
    static const struct sweep sweeps[] = {
        {&parser_json, "", "max_record", "[1,22,\"333\"]", 5},
        {&parser_json, "each=value\n", "max_record", "[1] {\"a\":2}", 7},
        {&parser_json, "each=value\npointer=/b\n", "max_record", "{\"a\":\"passed over\",\"b\":12}",
         2},
    };
    (void)state;
    SWEEP(sweeps);
}

static void values_are_so_deep(void **state)
{
    static const struct sweep sweeps[] = {
        {&parser_json, "each=value\n", "max_depth", "1 [2] [[3]] [[[4]]]", 3},
        {&parser_json, "each=value\n", "max_depth", "{\"a\":{\"b\":[]}}", 3},
        {&parser_ndjson, "", "max_depth", "1\n[]\n[[]]\n{\"a\":[{}]}\n", 3},
        {&parser_ndjson, "on_error=skip\n", "max_depth", "1\n[[]]\n", 2},
        {&parser_xml, "path=i\n", "max_depth", "<r><i/><i><a><b/></a></i></r>", 4},
    };
    (void)state;
    SWEEP(sweeps);
}

/* A row ends within its limit although its end is in the next piece, however far that is. */
static void a_limit_is_of_the_row_and_not_of_the_piece(void **state)
{
    enum { ROWS = 300, WIDTH = 61 };
    struct buf text = BUF_INIT;
    (void)state;
    for (int i = 0; i < ROWS; i++) {
        for (int k = 0; k < WIDTH; k++)
            buf_putc(&text, k == 30 ? ',' : 'x');
        buf_puts(&text, i % 3 == 0 ? "\r\n" : i % 3 == 1 ? "\n" : "\r");
    }
    for (size_t limit = WIDTH - 1; limit <= WIDTH; limit++) {
        char options[48];
        snprintf(options, sizeof options, "header=no\nmax_record=%zu", limit);
        struct input in = {&parser_csv, options, text.data, text.len};
        struct told told = tell(&in, 0, 4096);
        assert_int_equal(count_lines(told.records), limit == WIDTH ? ROWS : 0);
        assert_int_equal(told.line, limit == WIDTH ? 0 : 1);
        for (size_t first = 1; first < 2 * WIDTH; first++)
            expect_same(&in, &told, first, 1000);
        told_deinit(&told);
    }
    buf_deinit(&text);
}

/* The place that is named is the row's that is too long, whatever came before it. */
static void the_place_is_the_rows(void **state)
{
    static const struct {
        const struct penstock_parser *parser;
        const char *options, *data;
        uint64_t line, offset;
    } cases[] = {
        {&parser_csv, "header=no\nmax_record=2", "a\n\r\n\"\n\"\nabc\n", 3, 4},
        {&parser_csv, "header=no\nmax_record=4", "a\n\r\n\"\n\"\nabcde\n", 5, 8},
        {&parser_csv, "header=no\nmax_fields=1", "a\r\rb\n#\nc,d", 5, 7},
        {&parser_csv, "header=no\nmax_fields=1\ncomment=#", "a\n#x,y\n\nc,d", 4, 8},
        {&parser_csv, "header=no\nmax_fields=1\nskip_lines=2", "a,b\r\n\"\r\nc,d", 3, 8},
        {&parser_csv, "header=no\nmax_fields=1", "\"a\r\"\nb,c", 3, 5},
        {&parser_lines, "max_line=1", "a\n\nb\r\nccc", 4, 6},
        {&parser_ndjson, "max_depth=1", "1\n  [[]]", 2, 5},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct input in = {cases[i].parser, cases[i].options, cases[i].data, strlen(cases[i].data)};
        struct told told = tell(&in, 0, 4096);
        if (told.kind != KIND_LIMIT_EXCEEDED || told.line != cases[i].line ||
            told.offset != cases[i].offset)
            fail_msg("%s: %s at line %llu, byte %llu", cases[i].options, told.message,
                     (unsigned long long)told.line, (unsigned long long)told.offset);
        told_deinit(&told);
        expect_same_in_pieces(&in);
    }
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_have_so_many_bytes),
        cmocka_unit_test(rows_have_so_many_bytes),
        cmocka_unit_test(rows_have_so_many_fields),
        cmocka_unit_test(values_have_so_many_bytes),
        cmocka_unit_test(values_are_so_deep),
        cmocka_unit_test(a_limit_is_of_the_row_and_not_of_the_piece),
        cmocka_unit_test(the_place_is_the_rows),
    };
    return cmocka_run_group_tests_name("limits", tests, NULL, NULL);
}
