/* `records`, and the records of whole bodies that `follow --data` reads: all of them, or a message
 * and an exit status that says so. */
#include "scene.h"

#define LINE(seq, data) \
    "{\\\"event\\\":\\\"record\\\",\\\"seq\\\":" seq ",\\\"data\\\":" data "}\\n"

static void test_pages(void **state)
{
    static const struct scene scenes[] = {
        {.args = {"records", "7"},
         .steps = {{"records", "{\"id\":7,\"page\":0}",
                    "{\"lines\":\"" LINE("1", "[1.10, 2]")
                        LINE("2", "{\\\"data\\\":3}") "\","
                                                      "\"records\":3,\"next\":5}"},
                   {"records", "{\"id\":7,\"page\":5}",
                    "{\"lines\":\"" LINE("3",
                                         "\\\"\\u001b\\\"") "\",\"records\":3,\"next\":null}"}},
         .out = "[1.10, 2]\n{\"data\":3}\n\"\033\"\n"},
        {.args = {"records", "7", "--json", "--attempt", "2"},
         .steps = {{"records", "{\"id\":7,\"page\":0,\"attempt\":2}",
                    "{\"lines\":\"" LINE("1", "7") "\",\"records\":1}"}},
         .out = "{\"event\":\"record\",\"seq\":1,\"data\":7}\n"},
        {.args = {"records", "7"},
         .steps = {{"records", "{\"id\":7,\"page\":0}", "{\"lines\":\"\",\"records\":0}"}}},
    };
    for (size_t i = 0; i < sizeof scenes / sizeof *scenes; i++)
        scene_play(&scenes[i]);
}

/* What came before it went wrong is no whole, and is not taken for one. */
static void test_what_is_no_whole(void **state)
{
    static const struct scene scenes[] = {
        {.args = {"records", "7"},
         .steps = {{"records", "{\"id\":7,\"page\":0}",
                    "!{\"code\":-32001,\"message\":\"job 7 keeps no records: --keep-records\"}"}},
         .status = 3,
         .err = "penstockctl: job 7 keeps no records: --keep-records\n"},
        {.args = {"records", "7"},
         .steps = {{"records", "{\"id\":7,\"page\":0}",
                    "{\"lines\":\"" LINE("1", "1") "\",\"records\":3,\"next\":1}"},
                   {"records", "{\"id\":7,\"page\":1}",
                    "!{\"code\":-32001,\"message\":\"they are forgotten\"}"}},
         .status = 3,
         .out = "1\n",
         .err = "penstockctl: they are forgotten; 1 of 3 records were printed\n"},
        /* Fewer than it says there are. */
        {.args = {"records", "7"},
         .steps = {{"records", "{\"id\":7,\"page\":0}",
                    "{\"lines\":\"" LINE("1", "1") "\",\"records\":2}"}},
         .status = 3,
         .out = "1\n",
         .err = "penstockctl: the daemon's answer lacks records; 1 of 2 records were printed\n"},
        /* A page that leads back to itself is the last. */
        {.args = {"records", "7"},
         .steps = {{"records", "{\"id\":7,\"page\":0}",
                    "{\"lines\":\"" LINE("1", "1") "\",\"records\":2,\"next\":0}"}},
         .status = 3,
         .out = "1\n",
         .err = "penstockctl: the daemon's answer lacks records; 1 of 2 records were printed\n"},
        {.args = {"records", "7"},
         .steps = {{"records", "{\"id\":7,\"page\":0}", "{\"records\":0}"}},
         .status = 3,
         .err = "penstockctl: the daemon's answer lacks records\n"},
        {.args = {"records", "7"},
         .steps = {{"records", "{\"id\":7,\"page\":0}", "{\"lines\":\"\"}"}},
         .status = 3,
         .err = "penstockctl: the daemon's answer lacks records\n"},
        {.args = {"records", "7"}, /* a line without its end */
         .steps = {{"records", "{\"id\":7,\"page\":0}",
                    "{\"lines\":\"{\\\"data\\\":1}\",\"records\":1}"}},
         .status = 3,
         .err = "penstockctl: the daemon's answer lacks records\n"},
        {.args = {"records", "7"}, /* a line without a record */
         .steps = {{"records", "{\"id\":7,\"page\":0}", "{\"lines\":\"{}\\n\",\"records\":1}"}},
         .status = 3,
         .err = "penstockctl: the daemon's answer lacks records\n"},
    };
    SCENES(scenes);
}

static void test_mistakes(void **state)
{
    static const struct scene scenes[] = {
        {.args = {"records", "seven"},
         .status = 2,
         .err = "penstockctl: 'seven' is not a job's id: those are numbers from 1\n"},
        {.args = {"records", "7", "--attempt", "0"},
         .status = 2,
         .err = "penstockctl: --attempt: '0' is no number of an attempt\n"},
        {.args = {"records", "7", "--attempt", "1x"},
         .status = 2,
         .err = "penstockctl: --attempt: '1x' is no number of an attempt\n"},
        {.args = {"records", "7", "--attempt", "4294967296"},
         .status = 2,
         .err = "penstockctl: --attempt: '4294967296' is no number of an attempt\n"},
        {.args = {"records", "7", "--attempt", "+1"},
         .status = 2,
         .err = "penstockctl: --attempt: '+1' is no number of an attempt\n"},
    };
    SCENES(scenes);
}

static void test_the_daemon_goes(void **state)
{
    static const struct step first = {
        "records", "{\"id\":7,\"page\":0}",
        "{\"lines\":\"" LINE("1", "1") "\",\"records\":2,\"next\":1}"};
    CLIENT(&child, &daemon_, "records", "7");
    fake_accept(&daemon_, &talk);
    scene_hear(1, &first);
    scene_answer(1, &first);
    talk_hear(&talk);
    talk_end(&talk);
    client_ends(&child, 3, "1\n", "has closed the connection; 1 of 2 records were printed\n");
}

/* --- whole bodies ----------------------------------------------------------------------------- */

static struct talk side; /* the connection that records are read by */

static int teardown_both(void **state)
{
    talk_end(&side);
    return teardown(state);
}

static void side_serves(const char *request, unsigned id, const char *result)
{
    talk_expect(&side, request);
    talk_answer(&side, id, result);
}

#define VERDICT(id, state) \
    "{\"event\":\"verdict\",\"job\":" id ",\"attempt\":1,\"state\":\"" state "\"}"

/* Each job's once it is done and its end is stored; what failed has none, and says so. */
static void test_follow_data(void **state)
{
    CLIENT(&child, &daemon_, "follow", "5", "6", "--data");
    follow("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"follow\",\"params\":{\"ids\":[5,6],"
           "\"events\":[\"verdict\"]}}");
    talk_event(&talk, VERDICT("6", "failed"));
    talk_event(&talk, VERDICT("5", "done"));
    fake_accept(&daemon_, &side);
    side_serves("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"wait\",\"params\":{\"ids\":[5]}}", 1,
                "{\"jobs\":[]}");
    side_serves("{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"records\",\"params\":{\"id\":5,"
                "\"page\":0}}",
                2, "{\"lines\":\"" LINE("1", "[5]") "\",\"records\":1}");
    talk_say(&talk, "{\"jsonrpc\":\"2.0\",\"method\":\"end\"}");
    client_ends(&child, 1, "[5]\n", "penstockctl: job 6 failed (attempt 1)\n");
}

/* With `--events record` the records are lines as they stand in the log. */
static void test_follow_commit(void **state)
{
    CLIENT(&child, &daemon_, "submit", "http://a/", "--follow", "--deliver", "commit");
    serve("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"submit\",\"params\":{\"jobs\":[{\"url\":"
          "\"http://a/\",\"deliver\":\"commit\",\"keep_records\":\"yes\"}],\"follow\":["
          "\"attempt\",\"verdict\"],\"backpressure\":true}}",
          "[{\"id\":5}]");
    talk_event(&talk, VERDICT("5", "done"));
    fake_accept(&daemon_, &side);
    side_serves("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"wait\",\"params\":{\"ids\":[5]}}", 1,
                "{\"jobs\":[]}");
    side_serves("{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"records\",\"params\":{\"id\":5,"
                "\"page\":0}}",
                2, "{\"lines\":\"" LINE("1", "[5]") "\",\"records\":1}");
    client_ends(&child, 0,
                "{\"event\":\"record\",\"seq\":1,\"data\":[5]}\n" VERDICT("5", "done") "\n", NULL);
}

/* Records that are forgotten before they were read are missing, and that is told. */
static void test_follow_data_that_is_forgotten(void **state)
{
    CLIENT(&child, &daemon_, "follow", "5", "--data");
    follow("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"follow\",\"params\":{\"ids\":[5],"
           "\"events\":[\"verdict\"]}}");
    talk_event(&talk, VERDICT("5", "done"));
    fake_accept(&daemon_, &side);
    side_serves("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"wait\",\"params\":{\"ids\":[5]}}", 1,
                "{\"jobs\":[]}");
    talk_hear(&side);
    talk_say(&side, "{\"jsonrpc\":\"2.0\",\"id\":2,\"error\":{\"code\":-32001,\"message\":\"job 5: "
                    "its records are forgotten\"}}");
    talk_say(&talk, "{\"jsonrpc\":\"2.0\",\"method\":\"end\"}");
    client_ends(&child, 3, "", "penstockctl: job 5: its records are forgotten\n");
}

int main(void)
{
#define BOTH(test) cmocka_unit_test_setup_teardown(test, setup, teardown_both)
    const struct CMUnitTest tests[] = {
        TEST(test_pages),
        TEST(test_what_is_no_whole),
        TEST(test_mistakes),
        TEST(test_the_daemon_goes),
        BOTH(test_follow_data),
        BOTH(test_follow_commit),
        BOTH(test_follow_data_that_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
