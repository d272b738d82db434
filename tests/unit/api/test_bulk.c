/* cancel and retry of several: what becomes of each is told, also when not all could be done. */
#include "api_world.h"

/* Nothing runs; jobs 1 to `count` wait. */
static struct api_world *queued_jobs(const char *settings, unsigned count)
{
    struct api_world *a = api_world_new(settings, false);
    json_decref(ask_well(a, API_PAUSE, json_object()));
    for (unsigned i = 1; i <= count; i++)
        assert_int_equal(ask_submit(a, "/bytes?n=1"), i);
    return a;
}

static void assert_ids(const json_t *result, const char *member, const char *ids)
{
    json_t *wanted = json_of("%s", ids);
    if (!json_equal(json_object_get(result, member), wanted))
        fail_msg("%s: %s", member, json_dumps(result, JSON_COMPACT));
    json_decref(wanted);
}

static void cancel_first(struct api_world *a, unsigned count)
{
    for (unsigned id = 1; id <= count; id++)
        json_decref(ask_well(a, API_CANCEL, id_json(id)));
    WORLD_WAIT(a->w, a->w->end_count == count);
}

/* Each id has its place in the answer, in the order in which they were named. */
static void test_each_is_told(void **state)
{
    struct api_world *a = queued_jobs("", 4);
    cancel_first(a, 1);
    json_t *result = ask_well(a, API_CANCEL, json_of("{'ids':[4,98,1,2,4,97]}"));
    assert_ids(result, "cancelled", "[4,2]");
    assert_int_equal(count_in(result, "ended"), 2); /* 1, and 4 the second time */
    assert_ids(result, "missing", "[98,97]");
    assert_null(json_object_get(result, "more"));
    assert_null(json_object_get(result, "forbidden"));
    json_decref(result);
    WORLD_WAIT(a->w, a->w->end_count == 3);
    result = ask_well(a, API_RETRY, json_of("{'ids':[2,3,98]}"));
    assert_int_equal(count_in(result, "retried"), 1);
    assert_int_equal(int_in(item_in(result, "retried", 0), "retry_of"), 2);
    assert_ids(result, "not_ended", "[3]");
    assert_ids(result, "missing", "[98]");
    json_decref(result);
    api_world_free(a);
}

static void test_refused(void **state)
{
    static const struct ill_call cases[] = {
        {API_CANCEL, "{}", API_INVALID_PARAMS, "", "at least one selecting member"},
        {API_CANCEL, "{'limit':1}", API_INVALID_PARAMS, "", "at least one selecting member"},
        {API_CANCEL, "{'state':'queued','limit':0}", API_INVALID_PARAMS, "limit", "1 to 10000"},
        {API_CANCEL, "{'state':'queued','before':-1}", API_INVALID_PARAMS, "before", "integer"},
        {API_CANCEL, "{'state':'queue'}", API_INVALID_PARAMS, "state", "queued"},
        {API_CANCEL, "{'id':'1'}", API_INVALID_PARAMS, "id", "a positive integer"},
        {API_RETRY, "{'ids':[1,2,true]}", API_INVALID_PARAMS, "ids", "ids[2]"},
        {API_RETRY, "{'ids':{}}", API_INVALID_PARAMS, "ids", "1 to 10000"},
        {API_RETRY, "{'colour':1}", API_INVALID_PARAMS, "colour", "not known"},
    };
    struct api_world *a = queued_jobs("", 1);
    ASK_ALL_ILL(a, cases);
    assert_int_equal(a->w->jobs->walks.paging, 0);
    assert_string_equal(shown(a, 1, "state"), "queued");
    api_world_free(a);
}

/* Others' jobs stay as they are. Of several they are told apart; a single one is an error, and by
 * SELECT they are not even met. */
static void test_of_others(void **state)
{
    struct api_world *a = queued_jobs("[control]\nadmin_users = 4242\n", 2);
    api_world_peer(a, 4243);
    json_decref(ask_well(a, API_SUBMIT, job_json(a, "/bytes?n=1")));
    ask_ill(a, API_CANCEL, id_json(1), API_FORBIDDEN, "id");
    ask_ill(a, API_RETRY, json_of("{'ids':[1]}"), API_FORBIDDEN, "id");
    json_t *result = ask_well(a, API_CANCEL, json_of("{'state':'queued'}"));
    assert_ids(result, "cancelled", "[3]");
    assert_null(json_object_get(result, "forbidden"));
    json_decref(result);
    WORLD_WAIT(a->w, a->w->end_count == 1);
    result = ask_well(a, API_RETRY, json_of("{'ids':[2,3,1]}"));
    assert_ids(result, "forbidden", "[2,1]");
    assert_int_equal(count_in(result, "retried"), 1);
    json_decref(result);
    api_world_peer(a, 4242);
    result = ask_well(a, API_CANCEL, json_of("{'ids':[1,2]}"));
    assert_ids(result, "cancelled", "[1,2]");
    json_decref(result);
    api_world_free(a);
}

/* --- a copy ----------------------------------------------------------------------------------- */

/* It asks for the same, but for its key and the time that was meant for the first one; it is the
 * caller's who has asked for it. */
static void test_a_copy(void **state)
{
    struct api_world *a = queued_jobs("", 0);
    api_world_peer(a, 4243);
    json_decref(ask_well(a, API_SUBMIT,
                         json_of("{'url':'http://h.test/','key':'k','parser':'lines',"
                                 "'priority':5,'labels':{'a':'b'},"
                                 "'not_before':'1d'}")));
    cancel_first(a, 1);
    api_world_peer(a, 4244);
    json_decref(ask_well(a, API_RETRY, id_json(1)));
    json_t *copy = ask_well(a, API_SHOW, id_json(2));
    assert_string_equal(text_in(copy, "url"), "http://h.test/");
    assert_string_equal(text_in(copy, "parser"), "lines");
    assert_int_equal(int_in(copy, "priority"), 5);
    assert_string_equal(text_in(json_object_get(copy, "labels"), "a"), "b");
    assert_int_equal(int_in(copy, "retry_of"), 1);
    assert_int_equal(int_in(copy, "uid"), 4244);
    assert_null(json_object_get(copy, "key"));
    assert_null(json_object_get(copy, "due"));
    assert_string_equal(text_in(copy, "waiting_for"), "paused");
    json_decref(copy);
    assert_int_equal(a->w->jobs->submitted, 2);
    api_world_free(a);
}

/* A copy that would not be taken today is not made. */
static void test_a_copy_that_is_refused(void **state)
{
    struct api_world *a = queued_jobs("", 1); /* of one attempt at most */
    json_decref(ask_well(a, API_SUBMIT, json_of("{'url':'http://h.test/','max_attempts':5}")));
    cancel_first(a, 2);
    struct settings *strict = world_settings("[ceilings]\nmax_attempts = 1\n");
    jobs_reconfigure(a->w->jobs, strict, a->w->registry, a->w->policy);
    json_t *result = ask_well(a, API_RETRY, json_of("{'ids':[1,2]}"));
    assert_int_equal(count_in(result, "retried"), 1);
    assert_int_equal(int_in(item_in(result, "retried", 0), "retry_of"), 1);
    assert_ids(result, "missing", "[2]");
    json_decref(result);
    jobs_reconfigure(a->w->jobs, a->w->settings, a->w->registry, a->w->policy);
    settings_free(strict);
    api_world_free(a);
}

/* --- the store fails -------------------------------------------------------------------------- */

/* What was done before is told, with why there is no more; where nothing was, it is an error. */
static void test_broken_off(void **state)
{
    struct api_world *a = queued_jobs("", 3);
    a->w->gate.hold[GATE_GET] = true;
    struct asked *asked = ask_with(a, API_CANCEL, json_of("{'ids':[1,2,3]}"), NULL);
    assert_int_equal(a->w->gate.held_count, 1);
    gate_release(&a->w->gate); /* the first is read; the second is not */
    a->w->gate.refuse[GATE_GET] = -EIO;
    WORLD_WAIT(a->w, asked->answered);
    assert_int_equal(asked->code, 0);
    assert_ids(asked->result, "cancelled", "[1]");
    assert_true(json_is_true(json_object_get(asked->result, "more")));
    assert_string_equal(text_in(asked->result, "message"), "refused by the test");
    assert_null(json_object_get(asked->result, "next")); /* there is no page */
    asked_free(asked);
    ask_ill(a, API_CANCEL, json_of("{'ids':[2,3]}"), API_UNAVAILABLE, "");
    a->w->gate.refuse[GATE_GET] = 0;
    assert_string_equal(shown(a, 2, "state"), "queued");
    api_world_free(a);
}

/* Between two pages: whoever goes on does so from there. */
static void test_broken_off_between_pages(void **state)
{
    enum { JOBS = 300, PAGE = 256 };
    struct api_world *a = queued_jobs("", JOBS);
    a->w->gate.hold[GATE_LIST] = true;
    struct asked *asked = ask_with(a, API_CANCEL, json_of("{'state':'queued'}"), NULL);
    WORLD_WAIT(a->w, a->w->gate.held_count == 1);
    gate_release(&a->w->gate);
    a->w->gate.refuse[GATE_LIST] = -EIO;
    WORLD_WAIT(a->w, asked->answered);
    assert_int_equal(asked->code, 0);
    assert_int_equal(count_in(asked->result, "cancelled"), PAGE);
    assert_true(json_is_true(json_object_get(asked->result, "more")));
    json_int_t next = int_in(asked->result, "next");
    assert_int_equal(next, JOBS - PAGE + 1);
    asked_free(asked);
    a->w->gate.refuse[GATE_LIST] = 0;
    json_t *rest =
        ask_well(a, API_CANCEL, json_of("{'state':'queued','before':%lld}", (long long)next));
    assert_int_equal(count_in(rest, "cancelled"), JOBS - PAGE);
    assert_null(json_object_get(rest, "more"));
    json_decref(rest);
    assert_int_equal(a->w->jobs->walks.paging, 0);
    api_world_free(a);
}

/* Its client has gone: the rest is done all the same. */
static void test_abandoned(void **state)
{
    struct api_world *a = queued_jobs("", 3);
    a->w->gate.hold[GATE_GET] = true;
    struct asked *asked = ask_with(a, API_CANCEL, json_of("{'ids':[1,2,3]}"), NULL);
    api_call_abandon(&asked->call);
    gate_release(&a->w->gate);
    WORLD_WAIT(a->w, asked->answered);
    assert_ids(asked->result, "cancelled", "[1,2,3]");
    asked_free(asked);
    WORLD_WAIT(a->w, a->w->end_count == 3);
    api_world_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_is_told),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_of_others),
        cmocka_unit_test(test_a_copy),
        cmocka_unit_test(test_a_copy_that_is_refused),
        cmocka_unit_test(test_broken_off),
        cmocka_unit_test(test_broken_off_between_pages),
        cmocka_unit_test(test_abandoned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
