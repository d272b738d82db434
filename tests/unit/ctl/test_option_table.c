/* The tables of options and commands agree with each other, and every example in the help is a
 * command line that the client takes. */
#include "ctl/commands.h"
#include "ctl/help.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static unsigned groups_of_commands(void)
{
    unsigned groups = GROUP_GLOBAL;
    for (const struct command *c = commands; c->name; c++)
        groups |= c->groups;
    return groups;
}

static void test_options(void **state)
{
    unsigned taken = groups_of_commands(), used = 0;
    for (int i = 0; i < OPT_COUNT_; i++) {
        const struct opt_def *def = &opt_defs[i];
        assert_non_null(def->name);
        size_t len = strlen(def->name);
        assert_true(len > 1 && strspn(def->name, "abcdefghijklmnopqrstuvwxyz-") == len);
        assert_true(def->help && *def->help);
        assert_true(def->help[strlen(def->help) - 1] != '.'); /* the help adds what holds */
        if (!(def->groups & taken))
            fail_msg("no command takes --%s", def->name);
        assert_true(def->arg || def->form == FORM_NONE); /* a flag is nothing that is sent */
        for (int k = 0; k < i; k++)
            assert_string_not_equal(def->name, opt_defs[k].name);
        used |= def->groups;
    }
    assert_int_equal(taken & ~used, 0); /* no command takes what there is not */
}

/* What is sent has the names of PROTOCOL.md, each once. */
static void test_names_of_members(void **state)
{
    for (int i = 0; i < OPT_COUNT_; i++) {
        char name[64], other[64];
        const char *member = opt_json_name((enum opt)i, name, sizeof name);
        if (opt_defs[i].form == FORM_NONE)
            continue;
        assert_int_equal(strspn(member, "abcdefghijklmnopqrstuvwxyz_"), strlen(member));
        for (int k = 0; k < i; k++)
            if (opt_defs[k].form != FORM_NONE)
                assert_string_not_equal(member, opt_json_name((enum opt)k, other, sizeof other));
    }
    char storage[64];
    assert_string_equal(opt_json_name(OPT_FIRST_BYTE_TIMEOUT, storage, sizeof storage),
                        "first_byte_timeout");
    assert_string_equal(opt_json_name(OPT_HEADER, storage, sizeof storage), "headers");
    assert_string_equal(opt_json_name(OPT_DIGEST_HEADERS, storage, 8), "digest_"); /* cut */
}

static void test_commands(void **state)
{
    for (const struct command *c = commands; c->name; c++) {
        assert_true(c->min <= c->max);
        assert_true(*c->summary);
        assert_true(c->run || strcmp(c->name, "help") == 0);
        for (const struct command *d = commands; d != c; d++)
            assert_string_not_equal(c->name, d->name);
        if (c->more) /* a page ends its last line */
            assert_int_equal(c->more[strlen(c->more) - 1], '\n');
    }
}

/* What holds unless told is a value, so of options that have one. */
static void test_standards(void **state)
{
    size_t count = 0;
    for (int i = 0; i < OPT_COUNT_; i++) {
        const char *standard = help_standard((enum opt)i);
        if (!standard)
            continue;
        count++;
        assert_non_null(opt_defs[i].arg);
        if (strchr(opt_defs[i].arg, '|') && !strstr(opt_defs[i].arg, "TIME") &&
            !strstr(opt_defs[i].arg, standard))
            fail_msg("--%s %s cannot be %s", opt_defs[i].name, opt_defs[i].arg, standard);
    }
    assert_true(count > 20);
}

/* --- examples --------------------------------------------------------------------------------- */

/* Splits as a shell does words and single quotes; a NUL behind each. The number of words. */
static int split(char *line, char *argv[], int max)
{
    int argc = 0;
    for (char *p = line; *p && argc < max;) {
        char *end;
        p += strspn(p, " ");
        if (*p == '\'')
            end = strchr(++p, '\'');
        else
            end = p + strcspn(p, " ");
        argv[argc++] = p;
        p = end + (*end != '\0');
        *end = '\0';
    }
    return argc;
}

static void takes_example(const char *command, const char *line, size_t len)
{
    char copy[256], *argv[24];
    struct args args;
    struct error err = {""};
    assert_true(len < sizeof copy);
    memcpy(copy, line, len);
    copy[len] = '\0';
    int argc = split(copy, argv, 24);
    if (args_parse(&args, commands, argc, argv, &err) != 0)
        fail_msg("%.*s: %s", (int)len, line, err.text);
    assert_string_equal(args.command->name, command);
    args_deinit(&args);
}

static void test_examples(void **state)
{
    static const char start[] = "\n  penstockctl ";
    for (const struct command *c = commands; c->name; c++) {
        struct buf page = BUF_INIT;
        unsigned count = 0;
        help_put_command(&page, c);
        buf_putc(&page, '\0');
        const char *p = strstr(page.data, "\nExamples\n");
        if (!p)
            fail_msg("%s has no examples", c->name);
        for (; (p = strstr(p, start)); p++) {
            takes_example(c->name, p + 3, strcspn(p + 3, "\n"));
            count++;
        }
        assert_int_equal(count, 2);
        buf_deinit(&page);
    }
}

/* Of a page no line is longer than a terminal is wide. */
static void test_pages_fit(void **state)
{
    for (const struct command *c = commands; c->name; c++) {
        struct buf page = BUF_INIT;
        help_put_command(&page, c);
        buf_putc(&page, '\0');
        assert_int_equal(strncmp(page.data, "usage: penstockctl ", 19), 0);
        for (char *line = strtok(page.data, "\n"); line; line = strtok(NULL, "\n"))
            if (strlen(line) > 120)
                fail_msg("%s: %s", c->name, line);
        buf_deinit(&page);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options),  cmocka_unit_test(test_names_of_members),
        cmocka_unit_test(test_commands), cmocka_unit_test(test_standards),
        cmocka_unit_test(test_examples), cmocka_unit_test(test_pages_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
