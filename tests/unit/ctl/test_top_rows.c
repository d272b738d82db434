/* The lists of `top`, line by line, at the widths of usual terminals. */
#include "top_sample.h"

/* T: TOP_TEXT, B: TOP_BAD, W: TOP_WARN. */
static char letter_of(enum top_style style)
{
    return style == TOP_TEXT ? 'T' : style == TOP_BAD ? 'B' : style == TOP_WARN ? 'W' : '?';
}

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

int main(void)
{
    const struct CMUnitTest tests[] = {CASE(test_lists), CASE(test_columns_that_go)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
