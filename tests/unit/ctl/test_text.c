/* Figures for people, columns, and strings that cannot steer a terminal. */
#include "ctl/progress_line.h"
#include "ctl/table.h"
#include "ctl/text.h"
#include "ctl/view.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CHECK(expected, call)                                \
    do {                                                     \
        struct buf b = BUF_INIT;                             \
        call;                                                \
        assert_false(b.failed);                              \
        assert_string_equal(b.data ? b.data : "", expected); \
        buf_deinit(&b);                                      \
    } while (0)
#define SAFE(expected, text) CHECK(expected, text_put_safe(&b, text, strlen(text)))
#define JSON(expected, text) CHECK(expected, text_put_json(&b, text, strlen(text)))

static void test_nothing_steers_the_terminal(void **state)
{
    SAFE("plain \xc3\xa9 \xe4\xbd\xa0 \xf0\x9f\x98\x80",
         "plain \xc3\xa9 \xe4\xbd\xa0 \xf0\x9f\x98\x80");
    SAFE("\\u001b[2J\\u0007\\u000d\\u000a\\u007f", "\033[2J\a\r\n\x7f");
    SAFE("\\u009b31m", "\xc2\x9b"
                       "31m");
    SAFE("a\\u202eb", "a\xe2\x80\xae"
                      "b");
    SAFE("\\xff\\xc3(", "\xff\xc3(");
    SAFE("\\xed\\xa0\\x80", "\xed\xa0\x80");
    SAFE("\\xc0\\xaf", "\xc0\xaf");
    SAFE("\\xe4\\xbd", "\xe4\xbd");
}

static void test_json_keeps_its_value(void **state)
{
    JSON("{\"a\":\"\\u009b\\u007f \xc3\xa9\"} ", "{\"a\":\"\xc2\x9b\x7f \xc3\xa9\"}\r");
    JSON("[1, 2]", "[1,\t2]");
}

static void test_bytes(void **state)
{
    CHECK("0 B", text_put_bytes(&b, 0));
    CHECK("0 B", text_put_bytes(&b, -5));
    CHECK("1023 B", text_put_bytes(&b, 1023));
    CHECK("1.0 KiB", text_put_bytes(&b, 1024));
    CHECK("1.5 MiB", text_put_bytes(&b, 1.5 * 1024 * 1024));
    CHECK("100 MiB", text_put_bytes(&b, 100.0 * 1024 * 1024));
    CHECK("1.0 GiB", text_put_bytes(&b, 1024.0 * 1024 * 1024 - 1));
    CHECK("16.0 EiB", text_put_bytes(&b, 18446744073709551615.0));
}

static void test_durations(void **state)
{
    CHECK("0.000 s", text_put_seconds(&b, -1));
    CHECK("0.734 s", text_put_seconds(&b, 0.734));
    CHECK("10.0 s", text_put_seconds(&b, 9.9999));
    CHECK("1 min 00 s", text_put_seconds(&b, 59.99));
    CHECK("2 min 05 s", text_put_seconds(&b, 125));
    CHECK("1 h 00 min", text_put_seconds(&b, 3599.9));
    CHECK("3 h 04 min", text_put_seconds(&b, 3 * 3600 + 4 * 60 + 59));
    CHECK("2 d 05 h", text_put_seconds(&b, 2 * 86400 + 5 * 3600));
    CHECK("0s", text_put_age(&b, -3));
    CHECK("59s", text_put_age(&b, 59.9));
    CHECK("12m", text_put_age(&b, 12 * 60 + 59));
    CHECK("5h", text_put_age(&b, 5 * 3600));
    CHECK("300d", text_put_age(&b, 300 * 86400.0));
    CHECK("2y", text_put_age(&b, 800 * 86400.0));
}

static void test_cutting(void **state)
{
    /* The third is a wide one: two columns. */
    static const char text[] = "a\xc3\xa9\xe4\xbd\xa0z";
    assert_int_equal(text_width(text, strlen(text)), 5);
    assert_int_equal(text_fit(text, strlen(text), 0), 0);
    assert_int_equal(text_fit(text, strlen(text), 2), 3);
    assert_int_equal(text_fit(text, strlen(text), 3), 3);
    assert_int_equal(text_fit(text, strlen(text), 4), 6);
    assert_int_equal(text_fit(text, strlen(text), 9), 7);
    /* An accent that stands by itself takes none, and stays with its letter. */
    assert_int_equal(text_width("e\xcc\x81x", 4), 2);
    assert_int_equal(text_fit("e\xcc\x81x", 4, 1), 3);
    assert_int_equal(text_width("\xff\xfe", 2), 2);
}

static void test_urls(void **state)
{
    CHECK("http://h/x.csv", text_put_url(&b, "http://h/x.csv", 14));
    CHECK("h/x.csv", text_put_url(&b, "http://h/x.csv", 13));
    CHECK("example..ory/file.csv",
          text_put_url(&b, "http://example.org/a/long/directory/file.csv", 21));
    CHECK("abcd", text_put_url(&b, "abcdefgh", 4));
    for (size_t columns = 0; columns < 40; columns++) {
        struct buf b = BUF_INIT;
        text_put_url(&b, "http://\xe4\xbd\xa0\xe4\xbd\xa0/\xe4\xbd\xa0x\xe4\xbd\xa0y\xe4\xbd\xa0",
                     columns);
        assert_true(text_width(b.data ? b.data : "", b.len) <= columns);
        buf_deinit(&b);
    }
}

static void fill(struct table *t, const char *const *cells, size_t count)
{
    for (size_t i = 0; i < count; i++)
        table_cell(t, cells[i]);
}

static void test_table(void **state)
{
    static const char *const first[] = {"ID", "STATE", "URL", "9", "done", "http://a/\033[0m"};
    static const char *const second[] = {"1000", "failed", "x"};
    struct table t;
    table_init(&t, 3);
    t.right[0] = true;
    fill(&t, first, 6);
    CHECK("ID  STATE  URL\n 9  done   http://a/\\u001b[0m\n", table_print(&t, 0, &b));
    fill(&t, second, 3);
    CHECK("1000  failed  x\n", table_print(&t, 0, &b));
    fill(&t, first, 3);
    CHECK("  ID  S\n", table_print(&t, 7, &b));
    CHECK("", table_print(&t, 0, &b));
    table_deinit(&t);
}

static void test_view(void **state)
{
    json_t *value = json_loads("{\"state\":\"done\",\"none\":null,\"seconds\":{\"total\":0.734},"
                               "\"labels\":{},\"sinks\":[{\"name\":\"a\\u001b\",\"lines\":3},"
                               "{\"name\":\"bb\",\"lines\":12}],\"id\":7}",
                               0, NULL);
    assert_non_null(value);
    CHECK("state          done\n"
          "seconds.total  0.734\n"
          "labels         {}\n"
          "id             7\n"
          "\n"
          "sinks:\n"
          "name     lines\n"
          "a\\u001b  3\n"
          "bb       12\n",
          view_put(&b, value));
    json_decref(value);
}

static void test_rate(void **state)
{
    struct rate rate = {0};
    uint64_t s = UINT64_C(1000000000);
    rate_sample(&rate, 1, 0, s);
    assert_false(rate.known);
    rate_sample(&rate, 1, 1000, 2 * s);
    assert_true(rate.known && rate.per_second > 999 && rate.per_second < 1001);
    for (uint64_t i = 3; i < 30; i++)
        rate_sample(&rate, 1, rate.bytes, i * s);
    assert_true(rate.per_second < 1);
    rate_sample(&rate, 1, 10, 31 * s); /* a new attempt began from nothing */
    assert_false(rate.known);
    rate_sample(&rate, 1, 110, 32 * s);
    rate_sample(&rate, 2, 120, 33 * s); /* another job */
    assert_false(rate.known);
}

static void test_progress_line(void **state)
{
    struct rate rate = {.known = true, .per_second = 1024 * 1024};
    struct job_view view = {.id = 42,
                            .state = "running",
                            .bytes = 10 * 1024 * 1024,
                            .length = 100 * 1024 * 1024,
                            .records = 9000,
                            .waiting_for = "",
                            .error_kind = "",
                            .error_message = ""};
    CHECK("42 running  10.0 MiB of 100 MiB  1.0 MiB/s  9000 records  1 min 30 s left",
          progress_put(&b, &view, &rate, 0, 1));
    view.length = 12 * 1024 * 1024;
    CHECK("42 running  10.0 MiB of 12.0 MiB  1.0 MiB/s  9000 records  2 s left",
          progress_put(&b, &view, &rate, 0, 1));
    view.length = -1;
    view.records = 1;
    view.waiting_for = "origin";
    CHECK("[3/10] 42 running  10.0 MiB  1.0 MiB/s  1 record  waits for origin",
          progress_put(&b, &view, &rate, 3, 10));
    view.state = "queued";
    view.bytes = view.records = -1;
    CHECK("42 queued  waits for origin", progress_put(&b, &view, &rate, 0, 1));
    view.waiting_for = "host";
    view.host_retry_in = 21.3;
    CHECK("42 queued  host broken, tried again in 22 s", progress_put(&b, &view, &rate, 0, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_steers_the_terminal),
        cmocka_unit_test(test_json_keeps_its_value),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_durations),
        cmocka_unit_test(test_cutting),
        cmocka_unit_test(test_urls),
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_view),
        cmocka_unit_test(test_rate),
        cmocka_unit_test(test_progress_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
