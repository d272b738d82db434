/* What the text of a schedule makes: the text of its job. */
#include "schedule/definition.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void test_what_a_text_makes(void **state)
{
    static const struct {
        const char *text, *job;
        bool makes;
    } cases[] = {
        {"{\"every\":\"1h\",\"name\":\"a\",\"url\":\"http://x/\"}", "{\"url\":\"http://x/\"}",
         true},
        {"{\"every\":\"1h\",\"name\":\"a\",\"url\":\"http://x/\"}", "{\"url\":\"http://y/\"}",
         false},
        {"{\"name\":\"a\",\"url\":\"http://x/\"}", "{\"a\":1,\"url\":\"http://x/\"}", false},
        {"{\"a\":1,\"name\":\"a\",\"url\":\"http://x/\"}", "{\"url\":\"http://x/\"}", false},
        {"{\"a\":1,\"name\":\"a\",\"url\":\"http://x/\"}", "{\"a\":1}", false},
        {"{\"cron\":\"* * * * "
         "*\",\"headers\":{\"name\":\"}\\\",\"},\"jitter\":\"1s\",\"labels\":{\"every\":\"[\"},"
         "\"name\":\"x\",\"options\":[{\"a\":[1,2]}],\"timezone\":\"UTC\"}",
         "{\"headers\":{\"name\":\"}\\\",\"},\"labels\":{\"every\":\"[\"},\"options\":[{\"a\":[1,2]"
         "}]}",
         true},
        {"{\"name\":\"a\"}", "{}", true},
        {"{\"name\":\"a\"}", "{\"b\":1}", false},
        {"{\"b\":1,\"name\":\"a\"}", "{}", false},
        {"{\"b\":1", "{\"b\":1}", true},
        {"", "", false},
        {"{\"b\":\"", "{\"b\":\"\"}", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (schedule_text_makes(cases[i].text, cases[i].job) != cases[i].makes)
            fail_msg("%s makes %s: %d", cases[i].text, cases[i].job, !cases[i].makes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_a_text_makes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
