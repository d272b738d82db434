#include "base/buf.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void test_puts(void **state)
{
    struct buf b = BUF_INIT;
    assert_int_equal(buf_puts(&b, "one"), 0);
    assert_int_equal(buf_putc(&b, ' '), 0);
    assert_int_equal(buf_put(&b, "t\0w", 3), 0);
    assert_int_equal(buf_printf(&b, "%d-%s", 7, "x"), 0);
    assert_int_equal(b.len, 10);
    assert_memory_equal(b.data, "one t\0w7-x", 11); /* with the NUL behind it */
    buf_drop(&b, 4);
    assert_memory_equal(b.data, "t\0w7-x", 7);
    buf_drop(&b, 0);
    assert_int_equal(b.len, 6);
    buf_reset(&b);
    assert_int_equal(b.len, 0);
    assert_string_equal(b.data, "");
    buf_deinit(&b);
    buf_deinit(&b);
    assert_null(b.data);
}

static void test_grows_over_every_size(void **state)
{
    struct buf b = BUF_INIT;
    for (size_t i = 0; i < 5000; i++) {
        assert_int_equal(buf_putc(&b, (char)('a' + i % 26)), 0);
        assert_int_equal(b.data[i + 1], '\0');
    }
    for (size_t i = 0; i < 5000; i++)
        assert_int_equal(b.data[i], 'a' + i % 26);
    buf_deinit(&b);
}

static void test_printf_longer_than_room(void **state)
{
    for (int width = 0; width < 600; width++) {
        struct buf b = BUF_INIT;
        buf_puts(&b, "x");
        assert_int_equal(buf_printf(&b, "%*d", width, 5), 0);
        assert_int_equal(b.len, 1 + (width ? width : 1));
        assert_int_equal(b.data[b.len - 1], '5');
        assert_int_equal(b.data[b.len], '\0');
        buf_deinit(&b);
    }
}

static void test_steal(void **state)
{
    struct buf b = BUF_INIT;
    char *s = buf_steal(&b);
    assert_string_equal(s, ""); /* nothing was put: still a string */
    free(s);
    buf_puts(&b, "mine");
    s = buf_steal(&b);
    assert_string_equal(s, "mine");
    assert_int_equal(b.len, 0);
    assert_null(b.data);
    free(s);
}

static void test_failure_is_kept(void **state)
{
    struct buf b = BUF_INIT;
    buf_puts(&b, "begun");
    assert_int_equal(buf_reserve(&b, SIZE_MAX / 2), -ENOMEM);
    assert_int_equal(buf_reserve(&b, SIZE_MAX), -ENOMEM);
    assert_true(b.failed);
    assert_string_equal(b.data, "begun");
    /* One check at the end of a chain is enough, and what is there is a beginning of it. */
    assert_int_equal(buf_puts(&b, " more"), -ENOMEM);
    assert_int_equal(buf_printf(&b, "%d", 1), -ENOMEM);
    assert_int_equal(buf_putc(&b, 'x'), -ENOMEM);
    assert_string_equal(b.data, "begun");
    assert_int_equal(b.len, 5);
    assert_true(b.failed);
    assert_null(buf_steal(&b));
    assert_false(b.failed);
    buf_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_puts),
        cmocka_unit_test(test_grows_over_every_size),
        cmocka_unit_test(test_printf_longer_than_room),
        cmocka_unit_test(test_steal),
        cmocka_unit_test(test_failure_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
