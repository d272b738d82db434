/* The model and the picture of `top`, without a terminal. */
#include "base/clock.h"
#include "ctl/text.h"
#include "ctl/top_layout.h"
#include "ctl/top_lines.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void take(struct top_model *m, uint64_t seconds, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static void take(struct top_model *m, uint64_t seconds, const char *fmt, ...)
{
    char text[8192];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    json_t *answer = json_loads(text, 0, NULL);
    assert_non_null(answer);
    assert_int_equal(top_model_take(m, answer, seconds * NS_PER_SEC), 0);
}

#define ANSWER                                                                                  \
    "{\"instance\":\"%s\",\"version\":\"1.2\",\"uptime\":90,\"active\":2,\"known_hosts\":1,"    \
    "\"jobs\":{\"running\":2,\"queued\":7,\"waiting\":1},\"totals\":{\"records\":%d,"           \
    "\"done\":%d,\"failed\":0,\"cancelled\":0},\"fetch\":{\"bytes\":%d,\"connections\":2},"     \
    "\"workers\":{\"limit\":4,\"busy\":1,\"abandoned\":0,\"lost\":0},\"sinks\":[],"             \
    "\"hosts\":[{\"name\":\"a.example\",\"running\":2,\"limit\":6,\"queued\":7,\"more\":true,"  \
    "\"state\":\"ready\",\"redirected\":0}],\"running\":[{\"id\":3,\"attempt\":1,\"url\":"      \
    "\"http://a.example/x\\u001b[2J\",\"host\":\"a.example\",\"parser\":\"csv\","               \
    "\"waiting_for\":\"origin\",\"bytes\":%d,\"length\":1000,\"records\":5,\"seconds\":20},"    \
    "{\"id\":4,\"attempt\":2,\"url\":\"http://a.example/%%C3%%A9%%0a\",\"host\":\"a.example\"," \
    "\"parser\":\"csv\",\"bytes\":900,\"length\":null,\"records\":0,\"seconds\":9}]}"

static void test_rates(void **state)
{
    struct top_model m = {0};
    take(&m, 10, ANSWER, "i", 100, 0, 5000, 100);
    assert_true(top_series_last(&m.bytes) < 0);
    assert_false(m.rows[0].rate.known);
    take(&m, 12, ANSWER, "i", 300, 10, 7000, 500);
    assert_float_equal(top_series_last(&m.bytes), 1000, 0.1);
    assert_float_equal(top_series_last(&m.records), 100, 0.1);
    assert_float_equal(top_series_last(&m.ended), 5, 0.1);
    assert_float_equal(m.rows[0].rate.per_second, 200, 0.1);
    take(&m, 14, ANSWER, "i", 300, 10, 7000, 500);
    assert_float_equal(top_series_last(&m.bytes), 0, 0.1);
    assert_float_equal(top_series_peak(&m.bytes, 10), 1000, 0.1);
    assert_float_equal(top_series_peak(&m.bytes, 1), 0, 0.1);
    top_model_deinit(&m);
}

static void test_another_start_begins_anew(void **state)
{
    struct top_model m = {0};
    take(&m, 10, ANSWER, "i", 100, 0, 5000, 900);
    take(&m, 12, ANSWER, "j", 0, 0, 10, 10);
    assert_true(top_series_last(&m.bytes) < 0); /* counts that fell are no rate */
    assert_false(m.rows[0].rate.known);
    take(&m, 13, ANSWER, "j", 0, 0, 20, 10);
    assert_float_equal(top_series_last(&m.bytes), 10, 0.1);
    top_model_deinit(&m);
}

static void test_history_is_bounded(void **state)
{
    struct top_model m = {0};
    for (int i = 0; i < 3 * TOP_HISTORY; i++)
        take(&m, 10 + (uint64_t)i, ANSWER, "i", 0, 0, i * i, 0);
    assert_int_equal(m.bytes.count, TOP_HISTORY);
    assert_true(m.bytes.values[0] < top_series_last(&m.bytes));
    top_model_deinit(&m);
}

static void test_order(void **state)
{
    struct top_model m = {0};
    take(&m, 10, ANSWER, "i", 0, 0, 0, 100);
    assert_int_equal(m.rows[0].id, 3); /* by time */
    top_model_sort(&m, TOP_BY_BYTES);
    assert_int_equal(m.rows[0].id, 4);
    take(&m, 12, ANSWER, "i", 0, 0, 0, 950); /* which stays */
    assert_int_equal(m.rows[0].id, 3);
    top_model_sort(&m, TOP_BY_HOST); /* the same host: by id */
    assert_int_equal(m.rows[0].id, 3);
    top_model_deinit(&m);
}

static const char *find_line(const struct top_page *page, const char *part)
{
    for (size_t i = 0; i < page->count; i++)
        if (strstr(top_page_line(page, i), part))
            return top_page_line(page, i);
    fail_msg("no line has '%s'", part);
    return NULL;
}

static void test_picture(void **state)
{
    struct top_model m = {0};
    struct top_page page = {0};
    struct top_look look = {.columns = 120, .lines = 30, .path = "/run/x", .notice = "gone"};
    take(&m, 10, ANSWER, "i", 0, 0, 0, 500);
    top_lay(&m, &look, &page);
    assert_int_equal(page.count, 30);
    assert_string_equal(top_page_line(&page, 0), "penstockd 1.2, up 1 min 30 s, at /run/x");
    find_line(&page, "2 running  7 queued  1 waiting");
    find_line(&page, "2 of 4 taken, 1 in a parser");
    assert_string_equal(find_line(&page, "gone"), "gone");
    assert_non_null(strstr(find_line(&page, "a.example "), "7+"));
    const char *job = find_line(&page, "       3   1 ######------");
    assert_non_null(strstr(job, "origin    http://a.example/x\\u001b[2J"));
    assert_non_null(strstr(find_line(&page, "       4   2 ............"), "a.example/%C3%A9%0a"));
    assert_non_null(
        strstr(top_page_line(&page, 29), "q quit  Enter explain  c cancel  p hold  / filter"));
    look.utf8 = true;
    top_lay(&m, &look, &page);
    find_line(&page, "http://a.example/\303\251%0a");
    top_page_deinit(&page);
    top_model_deinit(&m);
}

/* Whatever the size, nothing is wider or longer. */
static void test_sizes(void **state)
{
    struct top_model m = {0};
    struct top_page page = {0};
    take(&m, 10, ANSWER, "i", 0, 0, 0, 500);
    for (size_t columns = 1; columns < 200; columns += 7) {
        for (size_t lines = 1; lines < 60; lines++) {
            struct top_look look = {.columns = columns, .lines = lines, .utf8 = lines % 2 > 0};
            top_lay(&m, &look, &page);
            assert_int_equal(page.count, lines);
            for (size_t i = 0; i < page.count; i++) {
                const char *line = top_page_line(&page, i);
                assert_true(text_width(line, strlen(line)) <= columns);
            }
        }
    }
    top_page_deinit(&page);
    top_model_deinit(&m);
}

#define MEMBER(name, more)                                                                    \
    "{\"name\":\"" name "\",\"shards\":64,\"running\":3,\"workers\":8,\"config\":\"c0ffee\"," \
    "\"self\":" more "}"

static void test_fleet(void **state)
{
    struct top_model m = {0};
    struct top_page page = {0};
    struct top_look look = {.columns = 120, .lines = 30, .tab = TOP_FLEET};
    take(&m, 10, ANSWER, "i", 0, 0, 0, 500);
    assert_false(top_tab_shown(&m, TOP_FLEET));
    assert_true(top_tab_shown(&m, TOP_HOSTS));
    take(&m, 11,
         "{\"fleet\":{\"member\":false,\"shards\":256,\"owned\":128,\"standby_lags\":true,"
         "\"members\":[" MEMBER("a", "true,\"draining\":true,\"beat_age\":0.25") "," MEMBER(
             "b", "false,\"draining\":false,\"beat_age\":7") "]}}");
    assert_true(top_tab_shown(&m, TOP_FLEET));
    top_lay(&m, &look, &page);
    find_line(&page,
              "fleet    2 members, 1 of them stop   of 256 shards 64 are this one's, 128 nobody's");
    find_line(&page, "no member of its fleet");
    find_line(&page, "synchronous_standby_names");
    find_line(&page, "[fleet]");
    const char *line = find_line(&page, "this, stops");
    assert_true(line[0] == 'a' && strstr(line, "    64       3       8   0.2 s  c0ffee"));
    line = find_line(&page, "7.0 s");
    assert_int_equal(line[0], 'b');
    top_page_deinit(&page);
    top_model_deinit(&m);
}

static void test_before_the_first_answer(void **state)
{
    struct top_model m = {0};
    struct top_page page = {0};
    struct top_look look = {.columns = 80, .lines = 24, .path = "/run/x", .notice = "trying"};
    top_lay(&m, &look, &page);
    find_line(&page, "trying");
    take(&m, 1, "{}");
    top_lay(&m, &look, &page);
    find_line(&page, "nothing runs");
    top_page_deinit(&page);
    top_model_deinit(&m);
}

static void bar_is(double part, size_t width, bool utf8, const char *expected)
{
    struct buf b = BUF_INIT;
    top_put_bar(&b, part, width, utf8);
    assert_string_equal(b.data, expected);
    buf_deinit(&b);
}

static void test_bars(void **state)
{
    bar_is(0, 4, false, "----");
    bar_is(0.5, 4, false, "##--");
    bar_is(1, 4, false, "####");
    bar_is(7, 4, false, "####");
    bar_is(-1, 4, false, "....");
    bar_is(0.28125, 4, true, "█▏  ");
    bar_is(1, 2, true, "██");
    bar_is(-1, 2, true, "··");
}

static void test_graph(void **state)
{
    struct top_series s = {.values = {0, 7, 14}, .count = 3};
    struct buf b = BUF_INIT;
    top_put_graph(&b, &s, 5, true);
    assert_string_equal(b.data, "  ▁▅█");
    buf_reset(&b);
    top_put_graph(&b, &s, 2, false);
    assert_string_equal(b.data, "=#");
    buf_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rates),
        cmocka_unit_test(test_another_start_begins_anew),
        cmocka_unit_test(test_history_is_bounded),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_picture),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_fleet),
        cmocka_unit_test(test_before_the_first_answer),
        cmocka_unit_test(test_bars),
        cmocka_unit_test(test_graph),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
