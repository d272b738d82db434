/* What a request carries from hop to hop. */
#include "unit/attempt/request_spec.h"

#include "attempt/encoding.h"
#include "attempt/hop.h"

static char secret_name[] = "token", secret_file[] = "/nowhere";
static const struct settings_credential secret = {
    .name = secret_name, .type = CREDENTIAL_BEARER, .secret_file = secret_file};
static struct hop hop;
static struct spec *spec;
static struct hop_traits traits;

static void begin_chain(const char *job)
{
    struct credential *credential = NULL;
    hop_deinit(&hop);
    hop = (struct hop){0};
    spec_free(spec);
    spec = request_spec(job);
    traits = (struct hop_traits){.redact = &settings->redact};
    assert_int_equal(credential_new(&secret, "a.test", &credential), 0);
    assert_int_equal(hop_init(&hop, spec, credential), 0);
}

static void go(const char *url, const char *host, int status)
{
    assert_int_equal(hop_next(&hop, spec, NULL, url, host, &traits, status), 0);
    assert_string_equal(hop.url, url);
    assert_string_equal(hop.host, host);
}

static bool sends(const char *line)
{
    for (size_t i = 0; i < hop.header_count; i++)
        if (strcmp(hop.headers[i], line) == 0)
            return true;
    return false;
}

#define JOB "{\"url\":\"https://a.test/1\",\"headers\":[\"X-One: 1\"],\"compress\":\"yes\"}"

static void the_first_is_the_jobs_own(void **state)
{
    begin_chain(JOB);
    go("https://a.test/1", "a.test", 0);
    assert_int_equal(hop.count, 1);
    assert_null(hop.shown_url);
    assert_string_equal(hop.method, "GET");
    assert_true(sends("X-One: 1") && sends(ENCODING_ACCEPT));
    assert_non_null(hop.identity.credential);
    assert_false(hop.elsewhere);
    assert_non_null(hop.cookies);
}

static void what_nobody_decodes_is_not_asked_for(void **state)
{
    begin_chain("{\"url\":\"https://a.test/1\",\"compress\":\"yes\",\"decode\":\"none\"}");
    go("https://a.test/1", "a.test", 0);
    assert_false(sends(ENCODING_ACCEPT));
    begin_chain("{\"url\":\"https://a.test/1\",\"compress\":\"no\"}");
    go("https://a.test/1", "a.test", 0);
    assert_false(sends(ENCODING_ACCEPT));
}

static void within_an_origin_all_is_kept(void **state)
{
    begin_chain(JOB);
    go("https://a.test/1", "a.test", 0);
    go("https://a.test/2?token=x", "a.test", 302);
    assert_int_equal(hop.count, 2);
    assert_true(sends("X-One: 1"));
    assert_non_null(hop.identity.credential);
    assert_non_null(strstr(hop.shown_url, "***"));
    assert_null(strstr(hop.shown_url, "=x"));
}

/* Once another origin was asked, whoever answers there leads the chain. */
static void what_was_for_the_origin_stays_there_for_good(void **state)
{
    begin_chain(JOB);
    go("https://a.test/1", "a.test", 0);
    go("https://b.test/2", "b.test", 302);
    assert_true(hop.elsewhere);
    assert_false(sends("X-One: 1"));
    assert_true(sends(ENCODING_ACCEPT));
    assert_null(hop.identity.credential);
    go("https://a.test/3", "a.test", 302);
    assert_false(sends("X-One: 1"));
    assert_null(hop.identity.credential);
}

static void a_chain_that_begins_anew_has_it_all_again(void **state)
{
    struct credential *credential = NULL;
    begin_chain(JOB);
    go("https://a.test/1", "a.test", 0);
    go("https://b.test/2", "b.test", 302);
    assert_int_equal(credential_new(&secret, "a.test", &credential), 0);
    hop_begin_again(&hop, spec, credential);
    go("https://a.test/1", "a.test", 0);
    assert_int_equal(hop.count, 1);
    assert_true(sends("X-One: 1"));
    assert_ptr_equal(hop.identity.credential, credential);
    assert_null(hop.shown_url);
}

static void a_method_changes_as_its_status_says(void **state)
{
    static const struct {
        int status;
        const char *method;
        bool has_type;
    } cases[] = {{301, "GET", false},
                 {302, "GET", false},
                 {303, "GET", false},
                 {307, "POST", true},
                 {308, "POST", true}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        begin_chain("{\"url\":\"https://a.test/1\",\"method\":\"POST\",\"body\":\"b\","
                    "\"headers\":[\"Content-Type: x/y\"]}");
        go("https://a.test/1", "a.test", 0);
        assert_true(sends("Content-Type: x/y"));
        go("https://a.test/2", "a.test", cases[i].status);
        assert_string_equal(hop.method, cases[i].method);
        assert_int_equal(sends("Content-Type: x/y"), cases[i].has_type);
    }
}

static void traits_are_of_this_hop_alone(void **state)
{
    begin_chain(JOB);
    traits.http = 20;
    traits.bytes_per_second = 1000;
    traits.client_cert = "/cert";
    go("https://a.test/1", "a.test", 0);
    assert_int_equal(hop.http, 20);
    assert_int_equal(hop.bytes_per_second, 1000);
    assert_true(identity_wanted(&hop.identity));
    assert_string_equal(hop.identity.cert_path, "/cert");
    traits = (struct hop_traits){.redact = &settings->redact};
    go("https://b.test/2", "b.test", 302);
    assert_int_equal(hop.http, 0);
    assert_int_equal(hop.bytes_per_second, 0);
    assert_null(hop.identity.cert_path);
    assert_false(identity_wanted(&hop.identity));
}

static void no_redirects_no_cookies(void **state)
{
    begin_chain("{\"url\":\"https://a.test/1\",\"max_redirects\":0}");
    assert_null(hop.cookies);
}

static int begin(void **state)
{
    return request_spec_begin("[policy]\nredact = token\n");
}

static int end(void **state)
{
    hop_deinit(&hop);
    spec_free(spec);
    return request_spec_end(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_is_the_jobs_own),
        cmocka_unit_test(what_nobody_decodes_is_not_asked_for),
        cmocka_unit_test(within_an_origin_all_is_kept),
        cmocka_unit_test(what_was_for_the_origin_stays_there_for_good),
        cmocka_unit_test(a_chain_that_begins_anew_has_it_all_again),
        cmocka_unit_test(a_method_changes_as_its_status_says),
        cmocka_unit_test(traits_are_of_this_hop_alone),
        cmocka_unit_test(no_redirects_no_cookies),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
