/* The command line: where options may stand, and what is said about a wrong one. */
#include "ctl/commands.h"
#include "ctl/args.h"
#include "ctl/ctl.h"
#include "ctl/help.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MAX 16

/* Splits at blanks: no argument here has one. */
static int parse(struct args *args, const char *line, struct error *err)
{
    static char text[256];
    char *argv[MAX + 1] = {NULL};
    int argc = 0;
    strcpy(text, line);
    for (char *p = strtok(text, " "); p && argc < MAX; p = strtok(NULL, " "))
        argv[argc++] = p;
    return args_parse(args, commands, argc, argv, err);
}

static void refused(const char *line, const char *part)
{
    struct args args;
    struct error err = {""};
    assert_int_equal(parse(&args, line, &err), -EINVAL);
    if (!strstr(err.text, part))
        fail_msg("'%s' lacks '%s'", err.text, part);
    args_deinit(&args);
}

static struct args accepted(const char *line)
{
    struct args args;
    struct error err = {""};
    if (parse(&args, line, &err) != 0)
        fail_msg("%s: %s", line, err.text);
    return args;
}

static void test_options_stand_anywhere(void **state)
{
    static const char *const lines[] = {
        "ctl --parser csv submit u1 u2 --wait --label=a=b --label c=d",
        "ctl submit u1 --parser=csv --label=a=b --wait u2 --label c=d",
        "ctl --label a=b --label=c=d --wait --parser csv submit -- u1 u2",
    };
    for (size_t i = 0; i < 3; i++) {
        struct args args = accepted(lines[i]);
        assert_string_equal(args.command->name, "submit");
        assert_int_equal(args.operand_count, 2);
        assert_string_equal(args.operands[0], "u1");
        assert_string_equal(args.operands[1], "u2");
        assert_string_equal(args_value(&args, OPT_PARSER), "csv");
        assert_string_equal(args_value(&args, OPT_LABEL), "c=d");
        assert_true(args_has(&args, OPT_WAIT));
        assert_false(args_has(&args, OPT_FOLLOW));
        args_deinit(&args);
    }
}

static void test_values(void **state)
{
    struct args args = accepted("ctl submit u --priority -5 --key= --from=--x --body -");
    assert_string_equal(args_value(&args, OPT_PRIORITY), "-5");
    assert_string_equal(args_value(&args, OPT_KEY), "");
    assert_string_equal(args_value(&args, OPT_FROM), "--x");
    assert_string_equal(args_value(&args, OPT_BODY), "-");
    args_deinit(&args);
    args = accepted("ctl list --limit 1 --limit 2");
    assert_string_equal(args_value(&args, OPT_LIMIT), "2");
    args_deinit(&args);
    args = accepted("ctl submit -- --wait -x --");
    assert_int_equal(args.operand_count, 3);
    assert_false(args_has(&args, OPT_WAIT));
    args_deinit(&args);
}

static void test_refusals(void **state)
{
    refused("ctl submti u", "did you mean submit");
    refused("ctl submit u --prser x", "did you mean --parser");
    refused("ctl submit u --zzzzzzzz",
            "there is no option --zzzzzzzz (see: penstockctl help submit)");
    refused("ctl submit u -p x", "two dashes");
    refused("ctl submit u --wait=yes", "takes no value");
    refused("ctl submit u --parser", "--parser needs a value");
    refused("ctl submit u --parser --wait", "--parser=--wait");
    refused("ctl ping --parser csv", "`ping` takes no --parser");
    refused("ctl run u --parser csv -- wc", "`run` takes no --parser");
    refused("ctl ping x", "'x' is too much");
    refused("ctl show", "`show` needs more");
    refused("ctl wait", "`wait` needs more");
}

static void test_help_and_version_excuse_the_rest(void **state)
{
    struct args args = accepted("ctl show --help");
    assert_true(args_has(&args, OPT_HELP));
    args_deinit(&args);
    args = accepted("ctl -h");
    assert_null(args.command);
    args_deinit(&args);
    args = accepted("ctl --version");
    assert_true(args_has(&args, OPT_VERSION));
    args_deinit(&args);
}

static void test_ids(void **state)
{
    static const char *const bad[] = {"ctl show 0", "ctl show x", "ctl show 1x",
                                      "ctl show 9223372036854775808"};
    struct error err;
    uint64_t id;
    for (size_t i = 0; i < 4; i++) {
        struct args args = accepted(bad[i]);
        assert_int_equal(args_id(&args, 0, &id, &err), -EINVAL);
        args_deinit(&args);
    }
    struct args args = accepted("ctl show 9223372036854775807");
    assert_int_equal(args_id(&args, 0, &id, &err), 0);
    assert_int_equal(id, INT64_MAX);
    args_deinit(&args);
}

/* Every command that exists, and every option of each, is in its help. */
static void test_help_is_complete(void **state)
{
    struct buf all = BUF_INIT;
    help_put(&all, commands);
    for (const struct command *c = commands; c->name; c++) {
        struct buf b = BUF_INIT;
        if (c->hidden)
            continue;
        assert_non_null(strstr(all.data, c->name));
        assert_non_null(strstr(all.data, c->synopsis));
        help_put_command(&b, c);
        assert_null(strstr(b.data, " \n"));
        assert_null(strstr(b.data, "?."));
        for (int i = 0; i < OPT_COUNT_; i++)
            if (opt_defs[i].groups & (c->groups | GROUP_GLOBAL))
                assert_non_null(strstr(b.data, opt_defs[i].name));
        assert_false(b.failed);
        buf_deinit(&b);
    }
    assert_non_null(strstr(all.data, "schedule apply"));
    buf_deinit(&all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options_stand_anywhere),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_help_and_version_excuse_the_rest),
        cmocka_unit_test(test_ids),
        cmocka_unit_test(test_help_is_complete),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
