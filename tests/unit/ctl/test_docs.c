/* The man pages and the annotated config say the same as the tables do. */
#include "base/buf.h"
#include "ctl/commands.h"
#include "ctl/ctl.h"
#include "support/testlib.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TREE TESTS_DIR "/.."

static void read_file(const char *path, struct buf *b)
{
    if (!test_read_file(path, b))
        fail_msg("there is no %s", path);
}

/* Is the word there, as a word? */
static bool has_word(const char *text, const char *word)
{
    size_t len = strlen(word);
    for (const char *p = text; (p = strstr(p, word)); p += len) {
        bool begins = p == text || !(isalnum((unsigned char)p[-1]) || p[-1] == '_');
        if (begins && !isalnum((unsigned char)p[len]) && p[len] != '_' && p[len] != '-')
            return true;
    }
    return false;
}

static void has_all_commands(const char *path)
{
    struct buf b = BUF_INIT;
    read_file(path, &b);
    for (const struct command *c = commands; c->name; c++)
        if (!c->hidden && !has_word(b.data, c->name))
            fail_msg("%s lacks the command %s", path, c->name);
    buf_deinit(&b);
}

/* In mdoc "--name" is written ".Fl Fl name". */
static void has_all_options(const char *path, const char *before)
{
    struct buf b = BUF_INIT;
    read_file(path, &b);
    for (int i = 0; i < OPT_COUNT_; i++) {
        char option[64];
        snprintf(option, sizeof option, "%s%s", before, opt_defs[i].name);
        if (!has_word(b.data, option))
            fail_msg("%s lacks %s", path, option);
    }
    buf_deinit(&b);
}

static void test_man_page_of_the_client(void **state)
{
    has_all_commands(TREE "/daemon/man/penstockctl.1");
    has_all_options(TREE "/daemon/man/penstockctl.1", "Fl Fl ");
}

/* A job's members, as the protocol's page lists them. */
static void test_man_page_of_the_protocol(void **state)
{
    struct buf b = BUF_INIT;
    read_file(TREE "/daemon/man/penstock-protocol.7", &b);
    for (int i = 0; i < OPT_COUNT_; i++) {
        char storage[64];
        const char *name = opt_json_name((enum opt)i, storage, sizeof storage);
        if ((opt_defs[i].groups & (GROUP_JOB | GROUP_PARSED | GROUP_SELECT)) &&
            !has_word(b.data, name))
            fail_msg("the protocol's page lacks %s", name);
    }
    buf_deinit(&b);
}

/* Each method of the daemon's table. */
static void test_man_page_has_all_methods(void **state)
{
    struct buf page = BUF_INIT, table = BUF_INIT;
    char name[64];
    size_t methods = 0;
    read_file(TREE "/daemon/man/penstock-protocol.7", &page);
    read_file(TREE "/daemon/control/message.c", &table);
    for (const char *p = table.data; (p = strstr(p, "    {\"")); p++) {
        if (sscanf(p, "    {\"%63[a-z_]\", MESSAGE_", name) != 1)
            continue;
        methods++;
        if (!has_word(page.data, name))
            fail_msg("the protocol's page lacks the method %s", name);
    }
    assert_true(methods > 20);
    buf_deinit(&page);
    buf_deinit(&table);
}

/* The name of a section or of a key in a line of the config, "#key = value" or "[section …]"; "" if
 * it is neither. */
static void name_in(const char *line, char ret[64])
{
    const char *p = line + (line[0] == '#');
    bool section = *p == '[';
    size_t len = strspn(p += section, "abcdefghijklmnopqrstuvwxyz_.");
    ret[0] = '\0';
    if (len > 0 && len < 64 && (section || strncmp(p + len, " =", 2) == 0))
        snprintf(ret, 64, "%.*s", (int)len, p);
}

static void test_man_page_of_the_config(void **state)
{
    struct buf page = BUF_INIT, config = BUF_INIT;
    char *rest, name[64];
    size_t names = 0;
    read_file(TREE "/daemon/man/penstockd.conf.5", &page);
    read_file(TREE "/config/penstockd.conf", &config);
    for (char *line = strtok_r(config.data, "\n", &rest); line;
         line = strtok_r(NULL, "\n", &rest)) {
        name_in(line, name);
        if (!name[0] || strncmp(name, "option.", 7) == 0)
            continue;
        names++;
        if (!has_word(page.data, name))
            fail_msg("the config's page lacks %s", name);
    }
    assert_true(names > 40);
    buf_deinit(&page);
    buf_deinit(&config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_man_page_of_the_client),
        cmocka_unit_test(test_man_page_of_the_protocol),
        cmocka_unit_test(test_man_page_has_all_methods),
        cmocka_unit_test(test_man_page_of_the_config),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
