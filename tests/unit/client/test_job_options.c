/* A job's options as text: what they say in the protocol, and what is refused. */
#include "client/job_options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define URL "http://a.test/"

static json_t *job;
static char *socket_name;
static struct error err;

static int read_options(const char *options)
{
    job = NULL;
    socket_name = NULL;
    return options_job(URL, options, &job, &socket_name, &err);
}

static void clean(void)
{
    json_decref(job);
    free(socket_name);
}

/* `wanted`: the members beside the URL. */
static void gives(const char *options, const char *wanted)
{
    json_error_t where;
    if (read_options(options) < 0)
        fail_msg("%s: %s", options, err.text);
    json_t *expected = json_loads(wanted, 0, &where);
    assert_non_null(expected);
    json_object_set_new(expected, "url", json_string(URL));
    if (!json_equal(job, expected)) {
        char *text = json_dumps(job, JSON_COMPACT);
        fail_msg("%s: %s", options, text);
    }
    json_decref(expected);
    clean();
}

static void refused(const char *options, const char *words)
{
    assert_int_equal(read_options(options), -EINVAL);
    if (!strstr(err.text, words))
        fail_msg("%s: %s", options, err.text);
    assert_null(job);
    assert_null(socket_name);
}

static void members(void **state)
{
    gives(NULL, "{}");
    gives("", "{}");
    gives(" \t\r\n", "{}");
    gives("digest=sha256", "{\"digest\":\"sha256\"}");
    gives("  digest=sha256\n\tmax-attempts=3 ", "{\"digest\":\"sha256\",\"max_attempts\":3}");
    gives("digest=", "{\"digest\":\"\"}");
    gives("expect_type=a=b", "{\"expect_type\":\"a=b\"}");
}

static void numbers(void **state)
{
    gives("priority=-5", "{\"priority\":-5}");
    gives("max_body=64K", "{\"max_body\":\"64K\"}");
    gives("priority=-", "{\"priority\":\"-\"}");
    gives("max_body=999999999999999999", "{\"max_body\":999999999999999999}");
    gives("max_body=9999999999999999999", "{\"max_body\":\"9999999999999999999\"}"); /* too long */
    /* Text, whatever stands there. */
    gives("key=12 body=1 user_agent=2 credential=3 method=4",
          "{\"key\":\"12\",\"body\":\"1\",\"user_agent\":\"2\",\"credential\":\"3\","
          "\"method\":\"4\"}");
    gives("label.n=1 option.n=2", "{\"labels\":{\"n\":\"1\"},\"options\":{\"n\":\"2\"}}");
}

static void quotes(void **state)
{
    gives("body=\"a b\"", "{\"body\":\"a b\"}");
    gives("body=\"a \\\"b\\\" \\\\ c\" digest=x",
          "{\"body\":\"a \\\"b\\\" \\\\ c\",\"digest\":\"x\"}");
    gives("body=\"\"", "{\"body\":\"\"}");
    gives("body=a\"b", "{\"body\":\"a\\\"b\"}"); /* in the middle it is one like any other */
    gives("body=\"a\nb\"", "{\"body\":\"a\\nb\"}");
    refused("body=\"a b", "the quote is not closed at \"\"a b\"");
    refused("body=\"a\\", "the quote is not closed");
    refused("body=\"a\"b", "white space is wanted behind the quote");
}

static void containers(void **state)
{
    gives("label.a=1 label.b=x header=\"A: b\" option.delimiter=; header=\"C: d\"",
          "{\"labels\":{\"a\":\"1\",\"b\":\"x\"},\"headers\":[\"A: b\",\"C: d\"],"
          "\"options\":{\"delimiter\":\";\"}}");
    gives("label.a-b=1", "{\"labels\":{\"a-b\":\"1\"}}"); /* behind the dot it is as it stands */
}

static void the_socket_is_not_the_jobs(void **state)
{
    assert_int_equal(read_options("socket=/a digest=sha256 socket=\"/b c\""), 0);
    assert_string_equal(socket_name, "/b c");
    assert_null(json_object_get(job, "socket"));
    clean();
    assert_int_equal(read_options("digest=sha256"), 0);
    assert_null(socket_name);
    clean();
}

static void faults(void **state)
{
    refused("digest", "NAME=VALUE is wanted at \"digest\"");
    refused("digest =x", "NAME=VALUE is wanted");
    refused("=x", "NAME=VALUE is wanted at \"=x\"");
    refused("digest=a digest=b", "digest is given twice");
    refused("max-body=1 max_body=2", "max_body is given twice");
    refused("label.a=1 label.a=2", "label.a is given twice");
    refused("url=http://b.test/", "url is given twice");
    refused("digest=\xff", "the value of digest is not UTF-8");
    refused("header=\xff", "the value of header is not UTF-8");
    refused("socket=/a digest", "NAME=VALUE");
}

static void urls(void **state)
{
    job = NULL;
    socket_name = NULL;
    assert_int_equal(options_job(NULL, "", &job, &socket_name, &err), -EINVAL);
    assert_string_equal(err.text, "url: there is none");
    assert_int_equal(options_job("http://a/\xff", "", &job, &socket_name, &err), -EINVAL);
    assert_string_equal(err.text, "url: it is not UTF-8");
    assert_null(job);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members),
        cmocka_unit_test(numbers),
        cmocka_unit_test(quotes),
        cmocka_unit_test(containers),
        cmocka_unit_test(the_socket_is_not_the_jobs),
        cmocka_unit_test(faults),
        cmocka_unit_test(urls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
