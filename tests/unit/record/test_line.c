#include "record/line.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void a_line_is_built(void **state)
{
    struct buf b = BUF_INIT;
    line_begin(&b, INT64_C(1795300200123456), EVENT_VERDICT);
    line_u64(&b, "job", UINT64_MAX);
    line_u64(&b, "zero", 0);
    line_str(&b, "url", "http://x/\"");
    line_str(&b, "absent", NULL);
    line_bool(&b, "yes", 2);
    line_bool(&b, "no", 0);
    line_raw(&b, "labels", "{}", 2);
    line_end(&b);
    assert_false(b.failed);
    assert_string_equal(b.data, "{\"ts\":\"2026-11-21T22:30:00.123456Z\",\"event\":\"verdict\","
                                "\"job\":18446744073709551615,\"zero\":0,\"url\":\"http://x/\\\"\","
                                "\"yes\":true,\"no\":false,\"labels\":{}}\n");
    assert_int_equal(b.len, strlen(b.data));
    buf_deinit(&b);
}

static void expect_seconds(uint64_t ns, const char *text)
{
    struct buf b = BUF_INIT;
    line_seconds(&b, "s", ns);
    assert_string_equal(b.data, text);
    buf_deinit(&b);
}

static void seconds_have_milliseconds(void **state)
{
    expect_seconds(0, ",\"s\":0.0");
    expect_seconds(734000000, ",\"s\":0.734");
    expect_seconds(UINT64_C(2100000000), ",\"s\":2.1");
    expect_seconds(UINT64_C(2010499999), ",\"s\":2.01");
    expect_seconds(UINT64_C(2010500000), ",\"s\":2.011");
    expect_seconds(UINT64_C(999999999), ",\"s\":1.0");
    expect_seconds(UINT64_MAX, ",\"s\":18446744073.71");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_built),
        cmocka_unit_test(seconds_have_milliseconds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
