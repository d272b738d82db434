/* Raw values are cut out exactly as they stand, and no text makes it read outside. */
#include "ctl/slice.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct slice of(const char *text)
{
    return (struct slice){text, strlen(text)};
}

static void assert_slice(struct slice s, const char *text)
{
    assert_int_equal(s.len, strlen(text));
    assert_memory_equal(s.p, text, s.len);
}

static void member_is(const char *object, const char *name, const char *value)
{
    struct slice s;
    assert_true(slice_member(of(object), name, &s));
    assert_slice(s, value);
}

static void no_member(const char *object, const char *name)
{
    struct slice s;
    assert_false(slice_member(of(object), name, &s));
}

static void test_values_stand_as_they_are(void **state)
{
    member_is("{\"a\":1}", "a", "1");
    member_is("{\"x\":{\"data\":2},\"data\":1.500000000000000000001e3}", "data",
              "1.500000000000000000001e3");
    member_is(" { \"a\" : [1, {\"b\":\"]}\"}] , \"b\" : null } ", "a", "[1, {\"b\":\"]}\"}]");
    member_is("{\"a\":\"q\\\"}\\\\\",\"data\":\"\\u00e9\"}", "data", "\"\\u00e9\"");
    member_is("{\"a\":[[[]],{}],\"b\":true}", "b", "true");
    member_is("{\"data\":1,\"data\":2}", "data", "1");
}

static void test_what_is_not_there(void **state)
{
    no_member("{\"x\":{\"data\":1}}", "data");
    no_member("{\"x\":\"\\\"data\\\":1\"}", "data");
    no_member("[1,2]", "data");
    no_member("{}", "data");
    no_member("", "data");
    no_member("{\"data\"", "data");
    no_member("{\"data\":", "data");
    no_member("{\"data\":[1", "data");
    no_member("{\"data\":\"abc\\", "data");
    no_member("{\"a\" 1,\"data\":1}", "data");
}

static void test_arrays(void **state)
{
    struct slice array = of(" [ {\"id\":1} ,2,\"a,b\",[3,4] ] "), item;
    size_t pos = 0;
    assert_true(slice_item(array, &pos, &item));
    assert_slice(item, "{\"id\":1}");
    assert_true(slice_item(array, &pos, &item));
    assert_slice(item, "2");
    assert_true(slice_item(array, &pos, &item));
    assert_slice(item, "\"a,b\"");
    assert_true(slice_item(array, &pos, &item));
    assert_slice(item, "[3,4]");
    assert_false(slice_item(array, &pos, &item));
    pos = 0;
    assert_false(slice_item(of("[]"), &pos, &item));
    pos = 0;
    assert_false(slice_item(of("{}"), &pos, &item));
    pos = 0;
    assert_false(slice_item(of("[{"), &pos, &item));
}

static void test_strings_and_numbers(void **state)
{
    uint64_t n;
    assert_true(slice_equals(of("\"done\""), "done"));
    assert_false(slice_equals(of("\"done\""), "don"));
    assert_false(slice_equals(of("done"), "done"));
    assert_false(slice_equals(of(""), ""));
    assert_true(slice_u64(of("18446744073709551615"), &n));
    assert_true(n == UINT64_MAX);
    assert_false(slice_u64(of("18446744073709551616"), &n));
    assert_false(slice_u64(of("-1"), &n));
    assert_false(slice_u64(of("1.0"), &n));
    assert_false(slice_u64(of(""), &n));
}

/* Every cut of a line, each in memory of its own: the address sanitizer sees a step outside. */
static void test_cut_anywhere(void **state)
{
    static const char line[] =
        "{\"a\":[1,{\"b\":\"x\\\"y\"}],\"c\":\"\\\\\",\"data\":{\"k\":[null]}}";
    for (size_t len = 0; len < sizeof line - 1; len++) {
        char *copy = malloc(len + 1);
        struct slice s, all = {copy, len};
        size_t pos = 0;
        memcpy(copy, line, len);
        char *exact = realloc(copy, len ? len : 1);
        all.p = exact;
        if (slice_member(all, "data", &s))
            assert_true(s.len > 0 && s.p + s.len <= exact + len);
        slice_item(all, &pos, &s);
        free(exact);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_stand_as_they_are),
        cmocka_unit_test(test_what_is_not_there),
        cmocka_unit_test(test_arrays),
        cmocka_unit_test(test_strings_and_numbers),
        cmocka_unit_test(test_cut_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
