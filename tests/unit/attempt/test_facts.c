/* What a parser may ask about its run: a copy that needs nothing of the job, and what an origin
 * said back of a secret. */
#include "attempt/facts.h"

#include "attempt/echo.h"
#include "unit/attempt/request_spec.h"

static int begin(void **state)
{
    return request_spec_begin("");
}

static const char *value_of(const struct parse_pair *pairs, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(pairs[i].name, name) == 0)
            return pairs[i].value;
    return NULL;
}

static void all_is_copied(void **state)
{
    char name[] = "X-One", value[] = "1", two[] = "2";
    const struct transfer_header headers[] = {{name, value}, {name, two}};
    const struct transfer_response response = {
        .status = 203, .headers = headers, .header_count = 2};
    struct parse_facts facts;
    void *block;
    struct spec *spec =
        request_spec("{\"url\":\"http://a.test/?token=t\",\"parser\":\"csv\","
                     "\"options\":{\"header\":\"no\"},\"labels\":{\"l\":\"v\",\"m\":\"w\"}}");
    assert_int_equal(facts_keep(spec, NULL, &response, &facts, &block), 0);
    spec_free(spec); /* an abandoned worker has it still */
    memset(name, 'n', sizeof name - 1);
    memset(value, 'v', sizeof value - 1);
    memset(two, 'v', sizeof two - 1);
    assert_string_equal(facts.url, "http://a.test/?token=***");
    assert_int_equal(facts.status, 203);
    assert_int_equal(facts.header_count, 2);
    assert_string_equal(facts.headers[0].name, "X-One");
    assert_string_equal(facts.headers[0].value, "1");
    assert_string_equal(facts.headers[1].value, "2");
    assert_string_equal(value_of(facts.options, facts.option_count, "header"), "no");
    assert_int_equal(facts.label_count, 2);
    assert_string_equal(value_of(facts.labels, facts.label_count, "l"), "v");
    assert_string_equal(value_of(facts.labels, facts.label_count, "m"), "w");
    free(block);
}

static void after_a_redirect_it_is_the_other_url(void **state)
{
    const struct transfer_response response = {.status = 200};
    struct parse_facts facts;
    void *block;
    struct spec *spec = request_spec("{\"url\":\"http://a.test/\",\"parser\":\"count\"}");
    assert_int_equal(facts_keep(spec, "http://b.test/", &response, &facts, &block), 0);
    spec_free(spec);
    assert_string_equal(facts.url, "http://b.test/");
    assert_int_equal(facts.header_count + facts.option_count + facts.label_count, 0);
    free(block);
}

/* --- echoes ----------------------------------------------------------------------------------- */

static void secrets_are_struck_out(void **state)
{
    const struct transfer_header headers[] = {
        {"Content-Location", "/x?key=hunter2hunter2"},
        {"ETag", "\"hunter2hunter2\""},
        {"X-Nothing", ""},
        {"last-modified", "hunter2hunter2"}, /* read as a date, and shown nowhere */
        {"Content-Type", "text/csv"},
    };
    const struct transfer_response response = {.headers = headers, .header_count = 5};
    struct settings_credential given = {.name = (char *)"c", .type = CREDENTIAL_BEARER};
    struct credential *c = NULL;
    assert_int_equal(credential_new(&given, "a.test", &c), 0);
    c->marks[0] = strdup("hunter2hunter2");
    struct transfer_header *shown = echo_redact(c, &response);
    credential_free(c);
    assert_non_null(shown);
    assert_string_equal(shown[0].value, "/x?key=**************");
    assert_string_equal(shown[1].value, "\"**************\"");
    assert_string_equal(shown[2].value, "");
    assert_string_equal(shown[3].value, "hunter2hunter2");
    assert_string_equal(shown[4].value, "text/csv");
    for (size_t i = 0; i < 5; i++)
        assert_string_equal(shown[i].name, headers[i].name);
    assert_string_equal(headers[0].value, "/x?key=hunter2hunter2"); /* the transfer's own stays */
    free(shown);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_is_copied),
        cmocka_unit_test(after_a_redirect_it_is_the_other_url),
        cmocka_unit_test(secrets_are_struck_out),
    };
    return cmocka_run_group_tests(tests, begin, request_spec_end);
}
