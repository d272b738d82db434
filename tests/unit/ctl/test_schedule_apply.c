/* `schedule apply`: all of a file or nothing, with the number of each line that is wrong. */
#include "scene.h"

#define A "{\"name\":\"a\",\"url\":\"u\",\"every\":\"1h\"}"
#define B "{\"name\":\"b\",\"url\":\"v\",\"cron\":\"@daily\"}"

static void test_one_request(void **state)
{
    static const struct scene scenes[] = {
        {.args = {"schedule", "apply", "-"},
         .input = A "\n\n  " B,
         .steps = {{"schedule_apply",
                    "{\"schedules\":[" A "," B "],\"dry_run\":false,\"prune\":false}",
                    "{\"changes\":[{\"name\":\"a\",\"change\":\"created\"},{\"name\":\"b\","
                    "\"change\":\"unchanged\"}]}"}},
         .out = "created a\n1 created, 0 updated, 1 unchanged, 0 removed\n"},
        {.args = {"schedule", "apply", "-", "--prune", "--dry-run"},
         .input = A "\n",
         .steps = {{"schedule_apply", "{\"schedules\":[" A "],\"dry_run\":true,\"prune\":true}",
                    "{\"changes\":[{\"name\":\"a\",\"change\":\"updated\"},{\"name\":\"old\","
                    "\"change\":\"removed\"}]}"}},
         .out = "updated a\nremoved old\n0 created, 1 updated, 0 unchanged, 1 removed (dry run: "
                "nothing was changed)\n"},
        {.args = {"schedule", "apply", "-", "--json"},
         .input = A,
         .steps = {{"schedule_apply", "{\"schedules\":[" A "],\"dry_run\":false,\"prune\":false}",
                    "{\"changes\":[{\"name\":\"a\",\"change\":\"unchanged\"}]}"}},
         .out = "{\"name\":\"a\",\"change\":\"unchanged\"}\n"},
        /* What a list tells besides is left out, so that one can be applied as it is. */
        {.args = {"schedule", "apply", "-"},
         .input = "{\"name\":\"a\",\"url\":\"u\",\"every\":\"1h\",\"runs\":3,\"next\":\"x\","
                  "\"paused\":false,\"last\":{\"state\":\"done\"}}",
         .steps = {{"schedule_apply", "{\"schedules\":[" A "],\"dry_run\":false,\"prune\":false}",
                    "{\"changes\":[]}"}},
         .out = "0 created, 0 updated, 0 unchanged, 0 removed\n"},
    };
    SCENES(scenes);
}

/* Each bad line is told; then nothing is asked for. */
static void test_bad_lines(void **state)
{
    static const struct scene scenes[] = {
        {.args = {"schedule", "apply", "-"},
         .input = A "\n[1]\n{\"url\":\"u\"}\n{\"name\":7}\n{\"name\":\"c\",\"url\":\"http://x/?k="
                    "***\"}\n" A "\n",
         .status = 3,
         .err = "penstockctl: line 2: a schedule is a JSON object with name, url and every or "
                "cron\n"
                "penstockctl: line 3: name: it is missing, or no string\n"
                "penstockctl: line 4: name: it is missing, or no string\n"
                "penstockctl: line 5: url: it was listed without its secret (***); write it as it "
                "is, or use a credential\n"
                "penstockctl: line 6: name: it stands in line 1 already\n"
                "penstockctl: nothing was changed\n"},
        {.args = {"schedule", "apply", "-", "--prune"},
         .input = "\n \n",
         .status = 2,
         .err = "penstockctl: - has no schedules, and --prune would remove all there are; "
                "`schedule remove` removes one\n"},
        {.args = {"schedule", "apply", "/nonexistent/file"},
         .status = 2,
         .err = "penstockctl: /nonexistent/file: No such file or directory\n"},
    };
    SCENES(scenes);
}

static void test_text_that_is_no_json(void **state)
{
    static const struct scene scene = {.args = {"schedule", "apply", "-"},
                                       .input = "{\"name\":\"a\",\"name\":\"b\"}\n{oops\n"};
    client_start(&child, &daemon_, scene.args);
    assert_int_equal(fd_write_all(child.in, scene.input, strlen(scene.input)), 0);
    fd_close(&child.in);
    client_ends(&child, 3, "", "line 1: ");
    file_has(child.err, "line 2: ");
    file_has(child.err, "nothing was changed\n");
}

/* The daemon counts from 0 in its list, and people count lines. */
static void test_the_daemons_refusals(void **state)
{
    static const struct scene scenes[] = {
        {.args = {"schedule", "apply", "-"},
         .input = "\n" A "\n\n" B "\n",
         .steps = {{"schedule_apply",
                    "{\"schedules\":[" A "," B "],\"dry_run\":false,\"prune\":false}",
                    "!{\"code\":-32602,\"message\":\"schedules[1].cron: no\",\"data\":{\"field\":"
                    "\"schedules[1].cron\"}}"}},
         .status = 3,
         .err = "penstockctl: line 4: schedules[1].cron: no\npenstockctl: nothing was changed\n"},
        {.args = {"schedule", "apply", "-"},
         .input = A,
         .steps = {{"schedule_apply", "{\"schedules\":[" A "],\"dry_run\":false,\"prune\":false}",
                    "!{\"code\":-32602,\"message\":\"no\",\"data\":{\"field\":\"schedules[1]\"}}"}},
         .status = 3,
         .err = "penstockctl: no\n"},
        {.args = {"schedule", "apply", "-"},
         .input = A,
         .steps = {{"schedule_apply", "{\"schedules\":[" A "],\"dry_run\":false,\"prune\":false}",
                    "!{\"code\":-32003,\"message\":\"the store\\u0007 cannot write\"}"}},
         .status = 3,
         .err = "penstockctl: the store\\u0007 cannot write\n"},
    };
    SCENES(scenes);
}

/* --- more than a request ---------------------------------------------------------------------- */

/* COUNT schedules, "n0" and so on, each with room for a label of some length. */
static void make_lines(struct buf *b, unsigned count, unsigned padding)
{
    for (unsigned i = 0; i < count; i++) {
        buf_printf(b, "{\"name\":\"n%04u\",\"url\":\"", i);
        for (unsigned k = 0; k < padding; k++)
            buf_putc(b, 'x');
        buf_puts(b, "\",\"every\":\"1h\"}\n");
    }
}

/* The next request: how many schedules it has, of which the first is number `from`. */
static size_t hear_chunk(unsigned id, unsigned from, bool dry, bool prune)
{
    char name[16];
    json_t *request = talk_hear_json(&talk), *params = json_object_get(request, "params");
    json_t *list = json_object_get(params, "schedules");
    size_t count = json_array_size(list);
    assert_int_equal(json_integer_value(json_object_get(request, "id")), id);
    assert_int_equal(json_is_true(json_object_get(params, "dry_run")), dry);
    assert_int_equal(json_is_true(json_object_get(params, "prune")), prune);
    snprintf(name, sizeof name, "n%04u", from);
    if (count > 0)
        assert_string_equal(json_string_value(json_object_get(json_array_get(list, 0), "name")),
                            name);
    json_decref(request);
    return count;
}

static void start_with(const struct buf *lines, const char *option)
{
    test_write_file(test_path("lines"), lines->data, lines->len);
    CLIENT(&child, &daemon_, "schedule", "apply", test_path("lines"), option);
    fake_accept(&daemon_, &talk);
}

/* All of them are tried without effect first; only then one takes effect. */
static void test_a_long_file(void **state)
{
    struct buf lines = BUF_INIT;
    make_lines(&lines, 1500, 10);
    start_with(&lines, NULL);
    for (unsigned id = 1; id <= 4; id++) {
        size_t count = hear_chunk(id, id % 2 ? 0 : 1000, id <= 2, false);
        assert_int_equal(count, id % 2 ? 1000 : 500);
        talk_answer(&talk, id, "{\"changes\":[{\"name\":\"n\",\"change\":\"updated\"}]}");
    }
    client_ends(&child, 0, "updated n\nupdated n\n0 created, 2 updated, 0 unchanged, 0 removed\n",
                NULL);
    buf_deinit(&lines);
}

static void test_a_bad_line_in_the_second_request(void **state)
{
    struct buf lines = BUF_INIT;
    make_lines(&lines, 1500, 10);
    start_with(&lines, NULL);
    hear_chunk(1, 0, true, false);
    talk_answer(&talk, 1, "{\"changes\":[]}");
    hear_chunk(2, 1000, true, false);
    talk_say(&talk, "{\"jsonrpc\":\"2.0\",\"id\":2,\"error\":{\"code\":-32602,\"message\":\"no\","
                    "\"data\":{\"field\":\"schedules[7].url\"}}}");
    assert_null(talk_hear(&talk)); /* nothing else is asked for */
    client_ends(&child, 3, "", "line 1008: no\npenstockctl: nothing was changed\n");
    buf_deinit(&lines);
}

/* Requests are bounded by their bytes as well. */
static void test_long_lines(void **state)
{
    struct buf lines = BUF_INIT;
    unsigned from = 0;
    make_lines(&lines, 30, 100000);
    start_with(&lines, "--dry-run");
    for (unsigned id = 1; from < 30; id++) {
        size_t count = hear_chunk(id, from, true, false);
        assert_in_range(count, 4, 5); /* 512 KiB */
        from += (unsigned)count;
        talk_answer(&talk, id, "{\"changes\":[]}");
    }
    client_ends(&child, 0,
                "0 created, 0 updated, 0 unchanged, 0 removed (dry run: nothing was changed)\n",
                NULL);
    buf_deinit(&lines);
}

/* What the file does not have goes last, once all that it has is there. */
static void test_pruning_is_apart(void **state)
{
    struct buf lines = BUF_INIT;
    make_lines(&lines, 1001, 10);
    start_with(&lines, "--prune");
    for (unsigned id = 1; id <= 4; id++) {
        hear_chunk(id, id % 2 ? 0 : 1000, id <= 2, false);
        talk_answer(&talk, id, "{\"changes\":[]}");
    }
    for (unsigned id = 5; id <= 6; id++) {
        json_t *request = talk_hear_json(&talk), *params = json_object_get(request, "params");
        assert_true(json_is_true(json_object_get(params, "prune")));
        assert_int_equal(json_array_size(json_object_get(params, "schedules")), 0);
        assert_int_equal(json_array_size(json_object_get(params, "keep")), 1001);
        assert_null(json_object_get(params, "until")); /* to the end of all names */
        const char *after = json_string_value(json_object_get(params, "after"));
        assert_string_equal(after ? after : "", id == 5 ? "" : "n0100");
        json_decref(request);
        talk_answer(&talk, id,
                    id == 5 ? "{\"changes\":[{\"name\":\"m\",\"change\":\"removed\"}],\"next\":"
                              "\"n0100\"}"
                            : "{\"changes\":[{\"name\":\"z\",\"change\":\"removed\"}]}");
    }
    client_ends(&child, 0, "removed m\nremoved z\n0 created, 0 updated, 0 unchanged, 2 removed\n",
                NULL);
    buf_deinit(&lines);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_one_request),          TEST(test_bad_lines),
        TEST(test_text_that_is_no_json), TEST(test_the_daemons_refusals),
        TEST(test_a_long_file),          TEST(test_a_bad_line_in_the_second_request),
        TEST(test_long_lines),           TEST(test_pruning_is_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
