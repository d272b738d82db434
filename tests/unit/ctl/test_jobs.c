/* `list`, `show`, `explain`: pages, limits, and answers that are not as they should be. */
#include "scene.h"

static void test_pages(void **state)
{
    static const char one[] = "{\"jobs\":[{\"id\":9}],\"next\":9}";
    static const char same[] = "{\"jobs\":[{\"id\":9}],\"next\":9}";
    static const struct scene scenes[] = {
        {.args = {"list", "--before", "20", "--limit=2", "--json"},
         .steps = {{"list", "{\"before\":20,\"limit\":2}", one},
                   {"list", "{\"before\":9,\"limit\":1}", "{\"jobs\":[{\"id\":3}],\"next\":3}"}},
         .out = "{\"id\":9}\n{\"id\":3}\n"},
        /* A daemon that leads back to where it was is not followed. */
        {.args = {"list", "--json"},
         .steps = {{"list", "{\"limit\":50}", one}, {"list", "{\"before\":9,\"limit\":49}", same}},
         .out = "{\"id\":9}\n{\"id\":9}\n"},
        /* One with more jobs than were asked for does not turn the limit round. */
        {.args = {"list", "--json", "--limit=1"},
         .steps = {{"list", "{\"limit\":1}", "{\"jobs\":[{\"id\":9},{\"id\":8}],\"next\":8}"}},
         .out = "{\"id\":9}\n{\"id\":8}\n"},
        {.args = {"list", "--json", "--host=a", "--error", "dns", "--schedule=s"},
         .steps = {{"list", "{\"host\":\"a\",\"error\":\"dns\",\"schedule\":\"s\",\"limit\":50}",
                    "{\"jobs\":[]}"}}},
        /* The second page is refused: what was printed stands, and the status says so. */
        {.args = {"list", "--json"},
         .steps = {{"list", "{\"limit\":50}", one},
                   {"list", "{\"before\":9,\"limit\":49}", "!{\"code\":-1,\"message\":\"busy\"}"}},
         .status = 3,
         .out = "{\"id\":9}\n",
         .err = "penstockctl: busy\n"},
        {.args = {"list"},
         .steps = {{"list", "{\"limit\":50}", "{}"}},
         .out = "ID  STATE  ATTEMPT  PARSER  AGE  BYTES  ERROR  URL\n"},
    };
    SCENES(scenes);
}

static void test_mistakes(void **state)
{
    static const struct scene scenes[] = {
        {.args = {"list", "--limit", "0"},
         .status = 2,
         .err = "penstockctl: --limit: '0' is not a whole number from 1\n"},
        {.args = {"list", "--state", "faild"},
         .steps = {{"list", "{\"state\":\"faild\",\"limit\":50}",
                    "!{\"code\":-32602,\"message\":\"state: 'faild' is no state; did you mean "
                    "failed?\",\"data\":{\"field\":\"state\"}}"}},
         .status = 2,
         .err = "penstockctl: --state: 'faild' is no state; did you mean failed?\n"},
        {.args = {"list", "--label=k=v", "--label=l=w"},
         .status = 2,
         .err = "penstockctl: --label selects by one label only\n"},
        {.args = {"list", "--label=k=v"},
         .steps = {{"list", "{\"label\":{\"k\":\"v\"},\"limit\":50}",
                    "!{\"code\":-32602,\"message\":\"label.k: no\",\"data\":{\"field\":"
                    "\"label.k\"}}"}},
         .status = 2,
         .err = "penstockctl: --label: no\n"},
        {.args = {"show", "-7"},
         .status = 2,
         .err = "penstockctl: '-7' is no job's id: those are numbers from 1\n"},
        {.args = {"explain", "0"},
         .status = 2,
         .err = "penstockctl: '0' is not a job's id: those are numbers from 1\n"},
        {.args = {"cancel", "7", "--before", "3"},
         .status = 2,
         .err = "penstockctl: --before goes with a selection, not with ids\n"},
        {.args = {"retry"},
         .status = 2,
         .err = "penstockctl: `retry` needs ids or a selection: penstockctl retry ID...|SELECT "
                "[--before ID]\n"},
    };
    SCENES(scenes);
}

static void test_explain(void **state)
{
    static const struct scene scenes[] = {
        {.args = {"explain", "7"},
         .steps = {{"show", "{\"id\":7}",
                    "{\"id\":7,\"state\":\"cancelled\",\"url\":\"u\\u001b\",\"parser\":\"p\","
                    "\"verdict\":{\"reason\":\"by \\u0007 uid 0\",\"bytes\":1,\"records\":1}}"}},
         .out = "Job 7: u\\u001b into the parser p\n"
                "                           submitted\n"
                "                           cancelled: by \\u0007 uid 0\n"
                "                           1 B had arrived, 1 record\n"},
        {.args = {"explain", "7", "--json"},
         .steps = {{"show", "{\"id\":7}", "{ \"id\":7 }"}},
         .out = "{ \"id\":7 }\n"},
    };
    SCENES(scenes);
}

/* Changes by id, of which some could not be done: each is told, and none hides another. */
static void test_changes(void **state)
{
    static const struct scene scenes[] = {
        {.args = {"cancel", "1", "2", "3"},
         .steps = {{"cancel", "{\"ids\":[1,2,3]}",
                    "{\"cancelled\":[3],\"forbidden\":[1],\"missing\":[2],\"message\":\"the store "
                    "cannot write\"}"}},
         .status = 3,
         .out = "3 cancelled\n",
         .err = "penstockctl: 2: no such job\npenstockctl: 1: it is another user's\npenstockctl: "
                "not all of them, as something stood in the way: the store cannot write\n"},
        {.args = {"retry", "1", "2", "--json"},
         .steps = {{"retry", "{\"ids\":[1,2]}",
                    "{\"retried\":[{\"id\":8, \"retry_of\":1}],\"not_ended\":[2]}"}},
         .status = 3,
         .out = "{\"retried\":[{\"id\":8, \"retry_of\":1}],\"not_ended\":[2]}\n",
         .err = "penstockctl: 2: it has not ended yet\n"},
        {.args = {"cancel", "1"},
         .steps = {{"cancel", "{\"ids\":[1]}", "{\"ended\":[{\"id\":1,\"state\":\"done\"}]}"}},
         .out = "1 had ended\n"},
    };
    SCENES(scenes);
}

/* More ids than a request may have are several. */
static void test_many_ids(void **state)
{
    enum { COUNT = 1001 };
    static char words[COUNT][8];
    const char *argv[COUNT + 6] = {PENSTOCKCTL, "--socket", daemon_.path, "--json", "cancel"};
    for (int i = 0; i < COUNT; i++) {
        snprintf(words[i], sizeof words[i], "%d", i + 1);
        argv[i + 5] = words[i];
    }
    test_start(&child, argv);
    fake_accept(&daemon_, &talk);
    for (unsigned id = 1; id <= 2; id++) {
        json_t *request = talk_hear_json(&talk);
        json_t *ids = json_object_get(json_object_get(request, "params"), "ids");
        assert_int_equal(json_array_size(ids), id == 1 ? 1000 : 1);
        assert_int_equal(json_integer_value(json_array_get(ids, 0)), id == 1 ? 1 : 1001);
        json_decref(request);
        talk_answer(&talk, id, "{}");
    }
    client_ends(&child, 0, "{}\n{}\n", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_pages),   TEST(test_mistakes), TEST(test_explain),
        TEST(test_changes), TEST(test_many_ids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
