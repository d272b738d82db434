/* submit of many: each job for itself, all of them by one call of the store. */
#include "api_world.h"

static json_t *urls_json(unsigned count)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < count; i++)
        json_array_append_new(list, json_of("{'url':'http://h%u.test/'}", i));
    return list;
}

static struct api_world *paused_world(const char *settings, bool keeps)
{
    struct api_world *a = api_world_new(settings, keeps);
    json_decref(ask_well(a, API_PAUSE, json_object()));
    memset(a->w->gate.made, 0, sizeof a->w->gate.made);
    return a;
}

/* A thousand at once and no more; others are heard while these are read. */
static void test_how_many(void **state)
{
    struct api_world *a = paused_world("", false);
    ask_ill(a, API_SUBMIT, urls_json(0), API_INVALID_PARAMS, "");
    ask_ill(a, API_SUBMIT, urls_json(1001), API_INVALID_PARAMS, "");
    assert_int_equal(a->w->gate.made[GATE_SUBMIT], 0);
    struct asked *many = ask_with(a, API_SUBMIT, urls_json(1000), NULL);
    json_decref(ask_well(a, API_STATS, NULL));
    assert_false(many->answered);
    assert_int_equal(a->w->gate.made[GATE_SUBMIT], 0); /* they are not even read */
    WORLD_WAIT(a->w, many->answered);
    assert_int_equal(json_array_size(many->result), 1000);
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(int_in(json_array_get(many->result, i), "id"), i + 1);
    assert_int_equal(a->w->gate.made[GATE_SUBMIT], 1);
    assert_int_equal(a->w->jobs->submitted, 1000);
    asked_free(many);
    api_world_free(a);
}

/* What is wrong with one is told in its place, and keeps no other from its id. */
static void test_each_for_itself(void **state)
{
    static const char *const fields[] = {NULL,     "url",       "url", "max_attempts",
                                         "parser", "not_known", NULL,  "labels"};
    struct api_world *a = paused_world("", false);
    json_t *result =
        ask_well(a, API_SUBMIT,
                 json_of("[{'url':'http://h.test/'},{},{'url':'ftp:'},{'url':'http://h.test/',"
                         "'max_attempts':0},{'url':'http://h.test/','parser':'none'},"
                         "{'url':'http://h.test/','not_known':1},{'url':'http://h.test/'},"
                         "{'url':'http://h.test/','labels':7}]"));
    json_int_t ids = 0;
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        const json_t *one = json_array_get(result, i);
        if (!fields[i]) {
            assert_int_equal(int_in(one, "id"), ++ids);
            continue;
        }
        const json_t *error = json_object_get(one, "error");
        assert_int_equal(int_in(error, "code"), API_INVALID_PARAMS);
        assert_true(strlen(text_in(error, "message")) > 5);
        assert_string_equal(text_in(json_object_get(error, "data"), "field"), fields[i]);
        assert_null(json_object_get(one, "id"));
    }
    assert_int_equal(a->w->jobs->submitted, 2);
    json_decref(result);
    api_world_free(a);
}

/* Where none is right the store has nothing to do. */
static void test_none_is_right(void **state)
{
    struct api_world *a = paused_world("", false);
    json_t *result = ask_well(a, API_SUBMIT, json_of("[{},7,null]"));
    assert_int_equal(json_array_size(result), 3);
    for (size_t i = 0; i < 3; i++)
        assert_non_null(json_object_get(json_array_get(result, i), "error"));
    json_decref(result);
    assert_int_equal(a->w->gate.made[GATE_SUBMIT], 0);
    api_world_free(a);
}

/* Among several as by itself: the same job, or a conflict; also with one of the same call. */
static void test_keys(void **state)
{
    struct api_world *a = paused_world("", false);
    json_decref(ask_well(a, API_SUBMIT, json_of("{'url':'http://h.test/','key':'k'}")));
    json_t *result = ask_well(a, API_SUBMIT,
                              json_of("[{'url':'http://h.test/','key':'k'},"
                                      "{'url':'http://other.test/','key':'k'},"
                                      "{'url':'http://h.test/','key':'new'},"
                                      "{'url':'http://h.test/','key':'new'}]"));
    assert_int_equal(int_in(json_array_get(result, 0), "id"), 1);
    assert_true(json_is_true(json_object_get(json_array_get(result, 0), "existing")));
    const json_t *error = json_object_get(json_array_get(result, 1), "error");
    assert_int_equal(int_in(error, "code"), API_CONFLICT);
    assert_string_equal(text_in(json_object_get(error, "data"), "field"), "key");
    assert_int_equal(int_in(json_array_get(result, 2), "id"), 2);
    assert_null(json_object_get(json_array_get(result, 2), "existing"));
    assert_int_equal(int_in(json_array_get(result, 3), "id"), 2);
    assert_true(json_is_true(json_object_get(json_array_get(result, 3), "existing")));
    json_decref(result);
    assert_int_equal(a->w->jobs->submitted, 2);
    api_world_peer(a, 4243); /* whose keys are his own */
    result = ask_well(a, API_SUBMIT, json_of("{'url':'http://other.test/','key':'k'}"));
    assert_int_equal(int_in(result, "id"), 3);
    json_decref(result);
    api_world_free(a);
}

/* All or none of them is stored, and what they would have claimed is free again. */
static void test_the_store_refuses(void **state)
{
    static const struct {
        int result, code;
    } cases[] = {{-EIO, API_UNAVAILABLE},
                 {-ENOSPC, API_UNAVAILABLE},
                 {-EDQUOT, API_QUEUE_FULL},
                 {-EUSERS, API_QUEUE_FULL}};
    struct api_world *a = api_world_new("[fetch]\nhost_connections = 1\n", true);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_t *list = json_array();
        json_array_append_new(list, job_json(a, "/bytes?n=1"));
        json_array_append_new(list, json_object());
        a->w->gate.refuse[GATE_SUBMIT] = cases[i].result;
        ask_ill(a, API_SUBMIT, list, cases[i].code, "");
        assert_null(host_find(a->w->jobs, "127.0.0.1"));
    }
    a->w->gate.refuse[GATE_SUBMIT] = 0;
    assert_int_equal(a->w->jobs->submitted, 0);
    world_wait_end(a->w, ask_submit(a, "/bytes?n=1"), JOB_DONE);
    api_world_free(a);
}

/* The daemon begins to stop while they are read: none of them is stored, and the drain is not over
 * before that is said. */
static void test_draining(void **state)
{
    struct api_world *a = api_world_new("[fetch]\nhost_connections = 1\n", true);
    uint64_t held = ask_submit(a, "/bytes?n=1&hold=it");
    world_wait_running(a->w, held);
    unsigned before = a->w->gate.made[GATE_SUBMIT];
    struct asked *many = ask_with(a, API_SUBMIT, urls_json(100), NULL);
    struct asked *few = ask_with(a, API_SUBMIT, urls_json(3), NULL); /* read at once */
    drain_begin(a->w->jobs, world_on_drained, a->w);
    WORLD_WAIT(a->w, many->answered && few->answered);
    assert_int_equal(many->code, API_DRAINING);
    assert_int_equal(few->code, 0);
    assert_int_equal(a->w->gate.made[GATE_SUBMIT], before + 1);
    asked_free(many);
    asked_free(few);
    origin_release(a->w->origin, "it");
    WORLD_WAIT(a->w, a->w->drained);
    api_world_free(a);
}

/* Its client has gone before the store has answered: the jobs are there all the same. */
static void test_abandoned(void **state)
{
    struct api_world *a = paused_world("", false);
    a->w->gate.hold[GATE_SUBMIT] = true;
    struct asked *asked = ask_with(a, API_SUBMIT, urls_json(2), NULL);
    api_call_abandon(&asked->call);
    assert_int_equal(a->w->gate.held_count, 1);
    gate_release(&a->w->gate);
    WORLD_WAIT(a->w, asked->answered);
    assert_int_equal(json_array_size(asked->result), 2);
    asked_free(asked);
    assert_string_equal(shown(a, 2, "state"), "queued");
    api_world_free(a);
}

/* --- who submits ------------------------------------------------------------------------------ */

/* What a user may have in the queue counts for each, and the rest of his jobs tells it by name. */
static void test_a_users_limit(void **state)
{
    struct api_world *a = paused_world("[user \"4243\"]\nmax_jobs = 2\n", false);
    api_world_peer(a, 4243);
    json_decref(ask_well(a, API_SUBMIT, urls_json(2)));
    struct asked *asked = ask(a, API_SUBMIT, json_of("{'url':'http://h.test/'}"));
    assert_int_equal(asked->code, API_QUEUE_FULL);
    assert_non_null(strstr(asked->message, "max_jobs"));
    asked_free(asked);
    api_world_peer(a, 4244);
    json_decref(ask_well(a, API_SUBMIT, urls_json(3)));
    api_world_peer(a, 4243);
    json_decref(ask_well(a, API_CANCEL, json_of("{'id':1}")));
    WORLD_WAIT(a->w, a->w->end_count == 1);
    json_decref(ask_well(a, API_SUBMIT, urls_json(1)));
    api_world_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_how_many),          cmocka_unit_test(test_each_for_itself),
        cmocka_unit_test(test_none_is_right),     cmocka_unit_test(test_keys),
        cmocka_unit_test(test_the_store_refuses), cmocka_unit_test(test_draining),
        cmocka_unit_test(test_abandoned),         cmocka_unit_test(test_a_users_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
