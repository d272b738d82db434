/* The values of built-in parsers' options, and those of a parser within another. */
#include "parse/options.h"

#include "parse/inner.h"
#include "parse/registry.h"

#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

/* One option: `given`'s. Others have no value. */
static struct parse_pair given;

static const char *get(void *arg, const char *name)
{
    return strcmp(name, given.name) == 0 ? given.value : NULL;
}

static char message[200];

static struct options begin(const char *name, const char *value)
{
    given = (struct parse_pair){name, value};
    message[0] = '\0';
    return (struct options){.get = get, .message = message, .size = sizeof message};
}

static void sizes(void **state)
{
    static const struct {
        const char *text;
        size_t value;
        const char *fault;
    } cases[] = {
        {"10", 10, NULL},
        {"64K", 65536, NULL},
        {"1M", 1 << 20, NULL},
        {"9", 1 << 20, "option \"max\": 9 is not between 10 and 1048576"},
        {"2M", 1 << 20, "option \"max\": 2097152 is not between 10 and 1048576"},
        {"none", 1 << 20, "option \"max\": 'none' is not a size; write "},
        {"", 1 << 20, "option \"max\": '' is not a size; write "},
        {NULL, 1 << 20, "option \"max\": '' is not a size; write "},
        {"-1", 1 << 20, "option \"max\": '-1' is not a size; write "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct options o = begin("max", cases[i].text);
        assert_int_equal(option_bytes(&o, "max", 10, 1 << 20), cases[i].value);
        assert_int_equal(o.wrong, cases[i].fault != NULL);
        if (cases[i].fault && strncmp(message, cases[i].fault, strlen(cases[i].fault)) != 0)
            fail_msg("%s", message);
    }
}

static void yes_and_no(void **state)
{
    static const char *const yes[] = {"yes", "true", "1"}, *const no[] = {"no", "false", "0"};
    for (size_t i = 0; i < 3; i++) {
        struct options o = begin("header", yes[i]);
        assert_true(option_yes(&o, "header"));
        o = begin("header", no[i]);
        assert_false(option_yes(&o, "header"));
        assert_false(o.wrong);
    }
    struct options o = begin("header", "Yes");
    assert_false(option_yes(&o, "header"));
    assert_string_equal(message,
                        "option \"header\": \"Yes\" is none of: no, yes, false, true, 0, 1");
}

static void choices(void **state)
{
    static const char *const colours[] = {"red", "green", NULL};
    struct options o = begin("colour", "green");
    assert_int_equal(option_choice(&o, "colour", colours), 1);
    assert_false(o.wrong);
    o = begin("colour", "gree");
    assert_int_equal(option_choice(&o, "colour", colours), 0);
    assert_true(o.wrong);
    assert_string_equal(message, "option \"colour\": \"gree\" is none of: red, green");
}

static void the_first_fault_is_told(void **state)
{
    struct options o = begin("a", "x");
    option_bytes(&o, "a", 1, 2);
    char first[sizeof message];
    strcpy(first, message);
    option_yes(&o, "b");
    option_fault(&o, "and another %d", 5);
    assert_string_equal(message, first);
    o = begin("a", "x");
    o.size = 8; /* as much of it as there is room for */
    option_fault(&o, "%s", "0123456789");
    assert_string_equal(message, "0123456");
    o.message = NULL; /* nobody wants to know */
    o.wrong = false;
    option_fault(&o, "x");
    assert_true(o.wrong);
}

static void read_one(struct options *o, void *ret_settings)
{
    *(size_t *)ret_settings = option_bytes(o, "max", 1, 100);
}

static void a_check_reads_all_of_them(void **state)
{
    size_t value = 0;
    begin("max", "17");
    assert_int_equal(options_check(get, NULL, message, sizeof message, read_one, &value), 0);
    assert_int_equal(value, 17);
    begin("max", "101");
    assert_int_not_equal(options_check(get, NULL, message, sizeof message, read_one, &value), 0);
    assert_string_equal(message, "option \"max\": 101 is not between 1 and 100");
}

/* --- within another parser -------------------------------------------------------------------- */

static const struct penstock_parser *const outers[] = {&parser_archive, &parser_warc};
static const struct penstock_parser *const inners[] = {
    &parser_count, &parser_csv,   &parser_digest, &parser_feed, &parser_fixed,
    &parser_json,  &parser_lines, &parser_ndjson, &parser_xml};
#define INNERS (sizeof inners / sizeof inners[0])

static const struct penstock_option *find(const struct penstock_parser *parser, const char *name)
{
    const struct penstock_option *o = parser->options;
    while (o->name && strcmp(o->name, name) != 0)
        o++;
    return o->name ? o : NULL;
}

/* What an inner parser may be told is told under its name by the outer one, with the same
 * default. */
static void every_option_of_an_inner_parser_is_the_outer_ones(void **state)
{
    for (size_t i = 0; i < INNERS; i++) {
        size_t count = 0;
        for (const struct penstock_option *o = inners[i]->options; o && o->name; o++, count++)
            for (size_t k = 0; k < 2; k++) {
                char name[64];
                snprintf(name, sizeof name, "%s_%s", inners[i]->name, o->name);
                const struct penstock_option *outer = find(outers[k], name);
                if (!outer)
                    fail_msg("%s has no %s", outers[k]->name, name);
                assert_int_equal(!outer->standard, !o->standard);
                if (o->standard)
                    assert_string_equal(outer->standard, o->standard);
            }
        assert_true(count <= INNER_PAIRS);
    }
}

static void an_inner_parser_is_chosen_by_its_name(void **state)
{
    for (size_t i = 0; i < INNERS; i++) {
        struct options o = begin("parser", inners[i]->name);
        assert_ptr_equal(inner_choose(&o), inners[i]);
        assert_false(o.wrong);
    }
    struct options o = begin("parser", "archive"); /* not one within itself */
    inner_choose(&o);
    assert_string_equal(message, "option \"parser\": \"archive\" is none of: count, csv, digest, "
                                 "feed, fixed, json, lines, ndjson, xml");
}

static const char *standard_or_given(void *arg, const char *name)
{
    if (strcmp(name, given.name) == 0)
        return given.value;
    const struct penstock_option *o = find(&parser_archive, name);
    return o ? o->standard : NULL;
}

static void a_fault_of_its_options_is_told_with_its_name(void **state)
{
    struct options o = begin("lines_max_line", "512K");
    o.get = standard_or_given;
    for (size_t i = 0; i < INNERS; i++)
        inner_check(&o, inners[i]);
    if (o.wrong)
        fail_msg("%s", message);
    o = begin("csv_header", "maybe");
    o.get = standard_or_given;
    inner_check(&o, &parser_lines); /* another's does not matter */
    assert_false(o.wrong);
    inner_check(&o, &parser_csv);
    assert_string_equal(message, "csv: option \"header\": \"maybe\" is none of: no, yes, false, "
                                 "true, 0, 1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes),
        cmocka_unit_test(yes_and_no),
        cmocka_unit_test(choices),
        cmocka_unit_test(the_first_fault_is_told),
        cmocka_unit_test(a_check_reads_all_of_them),
        cmocka_unit_test(every_option_of_an_inner_parser_is_the_outer_ones),
        cmocka_unit_test(an_inner_parser_is_chosen_by_its_name),
        cmocka_unit_test(a_fault_of_its_options_is_told_with_its_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
