/* Lines as they come, and waiting for verdicts: what is printed, what is told besides, and which
 * exit status that is. */
#include "scene.h"

#define SAY(method, params) "{\"jsonrpc\":\"2.0\",\"method\":\"" method "\",\"params\":" params "}"
#define END                 SAY("end", "{}")
#define RECORD(data)        "{\"event\":\"record\",\"job\":5,\"data\":" data "}"
#define VERDICT(id, state)  "{\"event\":\"verdict\",\"job\":" id ",\"state\":\"" state "\"}"

struct stream {
    const char *args[8];
    const char *params;   /* of `follow` */
    const char *lines[6]; /* of the daemon, once it has answered */
    int status;
    const char *out, *err; /* all of it; NULL: nothing */
};

static void play_stream(const struct stream *s)
{
    const struct step step = {"follow", s->params, "{\"following\":true}"};
    client_start(&child, &daemon_, s->args);
    fake_accept(&daemon_, &talk);
    scene_hear(1, &step);
    scene_answer(1, &step);
    for (size_t i = 0; i < 6 && s->lines[i]; i++)
        talk_say(&talk, s->lines[i]);
    client_ends(&child, s->status, s->out ? s->out : "", s->err);
    if (s->err)
        file_is(child.err, s->err);
    talk_end(&talk);
}

/* Of jobs that are not named no records are read later, so bare records come as they are. */
static void test_bare_records(void **state)
{
    static const struct stream streams[] = {
        {.args = {"follow", "--data", "--label=k=v"},
         .params = "{\"label\":{\"k\":\"v\"},\"events\":[\"record\",\"attempt\",\"verdict\"]}",
         .lines = {SAY("event", RECORD("[1.50]")),
                   SAY("event", "{\"event\":\"attempt\",\"job\":5,\"attempt\":2,\"outcome\":"
                                "\"retry\",\"records\":1}"),
                   SAY("event", RECORD("\"x\"")), SAY("event", VERDICT("5", "done")), END},
         .status = 1,
         .out = "[1.50]\n\"x\"\n",
         .err = "penstockctl: attempt 2 of job 5 came to nothing: what was printed of it does not "
                "count\n"},
        /* An attempt of which nothing was printed needs no word. */
        {.args = {"follow", "--data"},
         .params = "{\"events\":[\"record\",\"attempt\",\"verdict\"]}",
         .lines = {SAY("event", "{\"event\":\"attempt\",\"job\":5,\"outcome\":\"retry\","
                                "\"records\":0}"),
                   SAY("event", "{\"event\":\"attempt\",\"job\":5,\"outcome\":\"done\","
                                "\"records\":4}"),
                   END}},
    };
    for (size_t i = 0; i < sizeof streams / sizeof *streams; i++)
        play_stream(&streams[i]);
}

static void test_what_is_told_besides(void **state)
{
    static const struct stream streams[] = {
        {.args = {"follow", "5"},
         .params = "{\"ids\":[5]}",
         .lines = {SAY("missed", "{\"lines\":1}"), END},
         .status = 3,
         .err = "penstockctl: 1 line was missed: what was printed so far was read too slowly\n"},
        {.args = {"follow", "5"},
         .params = "{\"ids\":[5]}",
         .lines = {SAY("overflow", "{}"), SAY("event", VERDICT("5", "failed")), END},
         .status = 3,
         .out = VERDICT("5", "failed") "\n",
         .err = "penstockctl: lines were missed: what was printed so far was read too slowly\n"},
        {.args = {"follow", "5"},
         .params = "{\"ids\":[5]}",
         .lines = {SAY("elsewhere", "{\"job\":5,\"member\":\"m\\u001b\"}"),
                   SAY("elsewhere", "{\"job\":\"x\"}"), SAY("news", "{\"of\":\"tomorrow\"}"), END},
         .err = "penstockctl: job 5: its records are in the log of \"m\\u001b\"\n"},
        /* Lines of kinds that this client has never heard of are lines. */
        {.args = {"follow"},
         .params = "{}",
         .lines = {SAY("event", "{\"event\":\"rain\", \"mm\":1.0}"), SAY("event", "7"), END},
         .out = "{\"event\":\"rain\", \"mm\":1.0}\n"},
        {.args = {"follow", "--events", "stop revoke"},
         .params = "{\"events\":[\"stop\",\"revoke\",\"verdict\"]}",
         .lines = {SAY("event", VERDICT("5", "done")), SAY("event", "{\"event\":\"stop\"}"), END},
         .out = "{\"event\":\"stop\"}\n"},
    };
    for (size_t i = 0; i < sizeof streams / sizeof *streams; i++)
        play_stream(&streams[i]);
}

static void test_mistakes(void **state)
{
    static const struct scene scenes[] = {
        {.args = {"follow", "--data", "--events", "record"},
         .status = 2,
         .err = "penstockctl: --data prints records only: --events has no place beside it\n"},
        {.args = {"follow", "--events", ","},
         .status = 2,
         .err = "penstockctl: --events needs a list, as record,verdict\n"},
        {.args = {"follow", "5", "--state", "done"},
         .status = 2,
         .err = "penstockctl: `follow` takes ids or a selection, not both\n"},
        {.args = {"follow", "5"},
         .steps = {{"follow", "{\"ids\":[5]}", "!{\"code\":-32001,\"message\":\"no job 5\"}"}},
         .status = 3,
         .err = "penstockctl: no job 5\n"},
        {.args = {"submit", "u", "--data"},
         .status = 2,
         .err = "penstockctl: --events and --data belong to --follow\n"},
        {.args = {"submit", "u", "--wait", "--follow"},
         .status = 2,
         .err = "penstockctl: --wait and --follow: choose one (--follow waits as well)\n"},
        {.args = {"submit", "u", "--from=-"},
         .status = 2,
         .err = "penstockctl: URLs come from the command line or from --from, not from both\n"},
        {.args = {"submit", "--from=-", "--body", "-"},
         .status = 2,
         .err = "penstockctl: --from and --body cannot both be standard input\n"},
        {.args = {"submit", "--from", "/nonexistent/urls"},
         .status = 2,
         .err = "penstockctl: --from: /nonexistent/urls: No such file or directory\n"},
    };
    SCENES(scenes);
}

/* An option that is wrong is wrong for every URL, and is told once. */
static void test_an_option_is_told_once(void **state)
{
    static const struct scene scene = {
        .args = {"submit", "a", "b", "c", "--max-body=x"},
        .steps = {{"submit",
                   "[{\"url\":\"a\",\"max_body\":\"x\"},{\"url\":\"b\",\"max_body\":\"x\"},"
                   "{\"url\":\"c\",\"max_body\":\"x\"}]",
                   "[{\"error\":{\"code\":-32602,\"message\":\"max_body: no\",\"data\":{\"field\":"
                   "\"max_body\"}}},{\"error\":{\"code\":-32602,\"message\":\"max_body: no\","
                   "\"data\":{\"field\":\"max_body\"}}},{\"error\":{\"code\":-32602,\"message\":"
                   "\"url: no\",\"data\":{\"field\":\"url\"}}}]"}},
        .status = 2,
        .err = "penstockctl: --max-body: no\npenstockctl: c: url: no\n"};
    scene_play(&scene);
}

/* --- wait ------------------------------------------------------------------------------------- */

#define ASK(id)   "{\"jsonrpc\":\"2.0\",\"id\":" #id ",\"method\":\"wait\",\"params\":{\"ids\":["
#define DONE(job) "{\"jobs\":[{\"id\":" job ",\"state\":\"done\", \"x\":1.0}]}"

static void test_wait_as_json(void **state)
{
    CLIENT(&child, &daemon_, "wait", "5", "6", "5", "--json");
    fake_accept(&daemon_, &talk);
    talk_expect(&talk, ASK(1) "5]}}");
    talk_expect(&talk, ASK(2) "6]}}");
    talk_expect(&talk, ASK(3) "5]}}"); /* as often as it was named */
    talk_answer(&talk, 1, DONE("5"));
    talk_answer(&talk, 2, "{\"jobs\":[{\"id\":6,\"state\":\"cancelled\"}]}");
    talk_answer(&talk, 3, DONE("5"));
    client_ends(&child, 1,
                "{\"id\":5,\"state\":\"done\", \"x\":1.0}\n{\"id\":6,\"state\":\"cancelled\"}\n"
                "{\"id\":5,\"state\":\"done\", \"x\":1.0}\n",
                NULL);
}

/* One that is refused spoils nothing for the others, but for the status. */
static void test_wait_goes_on(void **state)
{
    CLIENT(&child, &daemon_, "wait", "5", "6");
    fake_accept(&daemon_, &talk);
    talk_hear(&talk);
    talk_hear(&talk);
    talk_say(&talk, "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32001,\"message\":\"there "
                    "is no job 5\"}}");
    talk_answer(&talk, 2, DONE("6"));
    client_ends(&child, 3, "6 done\n", "penstockctl: 5: there is no job 5\n");
}

static bool wait_has_an_end(void)
{
    struct talk other = {.fd = -1};
    struct buf said = BUF_INIT;
    CLIENT(&child, &daemon_, "wait", "5", "6", "--timeout", "50ms");
    fake_accept(&daemon_, &talk);
    talk_hear(&talk);
    talk_hear(&talk);
    fake_accept(&daemon_, &other); /* does it still answer? */
    talk_expect(&other, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}");
    send(other.fd, "{}\n", 3, MSG_NOSIGNAL);
    assert_int_equal(test_finish(&child, PATIENCE), 3);
    file_is(child.out, "");
    assert_true(test_read_file(child.err, &said));
    bool so = said.data &&
              strcmp(said.data, "penstockctl: job 5 has not ended within --timeout, and goes "
                                "on\n") == 0;
    buf_deinit(&said);
    talk_end(&other);
    talk_end(&talk);
    return so;
}

/* Whoever waits with patience is told that the job goes on, as long as the daemon lives. The ping
 * has a second to be answered in: the machine may hold up one answer, not each. */
static void test_wait_has_an_end(void **state)
{
    TEST_WAIT(wait_has_an_end(), PATIENCE);
}

static void test_wait_when_the_daemon_goes(void **state)
{
    CLIENT(&child, &daemon_, "wait", "5", "6");
    fake_accept(&daemon_, &talk);
    talk_hear(&talk);
    talk_hear(&talk);
    talk_answer(&talk, 1, "{\"jobs\":[{\"id\":5,\"state\":\"failed\"}]}");
    talk_end(&talk);
    client_ends(&child, 3, "5 failed\n", "has closed the connection\n");
}

static void test_wait_for_what_is_no_id(void **state)
{
    static const struct scene scene = {
        .args = {"wait", "5", "five"},
        .status = 2,
        .err = "penstockctl: 'five' is not a job's id: those are numbers from 1\n"};
    scene_play(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_bare_records),
        TEST(test_what_is_told_besides),
        TEST(test_mistakes),
        TEST(test_an_option_is_told_once),
        TEST(test_wait_as_json),
        TEST(test_wait_goes_on),
        TEST(test_wait_has_an_end),
        TEST(test_wait_when_the_daemon_goes),
        TEST(test_wait_for_what_is_no_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
