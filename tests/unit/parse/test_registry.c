#include "parse/registry.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int setup(void **state)
{
    *state = registry_new();
    return *state ? 0 : -1;
}

static int teardown(void **state)
{
    registry_unref(*state);
    registry_unref(NULL);
    return 0;
}

#define COUNT(pairs) (sizeof(pairs) / sizeof((pairs)[0]))

static const char *const names[] = {"archive", "count", "csv",    "digest", "feed", "fixed",
                                    "json",    "lines", "ndjson", "warc",   "xml"};

static void test_built_ins(void **state)
{
    struct registry *registry = *state;
    for (size_t i = 0; i < COUNT(names); i++) {
        const struct parser_def *def = registry_at(registry, i);
        assert_non_null(def);
        assert_string_equal(def->name, names[i]);
        assert_ptr_equal(registry_find(registry, names[i]), def);
        assert_string_equal(def->origin, "built-in");
        assert_int_equal(def->impl->abi, PENSTOCK_PARSER_ABI);
        assert_int_equal(def->impl->size, sizeof(struct penstock_parser));
        assert_int_equal(registry_check_options(def, NULL, 0, NULL), 0); /* the defaults will do */
    }
    assert_null(registry_at(registry, COUNT(names)));
    assert_null(registry_find(registry, "cs"));
    assert_null(registry_find(registry, "zzz"));
    assert_null(registry_find(registry, ""));
}

/* Every option is explained in one line. */
static void test_options_are_explained(void **state)
{
    const struct parser_def *def;
    for (size_t i = 0; (def = registry_at(*state, i)); i++) {
        assert_true(strlen(def->impl->summary) > 10);
        for (const struct penstock_option *o = def->impl->options; o && o->name; o++) {
            assert_non_null(o->standard);
            assert_true(strlen(o->help) > 10);
            assert_null(strchr(o->help, '\n'));
        }
    }
}

static void test_add(void **state)
{
    struct registry *registry = *state;
    char value[] = ";", name[] = "german", origin[] = "x.conf";
    const struct parse_pair options[] = {
        {"delimiter", ","}, {"delimiter", value}, {"header", "no"}};
    struct error err;
    assert_int_equal(registry_add(registry, name, "csv", options, COUNT(options), origin, &err), 0);
    memset(value, 'x', 1); /* everything was copied */
    memset(name, 'x', 3);
    memset(origin, 'x', 3);
    const struct parser_def *def = registry_find(registry, "german");
    assert_non_null(def);
    assert_ptr_equal(def->impl, &parser_csv);
    assert_string_equal(def->origin, "x.conf");
    assert_ptr_equal(registry_at(registry, 6), def);

    const struct parse_pair of_job[] = {{"header", "yes"}, {"ragged", "fail"}};
    struct parse_pair *merged;
    size_t count;
    assert_int_equal(registry_merge_options(def, of_job, COUNT(of_job), &merged, &count), 0);
    assert_int_equal(count, 3);
    assert_string_equal(merged[0].name, "delimiter");
    assert_string_equal(merged[0].value, ";");   /* the last of two */
    assert_string_equal(merged[1].value, "yes"); /* the job's */
    assert_string_equal(merged[2].value, "fail");
    free(merged);
    assert_int_equal(
        registry_merge_options(registry_find(registry, "count"), NULL, 0, &merged, &count), 0);
    assert_int_equal(count, 0);
    assert_null(merged);
}

/* A definition's pointer stays while others are added. */
static void test_pointers_stay(void **state)
{
    char name[16];
    const struct parser_def *csv = registry_find(*state, "csv");
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "p%d", i);
        assert_int_equal(registry_add(*state, name, "lines", NULL, 0, "x", NULL), 0);
    }
    assert_ptr_equal(registry_find(*state, "csv"), csv);
    for (size_t i = 1; i < 100 + COUNT(names); i++)
        assert_true(strcmp(registry_at(*state, i - 1)->name, registry_at(*state, i)->name) < 0);
}

static void test_options_for_a_built_in(void **state)
{
    const struct parse_pair tab = {"delimiter", "tab"}, semicolon = {"delimiter", ";"};
    struct error err;
    assert_int_equal(registry_add(*state, "csv", NULL, &tab, 1, "x.conf", &err), 0);
    assert_string_equal(registry_find(*state, "csv")->options[0].value, "tab");
    assert_null(registry_at(*state, COUNT(names)));
    assert_int_equal(registry_add(*state, "csv", "csv", &semicolon, 1, "y.conf", &err), -EEXIST);
    assert_non_null(strstr(err.text, "x.conf"));
    assert_int_equal(registry_add(*state, "lines", "csv", NULL, 0, "x", &err), -EEXIST);
    assert_int_equal(registry_add(*state, "tsv", "csv", &tab, 1, "x", &err), 0);
}

static void assert_refused(struct registry *registry, const char *name, const char *type,
                           const struct parse_pair *option, const char *say)
{
    struct error err = {""};
    assert_int_equal(registry_add(registry, name, type, option, option ? 1 : 0, "x", &err),
                     -EINVAL);
    if (!strstr(err.text, say))
        fail_msg("\"%s\" lacks \"%s\"", err.text, say);
    assert_null(strcmp(name, "csv") == 0 ? NULL : registry_find(registry, name));
}

static void test_refusals(void **state)
{
    static const struct parse_pair unknown = {"delimeter", ";"}, bad = {"delimiter", "long"};
    assert_refused(*state, "", "csv", NULL, "a name has");
    assert_refused(*state, "Csv", "csv", NULL, "a name has");
    assert_refused(*state, "-x", "csv", NULL, "a name has");
    assert_refused(*state, "a b", "csv", NULL, "a name has");
    assert_refused(*state, "a23456789012345678901234567890123", "csv", NULL, "a name has");
    assert_refused(*state, "mine", "cvs", NULL, "did you mean csv?");
    assert_refused(*state, "mine", NULL, NULL, "no parser of the type \"mine\"");
    assert_refused(*state, "mine", "csv", &unknown, "did you mean delimiter?");
    assert_refused(*state, "mine", "csv", &bad, "\"delimiter\"");
    assert_refused(*state, "mine", "count", &bad, "no options");
    assert_int_equal(
        registry_add(*state, "a2345678901234567890123456789012", "csv", NULL, 0, "x", NULL), 0);
}

static void test_check_options(void **state)
{
    const struct parse_pair semicolon = {"delimiter", ";"}, quote = {"quote", ";"}, x = {"x", "y"};
    struct error err;
    assert_int_equal(registry_add(*state, "semi", "csv", &semicolon, 1, "x", &err), 0);
    const struct parser_def *def = registry_find(*state, "semi");
    assert_int_equal(registry_check_options(def, NULL, 0, &err), 0);
    /* each is well alone, together they are not: the check sees the merged values */
    assert_int_equal(registry_check_options(registry_find(*state, "csv"), &quote, 1, &err), 0);
    assert_int_equal(registry_check_options(def, &quote, 1, &err), -EINVAL);
    assert_non_null(strstr(err.text, "parser \"semi\""));
    assert_int_equal(registry_check_options(def, &x, 1, &err), -EINVAL);
    assert_non_null(strstr(err.text, "max_record"));
}

static void test_references(void **state)
{
    struct registry *registry = registry_new();
    const struct parser_def *def = registry_find(registry, "csv");
    assert_ptr_equal(registry_ref(registry), registry);
    registry_unref(registry);
    assert_string_equal(def->name, "csv");
    registry_unref(registry);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_built_ins),     TEST(test_options_are_explained),
        TEST(test_add),           TEST(test_pointers_stay),
        TEST(test_refusals),      TEST(test_options_for_a_built_in),
        TEST(test_check_options), cmocka_unit_test(test_references),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
