/* Schedules one by one and in pages: what a list shows to whom, and what is refused. */
#include "api_world.h"

#define URL "'url':'http://h.test/'"

static void add(struct api_world *a, const char *name, const char *more)
{
    json_decref(ask_well(a, API_SCHEDULE_ADD,
                         json_of("{'name':'%s'," URL ",'every':'365d'%s}", name, more)));
}

static void add_many(struct api_world *a, unsigned count)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < count; i++)
        json_array_append_new(list, json_of("{'name':'s%03u'," URL ",'every':'365d'}", i));
    json_decref(ask_well(a, API_SCHEDULE_APPLY, json_pack("{s:o}", "schedules", list)));
}

/* The one of this name; the caller's. */
static json_t *schedule_of(struct api_world *a, const char *name)
{
    json_t *result = ask_well(a, API_SCHEDULE_LIST, json_object()), *one;
    size_t i;
    json_array_foreach(json_object_get(result, "schedules"), i, one)
    {
        if (strcmp(text_in(one, "name"), name) != 0)
            continue;
        json_incref(one);
        json_decref(result);
        return one;
    }
    fail_msg("there is no schedule %s", name);
    return NULL;
}

/* --- lists ------------------------------------------------------------------------------------ */

/* By name, each once; `after` is the last of the page before. */
static void test_pages(void **state)
{
    enum { COUNT = 45 };
    static const unsigned limits[] = {1, 10, 44, 45, 1000};
    struct api_world *a = api_world_new("", false);
    add_many(a, COUNT);
    for (size_t l = 0; l < sizeof limits / sizeof limits[0]; l++) {
        unsigned seen = 0, pages = 0;
        char after[16] = "";
        do {
            json_t *page = ask_well(a, API_SCHEDULE_LIST,
                                    json_of("{'limit':%u,'after':'%s'}", limits[l], after));
            for (size_t i = 0; i < count_in(page, "schedules"); i++) {
                snprintf(after, sizeof after, "s%03u", seen++);
                assert_string_equal(text_in(item_in(page, "schedules", i), "name"), after);
            }
            const json_t *next = json_object_get(page, "next");
            assert_true(json_is_null(next) || strcmp(json_string_value(next), after) == 0);
            assert_int_equal(json_is_null(next), seen == COUNT);
            json_decref(page);
            pages++;
        } while (seen < COUNT);
        assert_int_equal(pages, (COUNT + limits[l] - 1) / limits[l]);
    }
    api_world_free(a);
}

static void test_refused(void **state)
{
    static const struct ill_call cases[] = {
        {API_SCHEDULE_LIST, "{'limit':0}", API_INVALID_PARAMS, "limit", "1 to 1000"},
        {API_SCHEDULE_LIST, "{'limit':1001}", API_INVALID_PARAMS, "limit", "1 to 1000"},
        {API_SCHEDULE_LIST, "{'after':7}", API_INVALID_PARAMS, "after", "a name"},
        {API_SCHEDULE_LIST, "{'failing':1}", API_INVALID_PARAMS, "failing", "true or false"},
        {API_SCHEDULE_LIST, "{'colour':1}", API_INVALID_PARAMS, "colour", "are wanted"},
        {API_SCHEDULE_RUN, "{}", API_INVALID_PARAMS, "name", "the name of a schedule"},
        {API_SCHEDULE_RUN, "{'name':7}", API_INVALID_PARAMS, "name", "the name of a schedule"},
        {API_SCHEDULE_RUN, "{'name':'s','force':1}", API_INVALID_PARAMS, "name", "but force"},
        {API_SCHEDULE_RUN, "{'name':'none'}", API_NOT_FOUND, "name", "no schedule 'none'"},
        {API_SCHEDULE_REMOVE, "{'name':'none'}", API_NOT_FOUND, "name", "no schedule 'none'"},
        {API_SCHEDULE_REMOVE, "{'name':'s','force':true}", API_INVALID_PARAMS, "name",
         "nothing else"},
        {API_RESUME, "{'schedule':'none'}", API_NOT_FOUND, "schedule", "no schedule 'none'"},
        {API_SCHEDULE_ADD, "{'name':'s'," URL ",'every':'1d'}", API_CONFLICT, "name",
         "a schedule 's' already"},
        {API_SCHEDULE_ADD, "{'name':'t'," URL "}", API_INVALID_PARAMS, "every", "it is missing"},
        {API_SCHEDULE_ADD, "{'name':'t','every':'1d'}", API_INVALID_PARAMS, "url", ""},
        {API_SCHEDULE_ADD, "{'name':'t'," URL ",'every':'1d','parser':'none'}", API_INVALID_PARAMS,
         "parser", "none"},
        {API_SCHEDULE_APPLY, "{}", API_INVALID_PARAMS, "schedules", "up to 5000"},
        {API_SCHEDULE_APPLY, "{'schedules':{}}", API_INVALID_PARAMS, "schedules", "arrays"},
        {API_SCHEDULE_APPLY, "{'schedules':[],'prune':'yes'}", API_INVALID_PARAMS, "prune",
         "true or false"},
        {API_SCHEDULE_APPLY, "{'schedules':[],'keep':['a',7]}", API_INVALID_PARAMS, "keep",
         "an array of names"},
        {API_SCHEDULE_APPLY, "{'schedules':[],'after':1}", API_INVALID_PARAMS, "after", "names"},
        {API_SCHEDULE_APPLY, "{'schedules':[],'colour':1}", API_INVALID_PARAMS, "colour", ""},
        {API_SCHEDULE_APPLY, "{'schedules':[{'name':'a'," URL ",'every':'1d'},7]}",
         API_INVALID_PARAMS, "schedules[1]", ""},
        {API_SCHEDULE_APPLY, "{'schedules':[{'name':'a'," URL ",'every':'1d','priority':'x'}]}",
         API_INVALID_PARAMS, "schedules[0].priority", ""},
        {API_SCHEDULE_APPLY,
         "{'schedules':[{'name':'a'," URL ",'every':'1d'},{'name':'a'," URL ",'every':'2d'}]}",
         API_INVALID_PARAMS, "schedules[1].name", "stands twice"},
    };
    struct api_world *a = api_world_new("", false);
    add(a, "s", "");
    ASK_ALL_ILL(a, cases);
    json_t *result = ask_well(a, API_SCHEDULE_LIST, json_object());
    assert_int_equal(count_in(result, "schedules"), 1); /* nothing came of any */
    json_decref(result);
    add(a, "t", ""); /* the turn is free */
    api_world_free(a);
}

static void test_how_many(void **state)
{
    struct api_world *a = api_world_new("", false);
    json_t *list = json_array();
    for (int i = 0; i < 5001; i++)
        json_array_append_new(list, json_null());
    ask_ill(a, API_SCHEDULE_APPLY, json_pack("{s:O}", "schedules", list), API_INVALID_PARAMS,
            "schedules");
    json_array_remove(list, 0); /* they are read then, one after the other */
    ask_ill(a, API_SCHEDULE_APPLY, json_pack("{s:o}", "schedules", list), API_INVALID_PARAMS,
            "schedules[0]");
    api_world_free(a);
}

/* --- what is shown ---------------------------------------------------------------------------- */

/* What a run asks for may be a secret of its owner's; its URL is redacted for everybody. */
static void test_secrets(void **state)
{
    static const struct {
        const char *settings;
        uint32_t uid;
        bool sees;
    } cases[] = {
        {"", 4243, true},
        {"", 4244, false}, /* who may do everything because nobody is named */
        {"", 0, true},
        {"[control]\nadmin_users = 4243 4244\n", 4244, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct api_world *a = api_world_new(cases[i].settings, false);
        api_world_peer(a, 4243);
        json_decref(ask_well(
            a, API_SCHEDULE_ADD,
            json_of("{'name':'s','url':'http://h.test/?token=t','every':'365d',"
                    "'method':'POST','headers':['X-Secret: 7'],'body':'b','priority':3}")));
        api_world_peer(a, cases[i].uid);
        json_t *one = schedule_of(a, "s");
        assert_string_equal(text_in(one, "url"), "http://h.test/?token=***");
        assert_int_equal(int_in(one, "priority"), 3);
        assert_int_equal(json_is_array(json_object_get(one, "headers")), cases[i].sees);
        assert_int_equal(json_is_null(json_object_get(one, "headers")), !cases[i].sees);
        assert_int_equal(json_is_string(json_object_get(one, "body")), cases[i].sees);
        assert_int_equal(json_is_null(json_object_get(one, "body")), !cases[i].sees);
        json_decref(one);
        api_world_free(a);
    }
}

/* What its runs have come to. */
static void test_runs(void **state)
{
    struct api_world *a = api_world_new("", false);
    json_decref(ask_well(a, API_SCHEDULE_ADD,
                         json_of("{'name':'s','url':'http://127.0.0.1:%u/bytes?n=1&id=s&"
                                 "2.status=404','every':'365d','max_attempts':1}",
                                 (unsigned)origin_port(a->w->origin))));
    json_t *one = schedule_of(a, "s");
    assert_int_equal(int_in(one, "runs"), 0);
    assert_null(json_object_get(one, "last"));
    assert_null(json_object_get(one, "last_job"));
    assert_non_null(json_object_get(one, "next"));
    json_decref(one);
    for (int run = 1; run <= 2; run++) {
        json_decref(ask_well(a, API_SCHEDULE_RUN, json_of("{'name':'s','force':true}")));
        world_wait_end(a->w, (uint64_t)run, run == 1 ? JOB_DONE : JOB_FAILED);
        one = schedule_of(a, "s");
        assert_int_equal(int_in(one, "runs"), run);
        assert_int_equal(int_in(one, "last_job"), run);
        assert_int_equal(int_in(one, "failures"), run - 1);
        assert_int_equal(json_is_true(json_object_get(one, "failing")), run - 1);
        assert_null(json_object_get(one, "running"));
        const json_t *last = json_object_get(one, "last");
        assert_string_equal(text_in(last, "state"), run == 1 ? "done" : "failed");
        if (run == 2)
            assert_string_equal(text_in(last, "error"), "http_status");
        assert_true(text_in(one, "last_done")[0] == '2'); /* of the good one */
        json_decref(one);
    }
    add(a, "other", "");
    json_t *failing = ask_well(a, API_SCHEDULE_LIST, json_of("{'failing':true}"));
    assert_int_equal(count_in(failing, "schedules"), 1);
    assert_string_equal(text_in(item_in(failing, "schedules", 0), "name"), "s");
    json_decref(failing);
    failing = ask_well(a, API_SCHEDULE_LIST, json_of("{'failing':false}"));
    assert_int_equal(count_in(failing, "schedules"), 2);
    json_decref(failing);
    api_world_free(a);
}

/* A run that has not ended keeps the next one waiting, forced or not. */
static void test_a_run_at_a_time(void **state)
{
    struct api_world *a = api_world_new("", false);
    add(a, "s", "");
    json_decref(ask_well(a, API_PAUSE, json_object()));
    json_decref(ask_well(a, API_SCHEDULE_RUN, json_of("{'name':'s'}")));
    json_t *one = schedule_of(a, "s");
    assert_int_equal(int_in(one, "running"), 1);
    json_decref(one);
    ask_ill(a, API_SCHEDULE_RUN, json_of("{'name':'s'}"), API_CONFLICT, "name");
    ask_ill(a, API_SCHEDULE_RUN, json_of("{'name':'s','force':true}"), API_CONFLICT, "name");
    a->w->gate.refuse[GATE_SUBMIT] = -EDQUOT;
    add(a, "t", "");
    ask_ill(a, API_SCHEDULE_RUN, json_of("{'name':'t'}"), API_QUEUE_FULL, "");
    api_world_free(a);
}

/* --- pause and removal ------------------------------------------------------------------------ */

static void test_paused(void **state)
{
    struct api_world *a = api_world_new("", false);
    add(a, "s", "");
    json_t *before = schedule_of(a, "s");
    for (int i = 0; i < 2; i++) { /* twice is as once */
        json_decref(ask_well(a, API_PAUSE, json_of("{'schedule':'s'}")));
        json_t *one = schedule_of(a, "s");
        assert_true(json_is_true(json_object_get(one, "paused")));
        assert_null(json_object_get(one, "next"));
        json_decref(one);
    }
    json_t *stats = ask_well(a, API_STATS, json_object());
    assert_int_equal(int_in(json_object_get(stats, "schedules"), "paused"), 1);
    json_decref(stats);
    json_decref(ask_well(a, API_SCHEDULE_RUN, json_of("{'name':'s'}"))); /* asked for it runs */
    json_decref(ask_well(a, API_RESUME, json_of("{'schedule':'s'}")));
    json_t *one = schedule_of(a, "s");
    assert_true(json_is_false(json_object_get(one, "paused")));
    assert_string_equal(text_in(one, "next"), text_in(before, "next"));
    json_decref(one);
    json_decref(before);
    json_decref(ask_well(a, API_SCHEDULE_REMOVE, json_of("{'name':'s'}")));
    ask_ill(a, API_SCHEDULE_REMOVE, json_of("{'name':'s'}"), API_NOT_FOUND, "name");
    api_world_free(a);
}

/* Pruning takes one's own; those of others are an administrator's to take. */
static void test_prune_of_others(void **state)
{
    static const char prune[] =
        "{'schedules':[{'name':'b'," URL ",'every':'365d'}],'prune':true,'keep':['kept']%s}";
    struct api_world *a = api_world_new("", false);
    static const struct {
        uint32_t uid;
        const char *name;
    } had[] = {{4243, "a"}, {4243, "b"}, {4243, "kept"}, {4244, "others"}};
    for (size_t i = 0; i < sizeof had / sizeof had[0]; i++) {
        api_world_peer(a, had[i].uid);
        add(a, had[i].name, "");
    }
    api_world_peer(a, 4243);
    for (int dry = 1; dry >= 0; dry--) {
        json_t *result =
            ask_well(a, API_SCHEDULE_APPLY, json_of(prune, dry ? ",'dry_run':true" : ""));
        json_t *wanted = json_of("[{'name':'b','change':'unchanged'},"
                                 "{'name':'a','change':'removed'}]");
        assert_true(json_equal(json_object_get(result, "changes"), wanted));
        json_decref(wanted);
        json_decref(result);
        result = ask_well(a, API_SCHEDULE_LIST, json_object());
        assert_int_equal(count_in(result, "schedules"), dry ? 4 : 3);
        json_decref(result);
    }
    api_world_peer(a, 0);
    json_t *result = ask_well(a, API_SCHEDULE_APPLY, json_of(prune, ",'after':'kept'"));
    json_t *wanted = json_of("[{'name':'b','change':'unchanged'},"
                             "{'name':'others','change':'removed'}]");
    assert_true(json_equal(json_object_get(result, "changes"), wanted));
    json_decref(wanted);
    json_decref(result);
    api_world_free(a);
}

/* The daemon stops: those that wait for their turn are refused, the one that has it ends. */
static void test_draining(void **state)
{
    struct api_world *a = api_world_new("", true);
    uint64_t held = ask_submit(a, "/bytes?n=1&hold=it");
    world_wait_running(a->w, held);
    a->w->gate.hold[GATE_SCHEDULE_PUT] = true;
    struct asked *first =
        ask_with(a, API_SCHEDULE_ADD, json_of("{'name':'s'," URL ",'every':'1d'}"), NULL);
    struct asked *waits = ask_with(a, API_SCHEDULE_REMOVE, json_of("{'name':'s'}"), NULL);
    WORLD_WAIT(a->w, a->w->gate.held_count == 1);
    drain_begin(a->w->jobs, world_on_drained, a->w);
    WORLD_WAIT(a->w, waits->answered);
    assert_int_equal(waits->code, API_DRAINING);
    assert_false(first->answered);
    gate_release(&a->w->gate);
    WORLD_WAIT(a->w, first->answered);
    assert_int_equal(first->code, 0);
    ask_ill(a, API_SCHEDULE_REMOVE, json_of("{'name':'s'}"), API_DRAINING, "");
    json_t *one = schedule_of(a, "s"); /* who only looks is answered */
    json_decref(one);
    asked_free(first);
    asked_free(waits);
    origin_release(a->w->origin, "it");
    api_world_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pages),    cmocka_unit_test(test_refused),
        cmocka_unit_test(test_how_many), cmocka_unit_test(test_secrets),
        cmocka_unit_test(test_runs),     cmocka_unit_test(test_a_run_at_a_time),
        cmocka_unit_test(test_paused),   cmocka_unit_test(test_prune_of_others),
        cmocka_unit_test(test_draining),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
