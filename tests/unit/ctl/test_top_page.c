/* The picture of `top`, line by line: each list at the widths of usual terminals, with names that
 * are too long, too wide, or meant to do harm. */
#include "ctl/top_layout.h"

#include "base/clock.h"
#include "ctl/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct top_model model;
static struct top_page page;

static const char answer[] =
    "{\"instance\":\"i\",\"version\":\"1.2\\u001b\",\"uptime\":90061,\"active\":3,"
    "\"jobs\":{\"running\":3,\"queued\":7},\"totals\":{\"done\":5,\"failed\":1},"
    "\"workers\":{\"limit\":4,\"busy\":1,\"abandoned\":1,\"lost\":1},\"hosts\":["
    "{\"name\":\"a.example\",\"running\":2,\"limit\":6,\"queued\":1000,\"more\":true,\"state\":"
    "\"ready\",\"redirected\":3},{\"name\":\"very-long-name-of-a-host.in.some.department.example"
    ".org\",\"state\":\"broken\",\"failures\":9,\"retry_in\":21.4},{\"name\":\"\xe4\xbd\xa0\xe5\xa5"
    "\xbd\\u202e.example\",\"state\":\"paused\",\"limit\":1},{\"name\":\"d\",\"state\":\"probing\"}"
    "],"
    "\"running\":[{\"id\":3,\"attempt\":1,\"url\":\"http://a.example/dir/\\u001b[2Jx.csv\","
    "\"host\":\"a.example\",\"parser\":\"csv\",\"waiting_for\":\"origin\",\"bytes\":524288,"
    "\"length\":1048576,\"records\":5,\"seconds\":75},{\"id\":1234567890,\"attempt\":2,\"url\":"
    "\"https://very-long-name-of-a-host.in.some.department.example.org/a/b/%E4%BD%A0%E5%A5%BD/"
    "data-of-today.csv?x=1\",\"waiting_for\":\"sink\",\"bytes\":10,\"seconds\":9},{\"id\":5,"
    "\"attempt\":1,\"url\":\"u\",\"waiting_for\":\"parser\",\"bytes\":3000000000,\"length\":1,"
    "\"records\":1234567890,\"seconds\":1}],\"fleet\":{\"member\":true,\"shards\":256,\"owned\":"
    "256,"
    "\"members\":[{\"name\":\"one\",\"shards\":256,\"running\":3,\"workers\":4,\"config\":"
    "\"c0ffee\",\"self\":true,\"beat_age\":0.04},{\"name\":\"late\\u0007\",\"beat_age\":5.2,"
    "\"config\":\"a-very-long-config\"}]}}";

/* A moment so many seconds from now; valid until the fourth one after it. */
static const char *stamp(int64_t seconds)
{
    static char texts[4][CLOCK_STAMP_SIZE];
    static unsigned next;
    char *text = texts[next++ % 4];
    clock_stamp(clock_real_us() + seconds * 1000000, text);
    return text;
}

static json_t *list_of(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static json_t *list_of(const char *fmt, ...)
{
    char text[2048];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    json_t *list = json_loads(text, 0, NULL);
    assert_non_null(list);
    return list;
}

static int set_up(void **state)
{
    json_t *value = json_loads(answer, 0, NULL);
    assert_non_null(value);
    assert_int_equal(top_model_take(&model, value, 5 * NS_PER_SEC), 0);
    model.failed = list_of(
        "[{\"id\":42,\"attempt\":3,\"url\":\"http://a.example/x\",\"host\":\"a.example\","
        "\"finished\":\"%s\",\"verdict\":{\"error\":{\"kind\":\"first_byte_timeout\"}}},{\"id\":7,"
        "\"url\":\"http://b/\\u001b\",\"finished\":\"%s\",\"verdict\":{\"error\":{\"kind\":\"dns\""
        "}}},{\"id\":8}]",
        stamp(-9000), stamp(-90000));
    model.schedules = list_of(
        "[{\"name\":\"people\",\"url\":\"http://a.example/p.csv\",\"next\":\"%s\",\"runs\":12,"
        "\"last_job\":3,\"last\":{\"state\":\"failed\",\"error\":\"first_byte_timeout\","
        "\"finished\":\"%s\"},\"failing\":true},{\"name\":\"a-name-that-is-longer-than-its-"
        "column\","
        "\"url\":\"u\",\"paused\":true,\"last\":{\"state\":\"done\"}},{\"name\":\"c\\u0007\","
        "\"problem\":\"no parser\"}]",
        stamp(5430), stamp(-9000));
    return 0;
}

static int tear_down(void **state)
{
    top_model_deinit(&model);
    top_page_deinit(&page);
    return 0;
}

static const char *line_at(size_t i)
{
    assert_true(i < page.count);
    return top_page_line(&page, i);
}

/* The number of the line that begins so. */
static size_t find(const char *start)
{
    for (size_t i = 0; i < page.count; i++)
        if (strncmp(top_page_line(&page, i), start, strlen(start)) == 0)
            return i;
    fail_msg("no line begins with '%s'", start);
    return 0;
}

static bool has(const char *part)
{
    for (size_t i = 0; i < page.count; i++)
        if (strstr(top_page_line(&page, i), part))
            return true;
    return false;
}

/* T: TOP_TEXT, B: TOP_BAD, W: TOP_WARN. */
static char letter_of(enum top_style style)
{
    return style == TOP_TEXT ? 'T' : style == TOP_BAD ? 'B' : style == TOP_WARN ? 'W' : '?';
}

/* --- lists ------------------------------------------------------------------------------------ */

struct picture {
    enum top_tab tab;
    size_t columns;
    bool utf8;
    const char *styles;   /* of the items */
    const char *lines[6]; /* the line above them, and they, without blanks at their ends */
};

static void check_picture(const struct picture *p)
{
    struct top_look look = {.columns = p->columns, .lines = 40, .tab = p->tab, .utf8 = p->utf8};
    top_lay(&model, &look, &page);
    size_t first = find(p->lines[0]);
    assert_int_equal(page.style[first], TOP_HEAD);
    assert_int_equal(page.selected, first + 1);
    for (size_t i = 0; p->lines[i]; i++) {
        const char *line = line_at(first + i);
        size_t len = strlen(line);
        assert_true(text_width(line, len) <= p->columns);
        while (len > 0 && line[len - 1] == ' ')
            len--;
        if (len != strlen(p->lines[i]) || strncmp(line, p->lines[i], len) != 0)
            fail_msg("%zu columns: '%s'", p->columns, line);
        if (i > 0)
            assert_int_equal(letter_of(page.style[first + i]), p->styles[i - 1]);
    }
    assert_string_equal(line_at(first + strlen(p->styles) + 1), ""); /* that was all */
}

static void test_lists(void **state)
{
    /* clang-format off: lines as they stand on a screen */
    static const struct picture pictures[] = {
        {TOP_RUNNING,
         80,
         true,
         "TBW",
         {
             "     JOB TRY PROGRESS     BYTES        RATE WAITS FOR URL",
             "       3   1 ████       512 KiB           - origin    a.example../\\u001b[2Jx.csv",
             "1234567890   2 ········      10 B           - sink      very-lon..-today.csv?x=1",
             "       5   1 ████████   2.8 GiB           - parser    u",
         }},
        {TOP_RUNNING,
         120,
         false,
         "TBW",
         {
             "     JOB TRY PROGRESS         BYTES        RATE   RECORDS        TIME WAITS FOR URL",
             "       3   1 ######------   512 KiB           -         5  1 min 15 s origin    "
             "http://a.example/dir/\\u001b[2Jx.csv",
             "1234567890   2 ............      10 B           -         -     9.000 s sink      "
             "very-long-name../data-of-today.csv?x=1",
             "       5   1 ############   2.8 GiB           - 1234567890     1.000 s parser    u",
         }},
        {TOP_RUNNING,
         200,
         true,
         "TBW",
         {
             "     JOB TRY PROGRESS         BYTES        RATE   RECORDS        TIME WAITS FOR URL",
             "       3   1 ██████         512 KiB           -         5  1 min 15 s origin    "
             "http://a.example/dir/\\u001b[2Jx.csv",
             "1234567890   2 ············      10 B           -         -     9.000 s sink      "
             "https://very-long-name-of-a-host.in.some.department.example.org/a/b/你好/"
             "data-of-today.csv?x=1",
             "       5   1 ████████████   2.8 GiB           - 1234567890     1.000 s parser    u",
         }},
        {TOP_HOSTS,
         80,
         true,
         "TBWW",
         {
             "HOST                  RUNNING  LIMIT  QUEUED  FAILURES  STATE",
             "a.example                   2      6   1000+         0  ready, 3 redirected here",
             "very-lo..example.org        0      0       0         9  broken, tried in 21 s",
             "你好\\u202e.example          0      1       0         0  paused",
             "d                           0      0       0         0  probing",
         }},
        {TOP_HOSTS,
         120,
         false,
         "TBWW",
         {
             "HOST                                      RUNNING  LIMIT  QUEUED  FAILURES  STATE",
             "a.example                                       2      6   1000+         0  ready, 3 "
             "redirected here wait",
             "very-long-name-...department.example.org        0      0       0         9  broken, "
             "tried in 21 s",
             "你好\\u202e.example                              0      1       0         0  paused",
             "d                                               0      0       0         0  probing",
         }},
        {TOP_FAILED,
         80,
         true,
         "BBB",
         {
             "     JOB   AGO TRY ERROR              URL",
             "      42    2h   3 first_byte_timeout http://a.example/x",
             "       7    1d   0 dns                http://b/\\u001b",
             "       8     -   0",
         }},
        {TOP_SCHEDULES,
         80,
         true,
         "BWT",
         {
             "SCHEDULE               NEXT   LAST  RUNS  END                URL",
             "people                   1h     2h    12  first_byte_timeout a.example/p.csv",
             "a-name-..-its-column paused      -     0  done               u",
             "c\\u0007                   -      -     0  cannot run",
         }},
        {TOP_SCHEDULES,
         120,
         false,
         "BWT",
         {
             "SCHEDULE                                   NEXT   LAST  RUNS  END                    "
             "   URL",
             "people                                       1h     2h    12  failed "
             "first_byte_timeout http://a.example/p.csv",
             "a-name-that-is-longer-than-its-column    paused      -     0  done                   "
             "   u",
             "c\\u0007                                       -      -     0  cannot run",
         }},
        {TOP_SCHEDULES,
         200,
         true,
         "BWT",
         {
             "SCHEDULE                                                             NEXT   LAST  "
             "RUNS  END                       URL",
             "people                                                                 1h     2h    "
             "12  failed first_byte_timeout http://a.example/p.csv",
             "a-name-that-is-longer-than-its-column                              paused      -     "
             "0  done                      u",
             "c\\u0007                                                                 -      -    "
             " 0  cannot run",
         }},
        {TOP_FLEET,
         80,
         true,
         "TW",
         {
             "MEMBER               SHARDS RUNNING WORKERS    BEAT  CONFIG",
             "one                     256       3       4   0.0 s  c0ffee     this",
             "late\\u0007                0       0       0   5.2 s  a-very-lon",
         }},
        {TOP_FLEET,
         120,
         false,
         "TW",
         {
             "MEMBER                                   SHARDS RUNNING WORKERS    BEAT  CONFIG",
             "one                                         256       3       4   0.0 s  c0ffee     "
             "this",
             "late\\u0007                                    0       0       0   5.2 s  a-very-lon",
         }},
    };
    /* clang-format on */
    for (size_t i = 0; i < sizeof pictures / sizeof *pictures; i++)
        check_picture(&pictures[i]);
}

/* A terminal that is narrow loses columns, each where it stands. */
static void test_columns_that_go(void **state)
{
    static const struct {
        const char *name;
        size_t shown_at;
    } rows[] = {{"WAITS FOR", 40}, {"RATE", 50}, {"PROGRESS", 60},
                {"TRY", 70},       {"TIME", 90}, {"RECORDS", 100}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (int less = 0; less <= 1; less++) {
            struct top_look look = {.columns = rows[i].shown_at - (size_t)less, .lines = 40};
            top_lay(&model, &look, &page);
            size_t head = find("     JOB ");
            assert_int_equal(strstr(line_at(head), rows[i].name) != NULL, !less);
        }
}

/* --- choosing --------------------------------------------------------------------------------- */

static void test_cursor(void **state)
{
    struct top_look look = {.columns = 120, .lines = 40, .cursor = 99};
    top_lay(&model, &look, &page);
    assert_int_equal(look.cursor, 2); /* the last there is */
    assert_non_null(strstr(line_at(page.selected), " u"));
    /* So low that one item has room: it is the cursor's, and how many more is told. */
    look = (struct top_look){.columns = 120, .lines = 9, .cursor = 1};
    top_lay(&model, &look, &page);
    assert_int_equal(look.skip, 1);
    assert_int_equal(page.count, 9);
    look.cursor = 0;
    top_lay(&model, &look, &page);
    assert_int_equal(look.skip, 0); /* scrolled back */
    /* For a pipe there is none, and no line about keys. */
    look = (struct top_look){.columns = 120};
    top_lay(&model, &look, &page);
    assert_true(page.selected == SIZE_MAX);
    assert_false(has("q quit"));
}

static void test_filter(void **state)
{
    static const struct {
        enum top_tab tab;
        const char *filter;
        size_t count;
    } rows[] = {
        {TOP_RUNNING, "", 3},
        {TOP_RUNNING, "a.example", 1},
        {TOP_RUNNING, "csv", 2},
        {TOP_RUNNING, "sink", 1},
        {TOP_RUNNING, "\xe4\xbd\xa0", 1}, /* as it is shown */
        {TOP_RUNNING, "%E4%BD%A0", 1},    /* as it stands */
        {TOP_RUNNING, "CSV", 0},
        {TOP_HOSTS, "example", 3},
        {TOP_FAILED, "dns", 1},
        {TOP_FAILED, "a.example", 1},
        {TOP_SCHEDULES, "p.csv", 1},
        {TOP_SCHEDULES, "people", 1},
        {TOP_FLEET, "one", 1},
        {TOP_FLEET, "c0ffee", 0},
    };
    static struct top_item items[TOP_ITEMS];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t count = top_items(&model, rows[i].tab, rows[i].filter, items);
        if (count != rows[i].count)
            fail_msg("%s: %zu", rows[i].filter, count);
    }
    assert_int_equal(top_items(&model, TOP_SCHEDULES, "people", items), 1);
    assert_int_equal(items[0].id, 3); /* its last job */
    assert_string_equal(items[0].host, "");
    assert_int_equal(top_items(&model, TOP_FAILED, "a.example", items), 1);
    assert_int_equal(items[0].id, 42);
    assert_string_equal(items[0].host, "a.example");
    struct top_look look = {.columns = 80, .lines = 40, .filter = "zz", .typing = true};
    top_lay(&model, &look, &page);
    assert_true(has("nothing runs with zz"));
    assert_true(has("[running]  hosts   failed lately   schedules   fleet    /zz_"));
    assert_true(has("type what to look for; Enter keeps it, Esc ends it"));
}

/* However many the daemon tells of, so many are listed. */
static void test_very_many(void **state)
{
    static struct top_item items[TOP_ITEMS];
    struct top_look look = {.columns = 80, .lines = 24, .tab = TOP_FAILED};
    for (int i = 0; i < 2 * TOP_ITEMS; i++)
        json_array_append_new(model.failed, json_pack("{s:i}", "id", i + 100));
    assert_int_equal(top_items(&model, TOP_FAILED, "", items), TOP_ITEMS);
    top_lay(&model, &look, &page);
    assert_int_equal(page.count, 24);
    assert_true(has("and 488 more")); /* of those that can be chosen */
}

/* --- what else may stand there ---------------------------------------------------------------- */

static void test_words_at_the_foot(void **state)
{
    struct top_look look = {.columns = 120, .lines = 20};
    look.help = true;
    top_lay(&model, &look, &page);
    assert_non_null(strstr(line_at(19), "q ends  s sorts  space freezes"));
    look.question = "cancel job 3? y/n\033";
    top_lay(&model, &look, &page);
    assert_string_equal(line_at(19), "cancel job 3? y/n\\u001b");
    assert_int_equal(page.style[19], TOP_BAD);
    look = (struct top_look){.columns = 77, .lines = 20, .frozen = true, .path = "/run/\033x"};
    top_model_sort(&model, TOP_BY_HOST);
    top_lay(&model, &look, &page);
    assert_string_equal(line_at(19), "q quit  s sort (host)  h help");
    assert_true(has("up 1 d 01 h  [frozen], at /run/\\u001bx"));
}

/* A text in place of the list, wrapped at blanks, scrolled by lines of its own. */
static void test_overlay(void **state)
{
    static const char text[] = "Job 3\n  attempt 1 failed: the connection broke in the middle of "
                               "the body\n\nlast\033";
    struct top_look look = {.columns = 40, .lines = 20, .overlay = text};
    top_lay(&model, &look, &page);
    size_t first = find("Job 3");
    assert_string_equal(line_at(first + 1), "  attempt 1 failed: the connection broke");
    assert_string_equal(line_at(first + 2), " in the middle of the body" + 1);
    assert_int_equal(page.style[first + 1], TOP_BAD);
    assert_string_equal(line_at(first + 3), "");
    assert_true(has("goes back"));
    assert_false(has("JOB"));
    look.overlay_skip = 1;
    top_lay(&model, &look, &page);
    assert_false(has("Job 3"));
    assert_true(has("  attempt 1 failed"));
    look.overlay_skip = 1000; /* no further than its last line */
    top_lay(&model, &look, &page);
    assert_true(has("last"));
    assert_false(has("attempt"));
}

static void test_trouble(void **state)
{
    static const struct {
        const char *answer, *line;
    } rows[] = {
        {"{\"draining\":true}", "The daemon is stopping: nothing starts any more"},
        {"{\"paused\":true}", "Paused: nothing starts until `penstockctl resume`"},
        {"{\"store_failing\":true}", "The store cannot write (its disk?): nothing starts"},
        {"{\"sinks\":[{\"name\":\"a\"},{\"name\":\"/l\\u001b\",\"failing\":true,\"error\":"
         "\"no space\",\"since\":\"t\"}]}",
         "The log /l\\u001b cannot be written: no space (since t); nothing starts"},
        {"{\"fleet\":{\"member\":false,\"members\":[]}}",
         "This daemon is no member of its fleet just now: nothing starts"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct top_look look = {.columns = 120, .lines = 20};
        assert_int_equal(
            top_model_take(&model, json_loads(rows[i].answer, 0, NULL), 9 * NS_PER_SEC), 0);
        top_lay(&model, &look, &page);
        size_t at = find(rows[i].line);
        assert_string_equal(line_at(at), rows[i].line);
        assert_int_equal(page.style[at], TOP_BAD);
    }
}

static void test_hosts_beside_jobs(void **state)
{
    struct top_look look = {.columns = 120, .lines = 16};
    top_lay(&model, &look, &page);
    assert_true(has("a.example  ") && has("very-long-name"));
    assert_true(has("and 1 more")); /* of the hosts: 16 / 5 have room */
    look.lines = 15;
    top_lay(&model, &look, &page);
    assert_false(has("HOST "));
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_lists),   CASE(test_columns_that_go), CASE(test_cursor),
        CASE(test_filter),  CASE(test_very_many),       CASE(test_words_at_the_foot),
        CASE(test_overlay), CASE(test_trouble),         CASE(test_hosts_beside_jobs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
