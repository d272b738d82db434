#include "base/jsonl.h"

#include <errno.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void feed(struct jsonl *j, const char *text)
{
    assert_int_equal(jsonl_feed(j, text, strlen(text)), 0);
}

static void expect_line(struct jsonl *j, const char *text)
{
    char *line = NULL;
    size_t len = 0;
    assert_int_equal(jsonl_next(j, &line, &len), 1);
    assert_string_equal(line, text);
    assert_int_equal(len, strlen(text));
}

static void expect_result(struct jsonl *j, int result)
{
    char *line;
    size_t len;
    assert_int_equal(jsonl_next(j, &line, &len), result);
}

static void test_lines(void **state)
{
    struct jsonl j;
    jsonl_init(&j, 100);
    expect_result(&j, 0);
    feed(&j, "{\"a\":1}\n\r\n\n[2]\r\n{\"par");
    expect_line(&j, "{\"a\":1}");
    expect_line(&j, "");
    expect_line(&j, "");
    expect_line(&j, "[2]");
    expect_result(&j, 0);
    expect_result(&j, 0);
    feed(&j, "tial\"");
    expect_result(&j, 0);
    feed(&j, ":3}\nx");
    expect_line(&j, "{\"partial\":3}");
    expect_result(&j, 0);
    jsonl_deinit(&j);
}

static void test_byte_by_byte(void **state)
{
    const char *text = "one\ntwo\r\n\nthree\n";
    char seen[64] = "";
    struct jsonl j;
    jsonl_init(&j, 5);
    for (const char *p = text; *p; p++) {
        char *line;
        size_t len;
        assert_int_equal(jsonl_feed(&j, p, 1), 0);
        while (jsonl_next(&j, &line, &len) == 1)
            strcat(strcat(seen, line), "|");
    }
    assert_string_equal(seen, "one|two||three|");
    jsonl_deinit(&j);
}

static void test_nul_inside(void **state)
{
    struct jsonl j;
    char *line;
    size_t len;
    jsonl_init(&j, 10);
    assert_int_equal(jsonl_feed(&j, "a\0b\n", 4), 0);
    assert_int_equal(jsonl_next(&j, &line, &len), 1);
    assert_int_equal(len, 3);
    assert_memory_equal(line, "a\0b", 4);
    jsonl_deinit(&j);
}

static void test_too_long_is_told_once(void **state)
{
    struct jsonl j;
    jsonl_init(&j, 4);
    feed(&j, "1234\n1234\r\n12345\nok\n");
    expect_line(&j, "1234");
    expect_line(&j, "1234");
    expect_result(&j, -EMSGSIZE);
    expect_line(&j, "ok");
    feed(&j, "1234\r");
    expect_result(&j, 0); /* the CR may belong to the newline */
    feed(&j, "x");
    expect_result(&j, -EMSGSIZE);
    for (int i = 0; i < 100; i++) {
        feed(&j, "more of the same");
        expect_result(&j, 0);
        assert_int_equal(j.buf.len, 0);
    }
    feed(&j, "end\nnext\n");
    expect_line(&j, "next");
    expect_result(&j, 0);
    jsonl_deinit(&j);
}

static void test_memory_is_bounded(void **state)
{
    static char chunk[16384];
    size_t max = 1 << 20, largest = 0;
    struct jsonl j;
    int told = 0;

    jsonl_init(&j, max);
    memset(chunk, 'x', sizeof chunk);
    for (int i = 0; i < 1000; i++) {
        char *line;
        size_t len;
        assert_int_equal(jsonl_feed(&j, chunk, sizeof chunk), 0);
        if (j.buf.size > largest)
            largest = j.buf.size;
        told += jsonl_next(&j, &line, &len) == -EMSGSIZE;
    }
    assert_int_equal(told, 1);
    assert_true(largest <= 2 * (max + sizeof chunk));
    assert_true(j.buf.size <= 65536); /* the memory of a long line is given back */
    jsonl_deinit(&j);
}

static void test_last_line(void **state)
{
    struct jsonl j;
    char *line;
    size_t len;
    jsonl_init(&j, 4);
    assert_int_equal(jsonl_last(&j, &line, &len), 0);
    feed(&j, "a\nb\r");
    assert_int_equal(jsonl_last(&j, &line, &len), 1);
    assert_string_equal(line, "a");
    assert_int_equal(jsonl_last(&j, &line, &len), 1);
    assert_string_equal(line, "b");
    assert_int_equal(jsonl_last(&j, &line, &len), 0);
    feed(&j, "123456");
    assert_int_equal(jsonl_last(&j, &line, &len), -EMSGSIZE);
    assert_int_equal(jsonl_last(&j, &line, &len), 0);
    jsonl_deinit(&j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_byte_by_byte),
        cmocka_unit_test(test_nul_inside),
        cmocka_unit_test(test_too_long_is_told_once),
        cmocka_unit_test(test_memory_is_bounded),
        cmocka_unit_test(test_last_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
