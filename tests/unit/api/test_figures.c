/* What the daemon tells of itself: top, stats, metrics, parsers, and whether its loops answer. */
#include "api/call.h"
#include "api_world.h"
#include "fetch/fetch.h"
#include "fetch/loop.h"

#include <semaphore.h>

#define ONE_SLOT "[fetch]\nhost_connections = 1\n"

static uint64_t submit_url(struct api_world *a, const char *host, const char *path)
{
    json_t *result = ask_well(a, API_SUBMIT,
                              json_of("{'url':'http://%s:%u%s','parser':'count','max_attempts':1}",
                                      host, (unsigned)origin_port(a->w->origin), path));
    uint64_t id = (uint64_t)int_in(result, "id");
    json_decref(result);
    return id;
}

/* --- top -------------------------------------------------------------------------------------- */

/* One of each kind, after one job. */
static void test_each_kind(void **state)
{
    struct api_world *a = api_world_new("", false);
    world_wait_end(a->w, ask_submit(a, "/bytes?n=10"), JOB_DONE);
    json_t *stats = ask_well(a, API_STATS, NULL);
    assert_int_equal(json_integer_value(json_object_get(stats, "submitted")), 1);
    assert_int_equal(json_integer_value(json_object_get(stats, "bytes")), 10);
    json_decref(stats);
    json_t *text = ask_well(a, API_METRICS, json_object());
    assert_non_null(strstr(json_string_value(text), "penstock_jobs{state=\"done\"} 1\n"));
    json_decref(text);
    ask_ill(a, API_METRICS, json_of("{'format':'xml'}"), API_INVALID_PARAMS, "format");
    json_t *parsers = ask_well(a, API_PARSERS, NULL);
    assert_true(count_in(parsers, "parsers") > 5);
    json_decref(parsers);
    ask_ill(a, API_TOP, json_of("{'limit':0}"), API_INVALID_PARAMS, "limit");
    api_world_free(a);
}

/* The longest running first, and no more than are asked for; what waits is no part of it. */
static void test_running_jobs(void **state)
{
    struct api_world *a = api_world_new("[fetch]\nhost_connections = 3\n", false);
    for (int i = 0; i < 5; i++)
        ask_submit(a, "/bytes?n=1&hold=it");
    for (uint64_t id = 1; id <= 3; id++)
        world_wait_running(a->w, id);
    static const struct {
        const char *params;
        size_t running;
    } cases[] = {{"{}", 3},
                 {"{'limit':500}", 3},
                 {"{'limit':3}", 3},
                 {"{'limit':2}", 2},
                 {"{'limit':1}", 1}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_t *top = ask_well(a, API_TOP, json_of("%s", cases[i].params));
        assert_int_equal(count_in(top, "running"), cases[i].running);
        for (size_t k = 0; k < cases[i].running; k++)
            assert_int_equal(int_in(item_in(top, "running", k), "id"), k + 1);
        assert_int_equal(int_in(top, "active"), 3);
        json_decref(top);
    }
    WORLD_WAIT(a->w, strcmp(shown(a, 1, "waiting_for"), "origin") == 0);
    json_t *top = ask_well(a, API_TOP, json_object());
    const json_t *one = item_in(top, "running", 0);
    assert_string_equal(text_in(one, "parser"), "count");
    assert_string_equal(text_in(one, "host"), "127.0.0.1");
    assert_string_equal(text_in(one, "waiting_for"), "origin");
    assert_int_equal(int_in(one, "attempt"), 1);
    assert_int_equal(int_in(one, "resumes"), 0);
    assert_int_equal(int_in(one, "bytes"), 0);
    assert_true(json_is_null(json_object_get(one, "length")));
    json_decref(top);
    origin_release(a->w->origin, "it");
    WORLD_WAIT(a->w, a->w->end_count == 5);
    api_world_free(a);
}

static void test_top_refused(void **state)
{
    static const struct ill_call cases[] = {
        {API_TOP, "{'limit':0}", API_INVALID_PARAMS, "limit", "from 1 to 500"},
        {API_TOP, "{'limit':501}", API_INVALID_PARAMS, "limit", "from 1 to 500"},
        {API_TOP, "{'limit':'5'}", API_INVALID_PARAMS, "limit", "from 1 to 500"},
        {API_TOP, "{'limit':null}", API_INVALID_PARAMS, "limit", "from 1 to 500"},
        {API_TOP, "{'limits':5}", API_INVALID_PARAMS, "", "limit is all"},
        {API_TOP, "{'limit':5,'more':1}", API_INVALID_PARAMS, "", "limit is all"},
        {API_METRICS, "{'format':3}", API_INVALID_PARAMS, "format", "openmetrics or prometheus"},
        {API_METRICS, "{'form':'openmetrics'}", API_INVALID_PARAMS, "format", "nothing else"},
    };
    struct api_world *a = api_world_new("", false);
    ASK_ALL_ILL(a, cases);
    api_world_free(a);
}

static void assert_host(const json_t *top, size_t i, const char *name, const char *state,
                        json_int_t running, json_int_t queued)
{
    const json_t *host = item_in(top, "hosts", i);
    assert_string_equal(text_in(host, "name"), name);
    assert_string_equal(text_in(host, "state"), state);
    assert_int_equal(int_in(host, "running"), running);
    assert_int_equal(int_in(host, "queued"), queued);
}

/* Those with trouble first, then those with much to do. */
static void test_hosts(void **state)
{
    struct api_world *a =
        api_world_new(ONE_SLOT "breaker_failures = 1\nbreaker_cooldown = 1h\n", false);
    uint64_t id = submit_url(a, "127.0.0.1", "/bytes?n=1&hold=it");
    world_wait_running(a->w, id);
    for (int i = 0; i < 2; i++)
        submit_url(a, "127.0.0.1", "/bytes?n=1");
    json_decref(ask_well(a, API_PAUSE, json_of("{'host':'held.test'}")));
    submit_url(a, "held.test", "/");
    world_wait_end(a->w, submit_url(a, "127.0.0.2", "/bytes?n=1&head_reset=0"), JOB_FAILED);
    submit_url(a, "127.0.0.2", "/bytes?n=1");
    json_t *top = ask_well(a, API_TOP, json_object());
    assert_int_equal(count_in(top, "hosts"), 3);
    const json_t *broken = item_in(top, "hosts", 0), *held = item_in(top, "hosts", 1);
    if (strcmp(text_in(broken, "state"), "broken") != 0) { /* they weigh the same */
        const json_t *other = broken;
        broken = held;
        held = other;
    }
    assert_string_equal(text_in(held, "state"), "paused");
    assert_string_equal(text_in(held, "name"), "held.test");
    assert_string_equal(text_in(broken, "name"), "127.0.0.2");
    assert_int_equal(int_in(broken, "failures"), 1);
    assert_in_range((uint64_t)json_real_value(json_object_get(broken, "retry_in")), 3000, 3600);
    assert_host(top, 2, "127.0.0.1", "full", 1, 2);
    assert_int_equal(int_in(top, "known_hosts"), 3);
    json_decref(top);
    top = ask_well(a, API_TOP, json_of("{'limit':1}"));
    assert_int_equal(count_in(top, "hosts"), 1);
    json_decref(top);
    origin_release(a->w->origin, "it");
    api_world_free(a);
}

/* Sums since the start are of all, whatever the page shows. */
static void test_totals(void **state)
{
    struct api_world *a = api_world_new("", false);
    world_wait_end(a->w, ask_submit(a, "/bytes?n=3"), JOB_DONE);
    world_wait_end(a->w, ask_submit(a, "/bytes?n=3&status=404"), JOB_FAILED);
    json_decref(ask_well(a, API_PAUSE, json_object()));
    uint64_t id = ask_submit(a, "/bytes?n=3");
    json_decref(ask_well(a, API_CANCEL, id_json(id)));
    world_wait_end(a->w, id, JOB_CANCELLED);
    ask_submit(a, "/bytes?n=3");
    json_t *top = ask_well(a, API_TOP, json_object());
    json_t *wanted = json_of("{'submitted':4,'attempts':2,'retries':0,'records':1,"
                             "'done':1,'failed':1,'cancelled':1}");
    assert_true(json_equal(json_object_get(top, "totals"), wanted));
    assert_true(json_is_true(json_object_get(top, "paused")));
    assert_true(json_is_false(json_object_get(top, "draining")));
    assert_string_equal(text_in(top, "instance"), "test");
    json_decref(wanted);
    json_decref(top);
    json_t *stats = ask_well(a, API_STATS, json_object());
    wanted = json_of("{'queued':1,'waiting':0,'running':0,'done':1,'failed':1,'cancelled':1}");
    assert_true(json_equal(json_object_get(stats, "jobs"), wanted));
    json_decref(wanted);
    wanted = json_of("{'http_status':1}");
    assert_true(json_equal(json_object_get(stats, "errors"), wanted));
    json_decref(wanted);
    json_decref(stats);
    api_world_free(a);
}

/* A store that fails is told by all of them. */
static void test_a_store_that_fails(void **state)
{
    struct api_world *a = api_world_new("", false);
    for (int failing = 0; failing < 2; failing++) {
        char line[64];
        a->w->gate.failing = failing;
        json_t *top = ask_well(a, API_TOP, json_object());
        assert_int_equal(json_is_true(json_object_get(top, "store_failing")), failing);
        json_decref(top);
        json_t *stats = ask_well(a, API_STATS, json_object());
        const json_t *store = json_object_get(stats, "store");
        assert_int_equal(json_is_true(json_object_get(store, "failing")), failing);
        assert_int_equal(json_object_get(store, "error") != NULL, failing);
        assert_string_equal(text_in(store, "engine"), "test");
        json_decref(stats);
        json_t *text = ask_well(a, API_METRICS, json_object());
        snprintf(line, sizeof line, "\npenstock_store_failing %d\n", failing);
        assert_non_null(strstr(json_string_value(text), line));
        json_decref(text);
    }
    a->w->gate.failing = false;
    api_world_free(a);
}

/* --- metrics ---------------------------------------------------------------------------------- */

static void assert_has(const char *text, const char *line, bool is_there)
{
    if ((strstr(text, line) != NULL) != is_there)
        fail_msg("%s%s", is_there ? "missing: " : "there: ", line);
}

/* Every sample that can be is there from the start; the two formats end differently. */
static void test_metrics(void **state)
{
    static const char *const lines[] = {
        "\npenstock_draining 0\n",
        "\npenstock_paused 0\n",
        "\npenstock_jobs{state=\"running\"} 0\n",
        "\npenstock_jobs{state=\"done\"} 1\n",
        "\npenstock_queue_jobs 0\n",
        "\npenstock_queue_limit_jobs 1000000\n",
        "\npenstock_jobs_submitted_total 1\n",
        "\npenstock_body_bytes_total 10\n",
        "\npenstock_records_total 1\n",
        "\npenstock_attempts_total{outcome=\"done\",kind=\"none\"} 1\n",
        "\npenstock_attempts_total{outcome=\"retry\",kind=\"truncated\"} 0\n",
        "\npenstock_verdicts_total{state=\"failed\",kind=\"http_status\"} 0\n",
        "\npenstock_verdicts_total{state=\"done\",kind=\"none\"} 1\n",
        "\npenstock_hosts{host=\"*.data.test\"} 0\n",
        "\npenstock_hosts{host=\"(other)\"} 0\n",
        "\npenstock_workers_stuck 0\n",
        "\npenstock_sink_failing{sink=\"file\"} 0\n",
        "\npenstock_schedules 1\n",
        "\npenstock_schedule_failures{schedule=\"s\"} 0\n",
        "\npenstock_schedule_last_success_timestamp_seconds{schedule=\"s\"} 0",
        ",store=\"test\"} 1\n",
    };
    struct api_world *a = api_world_new("[host \"*.data.test\"]\nconnections = 1\n", false);
    world_wait_end(a->w, ask_submit(a, "/bytes?n=10"), JOB_DONE);
    json_decref(ask_well(a, API_SCHEDULE_ADD,
                         json_of("{'name':'s','url':'http://h.test/','every':'365d'}")));
    static const struct {
        const char *params;
        bool eof;
    } formats[] = {
        {"{}", true}, {"{'format':'openmetrics'}", true}, {"{'format':'prometheus'}", false}};
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        json_t *text = ask_well(a, API_METRICS, json_of("%s", formats[i].params));
        for (size_t k = 0; k < sizeof lines / sizeof lines[0]; k++)
            assert_has(json_string_value(text), lines[k], true);
        assert_has(json_string_value(text), "\n# EOF\n", formats[i].eof);
        json_decref(text);
    }
    api_world_free(a);
}

/* No URL and no job's name becomes a label. */
static void test_metrics_name_nothing_unbounded(void **state)
{
    struct api_world *a = api_world_new("[host \"*.data.test\"]\nconnections = 1\n", false);
    json_t *job = json_of("{'url':'http://unbounded.test/secret','labels':{'team':'unseen'}}");
    json_decref(ask_well(a, API_PAUSE, json_object()));
    json_decref(ask_well(a, API_SUBMIT, job));
    json_t *text = ask_well(a, API_METRICS, json_object());
    assert_has(json_string_value(text), "unbounded", false);
    assert_has(json_string_value(text), "unseen", false);
    assert_has(json_string_value(text), "\npenstock_queue_jobs 1\n", true);
    assert_has(json_string_value(text), "\npenstock_hosts{host=\"(other)\"} 1\n", true);
    assert_has(json_string_value(text), "\npenstock_paused 1\n", true);
    json_decref(text);
    api_world_free(a);
}

/* --- parsers ---------------------------------------------------------------------------------- */

static const json_t *parser_in(const json_t *result, const char *name)
{
    size_t i;
    json_t *one;
    json_array_foreach(json_object_get(result, "parsers"), i, one)
    {
        if (strcmp(text_in(one, "name"), name) == 0)
            return one;
    }
    fail_msg("no parser %s", name);
    return NULL;
}

static void test_parsers(void **state)
{
    struct api_world *a = api_world_new("", false);
    json_t *result = ask_well(a, API_PARSERS, json_object());
    const json_t *csv = parser_in(result, "csv");
    assert_string_equal(text_in(csv, "type"), "csv");
    assert_true(text_in(csv, "summary")[0]);
    assert_true(count_in(csv, "options") > 0);
    const json_t *option = item_in(csv, "options", 0);
    assert_true(text_in(option, "name")[0]);
    assert_true(text_in(option, "help")[0]);
    assert_non_null(json_object_get(option, "default"));
    assert_int_equal(count_in(result, "faults"), 0);
    json_decref(result);
    api_world_free(a);
}

/* --- loops ------------------------------------------------------------------------------------ */

/* Holds a download loop's thread until it is let go. */
struct holdup {
    struct mail mail;
    sem_t held, go;
};

static void on_holdup(struct mail *mail)
{
    struct holdup *h = container_of(mail, struct holdup, mail);
    sem_post(&h->held);
    sem_wait(&h->go);
}

static void assert_late(const struct asked *asked, size_t late)
{
    assert_int_equal(asked->code, 0);
    assert_int_equal(int_in(asked->result, "loops"), 1);
    assert_int_equal(count_in(asked->result, "late"), late);
    if (late)
        assert_int_equal(json_integer_value(item_in(asked->result, "late", 0)), 0);
}

static void stop_timer(uv_handle_t *handle, void *arg)
{
    if (handle->type == UV_TIMER)
        uv_timer_stop((uv_timer_t *)handle);
}

/* One that does not answer is late; whoever asks while it is still asked hears of it as well, as
 * soon as it answers. */
static void test_loops(void **state)
{
    struct api_world *a = api_world_new("", false);
    struct holdup h;
    sem_init(&h.held, 0, 0);
    sem_init(&h.go, 0, 0);
    mail_init(&h.mail, on_holdup);
    struct asked *asked = ask_with(a, API_LOOPS, json_object(), NULL);
    uv_walk(&a->w->loop, stop_timer, NULL); /* no deadline comes */
    WORLD_WAIT(a->w, asked->answered);
    assert_late(asked, 0);
    asked_free(asked);
    fetch_loop_post(fetch_loop_at(a->w->fetch, 0), &h.mail);
    sem_wait(&h.held);
    asked = ask(a, API_LOOPS, json_object());
    assert_late(asked, 1);
    asked_free(asked);
    asked = ask_with(a, API_LOOPS, json_object(), NULL);
    struct asked *other = ask_with(a, API_LOOPS, json_object(), NULL);
    uv_walk(&a->w->loop, stop_timer, NULL);
    sem_post(&h.go);
    WORLD_WAIT(a->w, asked->answered && other->answered);
    assert_late(asked, 0);
    assert_late(other, 0);
    asked_free(asked);
    asked_free(other);
    sem_destroy(&h.held);
    sem_destroy(&h.go);
    api_world_free(a);
}

/* The end waits for the loop that is still asked. */
static void test_loops_at_the_end(void **state)
{
    struct api_world *a = api_world_new("", false);
    struct holdup h;
    sem_init(&h.held, 0, 0);
    sem_init(&h.go, 0, 0);
    mail_init(&h.mail, on_holdup);
    fetch_loop_post(fetch_loop_at(a->w->fetch, 0), &h.mail);
    sem_wait(&h.held);
    struct asked *asked = ask(a, API_LOOPS, json_object());
    assert_late(asked, 1);
    asked_free(asked);
    api_drain(a->api, api_world_on_drained, a);
    for (int i = 0; i < 20; i++)
        uv_run(&a->w->loop, UV_RUN_NOWAIT);
    assert_false(a->drained);
    sem_post(&h.go);
    WORLD_WAIT(a->w, a->drained);
    sem_destroy(&h.held);
    sem_destroy(&h.go);
    api_world_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_kind),
        cmocka_unit_test(test_running_jobs),
        cmocka_unit_test(test_top_refused),
        cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_totals),
        cmocka_unit_test(test_a_store_that_fails),
        cmocka_unit_test(test_metrics),
        cmocka_unit_test(test_metrics_name_nothing_unbounded),
        cmocka_unit_test(test_parsers),
        cmocka_unit_test(test_loops),
        cmocka_unit_test(test_loops_at_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
