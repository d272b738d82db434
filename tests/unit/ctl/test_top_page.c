/* The picture of `top` around its lists: the cursor, filters, texts in their place, what is wrong,
 * and what stands at the foot. */
#include "top_sample.h"

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
        {TOP_RUNNING, "", 3},          {TOP_RUNNING, "a.example", 1},
        {TOP_RUNNING, "csv", 2},       {TOP_RUNNING, "sink", 1},
        {TOP_RUNNING, "lines", 1},     {TOP_RUNNING, "\xe4\xbd\xa0", 1}, /* as it is shown */
        {TOP_RUNNING, "%E4%BD%A0", 1},                                   /* as it stands */
        {TOP_RUNNING, "CSV", 0},       {TOP_HOSTS, "example", 3},
        {TOP_FAILED, "dns", 1},        {TOP_FAILED, "a.example", 1},
        {TOP_SCHEDULES, "p.csv", 1},   {TOP_SCHEDULES, "people", 1},
        {TOP_FLEET, "one", 1},         {TOP_FLEET, "c0ffee", 0},
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

/* It is another's text as any: pasted, it may hold whatever steers a terminal. */
static void test_a_filter_that_is_typed(void **state)
{
    static const struct {
        const char *typed, *shown;
    } rows[] = {
        {"\xc2\x9b"
         "2J",
         "  /\\u009b2J_"},
        {"\xe2\x80\xaemoc", "  /\\u202emoc_"},
        {"", "  /_"},
        {"\xe4\xbd", "  /\\xe4\\xbd_"}, /* a half of a character */
        {"\xe4\xbd\xa0\xe5\xa5\xbd", "  /\xe4\xbd\xa0\xe5\xa5\xbd_"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct top_look look = {
            .columns = 80, .lines = 40, .filter = rows[i].typed, .typing = true};
        top_lay(&model, &look, &page);
        if (!has(rows[i].shown))
            fail_msg("row %zu", i);
    }
    /* Twenty of two columns each do not fit: the last ones are seen, and the cursor. */
    char wide[64] = "";
    for (int i = 0; i < 20; i++)
        strcat(wide, i < 19 ? "\xe4\xbd\xa0" : "\xe5\xa5\xbd");
    struct top_look look = {.columns = 80, .lines = 40, .filter = wide, .typing = true};
    top_lay(&model, &look, &page);
    assert_true(has("\xe4\xbd\xa0\xe5\xa5\xbd_"));
    for (size_t i = 0; i < page.count; i++)
        assert_true(text_width(line_at(i), strlen(line_at(i))) <= 80);
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
    assert_string_equal(line_at(first + 2), "in the middle of the body");
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
    const struct CMUnitTest tests[] = {
        CASE(test_cursor),
        CASE(test_filter),
        CASE(test_a_filter_that_is_typed),
        CASE(test_very_many),
        CASE(test_words_at_the_foot),
        CASE(test_overlay),
        CASE(test_trouble),
        CASE(test_hosts_beside_jobs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
