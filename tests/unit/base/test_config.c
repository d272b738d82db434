#include "base/config.h"
#include "base/config_ini.h"
#include "base/config_tree.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void parse(struct config *config, const char *text)
{
    struct error err = {""};
    if (config_parse(config, text, strlen(text), "f.conf", &err) != 0)
        fail_msg("%s", err.text);
}

/* The text must be refused with exactly this sentence. */
static void refuse_bytes(const char *text, size_t len, const char *sentence)
{
    struct config config = {0};
    struct error err = {""};
    int r = config_parse(&config, text, len, "f.conf", &err);
    config_deinit(&config);
    assert_string_equal(err.text, sentence);
    assert_int_equal(r, -EINVAL);
}

static void refuse(const char *text, const char *sentence)
{
    refuse_bytes(text, strlen(text), sentence);
}

static void refuse_set(const char *assignment, const char *sentence)
{
    struct config config = {0};
    struct error err = {""};
    assert_int_equal(config_set(&config, assignment, &err), -EINVAL);
    assert_string_equal(err.text, sentence);
    assert_int_equal(config.count, 0);
    config_deinit(&config);
}

/* The i-th value of a key, checked for its line. */
static const char *value(const struct config *config, const char *kind, const char *name,
                         const char *key, size_t i, unsigned line)
{
    const struct config_section *s = config_find(config, kind, name);
    assert_non_null(s);
    const struct config_key *k = config_key(s, key);
    assert_non_null(k);
    assert_true(i < k->count);
    assert_int_equal(k->values[i].line, line);
    return k->values[i].text;
}

static void test_values_and_lines(void **state)
{
    struct config config = {0};
    parse(&config, "# a comment\n"
                   "; another\n"
                   "\n"
                   "[daemon]\n"
                   "drain = 30s\r\n"
                   "  indented\t=\t x  y \n"
                   "\n"
                   "[sink \"records\"]\n"
                   "path=/a ; not a comment # nor this\n"
                   "eq = a=b=c\n"
                   "[ spaced ]\n"
                   "last = one");
    assert_int_equal(config.count, 3);
    assert_string_equal(value(&config, "daemon", NULL, "drain", 0, 5), "30s");
    assert_string_equal(value(&config, "daemon", NULL, "indented", 0, 6), "x  y");
    assert_string_equal(value(&config, "sink", "records", "path", 0, 9),
                        "/a ; not a comment # nor this");
    assert_string_equal(value(&config, "sink", "records", "eq", 0, 10), "a=b=c");
    assert_string_equal(value(&config, "spaced", NULL, "last", 0, 12), "one");
    assert_int_equal(config_find(&config, "sink", "records")->line, 8);
    assert_string_equal(config_find(&config, "sink", "records")->file, "f.conf");
    assert_null(config_find(&config, "sink", NULL));
    assert_null(config_find(&config, "sink", "other"));
    assert_null(config_key(config_find(&config, "daemon", NULL), "path"));
    config_deinit(&config);
}

static void test_repeated_keys_add(void **state)
{
    struct config config = {0};
    parse(&config, "[p]\na = 1\nb = x\na = 2\n[q]\na = q\n[p]\na = 3\n");
    assert_int_equal(config.count, 2);
    assert_int_equal(config_key(config_find(&config, "p", NULL), "a")->count, 3);
    assert_string_equal(value(&config, "p", NULL, "a", 0, 2), "1");
    assert_string_equal(value(&config, "p", NULL, "a", 1, 4), "2");
    assert_string_equal(value(&config, "p", NULL, "a", 2, 8), "3");
    assert_string_equal(value(&config, "p", NULL, "b", 0, 3), "x");
    config_deinit(&config);
}

static void test_empty_value_clears(void **state)
{
    struct config config = {0};
    parse(&config, "[p]\na = 1\na =\na = 2\nb = 1\nb=\n");
    assert_int_equal(config_key(config_find(&config, "p", NULL), "a")->count, 1);
    assert_string_equal(value(&config, "p", NULL, "a", 0, 4), "2");
    assert_int_equal(config_key(config_find(&config, "p", NULL), "b")->count, 0);
    config_deinit(&config);
}

static void test_names_differ_by_case(void **state)
{
    struct config config = {0};
    parse(&config, "[parser \"fx\"]\nt = 1\n[parser \"Fx\"]\nt = 2\n[parser \"#;x\"]\nt=3\n");
    assert_int_equal(config.count, 3);
    assert_string_equal(value(&config, "parser", "fx", "t", 0, 2), "1");
    assert_string_equal(value(&config, "parser", "Fx", "t", 0, 4), "2");
    assert_string_equal(value(&config, "parser", "#;x", "t", 0, 6), "3");
    config_deinit(&config);
}

static void test_default_is_a_section_like_others(void **state)
{
    struct config config = {0};
    parse(&config, "[default]\nk = 1\n");
    assert_string_equal(value(&config, "default", NULL, "k", 0, 2), "1");
    config_deinit(&config);
}

static void test_long_values_survive(void **state)
{
    size_t size = 100000;
    char *text = malloc(size + 32);
    struct config config = {0};
    strcpy(text, "[a]\nk = ");
    memset(text + 8, 'x', size);
    strcpy(text + 8 + size, " ; y\nz = 1\n");
    parse(&config, text);
    const char *v = value(&config, "a", NULL, "k", 0, 2);
    assert_int_equal(strlen(v), size + 4);
    assert_memory_equal(v, text + 8, size + 4);
    assert_string_equal(value(&config, "a", NULL, "z", 0, 3), "1");
    config_deinit(&config);
    free(text);
}

static void test_utf8_and_mark(void **state)
{
    struct config config = {0};
    parse(&config, "\xef\xbb\xbf# Äh\n[a]\nk = naïve ✓\n");
    assert_string_equal(value(&config, "a", NULL, "k", 0, 3), "naïve ✓");
    config_deinit(&config);
    parse(&config, "\xef\xbb\xbf[a]\nk = 1\n");
    assert_string_equal(value(&config, "a", NULL, "k", 0, 2), "1");
    config_deinit(&config);
    parse(&config, "");
    parse(&config, "\n \n");
    assert_int_equal(config.count, 0);
    config_deinit(&config);
}

static void test_malformed_lines(void **state)
{
    refuse("# x\n\n[a]\nk = 1\nno equal sign\n",
           "f.conf:5: the line has no =; a line is KEY = VALUE, [SECTION], or begins with # as a "
           "comment");
    refuse("[a]\n[b]\n\n= 1\n", "f.conf:4: there is no key before the =");
    refuse("[a]\nk=1\n[b\n", "f.conf:3: a section's header ends with ], as in [sink \"records\"]");
    refuse("\n[]\n", "f.conf:2: the section's name is missing between [ and ]");
    refuse("[sink records]\n", "f.conf:1: a section is [KIND] or [KIND \"NAME\"], NAME in quotes");
    refuse("[sink \"\"]\n", "f.conf:1: a section is [KIND] or [KIND \"NAME\"], NAME in quotes");
    refuse("[sink \"a\"b\"]\n", "f.conf:1: a section's name is printable ASCII without \" and !");
    refuse("[Sink]\n", "f.conf:1: 'Sink' is no section; kinds are lower case: [KIND]");
    refuse("[a]\nk = 1\n\nKey = 2\n",
           "f.conf:4: 'Key' is no key; keys are lower case: a letter, then a-z 0-9 _ . -");
    refuse("[a]\nk = 1\nK = 2\nk = 3\n",
           "f.conf:3: 'K' is no key; keys are lower case: a letter, then a-z 0-9 _ . -");
    refuse("[a]\nmy key = 2\n",
           "f.conf:2: 'my key' is no key; keys are lower case: a letter, then a-z 0-9 _ . -");
    refuse("[a]\n\nk! = 2\n", "f.conf:3: names of sections and keys are printable ASCII without !");
    refuse("[a]\n\nk\xc3\xa9 = 2\n",
           "f.conf:3: names of sections and keys are printable ASCII without !");
    refuse("[a]\n[b \"\xc3\xa9\"]\n",
           "f.conf:2: names of sections and keys are printable ASCII without !");
}

/* The first mistake of a file is told, whatever kind it is of. */
static void test_the_first_mistake(void **state)
{
    refuse("[a]\nKey = 1\nno equal sign\n",
           "f.conf:2: 'Key' is no key; keys are lower case: a letter, then a-z 0-9 _ . -");
    refuse("[sink records]\n= 1\n[\n",
           "f.conf:1: a section is [KIND] or [KIND \"NAME\"], NAME in quotes");
    refuse("k = 1\nk!\n", "f.conf:1: k: stands before the first [SECTION]");
    refuse("[a]\n  # indented\n",
           "f.conf:2: the line has no =; a line is KEY = VALUE, [SECTION], or begins with # as a "
           "comment");
    refuse("[", "f.conf:1: a section's header ends with ], as in [sink \"records\"]");
}

static void test_keys_before_any_section(void **state)
{
    refuse("k = 1\n[a]\n", "f.conf:1: k: stands before the first [SECTION]");
    refuse("\n# c\nk = 1", "f.conf:3: k: stands before the first [SECTION]");
    refuse("\njunk\n[a]\n",
           "f.conf:2: the line has no =; a line is KEY = VALUE, [SECTION], or begins with # as a "
           "comment");
}

static void test_bytes_that_are_no_text(void **state)
{
    refuse_bytes("[a]\nk = 1\0 2\n", 13, "f.conf:2: there is a NUL byte; a config is plain text");
    refuse_bytes("[a]\n\nk = \xff\n", 11, "f.conf:3: the text is not UTF-8");
    refuse_bytes("\xff\xfe[\0a\0]\0\n\0", 10,
                 "f.conf:1: there is a NUL byte; a config is plain text");
}

static void test_failure_says_where(void **state)
{
    struct config config = {0};
    struct error err;
    parse(&config, "[a]\nk = 1\n");
    assert_int_equal(config_parse(&config, "[b]\nx\n", 6, "g.conf", &err), -EINVAL);
    assert_memory_equal(err.text, "g.conf:2: ", 10);
    assert_string_equal(value(&config, "a", NULL, "k", 0, 2), "1");
    config_deinit(&config);
}

static void test_set(void **state)
{
    struct config config = {0};
    struct error err = {""};
    parse(&config, "[policy]\nallow = 10.0.0.0/8\n");
    assert_int_equal(config_set(&config, "policy.allow=127.0.0.0/8", &err), 0);
    assert_int_equal(config_set(&config, " host \"*.example.org\" . connections = 2 ", &err), 0);
    assert_int_equal(config_set(&config, "parser \"x\".option.eq==;", &err), 0);
    assert_string_equal(value(&config, "policy", NULL, "allow", 0, 2), "10.0.0.0/8");
    assert_string_equal(value(&config, "policy", NULL, "allow", 1, 0), "127.0.0.0/8");
    assert_string_equal(config_key(config_find(&config, "policy", NULL), "allow")->values[1].file,
                        "--set");
    assert_string_equal(value(&config, "host", "*.example.org", "connections", 0, 0), "2");
    assert_string_equal(value(&config, "parser", "x", "option.eq", 0, 0), "=;");
    assert_int_equal(config_set(&config, "policy.allow=", &err), 0);
    assert_int_equal(config_key(config_find(&config, "policy", NULL), "allow")->count, 0);
    config_deinit(&config);
}

static void test_set_refused(void **state)
{
    refuse_set("drain", "--set drain: write SECTION.KEY=VALUE, as in policy.allow=127.0.0.0/8");
    refuse_set("drain=1", "--set drain=1: write SECTION.KEY=VALUE, as in policy.allow=127.0.0.0/8");
    refuse_set("host \"a.b\"=1",
               "--set host \"a.b\"=1: write SECTION.KEY=VALUE, as in policy.allow=127.0.0.0/8");
    refuse_set("daemon.Drain=1", "--set daemon.Drain: 'Drain' is no key; keys are lower case: a "
                                 "letter, then a-z 0-9 _ . -");
    refuse_set("host x.connections=1", "--set host x.connections: a section is [KIND] or [KIND "
                                       "\"NAME\"], NAME in quotes");
    refuse_set(".k=1", "--set .k: '' is no section; kinds are lower case: [KIND]");
    refuse_set("a.k=1\n2", "--set a.k: the value is one line of UTF-8");
    refuse_set("a.k=\xff", "--set a.k: the value is one line of UTF-8");
}

/* A directory of its own for each test of files. */
struct dir {
    char path[64], main[80], drop_ins[96];
};

static void dir_make(struct dir *d)
{
    strcpy(d->path, "/tmp/penstock-config-XXXXXX");
    assert_non_null(mkdtemp(d->path));
    snprintf(d->main, sizeof d->main, "%s/p.conf", d->path);
    snprintf(d->drop_ins, sizeof d->drop_ins, "%s.d", d->main);
}

static void dir_put(const char *dir, const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static void dir_remove(struct dir *d)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", d->path);
    assert_int_equal(system(command), 0);
}

static void test_drop_ins_in_order(void **state)
{
    struct dir d;
    struct config config = {0};
    struct error err = {""};
    char expected[256];

    dir_make(&d);
    assert_int_equal(mkdir(d.drop_ins, 0700), 0);
    dir_put(d.path, "p.conf", "[a]\nk = main\n");
    dir_put(d.drop_ins, "20-b.conf", "\n[a]\nk = second\n");
    dir_put(d.drop_ins, "10-a.conf", "[a]\nk = first\n");
    dir_put(d.drop_ins, "30-c.conf~", "nonsense");
    dir_put(d.drop_ins, ".hidden.conf", "nonsense");
    dir_put(d.drop_ins, "README", "nonsense");
    if (config_read(d.main, &config, &err) != 0)
        fail_msg("%s", err.text);
    assert_string_equal(value(&config, "a", NULL, "k", 0, 2), "main");
    assert_string_equal(value(&config, "a", NULL, "k", 1, 2), "first");
    assert_string_equal(value(&config, "a", NULL, "k", 2, 3), "second");
    snprintf(expected, sizeof expected, "%s/20-b.conf", d.drop_ins);
    assert_string_equal(config_key(config_find(&config, "a", NULL), "k")->values[2].file, expected);
    config_deinit(&config);

    dir_put(d.drop_ins, "15-bad.conf", "[a]\nk\n");
    assert_int_equal(config_read(d.main, &config, &err), -EINVAL);
    snprintf(expected, sizeof expected, "%s/15-bad.conf:2: ", d.drop_ins);
    assert_memory_equal(err.text, expected, strlen(expected));
    assert_int_equal(config.count, 0);
    dir_remove(&d);
}

static void test_missing_files(void **state)
{
    struct dir d;
    struct config config = {0};
    struct error err = {""};

    dir_make(&d);
    assert_int_equal(config_read(d.main, &config, &err), -ENOENT);
    assert_non_null(strstr(err.text, "p.conf: No such file or directory"));
    assert_int_equal(mkdir(d.drop_ins, 0700), 0);
    assert_int_equal(config_read(d.main, &config, &err), -ENOENT);
    dir_put(d.drop_ins, "x.conf", "[a]\nk = alone\n");
    assert_int_equal(config_read(d.main, &config, &err), 0);
    assert_string_equal(value(&config, "a", NULL, "k", 0, 2), "alone");
    config_deinit(&config);
    dir_remove(&d);
}

static void test_files_that_cannot_be_read(void **state)
{
    struct dir d;
    struct config config = {0};
    struct error err = {""};
    char path[128];

    dir_make(&d);
    assert_int_equal(config_read(d.path, &config, &err), -EISDIR);
    assert_non_null(strstr(err.text, ": Is a directory"));
    dir_put(d.path, "p.conf", "[a]\n");
    assert_int_equal(mkdir(d.drop_ins, 0700), 0);
    snprintf(path, sizeof path, "%s/d.conf", d.drop_ins);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(config_read(d.main, &config, &err), -EISDIR);
    assert_non_null(strstr(err.text, "d.conf: Is a directory"));
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(symlink("loop.conf", strcat(strcpy(path, d.drop_ins), "/loop.conf")), 0);
    assert_int_equal(config_read(d.main, &config, &err), -ELOOP);
    if (geteuid() != 0) {
        assert_int_equal(chmod(d.main, 0), 0);
        assert_int_equal(config_read(d.main, &config, &err), -EACCES);
    }
    assert_int_equal(config_read("/dev/zero", &config, &err), -EINVAL);
    assert_string_equal(err.text, "/dev/zero is no regular file");
    dir_remove(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_and_lines),
        cmocka_unit_test(test_repeated_keys_add),
        cmocka_unit_test(test_empty_value_clears),
        cmocka_unit_test(test_names_differ_by_case),
        cmocka_unit_test(test_default_is_a_section_like_others),
        cmocka_unit_test(test_long_values_survive),
        cmocka_unit_test(test_utf8_and_mark),
        cmocka_unit_test(test_malformed_lines),
        cmocka_unit_test(test_the_first_mistake),
        cmocka_unit_test(test_keys_before_any_section),
        cmocka_unit_test(test_bytes_that_are_no_text),
        cmocka_unit_test(test_failure_says_where),
        cmocka_unit_test(test_set),
        cmocka_unit_test(test_set_refused),
        cmocka_unit_test(test_drop_ins_in_order),
        cmocka_unit_test(test_missing_files),
        cmocka_unit_test(test_files_that_cannot_be_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
