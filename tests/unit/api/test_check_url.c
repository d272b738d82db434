/* check_url: a job is judged as `submit` would, and nothing comes of it. */
#include "api_world.h"

#define SETTINGS                                                                               \
    "[fetch]\nhost_connections = 5\n"                                                          \
    "[host \"*.data.test\"]\nconnections = 3\nbytes_per_second = 1M\n"                         \
    "requests_per_second = 9\ntimeout = 3h\nmax_redirects = 2\n"                               \
    "[host \"a.data.test\"]\nrequests_per_second = 2.5\nbytes_per_second = 2M\ntimeout = 2h\n" \
    "[parser \"csv\"]\nmin_records = 7\ntimeout = 1h\n"

static json_t *check(struct api_world *a, const char *job, const char *more)
{
    return ask_well(a, API_CHECK_URL, json_of("{'job':%s%s}", job, more));
}

static void test_refused(void **state)
{
    static const struct ill_call cases[] = {
        {API_CHECK_URL, "{}", API_INVALID_PARAMS, "", "`job`"},
        {API_CHECK_URL, "{'job':'http://h.test/'}", API_INVALID_PARAMS, "", "`job`"},
        {API_CHECK_URL, "{'job':{'url':'http://h.test/'},'more':1}", API_INVALID_PARAMS, "",
         "check_url knows"},
        {API_CHECK_URL, "{'job':{'url':'http://h.test/'},'addresses':'1.2.3.4'}",
         API_INVALID_PARAMS, "", "an array of at most 64"},
        {API_CHECK_URL, "{'job':{'url':'http://h.test/'},'addresses':['1.2.3']}",
         API_INVALID_PARAMS, "addresses", "192.0.2.1"},
        {API_CHECK_URL, "{'job':{'url':'http://h.test/'},'addresses':['1.2.3.4',7]}",
         API_INVALID_PARAMS, "addresses", "192.0.2.1"},
        {API_CHECK_URL, "{'job':{'url':'gopher://h.test/'}}", API_INVALID_PARAMS, "url", ""},
        {API_CHECK_URL, "{'job':{'url':'http://h.test/','parser':'none'}}", API_INVALID_PARAMS,
         "parser", "none"},
        {API_CHECK_URL, "{'job':{'url':'http://h.test/','max_redirects':-1}}", API_INVALID_PARAMS,
         "max_redirects", ""},
    };
    struct api_world *a = api_world_new(SETTINGS, false);
    ASK_ALL_ILL(a, cases);
    api_world_free(a);
}

static json_t *addresses_json(size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, json_string("192.0.2.1"));
    return json_pack("{s:{s:s}, s:o}", "job", "url", "http://h.test/", "addresses", list);
}

static void test_number_of_addresses(void **state)
{
    struct api_world *a = api_world_new("", false);
    json_t *result = ask_well(a, API_CHECK_URL, addresses_json(64));
    assert_int_equal(count_in(result, "addresses"), 64);
    json_decref(result);
    ask_ill(a, API_CHECK_URL, addresses_json(65), API_INVALID_PARAMS, "");
    api_world_free(a);
}

/* The name by itself, and each address on its own. */
static void test_policy(void **state)
{
    static const struct {
        const char *url, *addresses;
        int port;
        bool host;
        bool allowed[3];
    } cases[] = {
        {"http://h.test/", "['1.1.1.1','192.168.0.1','127.0.0.1']", 80, true, {true, false, true}},
        {"https://h.test/", "['2606:4700::1111','::1','10.0.0.1']", 443, true, {true, true, false}},
        {"http://10.0.0.1:8080/", "['1.1.1.1']", 8080, false, {true}},
    };
    struct api_world *a = api_world_new(SETTINGS, false);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_t *result = ask_well(
            a, API_CHECK_URL,
            json_of("{'job':{'url':'%s'},'addresses':%s}", cases[i].url, cases[i].addresses));
        assert_int_equal(int_in(result, "port"), cases[i].port);
        const json_t *policy = json_object_get(result, "policy");
        assert_int_equal(json_is_true(json_object_get(policy, "allowed")), cases[i].host);
        assert_int_equal(json_object_get(policy, "message") != NULL, !cases[i].host);
        json_t *asked = json_of("%s", cases[i].addresses);
        assert_int_equal(count_in(result, "addresses"), json_array_size(asked));
        for (size_t k = 0; k < json_array_size(asked); k++) {
            const json_t *one = item_in(result, "addresses", k);
            assert_string_equal(text_in(one, "address"),
                                json_string_value(json_array_get(asked, k)));
            bool allowed = json_is_true(json_object_get(one, "allowed"));
            if (allowed != cases[i].allowed[k])
                fail_msg("%s at %s", cases[i].url, text_in(one, "address"));
            assert_int_equal(json_object_get(one, "message") != NULL, !allowed);
        }
        json_decref(asked);
        json_decref(result);
    }
    api_world_free(a);
}

/* Of matching sections the most specific one that says something; else [fetch]. */
static void test_host(void **state)
{
    struct api_world *a = api_world_new(SETTINGS, false);
    json_t *result = check(a, "{'url':'http://a.data.test/'}", "");
    json_t *wanted = json_of("{'name':'a.data.test','sections':['a.data.test','*.data.test'],"
                             "'connections':3,'bytes_per_second':2097152,"
                             "'requests_per_second':2.5}");
    assert_true(json_equal(json_object_get(result, "host"), wanted));
    json_decref(wanted);
    json_decref(result);
    result = check(a, "{'url':'http://other.test/'}", "");
    wanted = json_of("{'name':'other.test','sections':[],'connections':5}");
    assert_true(json_equal(json_object_get(result, "host"), wanted));
    json_decref(wanted);
    json_decref(result);
    api_world_free(a);
}

/* One that is known is shown as it is. */
static void test_host_at_work(void **state)
{
    struct api_world *a = api_world_new("", false);
    uint64_t id = ask_submit(a, "/bytes?n=1&hold=it");
    world_wait_running(a->w, id);
    for (int held = 0; held < 2; held++) {
        json_decref(ask_well(a, held ? API_PAUSE : API_RESUME, json_of("{'host':'127.0.0.1'}")));
        json_t *result = check(a, "{'url':'http://127.0.0.1/'}", "");
        const json_t *host = json_object_get(result, "host");
        assert_int_equal(int_in(host, "running"), 1);
        assert_int_equal(json_is_true(json_object_get(host, "paused")), held);
        assert_true(json_is_false(json_object_get(host, "broken")));
        assert_null(json_object_get(result, "paused")); /* not all is */
        json_decref(result);
    }
    json_decref(ask_well(a, API_PAUSE, json_object()));
    json_t *result = check(a, "{'url':'http://127.0.0.1/'}", "");
    assert_true(json_is_true(json_object_get(result, "paused")));
    json_decref(result);
    origin_release(a->w->origin, "it");
    api_world_free(a);
}

/* A term comes from the nearest that gives it. */
static void test_terms(void **state)
{
    static const struct {
        const char *name, *value, *from;
    } cases[] = {
        {"max_body", "1K", "job"},
        {"timeout", "1h", "parser \"csv\""},
        {"min_records", "7", "parser \"csv\""},
        {"max_redirects", "2", "host \"*.data.test\""},
        {"stall_timeout", NULL, "defaults"},
    };
    struct api_world *a = api_world_new(SETTINGS, false);
    json_t *result =
        check(a, "{'url':'http://a.data.test/?token=x','parser':'csv','max_body':1024}", "");
    assert_string_equal(text_in(result, "parser"), "csv");
    assert_string_equal(text_in(result, "url"), "http://a.data.test/?token=***");
    const json_t *terms = json_object_get(result, "terms");
    assert_int_equal(json_object_size(terms), PARAM_COUNT_);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const json_t *term = json_object_get(terms, cases[i].name);
        if (strcmp(text_in(term, "from"), cases[i].from) != 0 ||
            (cases[i].value && strcmp(text_in(term, "value"), cases[i].value) != 0))
            fail_msg("%s: %s of %s", cases[i].name, text_in(term, "value"), text_in(term, "from"));
    }
    json_decref(result);
    result = check(a, "{'url':'http://a.data.test/'}", "");
    const json_t *timeout = json_object_get(json_object_get(result, "terms"), "timeout");
    assert_string_equal(text_in(timeout, "from"), "host \"a.data.test\"");
    json_decref(result);
    api_world_free(a);
}

/* It is named where it would be sent, and where it would not the reason is. */
static void test_credential(void **state)
{
    static const char settings[] =
        "[credential \"key\"]\ntype = bearer\nhosts = h.test\nsecret_file = /none\n";
    struct api_world *a = api_world_new(settings, false);
    json_t *result = check(a, "{'url':'https://h.test/','credential':'key'}", "");
    assert_string_equal(text_in(json_object_get(result, "credential"), "name"), "key");
    json_decref(result);
    result = check(a, "{'url':'https://h.test/'}", "");
    assert_null(json_object_get(result, "credential"));
    json_decref(result);
    api_world_free(a);
}

/* Nothing of it is kept, and neither the store nor the origin is asked. */
static void test_nothing_comes_of_it(void **state)
{
    struct api_world *a = api_world_new("", false);
    memset(a->w->gate.made, 0, sizeof a->w->gate.made);
    json_t *params = json_object();
    json_object_set_new(params, "job", job_json(a, "/bytes?n=1"));
    json_decref(ask_well(a, API_CHECK_URL, params));
    for (int i = 0; i < GATE_COUNT; i++)
        assert_int_equal(a->w->gate.made[i], 0);
    assert_int_equal(a->w->jobs->submitted, 0);
    assert_null(host_find(a->w->jobs, "127.0.0.1"));
    api_world_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),      cmocka_unit_test(test_number_of_addresses),
        cmocka_unit_test(test_policy),       cmocka_unit_test(test_host),
        cmocka_unit_test(test_host_at_work), cmocka_unit_test(test_terms),
        cmocka_unit_test(test_credential),   cmocka_unit_test(test_nothing_comes_of_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
