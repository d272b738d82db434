/* What is asked of the daemon itself: stats, parsers, reload, metrics, the fleet, and what is
 * held. */
#include "scene.h"

#include <sys/stat.h>

static void test_stats(void **state)
{
    static const struct scene scenes[] = {
        {.args = {"stats"},
         .steps = {{"stats", NULL,
                    "{\"uptime\":1.5,\"jobs\":{\"running\":1,\"queued\":2},\"sinks\":[{\"name\":"
                    "\"a\\u001b\",\"lines\":3}]}"}},
         .out = "uptime        1.5\njobs.running  1\njobs.queued   2\n\nsinks:\nname     lines\n"
                "a\\u001b  3\n"},
        {.args = {"stats", "--json"},
         .steps = {{"stats", NULL, "{ \"uptime\":1.50 }"}},
         .out = "{ \"uptime\":1.50 }\n"},
        {.args = {"stats"},
         .steps = {{"stats", NULL, "!{\"code\":-32603,\"message\":\"out of \\u202ememory\"}"}},
         .status = 3,
         .err = "penstockctl: out of \\u202ememory\n"},
        {.args = {"stats", "--timeout", "soon"},
         .status = 2,
         .err = "penstockctl: --timeout: 'soon' is not a duration; write 90 or 90s, 500ms, 5min, "
                "1h, 7d\n"},
    };
    SCENES(scenes);
}

static void test_parsers_that_cannot_be_used(void **state)
{
    static const struct scene scenes[] = {
        {.args = {"parsers"},
         .steps = {{"parsers", NULL,
                    "{\"parsers\":[{\"name\":\"x\",\"type\":\"plugin\",\"summary\":\"S\","
                    "\"options\":[{\"name\":\"limit\",\"default\":null,\"help\":\"none\"}]}],"
                    "\"faults\":[{\"file\":\"/p/y.so\",\"message\":\"it has no summary\"}]}"}},
         .out = "NAME, option  TYPE      SUMMARY\n"
                "x             plugin    S\n"
                "  limit                 none\n"
                "/p/y.so       unusable  it has no summary\n"},
        {.args = {"parsers", "--json"},
         .steps = {{"parsers", NULL, "{\"parsers\": []}"}},
         .out = "{\"parsers\": []}\n"},
    };
    SCENES(scenes);
}

static void test_reload(void **state)
{
    static const struct scene scenes[] = {
        {.args = {"reload"}, .steps = {{"reload", NULL, "{\"restart\":[]}"}}},
        {.args = {"reload"},
         .steps = {{"reload", NULL, "{\"restart\":[\"store.engine\",\"control.socket\"]}"}},
         .out = "store.engine: needs a restart\ncontrol.socket: needs a restart\n"},
        {.args = {"reload", "--dry-run"},
         .steps = {{"reload", "{\"dry_run\":true}",
                    "{\"changes\":[{\"key\":\"parse.workers\",\"from\":\"64\",\"to\":\"\\u001b8\"},"
                    "{\"key\":\"[host \\\"a\\\"] ip\",\"from\":null,\"to\":\"4\"},{\"key\":\"k\","
                    "\"from\":\"\",\"to\":null}],\"restart\":[\"k\"]}"}},
         .out = "parse.workers: 64 -> \\u001b8\n[host \"a\"] ip: (not there) -> 4\n"
                "k: (empty) -> (not there)\nk: needs a restart\n"},
        {.args = {"reload", "--dry-run"},
         .steps = {{"reload", "{\"dry_run\":true}", "{\"changes\":[]}"}},
         .out = "no change\n"},
        {.args = {"reload", "--dry-run"},
         .steps = {{"reload", "{\"dry_run\":true}", "{\"changes\":[],\"more\":12}"}},
         .out = "and 12 other changes\n"},
        {.args = {"reload", "--json"},
         .steps = {{"reload", NULL, "{\"restart\":[ \"k\" ]}"}},
         .out = "{\"restart\":[ \"k\" ]}\n"},
        {.args = {"reload"},
         .steps = {{"reload", NULL,
                    "!{\"code\":-32602,\"message\":\"/etc/x.conf:3: parse.wokers: no such key\"}"}},
         .status = 3,
         .err = "penstockctl: /etc/x.conf:3: parse.wokers: no such key\n"},
    };
    SCENES(scenes);
}

static void test_what_is_held(void **state)
{
    static const struct scene scenes[] = {
        {.args = {"pause"},
         .steps = {{"pause", NULL, "{\"paused\":true}"}},
         .out = "paused  true\n"},
        {.args = {"pause", "all"},
         .steps = {{"pause", "{\"all\":true}", "{\"paused\":true}"}},
         .out = "paused  true\n"},
        {.args = {"resume", "parser", "csv"},
         .steps = {{"resume", "{\"parser\":\"csv\"}", "{\"paused\":[]}"}},
         .out = "paused  []\n"},
        {.args = {"pause", "schedule", "people", "--json"},
         .steps = {{"pause", "{\"schedule\":\"people\"}", "{\"a\": 1}"}},
         .out = "{\"a\": 1}\n"},
        {.args = {"pause", "host"},
         .status = 2,
         .err = "penstockctl: a name is wanted: penstockctl pause host NAME\n"},
        {.args = {"pause", "hosts", "a"},
         .status = 2,
         .err = "penstockctl: 'hosts' is not all, host, parser or schedule; did you mean host? "
                "(penstockctl pause [all | host NAME | parser NAME | schedule NAME])\n"},
        {.args = {"resume", "everything"},
         .status = 2,
         .err = "penstockctl: 'everything' is not all, host, parser or schedule (penstockctl "
                "resume [all | host NAME | parser NAME | schedule NAME])\n"},
        {.args = {"resume", "all", "x"},
         .status = 2,
         .err = "penstockctl: 'all' is not all, host, parser or schedule; did you mean all? "
                "(penstockctl resume [all | host NAME | parser NAME | schedule NAME])\n"},
        {.args = {"pause", "host", "\xff"},
         .status = 2,
         .err = "penstockctl: the name is not UTF-8\n"},
    };
    SCENES(scenes);
}

/* --- metrics ---------------------------------------------------------------------------------- */

static void test_metrics(void **state)
{
    static const struct scene scenes[] = {
        {.args = {"metrics"},
         .steps = {{"metrics", NULL, "\"a 1\\nb 2\\n# EOF\\n\""}},
         .out = "a 1\nb 2\n# EOF\n"},
        {.args = {"metrics", "--json"},
         .steps = {{"metrics", NULL, "\"a 1\\n\""}},
         .out = "\"a 1\\n\"\n"},
        {.args = {"metrics"},
         .steps = {{"metrics", NULL, "{\"a\":1}"}},
         .status = 3,
         .err = "penstockctl: the daemon's answer is no text\n"},
    };
    SCENES(scenes);
}

/* The file is there for whoever may read ordinary files, whole, or as it was before. */
static void test_metrics_into_a_file(void **state)
{
    const char *path = test_path("figures.prom");
    struct stat st;
    const struct scene good = {.args = {"metrics", "--output", path},
                               .steps = {{"metrics", "{\"format\":\"prometheus\"}", "\"a 1\\n\""}}};
    const struct scene bad = {
        .args = {"metrics", "--output", path},
        .steps = {{"metrics", "{\"format\":\"prometheus\"}", "!{\"code\":-1,\"message\":\"no\"}"}},
        .status = 3,
        .err = "penstockctl: no\n"};
    mode_t before = umask(027);
    scene_play(&good);
    umask(before);
    file_is(path, "a 1\n");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    scene_play(&bad);
    file_is(path, "a 1\n");
}

static void test_metrics_where_there_is_no_folder(void **state)
{
    static const struct scene scene = {
        .args = {"metrics", "--output", "/nonexistent/x.prom"},
        .steps = {{"metrics", "{\"format\":\"prometheus\"}", "\"a 1\\n\""}},
        .status = 3,
        .err = "penstockctl: /nonexistent/x.prom cannot be written: No such file or directory\n"};
    scene_play(&scene);
}

/* --- the fleet -------------------------------------------------------------------------------- */

static void test_fleet(void **state)
{
    static const struct scene scenes[] = {
        {.args = {"fleet"},
         .steps =
             {{"fleet", NULL,
               "{\"member\":true,\"shards\":256,\"owned\":256,\"members\":[{\"name\":\"a\","
               "\"shards\":128,\"running\":3,\"workers\":64,\"beat_age\":0.25,\"version\":"
               "\"1.2\",\"config\":\"c0ffee\",\"self\":true},{\"name\":\"b\\u001b\",\"shards\":"
               "128,\"workers\":8,\"beat_age\":12,\"draining\":true}]}"}},
         .out = "NAME     SHARDS  RUNNING  WORKERS    BEAT  VERSION  CONFIG\n"
                "a           128        3       64   0.2 s  1.2      c0ffee  this\n"
                "b\\u001b     128        0        8  12.0 s                   stops\n"},
        {.args = {"fleet"},
         .steps = {{"fleet", NULL,
                    "{\"member\":false,\"shards\":256,\"owned\":200,\"configs_differ\":true,"
                    "\"standby_lags\":true,\"members\":[]}"}},
         .out = "NAME  SHARDS  RUNNING  WORKERS  BEAT  VERSION  CONFIG\n"
                "56 of 256 shards are nobody's just now: their jobs wait\n"
                "the members' configs differ in what all should have alike (hosts, parsers, "
                "credentials)\n"
                "the server has a standby, and no commit waits for it: if it is promoted, the last "
                "jobs and verdicts are lost (set synchronous_standby_names)\n"
                "this daemon is no member just now, and starts nothing\n"},
        {.args = {"fleet", "--json"},
         .steps = {{"fleet", NULL, "{\"members\": []}"}},
         .out = "{\"members\": []}\n"},
        {.args = {"fleet", "evict", "b\033"},
         .steps = {{"fleet_evict", "{\"name\":\"b\\u001b\"}", "{}"}},
         .out = "b\\u001b is no member any more: others take its jobs over\n"},
        {.args = {"fleet", "evict", "b", "--json"},
         .steps = {{"fleet_evict", "{\"name\":\"b\"}", "{\"evicted\": \"b\"}"}},
         .out = "{\"evicted\": \"b\"}\n"},
        {.args = {"fleet", "evict", "\xff"},
         .status = 2,
         .err = "penstockctl: the name is not UTF-8\n"},
        {.args = {"fleet", "evict"},
         .status = 2,
         .err = "penstockctl: penstockctl fleet, or penstockctl fleet evict NAME, is wanted\n"},
        {.args = {"fleet", "leave", "b"},
         .status = 2,
         .err = "penstockctl: penstockctl fleet, or penstockctl fleet evict NAME, is wanted\n"},
    };
    SCENES(scenes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_stats),
        TEST(test_parsers_that_cannot_be_used),
        TEST(test_reload),
        TEST(test_what_is_held),
        TEST(test_metrics),
        TEST(test_metrics_into_a_file),
        TEST(test_metrics_where_there_is_no_folder),
        TEST(test_fleet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
