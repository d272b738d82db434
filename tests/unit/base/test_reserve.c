/* The blocks that stand in for malloc's: each is given out once, none is lost. */
#include "base/reserve.h"
#include "support/testlib.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define MOST 4096

/* Takes all that are there of a size; each is as large as it says, and they do not overlap. */
static size_t take_all(size_t size, void **blocks)
{
    size_t n = 0;
    void *block;
    while ((block = reserve_take(size))) {
        assert_true(n < MOST);
        assert_true(reserve_owns(block));
        assert_true(reserve_size(block) >= size);
        assert_int_equal((uintptr_t)block % _Alignof(max_align_t), 0);
        memset(block, (int)(n & 255), size);
        blocks[n++] = block;
    }
    assert_int_equal(errno, ENOMEM);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < size; k += size - 1)
            assert_int_equal(((unsigned char *)blocks[i])[k], i & 255);
    return n;
}

static void test_each_once(void **state)
{
    static void *small[MOST], *large[MOST];
    size_t n = take_all(512, small);
    assert_true(n > 500); /* the large ones as well, once the small ones are gone */
    assert_int_equal(take_all(600, large), 0);
    reserve_give(small[n - 1]);
    assert_ptr_equal(reserve_take(600), small[n - 1]);
    for (size_t i = 0; i < n; i++)
        reserve_give(small[i]);
    size_t count = take_all(1 << 20, large);
    assert_true(count > 0);
    for (size_t i = 0; i < count; i++)
        reserve_give(large[i]);
    assert_int_equal(take_all(512, small), n);
    for (size_t i = 0; i < n; i++)
        reserve_give(small[i]);
}

static void test_what_is_not_there(void **state)
{
    int local;
    assert_null(reserve_take((1 << 20) + 1));
    assert_null(reserve_take(SIZE_MAX));
    assert_false(reserve_owns(&local));
    assert_false(reserve_owns(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_once),
        cmocka_unit_test(test_what_is_not_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
