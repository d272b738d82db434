/* The settings as they hold, told one by one: which keys, from where, what has changed them since,
 * and what is struck out. */
#include "terms/settings_dump.h"

#include "settings_text.h"
#include "terms/settings_walk.h"

#include <stdio.h>

static struct buf text;

static int finish(void **state)
{
    buf_deinit(&text);
    text = (struct buf)BUF_INIT;
    return 0;
}

/* Each of `files` is read as one of its own, after the others; `sets` are --set's, or NULL. */
static void dump(const char *const *files, size_t count, const char *set)
{
    struct config config = {0};
    struct settings *settings = NULL;
    struct error err = {""};
    char name[16];
    int r = 0;
    for (size_t i = 0; i < count && r == 0; i++) {
        snprintf(name, sizeof name, "%c.conf", (char)('a' + i));
        r = config_parse(&config, files[i], strlen(files[i]), name, &err);
    }
    if (r == 0 && set)
        r = config_set(&config, set, &err);
    if (r == 0)
        r = settings_load(&config, &settings, &err);
    if (r < 0)
        fail_msg("%s", err.text);
    finish(NULL);
    settings_dump(settings, &config, &text);
    assert_false(text.failed);
    settings_free(settings);
    config_deinit(&config);
}

static void has(const char *lines)
{
    if (!strstr(text.data, lines))
        fail_msg("no %s in %s", lines, text.data);
}

static void dump_one(const char *file)
{
    dump(&file, 1, NULL);
}

static void each_value_tells_where_it_is_from(void **state)
{
    static const char *const files[] = {
        "[parse]\nworkers = 9\n[policy]\nallow = 10.0.0.0/8\nallow = ::1\n",
        "\n[parse]\nworkers = 10\n[policy]\nallow = :8080\n"};
    dump(files, 2, "parse.max_record=2M");
    has("\n[parse]\n# b.conf:3\nworkers = 10\n");                        /* the last one counts */
    has("# a.conf:4 a.conf:5 b.conf:5\nallow = 10.0.0.0/8 ::1 :8080\n"); /* of a list, all */
    has("# --set\nmax_record = 2M\n");
    has("# default\nmax_abandoned = 64\n");
    has("# default\nmax_clients = 1000\n");
}

static void stages_are_each_from_their_line(void **state)
{
    dump_one("[parser \"p\"]\ntype = exec\nstage = cat\nstage = wc -l\n");
    has("\n[parser \"p\"]\n# a.conf:2\ntype = exec\n# a.conf:3\nstage = cat\n# a.conf:4\n"
        "stage = wc -l\n");
}

/* What the config says is not always what holds. */
static void what_has_changed_a_value_is_told(void **state)
{
    dump_one("[defaults]\ntimeout = 2h\nmax_attempts = 2\n[ceilings]\ntimeout = 1h\n"
             "max_attempts = 3\nstall_timeout = 5s\n[policy]\nallow_downgrade = yes\n");
    has("# a.conf:2, lowered to its ceiling\ntimeout = 1h\n");
    has("# a.conf:3\nmax_attempts = 2\n");
    has("# default, lowered to its ceiling\nstall_timeout = 5s\n");
    has("# default, lowered to its ceiling\nmax_body = 1T\n");
    has("# default, and policy.allow_downgrade\nallow_downgrade = yes\n");
    has("\n[ceilings]\n");
    has("# a.conf:5\ntimeout = 1h\n");
}

static void a_host_is_found_however_it_was_written(void **state)
{
    dump_one("[host \"WWW.Example.ORG.\"]\nconnections = 3\n[host \"[::1]\"]\nconnections = 4\n");
    has("\n[host \"www.example.org\"]\n# a.conf:2\nconnections = 3\n");
    has("\n[host \"::1\"]\n# a.conf:4\nconnections = 4\n");
}

/* A named section tells what it says, and nothing that is of another type. */
static void sections_with_a_name_are_short(void **state)
{
    dump_one("[sink \"r\"]\ntype = file\npath = /r\n[credential \"c\"]\ntype = bearer\n"
             "hosts = a.test\n[user \"77001\"]\nmax_jobs = 5\n[group \"77002\"]\n"
             "max_priority = -3\n[host \"a\"]\nhttp = 2\n");
    has("\n[sink \"r\"]\n# a.conf:2\ntype = file\n# a.conf:3\npath = /r\n# default\nevents = all\n"
        "# default\nmax_size = none\n# default\nkeep = 7\n\n");
    has("\n[credential \"c\"]\n# a.conf:5\ntype = bearer\n# a.conf:6\nhosts = a.test\n\n");
    has("\n[user \"77001\"]\n# a.conf:8\nmax_jobs = 5\n");
    has("\n[group \"77002\"]\n# a.conf:10\nmax_priority = -3\n");
    has("\n[host \"a\"]\n# a.conf:12\nhttp = 2\n\n");
}

static void secrets_are_struck_out(void **state)
{
    static const char *const shown[][2] = {
        {"[parser \"p\"]\ntype = csv\noption.api_key = a b c\noption.quote = '\n",
         "option.api_key = ***\n"},
        {"[parser \"p\"]\ntype = csv\noption.password = x\n", "option.password = ***\n"},
        {"[parser \"p\"]\ntype = exec\nstage = curl http://u:pw@h/?key=x&a=1\n",
         "stage = curl http://***@h/?key=***&a=1\n"},
        {"[parser \"p\"]\ntype = exec\nstage = a http://h/x@y 'ftp://u@h' b\n",
         "stage = a http://h/x@y 'ftp://***@h' b\n"},
        {"[store]\ndsn = host=db password=hunter2 user=me\n",
         "dsn = host=db password=*** user=me\n"},
        {"[parser \"p\"]\ntype = exec\nstage = a http://u@v:pw@h/ b\n",
         "stage = a http://***@h/ b\n"},
        {"[store]\ndsn = postgresql://me:hunter2@db/penstock\n",
         "dsn = postgresql://***@db/penstock\n"},
    };
    for (size_t i = 0; i < sizeof shown / sizeof shown[0]; i++) {
        dump_one(shown[i][0]);
        has(shown[i][1]);
        assert_null(strstr(text.data, "hunter2"));
    }
    dump_one("[parser \"p\"]\ntype = csv\noption.quote = '\n");
    has("option.quote = '\n");
}

/* --- the walk itself -------------------------------------------------------------------------- */

struct seen {
    char sections[512];
    const char *last_section, *last_name;
    size_t values, empty;
};

static void on_value(void *arg, const struct settings_value *value)
{
    struct seen *seen = arg;
    seen->values++;
    seen->empty += value->text[0] == '\0';
    if (seen->last_section == value->section && seen->last_name == value->name)
        return;
    seen->last_section = value->section;
    seen->last_name = value->name;
    size_t len = strlen(seen->sections);
    snprintf(seen->sections + len, sizeof seen->sections - len, "%s%s%s%s", len > 0 ? " " : "",
             value->section, value->name ? ":" : "", value->name ? value->name : "");
}

static void all_sections_come_in_order(void **state)
{
    struct settings *s = load("[parser \"p\"]\ntype = csv\n[host \"b\"]\nconnections = 1\n"
                              "[ceilings]\ntimeout = 1h\n[host \"*\"]\nconnections = 2\n"
                              "[user \"77001\"]\nmax_jobs = 1\n");
    struct seen seen = {.values = 0};
    assert_int_equal(settings_walk(s, on_value, &seen), 0);
    assert_string_equal(seen.sections,
                        "daemon control store fleet queue fetch flow results parse policy metrics "
                        "defaults ceilings sink:stdout host:b host:* user:77001 parser:p");
    assert_true(seen.empty > 0); /* without a name, also what says nothing */
    assert_true(seen.values > 100);
    settings_free(s);
}

int main(void)
{
#define EACH(test) cmocka_unit_test_setup_teardown(test, begin, finish)
    const struct CMUnitTest tests[] = {
        EACH(each_value_tells_where_it_is_from), EACH(stages_are_each_from_their_line),
        EACH(what_has_changed_a_value_is_told),  EACH(a_host_is_found_however_it_was_written),
        EACH(sections_with_a_name_are_short),    EACH(secrets_are_struck_out),
        EACH(all_sections_come_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
