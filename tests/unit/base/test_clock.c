#include "base/clock.h"

#include <pthread.h>
#include <time.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void stamp(int64_t us, const char *expected)
{
    char text[CLOCK_STAMP_SIZE];
    clock_stamp(us, text);
    assert_string_equal(text, expected);
}

static void test_stamps(void **state)
{
    stamp(INT64_C(1795300200123456), "2026-11-21T22:30:00.123456Z");
    stamp(INT64_C(1795300200999999), "2026-11-21T22:30:00.999999Z"); /* the cached second */
    stamp(INT64_C(1795300201000000), "2026-11-21T22:30:01.000000Z");
    stamp(0, "1970-01-01T00:00:00.000000Z");
    stamp(INT64_C(951782399000001), "2000-02-28T23:59:59.000001Z");
    stamp(INT64_C(951782400000000), "2000-02-29T00:00:00.000000Z");
}

static void test_out_of_range(void **state)
{
    stamp(-1, "1970-01-01T00:00:00.000000Z");
    stamp(INT64_MIN, "1970-01-01T00:00:00.000000Z");
    stamp(INT64_MAX, "9999-12-31T23:59:59.999999Z");
}

static void *stamp_thread(void *arg)
{
    int64_t base = *(int64_t *)arg;
    for (int i = 0; i < 10000; i++) {
        char text[CLOCK_STAMP_SIZE];
        clock_stamp((base + i) * 1000000 + i, text);
        if ((text[18] - '0') != (int)((base + i) % 10))
            return arg; /* a stamp of another thread's second */
    }
    return NULL;
}

static void test_threads_keep_apart(void **state)
{
    int64_t bases[4] = {1000, 20005, 300007, 4000003};
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, stamp_thread, &bases[i]), 0);
    for (int i = 0; i < 4; i++) {
        void *wrong;
        pthread_join(threads[i], &wrong);
        assert_null(wrong);
    }
}

static void test_now(void **state)
{
    uint64_t a = clock_now(), b = clock_now();
    assert_true(a > 0 && b >= a);
    int64_t seconds = (int64_t)time(NULL), us = clock_real_us();
    assert_true(us / 1000000 >= seconds && us / 1000000 <= seconds + 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stamps),
        cmocka_unit_test(test_out_of_range),
        cmocka_unit_test(test_threads_keep_apart),
        cmocka_unit_test(test_now),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
