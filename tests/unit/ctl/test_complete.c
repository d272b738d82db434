/* What can stand next on the command line, with what the daemon knows of it. */
#include "scene.h"

#define JOBS                                                                                 \
    "{\"jobs\":[{\"id\":9,\"state\":\"running\",\"url\":\"http://a/\\t\",\"host\":\"a\","    \
    "\"labels\":{\"run\":\"7\",\"k\":\"v\"}},{\"id\":8,\"state\":\"failed\",\"url\":"        \
    "\"http://b/\",\"host\":\"b\",\"labels\":{\"run\":\"7\"}},{\"id\":7,\"state\":\"done\"," \
    "\"url\":\"http://a/x\",\"host\":\"a\"},{\"id\":6,\"state\":\"queued\",\"url\":\"u\"}]}"
#define LIST                                \
    {                                       \
        {                                   \
            "list", "{\"limit\":100}", JOBS \
        }                                   \
    }

/* Of each command the jobs that it can be about. */
static void test_jobs(void **state)
{
    static const char nine[] = "9\trunning http://a/\\u0009\n", eight[] = "8\tfailed http://b/\n",
                      seven[] = "7\tdone http://a/x\n", six[] = "6\tqueued u\n";
    static const struct {
        const char *command;
        const char *jobs[4];
    } rows[] = {
        {"show", {nine, eight, seven, six}},
        {"explain", {nine, eight, seven, six}},
        {"cancel", {nine, six}},
        {"wait", {nine, six}},
        {"follow", {nine, six}},
        {"records", {seven}},
        {"retry", {eight}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf out = BUF_INIT;
        for (size_t k = 0; k < 4 && rows[i].jobs[k]; k++)
            buf_puts(&out, rows[i].jobs[k]);
        buf_puts(&out, ":none\n");
        const struct scene scene = {
            .args = {"__complete", "--socket", daemon_.path, rows[i].command, ""},
            .steps = LIST,
            .out = out.data};
        scene_play(&scene);
        buf_deinit(&out);
    }
}

/* Plays "__complete --socket PATH WORDS…", of which the last is being typed. */
static void offers(const char *const words[6], const struct step *step, const char *out)
{
    struct scene scene = {.args = {"__complete", "--socket", daemon_.path}, .out = out};
    for (size_t i = 0; i < 6 && words[i]; i++)
        scene.args[i + 3] = words[i];
    if (step)
        scene.steps[0] = *step;
    scene_play(&scene);
}
#define OFFERS(step, out, ...) offers((const char *const[6]){__VA_ARGS__}, step, out)

static void test_what_the_daemon_knows(void **state)
{
    static const struct step list = {"list", "{\"limit\":100}", JOBS};
    static const struct step schedules = {"schedule_list", "{}",
                                          "{\"schedules\":[{\"name\":\"people\",\"url\":\"u\"},"
                                          "{\"name\":\"tab\\tin\"},{\"name\":\"pets\"}]}"};
    static const struct step parsers = {
        "parsers", NULL,
        "{\"parsers\":[{\"name\":\"csv\",\"summary\":\"Rows\",\"options\":[{\"name\":\"delimiter\","
        "\"help\":\"between\"},{\"name\":\"header\",\"help\":\"first\"}]},{\"name\":\"count\","
        "\"summary\":\"Bytes\"}]}"};
    static const struct step fleet = {
        "fleet", NULL, "{\"members\":[{\"name\":\"a-1\",\"machine\":\"m\"},{\"name\":\"b\"}]}"};
    OFFERS(&list, "a\nb\n:none\n", "list", "--host", "");
    OFFERS(&list, "--label=run=7\n:none\n", "list", "--label=r");
    OFFERS(&list, "run=7\nk=v\n:none\n", "list", "--label", "");
    OFFERS(&schedules, "people\tu\npets\n:none\n", "schedule", "run", "pe");
    OFFERS(&schedules, "--schedule=people\tu\n:none\n", "list", "--schedule=peo");
    OFFERS(&schedules, "people\tu\n:none\n", "pause", "schedule", "peo");
    OFFERS(&parsers, "csv\tRows\ncount\tBytes\n:none\n", "submit", "--parser", "");
    OFFERS(&parsers, "delimiter=\tbetween\n:none\n", "submit", "--parser=csv", "--option", "d");
    OFFERS(&parsers, ":none\n", "submit", "--parser", "count", "--option", "");
    OFFERS(&parsers, "count\tBytes\n:none\n", "resume", "parser", "co");
    OFFERS(&fleet, "a-1\tm\n:none\n", "fleet", "evict", "a");
}

static void test_what_needs_no_daemon(void **state)
{
    OFFERS(NULL, ":none\n", "show", "7", "");
    OFFERS(NULL, ":none\n", "schedule", "add", "x", "");
    OFFERS(NULL, ":files\n", "backup", "--socket", "");
    OFFERS(NULL, ":files\n", "metrics", "--output=x");
    OFFERS(NULL, "evict\n:none\n", "fleet", "");
    OFFERS(NULL, "add\n:none\n", "schedule", "ad");
    OFFERS(NULL, "sha256\nsha384\nsha512\n:none\n", "submit", "--digest", "");
    OFFERS(NULL, "--cron=@daily\n:none\n", "schedule", "add", "--cron=@d");
    OFFERS(NULL, "--ip=4\n:none\n", "submit", "--ip=4");
    OFFERS(NULL, "any\n4\n6\n:none\n", "submit", "--ip", "");
    OFFERS(NULL, "--events=start,record,verdict\n:none\n", "follow", "--events=start,record,v");
    OFFERS(NULL, ":none\n", "list", "--json=");
    OFFERS(NULL, ":none\n", "submit", "--wait=");
    OFFERS(NULL, ":command 5\n", "run", "u", "--", "--");
    OFFERS(NULL, ":none\n", "submit", "u", "--", "x");
}

/* A daemon that says no, or goes, leaves the line as it is. */
static void test_daemons_that_do_not_answer(void **state)
{
    static const struct step no = {"list", "{\"limit\":100}", "!{\"code\":-1,\"message\":\"no\"}"};
    static const struct step gone = {"list", "{\"limit\":100}", NULL};
    static const struct step other = {"list", "{\"limit\":100}", "[1,{\"jobs\":7}]"};
    static const struct scene nowhere = {
        .args = {"__complete", "--socket", "/nonexistent/socket", "show", ""}, .out = ":none\n"};
    OFFERS(&no, ":none\n", "show", "");
    OFFERS(&gone, ":none\n", "show", "");
    OFFERS(&other, ":none\n", "show", "");
    scene_play(&nowhere);
}

/* One that says nothing is waited for a second, and no longer. */
static void test_a_daemon_that_hangs(void **state)
{
    const struct scene scene = {.args = {"__complete", "--socket", daemon_.path, "show", ""},
                                .out = ":none\n"};
    scene_play(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_jobs),
        TEST(test_what_the_daemon_knows),
        TEST(test_what_needs_no_daemon),
        TEST(test_daemons_that_do_not_answer),
        TEST(test_a_daemon_that_hangs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
