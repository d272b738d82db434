/* pause, resume and reload: what an operator does. */
#include "api/call.h"
#include "api_world.h"
#include "job/hold.h"

/* --- pause and resume ------------------------------------------------------------------------- */

/* What is held back waits, the rest does not; and once it is let go it runs. */
static void test_what_is_held_back(void **state)
{
    static const struct {
        const char *params, *waits_for;
        bool others; /* a job of another parser runs meanwhile */
    } cases[] = {
        {"{}", "paused", false},
        {"{'all':true}", "paused", false},
        {"{'host':'127.0.0.1'}", "paused", false},
        {"{'parser':'count'}", "paused", true},
    };
    struct api_world *a = api_world_new("", false);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_t *result = ask_well(a, API_PAUSE, json_of("%s", cases[i].params));
        assert_true(json_is_true(json_object_get(result, "paused")));
        json_decref(result);
        json_decref(ask_well(a, API_PAUSE, json_of("%s", cases[i].params))); /* as it is already */
        uint64_t id = ask_submit(a, "/bytes?n=1");
        assert_string_equal(shown(a, id, "waiting_for"), cases[i].waits_for);
        json_t *job = job_json(a, "/bytes?n=1");
        json_object_set_new(job, "parser", json_string("lines"));
        result = ask_well(a, API_SUBMIT, job);
        uint64_t other = (uint64_t)int_in(result, "id");
        json_decref(result);
        if (cases[i].others)
            world_wait_end(a->w, other, JOB_DONE);
        else
            assert_string_equal(shown(a, other, "waiting_for"), cases[i].waits_for);
        result = ask_well(a, API_RESUME, json_of("%s", cases[i].params));
        assert_true(json_is_false(json_object_get(result, "paused")));
        json_decref(result);
        world_wait_end(a->w, id, JOB_DONE);
        world_wait_end(a->w, other, JOB_DONE);
    }
    api_world_free(a);
}

/* Who has said so, and when: the first, however often it is said. */
static void test_who_has_paused(void **state)
{
    struct api_world *a = api_world_new("", false);
    (void)state;
    int64_t before = clock_real_us();
    json_decref(ask_well(a, API_PAUSE, json_of("{'parser':'count'}")));
    int64_t at = hold_find(a->w->jobs, NULL, "count")->at;
    assert_true(at >= before && at <= clock_real_us());
    json_decref(ask_well(a, API_PAUSE, json_of("{'parser':'count'}")));
    assert_int_equal(hold_find(a->w->jobs, NULL, "count")->at, at);
    json_decref(ask_well(a, API_PAUSE, json_of("{}")));
    uint64_t id = ask_submit(a, "/bytes?n=1");
    json_t *stats = ask_well(a, API_STATS, json_of("{}"));
    const json_t *pauses = json_object_get(stats, "pauses");
    assert_int_equal(json_array_size(pauses), 2);
    assert_true(json_is_true(json_object_get(json_array_get(pauses, 0), "all")));
    assert_string_equal(text_in(json_array_get(pauses, 1), "parser"), "count");
    json_decref(stats);
    json_t *view = ask_well(a, API_SHOW, json_of("{'id':%llu}", (unsigned long long)id));
    const json_t *pause = json_object_get(view, "pause");
    assert_true(json_is_true(json_object_get(pause, "all")));
    assert_int_equal(int_in(pause, "uid"), getuid());
    assert_null(json_object_get(pause, "by"));
    json_decref(view);
    json_decref(ask_well(a, API_RESUME, json_of("{}")));
    json_decref(ask_well(a, API_RESUME, json_of("{'parser':'count'}")));
    world_wait_end(a->w, id, JOB_DONE);
    stats = ask_well(a, API_STATS, json_of("{}"));
    assert_null(json_object_get(stats, "pauses"));
    json_decref(stats);
    api_world_free(a);
}

static void test_pause_refused(void **state)
{
    char long_name[300];
    static const struct ill_call cases[] = {
        {API_PAUSE, "{'all':false}", API_INVALID_PARAMS, "all", "all (true)"},
        {API_PAUSE, "{'host':7}", API_INVALID_PARAMS, "host", "a name"},
        {API_PAUSE, "{'parser':null}", API_INVALID_PARAMS, "parser", "a name"},
        {API_PAUSE, "{'colour':'red'}", API_INVALID_PARAMS, "colour", "is wanted"},
        {API_RESUME, "{'parser':'none'}", API_NOT_FOUND, "parser", "no parser none"},
        {API_RESUME, "{'host':'h','parser':'csv'}", API_INVALID_PARAMS, "", "one of all"},
        {API_PAUSE, "{'schedule':'none'}", API_NOT_FOUND, "schedule", "no schedule 'none'"},
        {API_PAUSE, "{'schedule':7}", API_INVALID_PARAMS, "schedule", "name of a schedule"},
    };
    struct api_world *a = api_world_new("", false);
    ASK_ALL_ILL(a, cases);
    memset(long_name, 'h', sizeof long_name);
    long_name[253] = '\0';
    json_decref(ask_well(a, API_PAUSE, json_of("{'host':'%s'}", long_name)));
    long_name[253] = 'h';
    long_name[254] = '\0';
    ask_ill(a, API_PAUSE, json_of("{'host':'%s'}", long_name), API_INVALID_PARAMS, "host");
    assert_false(hold_on_all(a->w->jobs));
    api_world_free(a);
}

/* Whoever makes names up is stopped at some number; what is held already stays so. */
static void test_hosts_without_end(void **state)
{
    struct api_world *a = api_world_new("", false);
    for (int i = 0; i < HOLD_HOSTS_MAX - 1; i++) {
        char name[32];
        snprintf(name, sizeof name, "h%d.test", i);
        assert_int_equal(hold_set(a->w->jobs, name, NULL, true), 0);
    }
    json_decref(ask_well(a, API_PAUSE, json_of("{'host':'last.test'}")));
    ask_ill(a, API_PAUSE, json_of("{'host':'more.test'}"), API_QUEUE_FULL, "host");
    json_decref(ask_well(a, API_PAUSE, json_of("{'host':'h7.test'}")));
    json_decref(ask_well(a, API_RESUME, json_of("{'host':'h7.test'}")));
    json_decref(ask_well(a, API_PAUSE, json_of("{'host':'more.test'}")));
    api_world_free(a);
}

/* --- reload ----------------------------------------------------------------------------------- */

static struct api_reload *reloading; /* as it was asked for */

static void on_reload(void *arg, struct api_reload *request)
{
    assert_null(reloading);
    assert_ptr_equal(arg, &reloading);
    reloading = request;
}

static struct api_world *reload_world(void)
{
    struct api_world *a = api_world_new("", false);
    a->api->config.reload = on_reload;
    a->api->config.arg = &reloading;
    return a;
}

/* What the reading comes to. The call's answer is checked by the caller. */
static struct asked *reload(struct api_world *a, const char *params, bool dry_run, int result,
                            const char *found)
{
    struct error err;
    error_set(&err, 0, "penstockd.conf:3: no such key");
    struct asked *asked = ask_with(a, API_RELOAD, json_of("%s", params), NULL);
    for (int i = 0; i < 20; i++)
        uv_run(&a->w->loop, UV_RUN_NOWAIT);
    assert_false(asked->answered); /* it is being read */
    assert_non_null(reloading);
    assert_int_equal(reloading->dry_run, dry_run);
    json_t *json = found ? json_of("%s", found) : NULL;
    struct api_reload *request = reloading;
    reloading = NULL;
    request->done(request, result, json, &err);
    json_decref(json);
    WORLD_WAIT(a->w, asked->answered);
    return asked;
}

static void test_reload(void **state)
{
    static const char found[] =
        "{'restart':['store.path'],'changes':[{'key':'fetch.threads','from':'1','to':'2'}],"
        "'more':3}";
    static const struct {
        const char *params;
        bool dry_run;
        const char *answer;
    } cases[] = {
        {"{}", false, "{'reloaded':true,'restart':['store.path']}"},
        {"{'dry_run':false}", false, "{'reloaded':true,'restart':['store.path']}"},
        {"{'dry_run':true}", true,
         "{'reloaded':false,'restart':['store.path'],"
         "'changes':[{'key':'fetch.threads','from':'1','to':'2'}],'more':3}"},
    };
    struct api_world *a = reload_world();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct asked *asked = reload(a, cases[i].params, cases[i].dry_run, 0, found);
        json_t *answer = json_of("%s", cases[i].answer);
        assert_int_equal(asked->code, 0);
        assert_true(json_equal(asked->result, answer));
        json_decref(answer);
        asked_free(asked);
    }
    api_world_free(a);
}

static void test_reload_refused(void **state)
{
    static const struct {
        int result, code;
        const char *words;
    } cases[] = {
        {-EINVAL, API_BAD_CONFIG, "penstockd.conf:3: no such key; nothing has changed"},
        {-ESHUTDOWN, API_DRAINING, "penstockd.conf:3: no such key"},
        {-ENOMEM, API_BAD_CONFIG, "nothing has changed"},
        {0, API_INTERNAL, "no memory"}, /* what was found is not there */
    };
    static const struct ill_call ill[] = {
        {API_RELOAD, "{'dry_run':1}", API_INVALID_PARAMS, "dry_run", "true or false"},
        {API_RELOAD, "{'now':true}", API_INVALID_PARAMS, "dry_run", "nothing else"},
        {API_RELOAD, "{'dry_run':true,'now':true}", API_INVALID_PARAMS, "dry_run", "nothing else"},
    };
    struct api_world *a = reload_world();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct asked *asked = reload(a, "{}", false, cases[i].result, NULL);
        assert_int_equal(asked->code, cases[i].code);
        if (!strstr(asked->message, cases[i].words))
            fail_msg("%s", asked->message);
        asked_free(asked);
    }
    ASK_ALL_ILL(a, ill);
    assert_null(reloading);
    api_world_free(a);
}

/* The figures tell how often, and since when. */
static void test_reloads_are_counted(void **state)
{
    struct api_world *a = reload_world();
    int64_t before = a->api->reloaded_us;
    api_reloaded(a->api, false);
    assert_int_equal(a->api->reloaded_us, before);
    api_reloaded(a->api, true);
    api_reloaded(a->api, true);
    assert_true(a->api->reloaded_us >= before);
    json_t *text = ask_well(a, API_METRICS, json_object());
    const char *metrics = json_string_value(text);
    assert_non_null(strstr(metrics, "\npenstock_config_reloads_total{outcome=\"done\"} 2\n"));
    assert_non_null(strstr(metrics, "\npenstock_config_reloads_total{outcome=\"refused\"} 1\n"));
    json_decref(text);
    api_world_free(a);
}

/* --- who may ---------------------------------------------------------------------------------- */

/* All of this is for administrators, where there are any; what shows a caller his own is not. */
static void test_permissions(void **state)
{
    static const struct {
        enum api_method method;
        const char *params;
        bool admin, submit; /* which list permits it */
    } cases[] = {
        {API_PAUSE, "{'all':true}", true, false},
        {API_RESUME, "{'schedule':'s'}", true, false},
        {API_RELOAD, "{'dry_run':true}", true, false},
        {API_SCHEDULE_APPLY, "{'schedules':[]}", true, false},
        {API_SCHEDULE_ADD, "{}", true, false},
        {API_SCHEDULE_LIST, "{}", true, false},
        {API_SCHEDULE_RUN, "{'name':'s'}", true, false},
        {API_SCHEDULE_REMOVE, "{'name':'s'}", true, false},
        {API_FLEET_EVICT, "{'name':'m'}", true, false},
        {API_SUBMIT, "[]", false, true},
        {API_RETRY, "{'id':1}", false, true},
        {API_CHECK_URL, "{}", false, true},
        {API_LIST, "{}", false, false},
        {API_CANCEL, "{'id':1}", false, false},
        {API_STATS, "{}", false, false},
        {API_TOP, "{}", false, false},
    };
    static const struct {
        uint32_t uid;
        bool administers, submits;
    } peers[] = {{4242, true, true}, {4243, false, true}, {4244, false, false}, {0, true, true}};
    struct api_world *a =
        api_world_new("[control]\nadmin_users = 4242\nsubmit_users = 4243\n", false);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (size_t p = 0; p < sizeof peers / sizeof peers[0]; p++) {
            bool may =
                (!cases[i].admin || peers[p].administers) && (!cases[i].submit || peers[p].submits);
            api_world_peer(a, peers[p].uid);
            struct asked *asked = ask(a, cases[i].method, json_of("%s", cases[i].params));
            if ((asked->code == API_FORBIDDEN) == may)
                fail_msg("%d by %u: %d", cases[i].method, peers[p].uid, asked->code);
            const char *key = cases[i].admin ? "admin_users" : "submit_users";
            assert_true(may || strstr(asked->message, key));
            asked_free(asked);
        }
    }
    api_world_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_held_back),
        cmocka_unit_test(test_who_has_paused),
        cmocka_unit_test(test_pause_refused),
        cmocka_unit_test(test_hosts_without_end),
        cmocka_unit_test(test_reload),
        cmocka_unit_test(test_reload_refused),
        cmocka_unit_test(test_reloads_are_counted),
        cmocka_unit_test(test_permissions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
