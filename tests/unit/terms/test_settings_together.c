/* What several keys, or several sections, must agree on, and what a sentence of it names. */
#include "terms/quota.h"
#include "settings_text.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

struct together {
    const char *text;
    const char *sentence; /* NULL: it is well */
};

static void check(const struct together *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct settings *s = NULL;
        struct error err = {""};
        int r = load_text(cases[i].text, &s, &err);
        if (strcmp(err.text, cases[i].sentence ? cases[i].sentence : "") != 0)
            fail_msg("%s: %s", cases[i].text, err.text);
        assert_int_equal(r, cases[i].sentence ? -EINVAL : 0);
        assert_int_equal(!s, r < 0);
        settings_free(s);
    }
}
#define CHECK(cases) check(cases, sizeof(cases) / sizeof(cases)[0])

#define CREDENTIAL(type, hosts) "[credential \"p\"]\ntype = " type "\nuser = u\nhosts = " hosts "\n"
#define TRUST                   "[policy]\ntrust_proxy = yes\n"
#define PROXY(url)              TRUST "[fetch]\nproxy = " url "\nproxy_credential = p\n"

static void a_proxy_and_who_it_is_told(void **state)
{
    static const struct together cases[] = {
        {"[fetch]\nproxy = none\n", NULL},
        {"[fetch]\nproxy = env\n[policy]\ntrust_proxy = yes\n", NULL},
        {CREDENTIAL("basic", "proxy.test") PROXY("http://proxy.test:3128"), NULL},
        {CREDENTIAL("basic", "*.test") PROXY("socks5h://PROXY.test"), NULL},
        {CREDENTIAL("basic", "other.test") PROXY("http://proxy.test:3128"),
         "fetch.proxy_credential: p is not sent to the proxy proxy.test: that is none of its "
         "hosts"},
        {CREDENTIAL("basic", "other.test") PROXY("env"), NULL}, /* who knows which that is */
        {CREDENTIAL("bearer", "proxy.test") PROXY("http://proxy.test:3128"),
         "fetch.proxy_credential: p is not of type basic"},
        {PROXY("http://proxy.test:3128"), "fetch.proxy_credential: there is no [credential \"p\"]"},
        {CREDENTIAL("basic", "a") "[fetch]\nproxy_credential = p\n",
         "fetch.proxy_credential: there is no fetch.proxy"},
        {CREDENTIAL("basic", "a") "[fetch]\nproxy = none\nproxy_credential = p\n",
         "fetch.proxy_credential: there is no fetch.proxy"},
        {"[policy]\ntrust_proxy = yes\n[fetch]\nproxy = ftp://p\n",
         "f.conf:4: fetch.proxy: it is not none, env or a URL as http://proxy:3128"},
        {"[policy]\ntrust_proxy = yes\n[fetch]\nproxy = http://\n",
         "f.conf:4: fetch.proxy: it is not none, env or a URL as http://proxy:3128"},
    };
    CHECK(cases);
}

static void sinks_and_their_types(void **state)
{
    static const struct together cases[] = {
        {"[sink \"j\"]\ntype = journal\nformat = text\n", NULL},
        {"[sink \"j\"]\ntype = stdout\nformat = text\n",
         "f.conf:1: [sink \"j\"]: format = text is of type journal only"},
        {"[sink \"j\"]\ntype = stdout\nformat = json\n", NULL},
        {"[sink \"a\"]\ntype = stdout\n[sink \"b\"]\ntype = stdout\n",
         "f.conf:3: [sink \"b\"]: another sink writes to the same place"},
        {"[sink \"a\"]\ntype = file\npath = /x\n[sink \"b\"]\ntype = file\npath = /y\n", NULL},
        {"[sink \"a b\"]\ntype = stdout\n",
         "f.conf:1: [sink \"a b\"]: 'a b' is no name; it has 1 to 64 of A-Z a-z 0-9 _ - ."},
        {"[store]\nengine = postgresql\n[sink \"d\"]\ntype = postgresql\nkeep = 3\n",
         "f.conf:3: [sink \"d\"]: keep is not of type postgresql"},
        {"[store]\nengine = postgresql\n[sink \"d\"]\ntype = postgresql\npath = /x\n",
         "f.conf:3: [sink \"d\"]: path is not of type postgresql"},
        {"[store]\nengine = postgresql\n[sink \"d\"]\ntype = postgresql\n"
         "table = \"Feeds\".items\n",
         NULL},
        {"[store]\nengine = postgresql\n[sink \"d\"]\ntype = postgresql\n"
         "table = items; DROP TABLE x\n",
         "f.conf:5: sink \"d\".table: 'items; DROP TABLE x' is no table's name: write items, "
         "feeds.items, or \"Feeds\".\"Items\", each part of at most 63 bytes"},
        {"[sink \"a\"]\ntype = stdout\ntable = items\n",
         "f.conf:1: [sink \"a\"]: table is of type postgresql only"},
    };
    CHECK(cases);
}

static void parsers_and_their_types(void **state)
{
    static const struct together cases[] = {
        {"[parser \"x\"]\ntype = exec\nstage = cat\noption.a = 1\n",
         "f.conf:1: [parser \"x\"]: type exec has no options; write them into its stages"},
        {"[parser \"x\"]\ntype = csv\noutput = json\n",
         "f.conf:1: [parser \"x\"]: stage and output are of type exec only"},
        {"[parser \"x\"]\ntype = exce\nstage = cat\n",
         "f.conf:1: [parser \"x\"]: there is no parser of the type \"exce\"; did you mean exec?"},
        {"[parser \"x\"]\ntype = csv\ndelimiter = ;\n",
         "f.conf:3: parser \"x\".delimiter: unknown key; a parser's own option is written "
         "option.delimiter (`penstockctl parsers` lists them)"},
        {"[parser \"x\"]\ntype = csv\noption.delimiter =\n", NULL}, /* nothing is said */
        {"[host \"a\"]\nclient_cert = /c\n", NULL},
        {"[host \"a\"]\nclient_cert = /c\nclient_key = /k\n", NULL},
        {"[host \"[::1]\"]\n[host \"::1\"]\n",
         "f.conf:2: [host \"::1\"]: another section is for the same host"},
        {"[host \"a.test.\"]\n[host \"a.test\"]\n",
         "f.conf:2: [host \"a.test\"]: another section is for the same host"},
        {"[parser]\ntype = csv\n", "f.conf:1: [parser]: a name is missing; write [parser \"fx\"]"},
        {"[host]\n", "f.conf:1: [host]: a name is missing; write [host \"*.example.org\"]"},
        {"[user]\n", "f.conf:1: [user]: a name is missing; write [user \"1000\"]"},
    };
    CHECK(cases);
}

static void quotas(void **state)
{
    static const struct together cases[] = {
        {"[user \"77001\"]\nmax_jobs = 5\n[group \"77001\"]\nmax_jobs = 6\n", NULL},
        {"[user \"root\"]\nmax_jobs = 5\n[user \"0\"]\nmax_jobs = 6\n",
         "f.conf:3: [user \"0\"]: another section is for the same one"},
        {"[user \"no-such\"]\nmax_jobs = 5\n",
         "f.conf:1: [user \"no-such\"]: there is no user no-such here"},
        {"[group \"no-such\"]\nmax_jobs = 5\n",
         "f.conf:1: [group \"no-such\"]: there is no group no-such here"},
        {"[store]\nengine = postgresql\n[user \"77001\"]\nmax_jobs = 5\n",
         "[user \"77001\"] max_jobs: store.engine = postgresql does not count the jobs of a user; "
         "leave it out"},
        {"[store]\nengine = postgresql\n[group \"77001\"]\nmax_priority = 5\n", NULL},
    };
    CHECK(cases);
}

/* Users first, each kind by number, whatever the order in the file. */
static void quotas_are_in_order(void **state)
{
    struct settings *s = load("[group \"77002\"]\nmax_jobs = 1\n[user \"77009\"]\nmax_jobs = 2\n"
                              "[group \"77001\"]\nmax_jobs = 3\n[user \"77003\"]\nmax_jobs = 4\n");
    static const char *const names[] = {"[user \"77003\"]", "[user \"77009\"]", "[group \"77001\"]",
                                        "[group \"77002\"]"};
    struct quota q;
    char name[96];
    assert_int_equal(s->quota_count, 4);
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(quota_name(&s->quotas[i], name, sizeof name), names[i]);
    quota_of(s, 77009, 77001, &q);
    assert_int_equal(q.max_jobs, 2);
    quota_of(s, 77004, 77002, &q);
    assert_int_equal(q.max_jobs, 1);
    settings_free(s);
}

/* --- what follows from other keys ------------------------------------------------------------- */

static void places_follow_from_the_store(void **state)
{
    static const struct {
        const char *text, *spool, *results;
    } cases[] = {
        {"[store]\npath = /a/b/p.db\n", "/a/b/spool", "/a/b/results.db"},
        {"[store]\npath = /p.db\n", "/spool", "/results.db"},
        {"[store]\npath = /a/p.db\n[flow]\nspool_dir = /s\n[results]\npath = /r\n", "/s", "/r"},
        {"[store]\nengine = memory\n[flow]\nspool_dir = /s\n", "/s", NULL},
        {"[store]\nengine = postgresql\npath = /a/p.db\n", "/a/spool", "/a/results.db"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct settings *s = load(cases[i].text);
        assert_string_equal(s->spool_dir, cases[i].spool);
        if (cases[i].results)
            assert_string_equal(s->results_path, cases[i].results);
        else
            assert_null(s->results_path);
        settings_free(s);
    }
    char own[64];
    snprintf(own, sizeof own, "/tmp/x/penstock-spool-%u", (unsigned)geteuid());
    setenv("TMPDIR", "/tmp/x", 1);
    struct settings *s = load("[store]\nengine = memory\n");
    assert_string_equal(s->spool_dir, own);
    settings_free(s);
    setenv("TMPDIR", "relative", 1);
    snprintf(own, sizeof own, "/var/tmp/penstock-spool-%u", (unsigned)geteuid());
    s = load("[store]\nengine = memory\n");
    assert_string_equal(s->spool_dir, own);
    settings_free(s);
    unsetenv("TMPDIR");
}

static void a_policy_reaches_the_defaults(void **state)
{
    struct settings *s = load("[policy]\nallow_downgrade = yes\n");
    assert_int_equal(s->defaults.allow_downgrade, 1);
    settings_free(s);
    s = load("[defaults]\nallow_downgrade = yes\n");
    assert_int_equal(s->defaults.allow_downgrade, 1);
    settings_free(s);
    s = load("[defaults]\ntimeout = none\nmax_body = none\n[ceilings]\ntimeout = 1h\n"
             "max_body = 5M\npriority = -3\n");
    assert_int_equal(s->defaults.timeout, UINT64_C(3600000000000));
    assert_int_equal(s->defaults.max_body, 5 << 20);
    assert_int_equal(s->defaults.priority, -3);
    settings_free(s);
}

int main(void)
{
#define EACH(test) cmocka_unit_test_setup(test, begin)
    const struct CMUnitTest tests[] = {
        EACH(a_proxy_and_who_it_is_told),    EACH(sinks_and_their_types),
        EACH(parsers_and_their_types),       EACH(quotas),
        EACH(quotas_are_in_order),           EACH(places_follow_from_the_store),
        EACH(a_policy_reaches_the_defaults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
