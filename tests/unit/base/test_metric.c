/* The text that scrapers read, to the letter, in both formats. */
#include "base/metric.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void write_counter(struct buf *b, enum metric_format format)
{
    struct metric m = {.text = b, .format = format};
    metric_begin(&m, METRIC_COUNTER, "x_bytes", "bytes", "Bytes.");
    metric_u64(&m, "a=\"b\"", 18446744073709551615u);
    metric_end(&m);
    buf_putc(b, '\0');
}

static void the_formats_differ_where_they_must(void **state)
{
    struct buf open = BUF_INIT, old = BUF_INIT;
    write_counter(&open, METRIC_OPENMETRICS);
    assert_non_null(strstr(open.data, "# TYPE x_bytes counter\n"));
    assert_non_null(strstr(open.data, "# UNIT x_bytes bytes\n"));
    assert_non_null(strstr(open.data, "\nx_bytes_total{a=\"b\"} 18446744073709551615\n# EOF\n"));
    write_counter(&old, METRIC_PROMETHEUS);
    assert_non_null(strstr(old.data, "# TYPE x_bytes_total counter\n"));
    assert_non_null(strstr(old.data, "\nx_bytes_total{a=\"b\"} 18446744073709551615\n"));
    assert_null(strstr(old.data, "# EOF"));
    assert_null(strstr(old.data, "# UNIT"));
    buf_deinit(&open);
    buf_deinit(&old);
}

static void any_text_is_a_label(void **state)
{
    struct buf b = BUF_INIT;
    metric_label(&b, "a", "q\"b\\n\nx");
    metric_label(&b, "c", "");
    buf_putc(&b, '\0');
    assert_string_equal(b.data, "a=\"q\\\"b\\\\n\\nx\",c=\"\"");
    buf_deinit(&b);
}

static void a_histogram_is_cumulative(void **state)
{
    struct histogram h = {{0}, 0};
    struct buf b = BUF_INIT;
    struct metric m = {.text = &b, .format = METRIC_OPENMETRICS};
    histogram_add(&h, 0);
    histogram_add(&h, 100000); /* a bound is within its bucket */
    histogram_add(&h, 100001);
    histogram_add(&h, UINT64_C(100000) * 1000000000); /* above all */
    assert_int_equal(h.counts[0], 2);
    assert_int_equal(h.counts[1], 1);
    assert_int_equal(h.counts[HISTOGRAM_BOUNDS], 1);
    metric_begin(&m, METRIC_HISTOGRAM, "x_seconds", "seconds", "Seconds.");
    metric_histogram(&m, NULL, &h);
    metric_histogram(&m, "of=\"y\"", &h);
    buf_putc(&b, '\0');
    assert_non_null(strstr(b.data, "x_seconds_bucket{le=\"0.0001\"} 2\n"));
    assert_non_null(strstr(b.data, "x_seconds_bucket{le=\"+Inf\"} 4\n"));
    assert_non_null(strstr(b.data, "x_seconds_count 4\n"));
    assert_non_null(strstr(b.data, "x_seconds_bucket{of=\"y\",le=\"0.0001\"} 2\n"));
    assert_non_null(strstr(b.data, "x_seconds_count{of=\"y\"} 4\n"));
    assert_non_null(strstr(b.data, "x_seconds_sum{of=\"y\"} 100000.000200001\n"));
    buf_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_formats_differ_where_they_must),
        cmocka_unit_test(any_text_is_a_label),
        cmocka_unit_test(a_histogram_is_cumulative),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
