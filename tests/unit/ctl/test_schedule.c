/* `schedule add, list, export, run, remove`, and what is said where one of them is mistyped. */
#include "scene.h"

#include "base/clock.h"

static void test_add(void **state)
{
    static const struct scene scenes[] = {
        {.args = {"schedule", "add", "people", "http://a/x", "--every", "5min", "--parser=csv",
                  "--option", "delimiter=;", "--label=k=v", "--jitter=none"},
         .steps = {{"schedule_add",
                    "{\"name\":\"people\",\"url\":\"http://a/x\",\"every\":\"5min\",\"parser\":"
                    "\"csv\",\"options\":{\"delimiter\":\";\"},\"labels\":{\"k\":\"v\"},"
                    "\"jitter\":\"none\"}",
                    "{\"changes\":[{\"name\":\"people\",\"change\":\"created\"}]}"}},
         .out = "created people\n"},
        {.args = {"schedule", "add", "n\033", "u", "--cron", "0 3 * * *", "--timezone=UTC",
                  "--json"},
         .steps = {{"schedule_add",
                    "{\"name\":\"n\\u001b\",\"url\":\"u\",\"cron\":\"0 3 * * *\","
                    "\"timezone\":\"UTC\"}",
                    "{\"changes\":[{\"name\":\"n\\u001b\",\"change\":\"updated\"}]}"}},
         .out = "{\"name\":\"n\\u001B\",\"change\":\"updated\"}\n"},
        /* What is as it was is no news. */
        {.args = {"schedule", "add", "n", "u", "--every=1h"},
         .steps = {{"schedule_add", "{\"name\":\"n\",\"url\":\"u\",\"every\":\"1h\"}",
                    "{\"changes\":[{\"name\":\"n\",\"change\":\"unchanged\"}]}"}}},
        /* What was typed is told in its own words, and is a fault of usage. */
        {.args = {"schedule", "add", "n", "u", "--every=1h", "--max-attempts=0"},
         .steps = {{"schedule_add",
                    "{\"name\":\"n\",\"url\":\"u\",\"every\":\"1h\",\"max_attempts\":0}",
                    "!{\"code\":-32602,\"message\":\"schedules[0].max_attempts: it is a number "
                    "from 1\",\"data\":{\"field\":\"schedules[0].max_attempts\"}}"}},
         .status = 2,
         .err = "penstockctl: --max-attempts: it is a number from 1\n"},
        {.args = {"schedule", "add", "n", "u"},
         .status = 2,
         .err = "penstockctl: `schedule add` needs to know when: --every 5min, or --cron '0 3 * * "
                "*'\n"},
        {.args = {"schedule", "add", "\xff", "u", "--every=1h"},
         .status = 2,
         .err = "penstockctl: the name or the URL is not UTF-8\n"},
        {.args = {"schedule", "add", "n", "u", "--every=1h", "--priority=high"},
         .status = 2,
         .err = "penstockctl: --priority: 'high' is not a whole number\n"},
    };
    SCENES(scenes);
}

static void test_run_and_remove(void **state)
{
    static const struct scene scenes[] = {
        {.args = {"schedule", "run", "people"},
         .steps = {{"schedule_run", "{\"name\":\"people\"}", "{\"id\":9007199254740993}"}},
         .out = "9007199254740993\n"},
        {.args = {"schedule", "run", "people", "--force", "--json"},
         .steps = {{"schedule_run", "{\"name\":\"people\",\"force\":true}", "{ \"id\": 7 }"}},
         .out = "{ \"id\": 7 }\n"},
        {.args = {"schedule", "remove", "people"},
         .steps = {{"schedule_remove", "{\"name\":\"people\"}", "{}"}},
         .out = "removed people\n"},
        {.args = {"schedule", "remove", "people", "--json"},
         .steps = {{"schedule_remove", "{\"name\":\"people\"}", "{\"removed\":\"people\"}"}},
         .out = "{\"removed\":\"people\"}\n"},
        {.args = {"schedule", "remove", "people"},
         .steps = {{"schedule_remove", "{\"name\":\"people\"}",
                    "!{\"code\":-32001,\"message\":\"there is no schedule 'people'\"}"}},
         .status = 3,
         .err = "penstockctl: there is no schedule 'people'\n"},
        {.args = {"schedule", "run", "people"},
         .steps = {{"schedule_run", "{\"name\":\"people\"}", NULL}},
         .status = 3,
         .err = NULL},
        {.args = {"schedule", "run", "\xfe"},
         .status = 2,
         .err = "penstockctl: the name is not UTF-8\n"},
    };
    for (size_t i = 0; i < sizeof scenes / sizeof *scenes; i++) {
        struct scene scene = scenes[i];
        char gone[600];
        snprintf(gone, sizeof gone, "penstockctl: the daemon at %s has closed the connection\n",
                 daemon_.path);
        if (scene.steps[0].method && !scene.steps[0].answer)
            scene.err = gone;
        scene_play(&scene);
    }
}

static void test_mistakes(void **state)
{
    static const struct scene scenes[] = {
        {.args = {"schedule", "aplly", "x"},
         .status = 2,
         .err =
             "penstockctl: there is no `schedule aplly`; there are apply, add, list, export, run "
             "and remove; did you mean apply?\n"},
        {.args = {"schedule", "rm", "x"},
         .status = 2,
         .err = "penstockctl: there is no `schedule rm`; there are apply, add, list, export, run "
                "and remove; did you mean remove?\n"},
        {.args = {"schedule", "delete", "x"},
         .status = 2,
         .err = "penstockctl: there is no `schedule delete`; there are apply, add, list, export, "
                "run and remove; did you mean remove?\n"},
        {.args = {"schedule", "list", "--prune"},
         .status = 2,
         .err = "penstockctl: `schedule list` takes no --prune\n"},
        {.args = {"schedule", "remove", "x", "--force"},
         .status = 2,
         .err = "penstockctl: `schedule remove` takes no --force\n"},
        {.args = {"schedule", "run"},
         .status = 2,
         .err = "penstockctl: usage: penstockctl schedule run NAME [--force]\n"},
        {.args = {"schedule", "export", "a", "b"},
         .status = 2,
         .err = "penstockctl: usage: penstockctl schedule export [PATTERN]\n"},
        {.args = {"schedule", "apply"},
         .status = 2,
         .err = "penstockctl: usage: penstockctl schedule apply FILE|- [--prune] [--dry-run]\n"},
    };
    SCENES(scenes);
}

/* A time stamp so many seconds from now. */
static const char *stamp(char buf[CLOCK_STAMP_SIZE], int64_t seconds)
{
    clock_stamp(clock_real_us() + seconds * 1000000, buf);
    return buf;
}

static void test_list(void **state)
{
    char soon[CLOCK_STAMP_SIZE], ago[CLOCK_STAMP_SIZE];
    struct buf page = BUF_INIT;
    buf_printf(&page,
               "{\"schedules\":[{\"name\":\"a\",\"url\":\"http://a/\",\"every\":\"5min\",\"next\":"
               "\"%s\",\"runs\":12,\"skipped\":0,\"last\":{\"state\":\"done\",\"finished\":\"%s\"}}"
               ",{\"name\":\"b\",\"url\":\"http://b/\",\"cron\":\"0 3 * * *\",\"paused\":true,"
               "\"runs\":1,\"skipped\":3,\"failing\":true,\"last\":{\"state\":\"failed\",\"error\":"
               "\"dns\"}}],\"next\":\"b\"}",
               stamp(soon, 7 * 3600 + 1800), stamp(ago, -125));
    const struct scene scenes[] = {
        {.args = {"schedule", "list"},
         .steps = {{"schedule_list", "{\"failing\":false}", page.data},
                   {"schedule_list", "{\"failing\":false,\"after\":\"b\"}",
                    "{\"schedules\":[{\"name\":\"c\\u0007\",\"url\":\"http://c/\",\"every\":\"1h\","
                    "\"runs\":0,\"problem\":\"its parser is gone\"},{\"name\":\"d\",\"url\":\"u\","
                    "\"every\":\"1h\",\"running\":7}]}"}},
         .out = "NAME  WHEN       NEXT    LAST  END         RUNS  SKIPPED  URL\n"
                "a     5min       7h      2m    done          12        0  http://a/\n"
                "b     0 3 * * *  paused  -     failed dns     1        3  http://b/\n"
                "c\\u0007  1h         -       -     cannot run     0        -  its parser is "
                "gone\n"
                "d        1h         -       -     running        -        -  u\n"},
        {.args = {"schedule", "list", "--failing", "--json"},
         .steps =
             {{"schedule_list", "{\"failing\":true}",
               "{\"schedules\":[{\"name\":\"b\", \"failing\":true,\"x\":1.0}],\"next\":null}"}},
         .status = 1,
         .out = "{\"name\":\"b\", \"failing\":true,\"x\":1.0}\n"},
        {.args = {"schedule", "list", "--failing"},
         .steps = {{"schedule_list", "{\"failing\":true}", "{\"schedules\":[]}"}},
         .out = "NAME  WHEN  NEXT  LAST  END  RUNS  SKIPPED  URL\n"},
        /* One that fails is no failure of a list that was not asked about that. */
        {.args = {"schedule", "list", "--json"},
         .steps = {{"schedule_list", "{\"failing\":false}",
                    "{\"schedules\":[{\"failing\":true}]}"}},
         .out = "{\"failing\":true}\n"},
    };
    SCENES(scenes);
    buf_deinit(&page);
}

/* What is exported can be applied; what cannot is named, and the exit status says so. */
static void test_export(void **state)
{
    static const char page[] =
        "{\"schedules\":[{\"name\":\"feeds-a\",\"url\":\"http://a/\",\"every\":\"5min\","
        "\"paused\":true,\"next\":\"x\",\"runs\":3,\"skipped\":1,\"failures\":0,\"failing\":true,"
        "\"conditional\":true,\"last_job\":7,\"running\":8,\"last\":{},\"last_done\":{},"
        "\"problem\":\"none\"},{\"name\":\"other\",\"url\":\"http://b/?k=***\",\"runs\":1},"
        "{\"name\":\"feeds-b\",\"url\":\"http://c/\",\"headers\":null,\"runs\":1}]}";
    static const struct scene scenes[] = {
        {.args = {"schedule", "export"},
         .steps = {{"schedule_list", "{\"failing\":false}", page}},
         .status = 3,
         .out = "{\"name\":\"feeds-a\",\"url\":\"http://a/\",\"every\":\"5min\"}\n"
                "{\"name\":\"other\",\"url\":\"http://b/?k=***\"}\n"
                "{\"name\":\"feeds-b\",\"url\":\"http://c/\",\"headers\":null}\n",
         .err = "penstockctl: other: its URL is shown without its secret (***); write it as it is, "
                "or use a credential, before it is applied\n"
                "penstockctl: feeds-b: its headers and its body are shown to its owner and to "
                "administrators that are named in the config alone\n"},
        {.args = {"schedule", "export", "feeds-[a]"},
         .steps = {{"schedule_list", "{\"failing\":false}", page}},
         .out = "{\"name\":\"feeds-a\",\"url\":\"http://a/\",\"every\":\"5min\"}\n"},
        {.args = {"schedule", "export", "zzz*"},
         .steps = {{"schedule_list", "{\"failing\":false}", page}}},
    };
    SCENES(scenes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_add),  TEST(test_run_and_remove), TEST(test_mistakes),
        TEST(test_list), TEST(test_export),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
