/* The operations: what they answer, to whom, and what becomes of them when the store or the daemon
 * ends. */
#include "api_world.h"
#include "api/job_view.h"

static size_t size_of(const json_t *result, const char *member)
{
    const json_t *list = json_object_get(result, member);
    assert_true(json_is_array(list));
    return json_array_size(list);
}

/* --- submit, show, list ----------------------------------------------------------------------- */

static void test_submit(void **state)
{
    (void)state;
    struct api_world *a = api_world_new("", false);
    uint64_t id = ask_submit(a, "/bytes?n=3");
    world_wait_end(a->w, id, JOB_DONE);
    assert_string_equal(shown(a, id, "state"), "done");
    assert_int_equal(a->w->jobs->submitted, 1);
    json_t *many = json_array();
    json_array_append_new(many, job_json(a, "/bytes?n=1"));
    json_array_append_new(many, json_of("{'parser':'count'}"));
    json_array_append_new(many, job_json(a, "/bytes?n=2"));
    json_t *result = ask_well(a, API_SUBMIT, many);
    assert_int_equal(json_array_size(result), 3);
    assert_non_null(json_object_get(json_array_get(result, 0), "id"));
    assert_non_null(json_object_get(json_array_get(result, 1), "error"));
    assert_non_null(json_object_get(json_array_get(result, 2), "id"));
    json_decref(result);
    api_world_free(a);
}

static void test_submit_refused(void **state)
{
    (void)state;
    struct api_world *a = api_world_new("", false);
    ask_ill(a, API_SUBMIT, json_of("{'parser':'count'}"), API_INVALID_PARAMS, "url");
    ask_ill(a, API_SUBMIT, json_of("{'url':'http://h/','parser':'none'}"), API_INVALID_PARAMS,
            "parser");
    ask_ill(a, API_SUBMIT, json_of("[]"), API_INVALID_PARAMS, "");
    ask_ill(a, API_SUBMIT, json_of("{'url':'http://h/','parser':'count','run':true}"),
            API_INVALID_PARAMS, "run");
    a->w->gate.refuse[GATE_SUBMIT] = -EIO;
    ask_ill(a, API_SUBMIT, job_json(a, "/bytes?n=1"), API_UNAVAILABLE, "");
    a->w->gate.refuse[GATE_SUBMIT] = -EDQUOT;
    ask_ill(a, API_SUBMIT, job_json(a, "/bytes?n=1"), API_QUEUE_FULL, "");
    assert_int_equal(a->w->jobs->submitted, 0);
    api_world_free(a);
}

static void test_keys(void **state)
{
    (void)state;
    struct api_world *a = api_world_new("", false);
    json_t *job = job_json(a, "/bytes?n=1");
    json_object_set_new(job, "key", json_string("k"));
    json_t *first = ask_well(a, API_SUBMIT, json_deep_copy(job));
    json_t *again = ask_well(a, API_SUBMIT, json_deep_copy(job));
    assert_true(json_equal(json_object_get(first, "id"), json_object_get(again, "id")));
    assert_true(json_is_true(json_object_get(again, "existing")));
    json_object_set_new(job, "priority", json_integer(3));
    ask_ill(a, API_SUBMIT, job, API_CONFLICT, "key");
    json_decref(first);
    json_decref(again);
    api_world_free(a);
}

/* A submission that is refused gives back the slot which it would have claimed. */
static void test_submit_unfolds(void **state)
{
    (void)state;
    struct api_world *a = api_world_new("[fetch]\nhost_connections = 1\n", true);
    a->w->gate.refuse[GATE_SUBMIT] = -EIO;
    ask_ill(a, API_SUBMIT, job_json(a, "/bytes?n=1"), API_UNAVAILABLE, "");
    assert_null(host_find(a->w->jobs, "127.0.0.1"));
    a->w->gate.refuse[GATE_SUBMIT] = 0;
    world_wait_end(a->w, ask_submit(a, "/bytes?n=1"), JOB_DONE);
    assert_int_equal(a->w->gate.made[GATE_CLAIM], 0);
    api_world_free(a);
}

static void test_show(void **state)
{
    (void)state;
    struct api_world *a = api_world_new("[fetch]\nhost_connections = 1\n", false);
    uint64_t id = ask_submit(a, "/bytes?n=3&hold=it");
    world_wait_running(a->w, id);
    assert_string_equal(shown(a, id, "state"), "running");
    WORLD_WAIT(a->w, strcmp(shown(a, id, "waiting_for"), "origin") == 0);
    uint64_t queued = ask_submit(a, "/bytes?n=3");
    assert_string_equal(shown(a, queued, "waiting_for"), "host");
    ask_ill(a, API_SHOW, json_of("{'id':99}"), API_NOT_FOUND, "id");
    ask_ill(a, API_SHOW, json_of("{'id':0}"), API_INVALID_PARAMS, "id");
    ask_ill(a, API_SHOW, json_of("{'id':1,'more':2}"), API_INVALID_PARAMS, "id");
    a->w->gate.refuse[GATE_GET] = -EIO;
    ask_ill(a, API_SHOW, json_of("{'id':1}"), API_UNAVAILABLE, "");
    api_world_free(a);
}

static void test_list(void **state)
{
    (void)state;
    struct api_world *a = api_world_new("", false);
    uint64_t last = 0;
    for (int i = 0; i < 5; i++)
        last = ask_submit(a, "/bytes?n=1");
    world_wait_end(a->w, last, JOB_DONE);
    WORLD_WAIT(a->w, a->w->end_count == 5);
    json_t *page = ask_well(a, API_LIST, json_of("{'state':'done','limit':3}"));
    assert_int_equal(size_of(page, "jobs"), 3);
    json_int_t next = json_integer_value(json_object_get(page, "next"));
    assert_true(next > 0);
    json_decref(page);
    page = ask_well(a, API_LIST, json_of("{'state':'done','limit':3,'before':%lld}", next));
    assert_int_equal(size_of(page, "jobs"), 2);
    assert_true(json_is_null(json_object_get(page, "next")));
    json_decref(page);
    ask_ill(a, API_LIST, json_of("{'state':'ready'}"), API_INVALID_PARAMS, "state");
    ask_ill(a, API_LIST, json_of("{'limit':0}"), API_INVALID_PARAMS, "limit");
    ask_ill(a, API_LIST, json_of("{'colour':1}"), API_INVALID_PARAMS, "colour");
    api_world_free(a);
}

/* --- cancel, retry ---------------------------------------------------------------------------- */

static void test_cancel(void **state)
{
    (void)state;
    struct api_world *a = api_world_new("[fetch]\nhost_connections = 1\n", false);
    uint64_t done = ask_submit(a, "/bytes?n=1");
    world_wait_end(a->w, done, JOB_DONE);
    uint64_t runs = ask_submit(a, "/bytes?n=1&hold=it"), queued = ask_submit(a, "/bytes?n=2");
    world_wait_running(a->w, runs);
    json_t *result = ask_well(a, API_CANCEL,
                              json_of("{'ids':[%llu,%llu,%llu,99]}", (unsigned long long)done,
                                      (unsigned long long)runs, (unsigned long long)queued));
    assert_int_equal(size_of(result, "cancelled"), 2);
    assert_int_equal(size_of(result, "ended"), 1);
    assert_int_equal(size_of(result, "missing"), 1);
    json_decref(result);
    world_wait_end(a->w, runs, JOB_CANCELLED);
    world_wait_end(a->w, queued, JOB_CANCELLED);
    ask_ill(a, API_CANCEL, json_object(), API_INVALID_PARAMS, "");
    ask_ill(a, API_CANCEL, json_of("{'ids':[]}"), API_INVALID_PARAMS, "ids");
    ask_ill(a, API_CANCEL, json_of("{'id':1,'state':'done'}"), API_INVALID_PARAMS, "id");
    api_world_free(a);
}

/* More than a page, in memory and in the store alone. */
static void test_cancel_by_select(void **state)
{
    (void)state;
    struct api_world *a = api_world_new("[fetch]\nhost_connections = 1\n", false);
    uint64_t first = ask_submit(a, "/bytes?n=1&hold=it");
    world_wait_running(a->w, first);
    for (int i = 0; i < 300; i++)
        ask_submit(a, "/bytes?n=1");
    json_t *result = ask_well(a, API_CANCEL, json_of("{'state':'queued'}"));
    assert_int_equal(size_of(result, "cancelled"), 300);
    json_decref(result);
    WORLD_WAIT(a->w, a->w->end_count == 300);
    assert_string_equal(shown(a, first, "state"), "running");
    a->w->gate.refuse[GATE_LIST] = -EIO;
    ask_ill(a, API_CANCEL, json_of("{'state':'queued'}"), API_UNAVAILABLE, "");
    api_world_free(a);
}

static json_int_t number_of(const json_t *result, const char *name)
{
    return json_integer_value(json_object_get(result, name));
}

/* `next` of one answer is `before` of the next request, and at the end all have been changed, each
 * once. */
static void test_by_select_in_parts(void **state)
{
    enum { COUNT = 600 }; /* of pages of 256 */
    (void)state;
    struct api_world *a = api_world_new("", false);
    json_decref(ask_well(a, API_PAUSE, json_object()));
    for (int i = 0; i < COUNT; i++)
        ask_submit(a, "/bytes?n=1");
    json_t *result = ask_well(a, API_CANCEL, json_of("{'state':'queued','limit':1}"));
    assert_int_equal(size_of(result, "cancelled"), 256);
    assert_true(json_is_true(json_object_get(result, "more")));
    assert_int_equal(number_of(result, "next"), COUNT - 256 + 1);
    json_decref(result);
    result = ask_well(a, API_CANCEL, json_of("{'state':'queued','before':101}"));
    assert_int_equal(size_of(result, "cancelled"), 100);
    assert_null(json_object_get(result, "more"));
    assert_null(json_object_get(result, "next"));
    json_decref(result);
    json_decref(ask_well(a, API_CANCEL, json_of("{'state':'queued'}")));
    WORLD_WAIT(a->w, a->w->end_count == COUNT);

    char seen[COUNT + 1] = "";
    json_int_t before = 0;
    unsigned copies = 0, requests = 0;
    do {
        json_t *params = json_of("{'state':'cancelled','limit':200}"), *one;
        size_t i;
        if (before)
            json_object_set_new(params, "before", json_integer(before));
        result = ask_well(a, API_RETRY, params);
        json_array_foreach(json_object_get(result, "retried"), i, one)
        {
            json_int_t old = number_of(one, "retry_of");
            assert_in_range(old, 1, COUNT);
            assert_int_equal(seen[old], 0);
            seen[old] = 1;
            copies++;
        }
        before = number_of(result, "next");
        json_decref(result);
        requests++;
    } while (before);
    assert_int_equal(copies, COUNT);
    assert_int_equal(requests, 3);
    ask_ill(a, API_RETRY, json_of("{'before':7,'limit':9}"), API_INVALID_PARAMS, "");
    ask_ill(a, API_RETRY, json_of("{'state':'done','limit':10001}"), API_INVALID_PARAMS, "limit");
    ask_ill(a, API_CANCEL, json_of("{'ids':[1],'before':9}"), API_INVALID_PARAMS, "ids");
    api_world_free(a);
}

static void test_retry(void **state)
{
    (void)state;
    struct api_world *a = api_world_new("", false);
    uint64_t old = ask_submit(a, "/bytes?n=1&status=404");
    world_wait_end(a->w, old, JOB_FAILED);
    json_t *result = ask_well(a, API_RETRY, json_of("{'ids':[%llu,98]}", (unsigned long long)old));
    assert_int_equal(size_of(result, "retried"), 1);
    assert_int_equal(size_of(result, "missing"), 1);
    const json_t *one = json_array_get(json_object_get(result, "retried"), 0);
    assert_int_equal(json_integer_value(json_object_get(one, "retry_of")), old);
    uint64_t id = (uint64_t)json_integer_value(json_object_get(one, "id"));
    json_decref(result);
    world_wait_end(a->w, id, JOB_FAILED);
    result = ask_well(a, API_RETRY, json_of("{'state':'failed'}"));
    assert_int_equal(size_of(result, "retried"), 2);
    json_decref(result);
    WORLD_WAIT(a->w, a->w->end_count == 4);
    a->w->gate.refuse[GATE_SUBMIT] = -EDQUOT;
    ask_ill(a, API_RETRY, json_of("{'state':'failed'}"), API_QUEUE_FULL, "");
    assert_int_equal(a->w->jobs->walks.paging, 0);
    api_world_free(a);
}

/* The copies that there was room for are told, and why there are no others. */
static void test_retry_of_too_many(void **state)
{
    char settings[100];
    (void)state;
    snprintf(settings, sizeof settings, "[user \"%u\"]\nmax_jobs = 1\n", (unsigned)getuid());
    struct api_world *a = api_world_new(settings, false);
    for (unsigned i = 1; i <= 2; i++) {
        ask_submit(a, "/bytes?n=1&status=404");
        WORLD_WAIT(a->w, a->w->end_count == i);
    }
    json_decref(ask_well(a, API_PAUSE, json_object()));
    json_t *result = ask_well(a, API_RETRY, json_of("{'state':'failed'}"));
    assert_int_equal(size_of(result, "retried"), 1);
    assert_true(json_is_true(json_object_get(result, "more")));
    const char *why = json_string_value(json_object_get(result, "message"));
    assert_non_null(why);
    assert_non_null(strstr(why, "max_jobs of [user"));
    assert_int_equal(json_integer_value(json_object_get(result, "next")), 2); /* job 1 is left */
    json_decref(result);
    ask_ill(a, API_RETRY, json_of("{'ids':[1,2]}"), API_QUEUE_FULL, "");
    json_decref(ask_well(a, API_CANCEL, json_of("{'state':'queued'}")));
    WORLD_WAIT(a->w, a->w->end_count == 3);
    result = ask_well(a, API_RETRY, json_of("{'ids':[2,1]}"));
    assert_int_equal(size_of(result, "retried"), 1);
    assert_true(json_is_true(json_object_get(result, "more")));
    json_decref(result);
    assert_int_equal(a->w->jobs->walks.paging, 0);
    api_world_free(a);
}

/* --- views ------------------------------------------------------------------------------------ */

/* What somebody has written into the store, or what damage has left there. */
static void test_views_of_odd_rows(void **state)
{
    (void)state;
    static const struct {
        const char *stored, *shown;
    } texts[] = {
        {"{\"a\":1}", "{\"a\":1}"},      {"{\"a\":", "null"}, {"{} {}", "null"}, {"", "null"},
        {"{\n \"a\":\n1}", "{\"a\":1}"}, {"\xff", "null"}};
    struct api_world *a = api_world_new("", false);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct store_job row = {.id = 77,
                                .state = JOB_DONE,
                                .host = (char *)"h",
                                .parser = (char *)"count",
                                .spec = (char *)"{\"url\":",
                                .labels = (char *)(uintptr_t)texts[i].stored,
                                .history = (char *)(uintptr_t)texts[i].stored};
        struct buf b = BUF_INIT;
        view_life(&b, a->w->jobs, &row);
        assert_false(b.failed);
        json_t *view = json_loads(b.data, JSON_REJECT_DUPLICATES, NULL);
        assert_non_null(view);
        json_t *labels = json_loads(texts[i].shown, JSON_DECODE_ANY, NULL);
        assert_true(json_equal(json_object_get(view, "labels"), labels));
        assert_true(json_is_null(json_object_get(view, "verdict")));
        assert_null(json_object_get(view, "url"));
        assert_non_null(json_object_get(view, "attempts"));
        assert_null(strchr(b.data, '\n'));
        json_decref(labels);
        json_decref(view);
        buf_deinit(&b);
    }
    api_world_free(a);
}

/* --- permissions ------------------------------------------------------------------------------ */

static void test_permissions(void **state)
{
    (void)state;
    struct api_world *a =
        api_world_new("[control]\nsubmit_users = 4242\nadmin_users = 4242\n", false);
    uint64_t id = ask_submit(a, "/bytes?n=1&hold=it");
    a->peer = (struct peer){.uid = 4243, .gid = 4243};
    ask_ill(a, API_SUBMIT, job_json(a, "/bytes?n=1"), API_FORBIDDEN, "");
    ask_ill(a, API_PAUSE, json_object(), API_FORBIDDEN, "");
    ask_ill(a, API_SHOW, json_of("{'id':%llu}", (unsigned long long)id), API_FORBIDDEN, "id");
    ask_ill(a, API_CANCEL, json_of("{'id':%llu}", (unsigned long long)id), API_FORBIDDEN, "id");
    ask_ill(a, API_WAIT, json_of("{'ids':[%llu]}", (unsigned long long)id), API_FORBIDDEN, "ids");
    json_t *page = ask_well(a, API_LIST, json_object());
    assert_int_equal(size_of(page, "jobs"), 0);
    json_decref(page);
    json_t *top = ask_well(a, API_TOP, json_object());
    assert_int_equal(size_of(top, "running"), 0);
    assert_int_equal(size_of(top, "hosts"), 0);
    json_decref(top);
    api_world_free(a);
}

/* --- what an operator does -------------------------------------------------------------------- */

static void test_pause_and_resume(void **state)
{
    (void)state;
    struct api_world *a = api_world_new("", false);
    json_decref(ask_well(a, API_PAUSE, json_object()));
    uint64_t id = ask_submit(a, "/bytes?n=1");
    assert_string_equal(shown(a, id, "waiting_for"), "paused");
    json_decref(ask_well(a, API_RESUME, json_of("{'all':true}")));
    world_wait_end(a->w, id, JOB_DONE);
    json_decref(ask_well(a, API_PAUSE, json_of("{'host':'127.0.0.1'}")));
    id = ask_submit(a, "/bytes?n=1");
    assert_string_equal(shown(a, id, "waiting_for"), "paused");
    json_t *top = ask_well(a, API_TOP, json_object());
    const json_t *host = json_array_get(json_object_get(top, "hosts"), 0);
    assert_string_equal(json_string_value(json_object_get(host, "state")), "paused");
    json_decref(top);
    json_decref(ask_well(a, API_RESUME, json_of("{'host':'127.0.0.1'}")));
    world_wait_end(a->w, id, JOB_DONE);
    ask_ill(a, API_PAUSE, json_of("{'parser':'none'}"), API_NOT_FOUND, "parser");
    ask_ill(a, API_PAUSE, json_of("{'host':''}"), API_INVALID_PARAMS, "host");
    ask_ill(a, API_PAUSE, json_of("{'all':1}"), API_INVALID_PARAMS, "all");
    ask_ill(a, API_PAUSE, json_of("{'all':true,'host':'h'}"), API_INVALID_PARAMS, "");
    ask_ill(a, API_RELOAD, json_object(), API_INTERNAL, ""); /* nobody here can do it */
    api_world_free(a);
}

/* --- the end ---------------------------------------------------------------------------------- */

/* Waits end with the daemon; what comes after that is refused, and a drain is not over before the
 * store has answered. */
static void test_drain(void **state)
{
    (void)state;
    struct api_world *a = api_world_new("[fetch]\nhost_connections = 1\n", true);
    uint64_t first = ask_submit(a, "/bytes?n=1&hold=it");
    world_wait_running(a->w, first);
    uint64_t queued = ask_submit(a, "/bytes?n=1");
    struct asked *waits =
        ask_with(a, API_WAIT, json_of("{'ids':[%llu]}", (unsigned long long)queued), NULL);
    a->w->gate.hold[GATE_SUBMIT] = true;
    struct asked *late = ask_with(a, API_SUBMIT, job_json(a, "/bytes?n=2"), NULL);
    drain_begin(a->w->jobs, world_on_drained, a->w);
    ask_ill(a, API_SUBMIT, job_json(a, "/bytes?n=3"), API_DRAINING, "");
    ask_ill(a, API_RETRY, json_of("{'state':'failed'}"), API_DRAINING, "");
    origin_release(a->w->origin, "it");
    world_wait_end(a->w, first, JOB_DONE);
    for (int i = 0; i < 20; i++)
        uv_run(&a->w->loop, UV_RUN_NOWAIT);
    assert_false(a->w->drained);
    assert_false(waits->answered);
    gate_release(&a->w->gate);
    WORLD_WAIT(a->w, a->w->drained && late->answered);
    assert_int_equal(late->code, 0); /* it came before */
    assert_false(waits->answered);
    api_drain(a->api, api_world_on_drained, a);
    WORLD_WAIT(a->w, a->drained);
    assert_true(waits->answered);
    assert_int_equal(waits->code, API_DRAINING);
    ask_ill(a, API_STATS, NULL, API_DRAINING, "");
    asked_free(waits);
    asked_free(late);
    api_world_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_submit),
        cmocka_unit_test(test_submit_refused),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_submit_unfolds),
        cmocka_unit_test(test_show),
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_cancel_by_select),
        cmocka_unit_test(test_by_select_in_parts),
        cmocka_unit_test(test_retry),
        cmocka_unit_test(test_retry_of_too_many),
        cmocka_unit_test(test_views_of_odd_rows),
        cmocka_unit_test(test_permissions),
        cmocka_unit_test(test_pause_and_resume),
        cmocka_unit_test(test_drain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
