/* The names of a table's columns as the members of an object: each once. */
#include "parse/columns.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static struct columns columns;

static int end(void **state)
{
    columns_deinit(&columns);
    return 0;
}

static void add(const char *name)
{
    assert_int_equal(columns_add(&columns, name, strlen(name)), 0);
}

/* The keys of all columns, one behind the other. */
static void assert_keys(const char *expected)
{
    char got[512] = "";
    for (size_t i = 0; i < columns.count; i++) {
        assert_int_equal(columns.items[i]->len, strlen(columns.items[i]->key));
        strcat(got, columns.items[i]->key);
    }
    assert_string_equal(got, expected);
}

static void a_name_is_a_member(void **state)
{
    assert_int_equal(columns.count, 0);
    add("id");
    add("Name");
    add("name");
    add("a b");
    assert_keys(",\"id\":,\"Name\":,\"name\":,\"a b\":");
}

static void names_are_json(void **state)
{
    add("say \"x\"");
    add("back\\slash");
    add("tab\tand\x01");
    add("caf\xc3\xa9");
    add("\xff!");
    assert_keys(",\"say \\\"x\\\"\":,\"back\\\\slash\":,\"tab\\tand\\u0001\":,\"caf\xc3\xa9\":,"
                "\"\xef\xbf\xbd!\":");
    columns_deinit(&columns);
    assert_int_equal(columns_add(&columns, "a\0b", 3), 0);
    assert_keys(",\"a\\u0000b\":");
}

static void one_that_came_before_gets_a_number(void **state)
{
    add("a");
    add("a");
    add("b");
    add("a");
    add("b");
    assert_keys(",\"a\":,\"a_2\":,\"b\":,\"a_3\":,\"b_2\":");
    columns_deinit(&columns);
    add("");
    add("");
    assert_keys(",\"\":,\"_2\":");
    columns_deinit(&columns);
    add("\xff"); /* what cannot be told apart has one name */
    add("\xfe");
    assert_keys(",\"\xef\xbf\xbd\":,\"\xef\xbf\xbd_2\":");
}

/* The number that comes next may be a name that somebody gave. */
static void a_number_that_is_taken_is_passed_over(void **state)
{
    add("a");
    add("a_2");
    add("a");
    add("a_3");
    add("a");
    assert_keys(",\"a\":,\"a_2\":,\"a_3\":,\"a_3_2\":,\"a_4\":");
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Of few names and many columns: no two keys are one, and each begins with its name. */
static void keys_are_unique_whatever_the_names(void **state)
{
    enum { MANY = 5000 };
    static const char *const words[] = {"a", "a_2", "a_3", "a_2_2", "", "_2", "a_10", "b"};
    static const char *keys[MANY];
    uint32_t random = 12345;
    for (size_t i = 0; i < MANY; i++) {
        random = random * 1664525 + 1013904223;
        const char *name = words[random >> 29];
        add(name);
        assert_memory_equal(columns.items[i]->key + 2, name, strlen(name));
    }
    assert_int_equal(columns.count, MANY);
    for (size_t i = 0; i < MANY; i++)
        keys[i] = columns.items[i]->key;
    qsort(keys, MANY, sizeof *keys, by_text);
    for (size_t i = 1; i < MANY; i++)
        assert_string_not_equal(keys[i - 1], keys[i]);
}

int main(void)
{
#define EACH(test) cmocka_unit_test_teardown(test, end)
    const struct CMUnitTest tests[] = {
        EACH(a_name_is_a_member),
        EACH(names_are_json),
        EACH(one_that_came_before_gets_a_number),
        EACH(a_number_that_is_taken_is_passed_over),
        EACH(keys_are_unique_whatever_the_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
