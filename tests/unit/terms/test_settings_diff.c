/* What differs between two readings of the config, and the settings as a config that says the
 * same. */
#include "terms/settings_diff.h"

#include "settings_text.h"
#include "terms/settings_dump.h"

#include <stdio.h>

#define NO_MAX 1000

static struct settings *from, *to;

static json_t *diff(const char *a, const char *b, size_t max, size_t *ret_more)
{
    from = load(a);
    to = load(b);
    json_t *changes = settings_diff(from, to, max, ret_more);
    assert_non_null(changes);
    settings_free(from);
    settings_free(to);
    return changes;
}

/* As "key: from -> to" lines, in order; "-" is for none. */
static void differs(const char *a, const char *b, const char *expected)
{
    char text[1024];
    size_t more, i;
    int len = 0;
    json_t *changes = diff(a, b, NO_MAX, &more), *change;
    text[0] = '\0';
    json_array_foreach(changes, i, change)
    {
        const char *before = json_string_value(json_object_get(change, "from"));
        const char *after = json_string_value(json_object_get(change, "to"));
        len += snprintf(text + len, sizeof text - (size_t)len, "%s: %s -> %s\n",
                        json_string_value(json_object_get(change, "key")), before ? before : "-",
                        after ? after : "-");
    }
    json_decref(changes);
    assert_string_equal(text, expected);
    assert_int_equal(more, 0);
}

static void nothing_differs(void **state)
{
    differs("", "", "");
    differs("[fetch]\nthreads = 1\n", "# the default\n", "");
    differs("[defaults]\nstall_timeout = 60\n", "[defaults]\nstall_timeout = 1min\n", "");
    differs("[defaults]\nstall_timeout = 60\n[parse]\nworkers = 9\n",
            "[parse]\nworkers = 9\n[defaults]\nstall_timeout = 60s\n", "");
}

static void values_differ(void **state)
{
    differs("[parse]\nworkers = 9\n", "[parse]\nworkers = 10\n", "parse.workers: 9 -> 10\n");
    differs("[parse]\nworkers = 9\n", "", "parse.workers: 9 -> 64\n"); /* what holds then */
}

static void sections_come_and_go(void **state)
{
    differs("", "[host \"a.test\"]\nconnections = 3\n", "host \"a.test\".connections: - -> 3\n");
    differs("[host \"a.test\"]\nconnections = 3\n", "", "host \"a.test\".connections: 3 -> -\n");
    differs("[host \"a.test\"]\nconnections = 3\n", "[host \"b.test\"]\nconnections = 3\n",
            "host \"b.test\".connections: - -> 3\nhost \"a.test\".connections: 3 -> -\n");
}

/* The lines of a key that is repeated are one value. */
static void repeated_keys(void **state)
{
    differs("[parser \"p\"]\ntype = exec\nstage = cat\nstage = wc -l\n",
            "[parser \"p\"]\ntype = exec\nstage = cat\nstage = wc -c\n",
            "parser \"p\".stage: cat | wc -l -> cat | wc -c\n");
}

/* That they differ is told; what they are is not. */
static void secrets_are_not_shown(void **state)
{
    differs("[parser \"p\"]\ntype = exec\nstage = curl http://a.test/?token=abc\n",
            "[parser \"p\"]\ntype = exec\nstage = curl http://a.test/?token=def\n",
            "parser \"p\".stage: curl http://a.test/?token=*** -> "
            "curl http://a.test/?token=***\n");
}

static void the_list_is_bounded(void **state)
{
    size_t more;
    json_t *changes = diff("",
                           "[parse]\nworkers = 9\n[host \"a\"]\nconnections = 3\n"
                           "[host \"b\"]\nconnections = 3\n",
                           2, &more);
    assert_int_equal(json_array_size(changes), 2);
    assert_int_equal(more, 1);
    json_decref(changes);
}

/* --- the dump --------------------------------------------------------------------------------- */

static const char rich[] = "[parse]\nworkers = 9\n"
                           "[defaults]\nstall_timeout = 90\n"
                           "[policy]\nallow = 127.0.0.0/8 10.0.0.0/8\n"
                           "[host \"a.test\"]\nconnections = 3\nrequests_per_second = 0.5\n"
                           "[parser \"p\"]\ntype = exec\nstage = cat\nstage = wc \"-l\"\n"
                           "[parser \"c\"]\ntype = csv\noption.delimiter = ;\nmax_body = 64K\n";

static void dump(const char *text, struct buf *ret)
{
    struct config config = {0};
    struct settings *settings;
    struct error err = {""};
    assert_int_equal(config_parse(&config, text, strlen(text), "f.conf", &err), 0);
    assert_int_equal(settings_load(&config, &settings, &err), 0);
    settings_dump(settings, &config, ret);
    assert_false(ret->failed);
    settings_free(settings);
    config_deinit(&config);
}

/* Reading it gives the same settings, and the same dump but for where each value is from. */
static void a_dump_says_the_same(void **state)
{
    struct buf text = BUF_INIT;
    size_t more;
    dump(rich, &text);
    json_t *changes = diff(rich, text.data, NO_MAX, &more);
    if (json_array_size(changes) > 0)
        fail_msg("%s", json_dumps(changes, 0));
    json_decref(changes);
    buf_deinit(&text);
}

static void a_dump_tells_the_places(void **state)
{
    struct buf text = BUF_INIT;
    dump(rich, &text);
    assert_non_null(strstr(text.data, "# f.conf:2\nworkers = 9\n"));
    assert_non_null(strstr(text.data, "# f.conf:4\nstall_timeout = 90s\n"));
    assert_non_null(strstr(text.data, "[host \"a.test\"]\n"));
    assert_non_null(strstr(text.data, "# default\n"));
    assert_null(strstr(text.data, "# default\nworkers"));
    buf_deinit(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_differs),       cmocka_unit_test(values_differ),
        cmocka_unit_test(sections_come_and_go),  cmocka_unit_test(repeated_keys),
        cmocka_unit_test(secrets_are_not_shown), cmocka_unit_test(the_list_is_bounded),
        cmocka_unit_test(a_dump_says_the_same),  cmocka_unit_test(a_dump_tells_the_places),
    };
    return cmocka_run_group_tests(tests, begin, NULL);
}
