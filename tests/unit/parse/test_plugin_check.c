/* Which descriptions of a parser can be used, and what is said of those that cannot. */
#include "parse/plugin_check.h"

#include "parse/registry.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static int parse_nothing(FILE *body, struct penstock_run *run)
{
    return PENSTOCK_OK;
}

static const struct penstock_parser good = {.abi = PENSTOCK_PARSER_ABI,
                                            .size = sizeof(struct penstock_parser),
                                            .name = "mine",
                                            .summary = "reads mine",
                                            .parse = parse_nothing};
static struct error err;

static void refuses(const struct penstock_parser *parser, const char *sentence)
{
    assert_int_equal(parser_check(parser, &err), -EINVAL);
    assert_string_equal(err.text, sentence);
}

static void what_is_whole_is_taken(void **state)
{
    assert_int_equal(parser_check(&good, &err), 0);
    const struct penstock_parser *const built_in[] = {
        &parser_count, &parser_lines, &parser_csv,   &parser_ndjson,  &parser_json, &parser_digest,
        &parser_xml,   &parser_feed,  &parser_fixed, &parser_archive, &parser_warc};
    for (size_t i = 0; i < sizeof built_in / sizeof built_in[0]; i++)
        if (parser_check(built_in[i], &err) < 0)
            fail_msg("%s: %s", built_in[i]->name, err.text);
}

static void what_is_missing_is_named(void **state)
{
    struct penstock_parser p = good;
    p.abi = PENSTOCK_PARSER_ABI + 1;
    refuses(&p, "it was compiled for version 2 of penstock/parser.h; this is version 1: compile it "
                "anew");
    p = good;
    p.size = (uint32_t)offsetof(struct penstock_parser, flags) - 1;
    assert_int_equal(parser_check(&p, &err), -EINVAL);
    assert_non_null(strstr(err.text, "its size member is "));
    assert_non_null(strstr(err.text, ", not sizeof(struct penstock_parser)"));
    p = good;
    p.summary = NULL;
    refuses(&p, "it has no summary");
    p.summary = "";
    refuses(&p, "it has no summary");
    p = good;
    p.parse = NULL;
    refuses(&p, "it has no parse function");
    p = good;
    p.name = NULL;
    refuses(&p, "its name \"\" will not do: up to 32 characters, a letter a-z first, then also "
                "digits, - and _");
}

/* One that was compiled before there were flags ends before them, whatever lies behind it. */
static void an_older_description_has_no_flags(void **state)
{
    struct penstock_parser p = good;
    p.flags = PENSTOCK_PARSER_TEXT;
    assert_int_equal(parser_flags(&p), PENSTOCK_PARSER_TEXT);
    p.size = (uint32_t)offsetof(struct penstock_parser, flags);
    assert_int_equal(parser_check(&p, &err), 0);
    assert_int_equal(parser_flags(&p), 0);
}

static void names(void **state)
{
    static const char *const right[] = {"a", "csv", "x9_-", "abcdefghijklmnopqrstuvwxyz012345"};
    static const char *const wrong[] = {"",    "9a",   "_a",  "-a",
                                        "Csv", "a b",  "a.b", "a/b",
                                        "ä",   "../a", "a\n", "abcdefghijklmnopqrstuvwxyz0123456"};
    for (size_t i = 0; i < sizeof right / sizeof right[0]; i++)
        assert_true(parser_name_valid(right[i]));
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct penstock_parser p = good;
        assert_false(parser_name_valid(wrong[i]));
        p.name = wrong[i];
        assert_int_equal(parser_check(&p, &err), -EINVAL);
    }
}

static void options_have_names_and_help(void **state)
{
    static const struct penstock_option well[] = {
        {"a", NULL, "h"}, {"b_2", "x", "h"}, {.name = NULL}};
    static const struct penstock_option unnamed[] = {{"", NULL, "h"}, {.name = NULL}};
    static const struct penstock_option capital[] = {
        {"a", NULL, "h"}, {"Max", NULL, "h"}, {.name = NULL}};
    static const struct penstock_option dash[] = {{"max-size", NULL, "h"}, {.name = NULL}};
    static const struct penstock_option digit[] = {{"2nd", NULL, "h"}, {.name = NULL}};
    static const struct penstock_option helpless[] = {{"a", "1", NULL}, {.name = NULL}};
    static const struct penstock_option twice[] = {
        {"a", NULL, "h"}, {"b", NULL, "h"}, {"a", NULL, "h"}, {.name = NULL}};
    static const struct {
        const struct penstock_option *options;
        const char *sentence;
    } cases[] = {
        {unnamed, "its option \"\" is misnamed: a letter a-z first, then also digits and _"},
        {capital, "its option \"Max\" is misnamed: a letter a-z first, then also digits and _"},
        {dash, "its option \"max-size\" is misnamed: a letter a-z first, then also digits and _"},
        {digit, "its option \"2nd\" is misnamed: a letter a-z first, then also digits and _"},
        {helpless, "its option \"a\" has no help"},
        {twice, "its option \"a\" is there twice"},
    };
    struct penstock_parser p = good;
    p.options = well;
    assert_int_equal(parser_check(&p, &err), 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        p.options = cases[i].options;
        refuses(&p, cases[i].sentence);
    }
}

static void shared_objects_that_are_no_plug_in(void **state)
{
    assert_null(plugin_open("/nowhere/x.so", &err));
    assert_memory_equal(err.text, "it cannot be loaded: ", 21);
    assert_non_null(strstr(err.text, "/nowhere/x.so"));
    assert_null(plugin_open(TESTS_DIR "/CMakeLists.txt", &err));
    assert_memory_equal(err.text, "it cannot be loaded: ", 21);
    assert_null(plugin_open("libm.so.6", &err));
    assert_string_equal(err.text, "it has no symbol " PENSTOCK_PLUGIN_SYMBOL
                                  ", as penstock/parser.h describes it");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_whole_is_taken),
        cmocka_unit_test(what_is_missing_is_named),
        cmocka_unit_test(an_older_description_has_no_flags),
        cmocka_unit_test(names),
        cmocka_unit_test(options_have_names_and_help),
        cmocka_unit_test(shared_objects_that_are_no_plug_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
