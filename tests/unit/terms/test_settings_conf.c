/* config/penstockd.conf says all that can be set, each with its default. */
#include "settings_text.h"
#include "base/config_tree.h"
#include "terms/settings_load.h"
#include "terms/settings_table.h"

#include <stdio.h>

#define CONF TESTS_DIR "/../config/penstockd.conf"

static char *read_conf(void)
{
    FILE *f = fopen(CONF, "r");
    assert_non_null(f);
    char *text = calloc(1, 65536);
    size_t n = fread(text, 1, 65535, f);
    fclose(f);
    assert_true(n > 0 && n < 65535);
    return text;
}

/* Does `line` stand alone on a line between `from` and `to`? With `prefix`: does one begin so? */
static bool has_line(const char *from, const char *to, const char *line, bool prefix)
{
    size_t len = strlen(line);
    for (const char *p = from; (p = strstr(p, line)) && p < to; p++)
        if (p[-1] == '\n' && (prefix || p[len] == '\n'))
            return true;
    return false;
}

static void test_conf_has_every_row(void **state)
{
    char *text = read_conf();
    struct settings_row row;
    size_t rows = 0;
    for (; settings_row(rows, &row); rows++) {
        char header[128], line[256];
        snprintf(header, sizeof header, row.name ? "\n#[%s \"%s\"]\n" : "\n[%s]\n", row.section,
                 row.name);
        const char *from = strstr(text, header);
        if (!from)
            fail_msg("no %s", header);
        const char *to = strstr(from + strlen(header), row.name ? "\n\n" : "\n[");
        if (!to)
            to = text + strlen(text);
        /* In a section with a name the values are examples. */
        snprintf(line, sizeof line, "#%s =%s%s", row.key, *row.standard ? " " : "",
                 row.name ? "" : row.standard);
        if (!has_line(from, to, line, row.name))
            fail_msg("[%s] has no line %s", row.section, line);
        assert_true(strlen(row.help) > 0);
    }
    assert_true(rows > 60);
    assert_false(settings_row(rows + 1, &row));
    free(text);
}

static void test_conf_loads_as_it_is(void **state)
{
    struct config config = {0};
    struct settings *s = NULL;
    struct error err = {""};
    if (config_read(CONF, &config, &err) != 0 || settings_load(&config, &s, &err) != 0)
        fail_msg("%s", err.text);
    assert_int_equal(s->workers, 64);
    assert_int_equal(s->host_count + s->parser_count + s->credential_count, 0);
    settings_free(s);
    config_deinit(&config);
}

/* #key -> key, #[section] -> [section]; comments in words begin with "# ". */
static void uncomment(char *text)
{
    char *to = text;
    for (const char *p = text; *p; p++)
        if (!(*p == '#' && (p == text || p[-1] == '\n') && p[1] != ' ' && p[1] != '\n'))
            *to++ = *p;
    *to = '\0';
}

static void test_conf_loads_without_comments(void **state)
{
    char *text = read_conf();
    uncomment(text);
    struct settings *s = load(text), *d = load("");
    assert_string_equal(s->socket, "/run/penstock/control.sock");
    assert_int_equal(s->drain, d->drain);
    assert_string_equal(s->plugin_dir, d->plugin_dir);
    assert_string_equal(s->defaults.user_agent, d->defaults.user_agent);
    assert_int_equal(s->defaults.max_body, d->defaults.max_body);
    assert_int_equal(s->sink_count, 2);
    assert_int_equal(s->host_count, 1);
    assert_int_equal(s->parser_count, 2);
    assert_int_equal(s->credential_count, 1);
    settings_free(s);
    settings_free(d);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_conf_has_every_row, begin),
        cmocka_unit_test_setup(test_conf_loads_as_it_is, begin),
        cmocka_unit_test_setup(test_conf_loads_without_comments, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
