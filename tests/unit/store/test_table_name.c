#include "store/table_name.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define X63 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static void names_are_taken_as_sql_takes_them(void **state)
{
    static const struct {
        const char *text, *schema, *name;
    } cases[] = {
        {"items", "", "items"},
        {"Items_2$", "", "items_2$"},
        {"Feeds.ITEMS", "feeds", "items"},
        {"\"Items\"", "", "Items"},
        {"\"a.b\".\"c\"\"d; DROP\"", "a.b", "c\"d; DROP"},
        {"feeds.\"größer als\"", "feeds", "größer als"},
        {"größe", "", "größe"},
        {"\"" X63 "\"." X63, X63, X63},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct table_name name;
        struct error err = {""};
        if (table_name_parse(cases[i].text, &name, &err) != 0)
            fail_msg("%s", err.text);
        assert_string_equal(name.schema, cases[i].schema);
        assert_string_equal(name.name, cases[i].name);
    }
}

static void what_is_none_is_refused(void **state)
{
    static const char *const cases[] = {
        "",      ".",       "a.",     ".a",    "a.b.c",        "1a",         "$a",
        "a b",   "a;b",     "a--",    "\"\"",  "\"a",          "a\"b\"",     "\"a\"b",
        "a.\"b", "\"a\"\"", "a.\"\"", X63 "x", "\"" X63 "x\"", "a." X63 "x", "a.b;DROP TABLE c",
        "a'b",   "a(b)",    "a.*",
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct table_name name = {.name = "untouched"};
        struct error err = {""};
        if (table_name_parse(cases[i], &name, &err) != -EINVAL)
            fail_msg("'%s' was taken", cases[i]);
        assert_non_null(strstr(err.text, "feeds.items"));
        assert_string_equal(name.name, "untouched");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_taken_as_sql_takes_them),
        cmocka_unit_test(what_is_none_is_refused),
    };
    return cmocka_run_group_tests_name("table names", tests, NULL, NULL);
}
