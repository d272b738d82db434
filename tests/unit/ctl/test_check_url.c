/* `check-url`: the daemon judges twice, first to know the host, then its addresses, which the
 * client looks up. Names here are numbers, which need no resolver. */
#include "scene.h"

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
        TEST(test_what_would_become_of_it),
        TEST(test_no_address),
        TEST(test_mistakes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
