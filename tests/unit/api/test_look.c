/* show and list: what stands in a job's view, and how a long list comes in pages. */
#include "api/call.h"
#include "api_world.h"

/* Nothing runs; so many jobs wait, with these ids from 1 on. */
static struct api_world *paused_world(unsigned jobs)
{
    struct api_world *a = api_world_new("", false);
    json_decref(ask_well(a, API_PAUSE, json_object()));
    json_t *list = json_array();
    for (unsigned i = 1; i <= jobs; i++)
        json_array_append_new(list, json_of("{'url':'http://h%u.test/%u'}", i % 3, i));
    if (jobs > 0)
        json_decref(ask_well(a, API_SUBMIT, json_incref(list)));
    json_decref(list);
    return a;
}

/* --- what a view has -------------------------------------------------------------------------- */

/* What was asked for is seen again, by show and by list. */
static void test_members(void **state)
{
    struct api_world *a = paused_world(0);
    json_decref(
        ask_well(a, API_SUBMIT,
                 json_of("{'url':'http://h.test/x?token=s3cret','parser':'lines','key':'k 1',"
                         "'priority':-3,'labels':{'team':'data'},'not_before':'1d'}")));
    json_t *show = ask_well(a, API_SHOW, id_json(1));
    json_t *wanted = json_of("{'id':1,'state':'queued','attempt':0,"
                             "'url':'http://h.test/x?token=***','parser':'lines','host':'h.test',"
                             "'priority':-3,'uid':%u,"
                             "'labels':{'team':'data'},'key':'k 1','waiting_for':'not_before',"
                             "'verdict':null}",
                             (unsigned)getuid());
    json_object_set(wanted, "created", json_object_get(show, "created"));
    json_object_set(wanted, "due", json_object_get(show, "due"));
    assert_true(strcmp(text_in(show, "created"), text_in(show, "due")) < 0);
    if (!json_equal(show, wanted))
        fail_msg("%s", json_dumps(show, JSON_COMPACT));
    json_t *page = ask_well(a, API_LIST, json_object());
    assert_true(json_equal(item_in(page, "jobs", 0), wanted));
    json_decref(page);
    json_decref(wanted);
    json_decref(show);
    api_world_free(a);
}

/* The attempts that it has had are in `show` alone. */
static void test_attempts(void **state)
{
    struct api_world *a = api_world_new("[fetch]\nretry_delay = 1ms\n", false);
    json_t *job = job_json(a, "/bytes?n=3&flaky=1");
    json_object_set_new(job, "max_attempts", json_integer(2));
    json_decref(ask_well(a, API_SUBMIT, job));
    world_wait_end(a->w, 1, JOB_DONE);
    json_t *show = ask_well(a, API_SHOW, id_json(1));
    assert_int_equal(int_in(show, "attempt"), 2);
    assert_int_equal(count_in(show, "attempts"), 1); /* of the last one the verdict tells */
    assert_string_equal(text_in(item_in(show, "attempts", 0), "outcome"), "retry");
    assert_null(json_object_get(show, "due"));
    assert_true(text_in(show, "finished")[0] == '2');
    json_t *page = ask_well(a, API_LIST, json_object());
    assert_null(json_object_get(item_in(page, "jobs", 0), "attempts"));
    json_decref(page);
    json_decref(show);
    api_world_free(a);
}

/* While it runs its figures are there, and no longer. */
static void test_running(void **state)
{
    struct api_world *a = api_world_new("", false);
    uint64_t id = ask_submit(a, "/bytes?n=10&hold_at=4&hold=it");
    world_wait_running(a->w, id);
    json_t *show = NULL;
    do {
        json_decref(show);
        show = ask_well(a, API_SHOW, id_json(id));
    } while (!json_object_get(show, "running") ||
             int_in(json_object_get(show, "running"), "bytes") < 4);
    const json_t *running = json_object_get(show, "running");
    assert_int_equal(int_in(running, "bytes"), 4);
    assert_int_equal(int_in(running, "length"), 10);
    assert_true(json_number_value(json_object_get(running, "seconds")) > 0);
    json_decref(show);
    origin_release(a->w->origin, "it");
    world_wait_end(a->w, id, JOB_DONE);
    show = ask_well(a, API_SHOW, id_json(id));
    assert_null(json_object_get(show, "running"));
    assert_null(json_object_get(show, "waiting_for"));
    assert_int_equal(int_in(json_object_get(show, "verdict"), "bytes"), 10);
    json_decref(show);
    api_world_free(a);
}

/* --- pages ------------------------------------------------------------------------------------ */

static void test_limits(void **state)
{
    static const struct ill_call cases[] = {
        {API_LIST, "{'limit':0}", API_INVALID_PARAMS, "limit", "from 1 to 1000"},
        {API_LIST, "{'limit':1001}", API_INVALID_PARAMS, "limit", "from 1 to 1000"},
        {API_LIST, "{'limit':-1}", API_INVALID_PARAMS, "limit", "from 1 to 1000"},
        {API_LIST, "{'limit':'3'}", API_INVALID_PARAMS, "limit", "from 1 to 1000"},
        {API_LIST, "{'limit':1.5}", API_INVALID_PARAMS, "limit", "from 1 to 1000"},
        {API_LIST, "{'before':0}", API_INVALID_PARAMS, "before", "before: an integer"},
        {API_LIST, "{'before':true}", API_INVALID_PARAMS, "before", "before: an integer"},
        {API_LIST, "{'id':1}", API_INVALID_PARAMS, "id", "not known here"},
        {API_SHOW, "{}", API_INVALID_PARAMS, "id", "one positive integer"},
        {API_SHOW, "{'id':-1}", API_INVALID_PARAMS, "id", "one positive integer"},
        {API_SHOW, "{'id':'1'}", API_INVALID_PARAMS, "id", "one positive integer"},
        {API_SHOW, "{'ids':[1]}", API_INVALID_PARAMS, "id", "one positive integer"},
    };
    static const struct {
        const char *params;
        size_t jobs;
    } good[] = {{"{}", 50},
                {"{'limit':null,'before':null}", 50},
                {"{'limit':1}", 1},
                {"{'limit':59}", 59},
                {"{'limit':1000}", 60},
                {"{'before':1}", 0},
                {"{'before':2}", 1},
                {"{'before':61}", 50},
                {"{'host':'h0.test'}", 20},
                {"{'host':'h0.test','limit':7}", 7},
                {"{'host':'none.test'}", 0}};
    struct api_world *a = paused_world(60);
    ASK_ALL_ILL(a, cases);
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        json_t *page = ask_well(a, API_LIST, json_of("%s", good[i].params));
        if (count_in(page, "jobs") != good[i].jobs)
            fail_msg("%s: %zu", good[i].params, count_in(page, "jobs"));
        json_decref(page);
    }
    api_world_free(a);
}

/* Takes pages until there is no next one: each job once, the latest first. How many pages. */
static unsigned take_pages(struct api_world *a, unsigned jobs, unsigned limit)
{
    json_int_t next = jobs + 1;
    unsigned pages = 0;
    do {
        json_t *page =
            ask_well(a, API_LIST, json_of("{'limit':%u,'before':%lld}", limit, (long long)next));
        for (size_t i = 0; i < count_in(page, "jobs"); i++)
            assert_int_equal(int_in(item_in(page, "jobs", i), "id"), jobs--);
        pages++;
        bool last = json_is_null(json_object_get(page, "next"));
        next = last ? 0 : int_in(page, "next");
        assert_true(last || next == jobs + 1);
        json_decref(page);
    } while (next);
    assert_int_equal(jobs, 0);
    return pages;
}

static void test_pages(void **state)
{
    struct api_world *a = paused_world(45);
    assert_int_equal(take_pages(a, 45, 10), 5);
    assert_int_equal(take_pages(a, 45, 45), 1);
    assert_int_equal(take_pages(a, 45, 1), 45);
    api_world_free(a);
}

/* An answer has a bounded size, whatever the limit says. */
static void test_pages_of_large_jobs(void **state)
{
    enum { JOBS = 12, LARGE = 60000 };
    static char large[LARGE + 1];
    memset(large, 'x', LARGE);
    struct api_world *a = paused_world(0);
    for (int i = 0; i < JOBS; i++)
        json_decref(ask_well(a, API_SUBMIT,
                             json_pack("{s:s, s:s, s:s}", "url", "http://h.test/", "method", "POST",
                                       "body", large)));
    assert_in_range(take_pages(a, JOBS, 1000), JOBS * LARGE / (256 << 10), JOBS / 2);
    api_world_free(a);
}

/* Others see their own alone, where there are administrators. */
static void test_of_others(void **state)
{
    struct api_world *a = api_world_new("[control]\nadmin_users = 4242\n", false);
    json_decref(ask_well(a, API_PAUSE, json_object()));
    for (unsigned i = 0; i < 6; i++) {
        api_world_peer(a, 4243 + i % 2);
        json_decref(ask_well(a, API_SUBMIT, json_of("{'url':'http://h.test/'}")));
    }
    static const struct {
        uint32_t uid;
        size_t sees;
    } cases[] = {{4243, 3}, {4244, 3}, {4245, 0}, {4242, 6}, {0, 6}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        api_world_peer(a, cases[i].uid);
        json_t *page = ask_well(a, API_LIST, json_object());
        assert_int_equal(count_in(page, "jobs"), cases[i].sees);
        json_decref(page);
        if (cases[i].sees == 6)
            json_decref(ask_well(a, API_SHOW, id_json(1)));
        else if (cases[i].uid != 4243)
            ask_ill(a, API_SHOW, id_json(1), API_FORBIDDEN, "id");
    }
    api_world_free(a);
}

/* --- many at once ----------------------------------------------------------------------------- */

/* Sixteen lists are read at once; the others wait for one of these to end, and each is answered,
 * whatever the store says. */
static void test_lists_wait_for_others(void **state)
{
    enum { LISTS = 40, AT_ONCE = 16 };
    static const int results[] = {0, -EIO};
    struct asked *asked[LISTS];
    struct api_world *a = paused_world(3);
    for (size_t r = 0; r < sizeof results / sizeof results[0]; r++) {
        unsigned before = a->w->gate.made[GATE_LIST];
        a->w->gate.hold[GATE_LIST] = true;
        for (int i = 0; i < LISTS; i++)
            asked[i] = ask_with(a, API_LIST, json_object(), NULL);
        assert_int_equal(a->w->gate.made[GATE_LIST] - before, AT_ONCE);
        assert_int_equal(a->api->listing, AT_ONCE);
        a->w->gate.refuse[GATE_LIST] = results[r];
        gate_release(&a->w->gate);
        for (int i = 0; i < LISTS; i++) {
            WORLD_WAIT(a->w, asked[i]->answered);
            assert_int_equal(asked[i]->code, results[r] ? API_UNAVAILABLE : 0);
            asked_free(asked[i]);
        }
        assert_int_equal(a->api->listing, 0);
        a->w->gate.refuse[GATE_LIST] = 0;
    }
    api_world_free(a);
}

/* Whose client has gone: it runs its course all the same, and keeps nobody from his turn. */
static void test_abandoned(void **state)
{
    struct api_world *a = paused_world(3);
    a->w->gate.hold[GATE_LIST] = a->w->gate.hold[GATE_GET] = true;
    struct asked *list = ask_with(a, API_LIST, json_object(), NULL);
    struct asked *show = ask_with(a, API_SHOW, id_json(1), NULL);
    api_call_abandon(&list->call);
    api_call_abandon(&show->call);
    for (int i = 0; i < 20; i++)
        uv_run(&a->w->loop, UV_RUN_NOWAIT);
    assert_false(list->answered || show->answered);
    gate_release(&a->w->gate);
    WORLD_WAIT(a->w, list->answered && show->answered);
    assert_int_equal(list->code, 0);
    assert_int_equal(show->code, 0);
    asked_free(list);
    asked_free(show);
    assert_int_equal(take_pages(a, 3, 2), 2);
    api_world_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_members),   cmocka_unit_test(test_attempts),
        cmocka_unit_test(test_running),   cmocka_unit_test(test_limits),
        cmocka_unit_test(test_pages),     cmocka_unit_test(test_pages_of_large_jobs),
        cmocka_unit_test(test_of_others), cmocka_unit_test(test_lists_wait_for_others),
        cmocka_unit_test(test_abandoned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
