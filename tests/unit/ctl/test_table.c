/* Columns, and any JSON value for people, whatever is in them: wide, hostile, or not as it should
 * be. */
#include "ctl/table.h"
#include "ctl/text.h"
#include "ctl/view.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Rows of three cells, printed in so many columns. */
static void prints(struct table *t, const char *const cells[], size_t columns, const char *expected)
{
    struct buf b = BUF_INIT;
    for (size_t i = 0; cells[i]; i++)
        table_cell(t, cells[i]);
    table_print(t, columns, &b);
    assert_false(b.failed);
    if (strcmp(b.data ? b.data : "", expected) != 0)
        fail_msg("%zu columns:\n%s", columns, b.data);
    buf_deinit(&b);
}
#define CELLS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* Wide characters take two columns, those that combine none: the next column stands straight. */
static void test_wide_characters(void **state)
{
    struct table t;
    table_init(&t, 3);
    prints(&t,
           CELLS("NAME", "N", "U", "\xe4\xbd\xa0\xe5\xa5\xbd", "1", "x", "e\xcc\x81", "22", "y",
                 "\xf0\x9f\x98\x80", "333", "z", "abcde", "4", "z"),
           0,
           "NAME   N    U\n"
           "\xe4\xbd\xa0\xe5\xa5\xbd   1    x\n"
           "e\xcc\x81      22   y\n"
           "\xf0\x9f\x98\x80     333  z\n"
           "abcde  4    z\n");
    table_deinit(&t);
}

/* A cut never parts a character, nor takes more columns than there are. */
static void test_cuts(void **state)
{
    for (size_t columns = 1; columns < 30; columns++) {
        struct table t;
        struct buf b = BUF_INIT;
        table_init(&t, 2);
        t.url_last = columns % 2;
        table_cell(&t, "\xe4\xbd\xa0\xe5\xa5\xbd\xe5\x90\x97");
        table_cell(&t, "http://\xe4\xbd\xa0.example/\xe5\xa5\xbd/a\033\xff/\xe5\x90\x97");
        table_print(&t, columns, &b);
        assert_int_equal(b.data[b.len - 1], '\n');
        assert_true(text_width(b.data, b.len - 1) <= columns);
        assert_null(memmem(b.data, b.len, "\033", 1));
        for (size_t i = 0; i + 1 < b.len;) { /* whole characters of three bytes, and ASCII */
            unsigned char c = (unsigned char)b.data[i];
            assert_true(c < 0x80 || (c >= 0xe4 && i + 3 < b.len));
            i += c < 0x80 ? 1 : 3;
        }
        buf_deinit(&b);
        table_deinit(&t);
    }
}

/* Where rows are cut a URL loses its middle, and where they are not it is whole. */
static void test_urls_come_last(void **state)
{
    static const char url[] = "https://host.example/a/long/way/to/the/file.csv";
    static const struct {
        size_t columns;
        const char *row;
    } rows[] = {
        {0, "7  https://host.example/a/long/way/to/the/file.csv\n"},
        {50, "7  https://host.example/a/long/way/to/the/file.csv\n"},
        {49, "7  host.example/a/long/way/to/the/file.csv\n"},
        {30, "7  host.examp..to/the/file.csv\n"},
        {20, "7  host.e../file.csv\n"},
        {7, "7  host\n"}, /* too little for two ends */
        {5, "7  ho\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct table t;
        struct buf b = BUF_INIT;
        table_init(&t, 2);
        t.url_last = true;
        table_cell(&t, "7");
        table_cell(&t, url);
        table_print(&t, rows[i].columns, &b);
        if (strcmp(b.data, rows[i].row) != 0)
            fail_msg("%zu columns: %s", rows[i].columns, b.data);
        assert_true(rows[i].columns == 0 || text_width(b.data, b.len - 1) <= rows[i].columns);
        buf_deinit(&b);
        table_deinit(&t);
    }
}

/* A row is coloured by its state's word; the colour is outside of what is cut. */
static void test_colours(void **state)
{
    static const struct {
        const char *state, *row;
    } rows[] = {
        {"done", "\033[32m7  done\033[0m\n"},
        {"failed dns", "\033[31m7  failed dns\033[0m\n"},
        {"running", "\033[36m7  running\033[0m\n"},
        {"waiting", "\033[33m7  waiting\033[0m\n"},
        {"cancelled", "\033[2m7  cancelled\033[0m\n"},
        {"cannot run", "\033[31m7  cannot run\033[0m\n"},
        {"paused", "\033[33m7  paused\033[0m\n"},
        {"queued", "7  queued\n"},
        {"undone", "7  undone\n"},
        {"\033[7m", "7  \\u001b[7m\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct table t;
        table_init(&t, 2);
        t.state = 1;
        prints(&t, CELLS("7", rows[i].state), 0, rows[i].row);
        table_deinit(&t);
    }
}

/* Of more columns than there can be the last are left out, and a row that is not full waits. */
static void test_rows(void **state)
{
    struct table t;
    table_init(&t, TABLE_COLUMNS + 5);
    assert_int_equal(t.columns, TABLE_COLUMNS);
    table_deinit(&t);
    table_init(&t, 2);
    prints(&t, CELLS("a", "b", "c"), 0, "a  b\n");
    prints(&t, CELLS("", ""), 0, "\n");
    table_deinit(&t);
}

/* --- views ------------------------------------------------------------------------------------ */

static void test_views(void **state)
{
    static const struct {
        const char *json, *text;
    } rows[] = {
        {"7", "7\n"},
        {"\"a\\u001b[2J\\nb\"", "a\\u001b[2J\\u000ab\n"},
        {"\"\\u0000\"", "\\u0000\n"},
        {"null", "null\n"},
        {"[1,\"a\",{}]", "[1,\"a\",{}]\n"},
        {"0.1", "0.1\n"},
        {"1e300", "1e300\n"},
        {"{}", ""},
        {"{\"a\":null}", ""},
        {"{\"a\":{\"b\":{\"c\":1,\"d\":[]}},\"e\":true}", "a.b.c  1\na.b.d  []\ne      true\n"},
        {"{\"k\\u001b\":\"v\\u202e\"}", "k\\u001b  v\\u202e\n"},
        /* A list of objects is a table, by the first one's members; what else they have is left. */
        {"{\"list\":[{\"a\":1,\"b\":\"x\"},{\"b\":2,\"c\":3},7]}", "\nlist:\na  b\n1  x\n   2\n\n"},
        {"{\"list\\u0007\":[{}],\"z\":1}", "z  1\n\nlist\\u0007:\n"},
        {"{\"list\":[1,{\"a\":1}]}", "list  [1,{\"a\":1}]\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf b = BUF_INIT;
        json_t *value = json_loads(rows[i].json, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        assert_non_null(value);
        view_put(&b, value);
        assert_false(b.failed);
        if (strcmp(b.data ? b.data : "", rows[i].text) != 0)
            fail_msg("%s:\n%s", rows[i].json, b.data ? b.data : "");
        json_decref(value);
        buf_deinit(&b);
    }
}

/* However deep it is, it is shown, and the stack does not grow with it. */
static void test_deep_views(void **state)
{
    enum { DEPTH = 100 };
    struct buf text = BUF_INIT, b = BUF_INIT;
    for (int i = 0; i < DEPTH; i++)
        buf_puts(&text, "{\"a\":");
    buf_puts(&text, "1");
    for (int i = 0; i < DEPTH; i++)
        buf_putc(&text, '}');
    json_t *value = json_loadb(text.data, text.len, 0, NULL);
    assert_non_null(value);
    view_put(&b, value);
    assert_int_equal(strncmp(b.data, "a.a.a.a.a.a.a.a.a  {\"a\":", 24), 0);
    assert_non_null(strstr(b.data, "{\"a\":1}"));
    json_decref(value);
    buf_deinit(&b);
    buf_deinit(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wide_characters),
        cmocka_unit_test(test_cuts),
        cmocka_unit_test(test_urls_come_last),
        cmocka_unit_test(test_colours),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_views),
        cmocka_unit_test(test_deep_views),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
