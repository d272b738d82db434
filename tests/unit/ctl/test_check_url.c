/* `check-url`: the daemon judges twice, first to know the host, then its addresses, which the
 * client looks up. Names here are numbers, which need no resolver. */
#include "scene.h"

#include <signal.h>

#define FIRST(host, ip) \
    "{\"host\":{\"name\":\"" host "\"},\"terms\":{\"ip\":{\"value\":\"" ip "\"}}}"
#define JOB "{\"url\":\"http://192.0.2.1/x\",\"parser\":\"csv\"}"

static void test_what_would_become_of_it(void **state)
{
    static const struct scene scenes[] = {
        {.args = {"check-url", "http://192.0.2.1/x", "--parser", "csv"},
         .steps = {{"check_url", "{\"job\":" JOB "}", FIRST("192.0.2.1", "any")},
                   {"check_url", "{\"job\":" JOB ",\"addresses\":[\"192.0.2.1\"]}",
                    "{\"url\":\"http://192.0.2.1/\\u001b\",\"policy\":{\"allowed\":true},"
                    "\"addresses\":[{\"address\":\"192.0.2.1\",\"allowed\":true}],\"host\":{"
                    "\"sections\":[\"[host \\\"*\\\"]\",\"[host \\\"192.0.2.1\\\"]\"],"
                    "\"connections\":6,\"bytes_per_second\":\"1M\",\"paused\":true,\"broken\":true"
                    "},\"max_running\":{\"value\":2,\"running\":2,\"from\":\"[user \\\"x\\\"]\"},"
                    "\"credential\":{\"name\":\"k\"},\"terms\":{\"timeout\":{\"value\":\"1d\","
                    "\"from\":\"[defaults]\"},\"credential\":{\"value\":\"k\",\"from\":\"x\"},"
                    "\"ip\":{\"value\":\"\",\"from\":\"x\"}}}"}},
         .out = "policy            http://192.0.2.1/\\u001b  allowed\n"
                "address           192.0.2.1                allowed\n"
                "host              [host \"*\"]               section\n"
                "                  [host \"192.0.2.1\"]       section\n"
                "connections       6                        of the host\n"
                "bytes_per_second  1M                       of the host\n"
                "paused            yes                      it would wait\n"
                "broken            yes                      it would wait\n"
                "max_running       2                        [user \"x\"]\n"
                "                  2                        of yours run: it would wait\n"
                "credential        k                        is sent\n"
                "timeout           1d                       [defaults]\n"},
        /* An address that none may connect to. */
        {.args = {"check-url", "http://192.0.2.1/x", "--parser", "csv"},
         .steps = {{"check_url", "{\"job\":" JOB "}", FIRST("192.0.2.1", "4")},
                   {"check_url", "{\"job\":" JOB ",\"addresses\":[\"192.0.2.1\"]}",
                    "{\"url\":\"u\",\"policy\":{\"allowed\":true},\"addresses\":[{\"address\":"
                    "\"192.0.2.1\",\"allowed\":false,\"message\":\"private: policy.allow\"}]}"}},
         .status = 1,
         .out = "policy   u          allowed\naddress  192.0.2.1  private: policy.allow\n"},
        /* A policy, and a credential that is not for this host. */
        {.args = {"check-url", "http://192.0.2.1/x", "--parser", "csv"},
         .steps = {{"check_url", "{\"job\":" JOB "}", FIRST("192.0.2.1", "any")},
                   {"check_url", "{\"job\":" JOB ",\"addresses\":[\"192.0.2.1\"]}",
                    "{\"url\":\"u\",\"policy\":{\"allowed\":false},\"addresses\":[{\"address\":"
                    "\"192.0.2.1\",\"allowed\":true}],\"credential\":{\"message\":\"not for this "
                    "host\"}}"}},
         .status = 1,
         .out = "policy      u          refused\naddress     192.0.2.1  allowed\n"
                "credential  none       not for this host\n"},
        /* Behind a proxy no address is needed, and the daemon looks nothing up. */
        {.args = {"check-url", "http://192.0.2.1/x", "--parser", "csv"},
         .steps = {{"check_url", "{\"job\":" JOB "}", FIRST("192.0.2.1", "any")},
                   {"check_url", "{\"job\":" JOB ",\"addresses\":[\"192.0.2.1\"]}",
                    "{\"url\":\"u\",\"policy\":{\"allowed\":true},\"proxy\":\"http://p:3128\"}"}},
         .out = "policy  u              allowed\n"
                "proxy   http://p:3128  it looks the name up and connects\n"},
    };
    SCENES(scenes);
}

/* No address of that version of IP: the daemon hears of none, and the resolver's word is shown. */
static void test_no_address(void **state)
{
    static const struct step first = {"check_url", "{\"job\":{\"url\":\"u\"}}",
                                      FIRST("192.0.2.1", "6")};
    static const struct step second = {"check_url", "{\"job\":{\"url\":\"u\"},\"addresses\":[]}",
                                       "{\"url\":\"u\",\"policy\":{\"allowed\":true}}"};
    CLIENT(&child, &daemon_, "check-url", "u");
    fake_accept(&daemon_, &talk);
    scene_hear(1, &first);
    scene_answer(1, &first);
    scene_hear(2, &second);
    scene_answer(2, &second);
    assert_int_equal(test_finish(&child, PATIENCE), 1);
    file_has(child.out, "policy   u     allowed\naddress  none  ");
}

#define VIEW(host)                                                             \
    {"check_url", "{\"job\":{\"url\":\"u\"}}", FIRST(host, "any")},            \
    {                                                                          \
        "check_url", "{\"job\":{\"url\":\"u\"},\"addresses\":[\"" host "\"]}", \
            "{\"url\":\"u\",\"policy\":{\"allowed\":true},\"proxy\":\"p\"}"    \
    }
#define ASKED                                   \
    {                                           \
        "head", "{\"url\":\"u\"}", "{\"id\":7}" \
    }
#define SEEN "policy  u  allowed\nproxy   p  it looks the name up and connects\n"

/* The host is asked by a job, which is waited for. */
static void test_head(void **state)
{
    static const struct scene scenes[] = {
        {.args = {"check-url", "--head", "u"},
         .steps = {VIEW("192.0.2.1"),
                   ASKED,
                   {"wait", "{\"ids\":[7]}",
                    "{\"jobs\":[{\"state\":\"done\",\"verdict\":{\"status\":200,\"final_url\":"
                    "\"http://b/\\u001b\",\"seconds\":{\"queued\":1.5,\"connect\":0.25,"
                    "\"first_byte\":0.5},\"head\":{\"proxied\":true,\"address\":\"192.0.2.9\","
                    "\"tls\":\"TLSv1.3\",\"dns\":0.125,\"handshake\":0.0625,\"http\":\"2\","
                    "\"type\":\"text/csv\",\"length\":77,\"encoding\":\"gzip\",\"etag\":"
                    "\"e\",\"last_modified\":\"m\",\"accept_ranges\":\"bytes\","
                    "\"retry_after\":\"9\",\"resumable\":true}}}]}"}},
         .out = SEEN "status         200              to HEAD\n"
                     "final_url      http://b/\\u001b  where redirects led\n"
                     "address        192.0.2.9        of the proxy\n"
                     "http           2\n"
                     "tls            TLSv1.3\n"
                     "type           text/csv\n"
                     "length         77\n"
                     "encoding       gzip\n"
                     "etag           e\n"
                     "last_modified  m\n"
                     "accept_ranges  bytes\n"
                     "retry_after    9\n"
                     "resumable      yes              if the download breaks\n"
                     "queued         1.5              seconds\n"
                     "dns            0.125            seconds\n"
                     "handshake      0.0625           seconds, of TLS\n"
                     "connect        0.25             seconds, all in all\n"
                     "first_byte     0.5              seconds from the start\n"},
        /* It failed; what is known is told. */
        {.args = {"check-url", "--head", "u"},
         .steps = {VIEW("192.0.2.1"),
                   ASKED,
                   {"wait", "{\"ids\":[7]}",
                    "{\"jobs\":[{\"state\":\"failed\",\"verdict\":{\"status\":405,\"error\":{"
                    "\"kind\":\"http_status\",\"message\":\"405\"},\"head\":{\"proxied\":false,"
                    "\"address\":\"192.0.2.1\",\"resumable\":false,\"hindrance\":\"no tag\"}}}]"
                    "}"}},
         .status = 1,
         .out = SEEN "status     405          to HEAD\n"
                     "address    192.0.2.1    connected to\n"
                     "resumable  no           no tag\n"
                     "error      http_status  405\n"},
        {.args = {"check-url", "--head", "u"},
         .steps = {VIEW("192.0.2.1"),
                   ASKED,
                   {"wait", "{\"ids\":[7]}",
                    "{\"jobs\":[{\"state\":\"cancelled\",\"verdict\":{\"reason\":\"why\"}}]}"}},
         .status = 1,
         .out = SEEN "reason  why  cancelled\n"},
        {.args = {"check-url", "--head", "u", "--json"},
         .steps = {VIEW("192.0.2.1"),
                   ASKED,
                   {"wait", "{\"ids\":[7]}", "{\"jobs\":[{\"state\": \"done\"}]}"}},
         .out = "{\"url\":\"u\",\"policy\":{\"allowed\":true},\"proxy\":\"p\"}\n"
                "{\"state\": \"done\"}\n"},
        /* The daemon says no to the one or to the other, or goes. */
        {.args = {"check-url", "--head", "u"},
         .steps = {VIEW("192.0.2.1"),
                   {"head", "{\"url\":\"u\"}", "!{\"code\":-32004,\"message\":\"full\"}"}},
         .status = 3,
         .out = SEEN,
         .err = "penstockctl: full\n"},
        {.args = {"check-url", "--head", "u"},
         .steps = {VIEW("192.0.2.1"),
                   ASKED,
                   {"wait", "{\"ids\":[7]}", "!{\"code\":-32003,\"message\":\"it stops\"}"}},
         .status = 3,
         .out = SEEN,
         .err = "penstockctl: it stops\n"},
    };
    SCENES(scenes);
}

/* Ctrl-C while it waits: the connection goes, and with it the job. */
static void test_head_interrupted(void **state)
{
    static const struct step steps[] = {VIEW("192.0.2.1"), ASKED, {"wait", "{\"ids\":[7]}", NULL}};
    CLIENT(&child, &daemon_, "check-url", "--head", "u");
    fake_accept(&daemon_, &talk);
    for (unsigned i = 0; i < 4; i++) {
        scene_hear(i + 1, &steps[i]);
        if (i < 3)
            scene_answer(i + 1, &steps[i]);
    }
    test_signal(&child, SIGINT);
    assert_int_equal(test_finish(&child, PATIENCE), 130);
    file_has(child.err, "interrupted; job 7 is cancelled\n");
}

static void test_mistakes(void **state)
{
    static const struct scene scenes[] = {
        {.args = {"check-url", "ftp://a/"},
         .steps = {{"check_url", "{\"job\":{\"url\":\"ftp://a/\"}}",
                    "!{\"code\":-32602,\"message\":\"url: http or https\",\"data\":{\"field\":"
                    "\"url\"}}"}},
         .status = 2,
         .err = "penstockctl: url: http or https\n"},
        {.args = {"check-url", "u", "--max-body=x"},
         .steps = {{"check_url", "{\"job\":{\"url\":\"u\",\"max_body\":\"x\"}}",
                    "!{\"code\":-32602,\"message\":\"max_body: 'x' is no size\",\"data\":{"
                    "\"field\":\"max_body\"}}"}},
         .status = 2,
         .err = "penstockctl: --max-body: 'x' is no size\n"},
        {.args = {"check-url", "\xff"}, .status = 2, .err = "penstockctl: the URL is not UTF-8\n"},
        {.args = {"check-url", "u", "--json"},
         .steps = {{"check_url", "{\"job\":{\"url\":\"u\"}}", FIRST("192.0.2.1", "any")},
                   {"check_url", "{\"job\":{\"url\":\"u\"},\"addresses\":[\"192.0.2.1\"]}",
                    "{ \"policy\":{} }"}},
         .status = 1,
         .out = "{ \"policy\":{} }\n"},
    };
    SCENES(scenes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_what_would_become_of_it), TEST(test_no_address), TEST(test_head),
        TEST(test_head_interrupted),        TEST(test_mistakes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
