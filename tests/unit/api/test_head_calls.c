/* head: a job that asks for a head alone, for a client that waits. */
#include "api_world.h"

#include "job/hold.h"

static struct runner runner;

static void on_tell(struct runner *r, const char *what, uint64_t id)
{
    fail_msg("%p was told %s of %llu", (void *)r, what, (unsigned long long)id);
}

/* Asks, and does not wait. */
static struct asked *ask_head(struct api_world *a, json_t *params)
{
    struct asked *asked = calloc(1, sizeof *asked);
    assert_non_null(asked);
    if (!runner.tell)
        runner_init(&runner, on_tell);
    asked->params = params;
    asked->call = (struct api_call){.method = API_HEAD,
                                    .params = params,
                                    .peer = a->peer,
                                    .fd = -1,
                                    .runner = &runner,
                                    .answer = asked_on_answer};
    api_call(a->api, &asked->call);
    return asked;
}

static uint64_t head_well(struct api_world *a, json_t *params)
{
    struct asked *asked = ask_head(a, params);
    WORLD_WAIT(a->w, asked->answered);
    if (asked->code)
        fail_msg("%s", asked->message);
    uint64_t id = (uint64_t)int_in(asked->result, "id");
    asked_free(asked);
    return id;
}

/* Its verdict, once it has ended so; the caller's. */
static json_t *head_ends(struct api_world *a, uint64_t id, enum job_state state)
{
    world_wait_end(a->w, id, state);
    json_t *job = ask_well(a, API_SHOW, id_json(id));
    json_t *verdict = json_incref(json_object_get(job, "verdict"));
    assert_true(json_is_object(verdict));
    json_decref(job);
    return verdict;
}

static json_t *head_of(struct api_world *a, const char *path, enum job_state state)
{
    return head_ends(a, head_well(a, job_json(a, path)), state);
}

static void assert_methods(struct api_world *a, const char *path, unsigned requests)
{
    struct origin_counts counts;
    assert_true(origin_counts(a->w->origin, path, &counts));
    assert_int_equal(counts.requests, requests);
    assert_int_equal(counts.body_sent, 0);
}

/* --- what is told ----------------------------------------------------------------------------- */

static void test_a_head(void **state)
{
    struct api_world *a = api_world_new("", false);
    json_t *verdict = head_of(a, "/bytes?n=70000", JOB_DONE);
    const json_t *head = json_object_get(verdict, "head");
    (void)state;
    assert_int_equal(int_in(verdict, "status"), 200);
    assert_int_equal(int_in(verdict, "bytes"), 0);
    assert_null(json_object_get(verdict, "verified_by")); /* there is no body */
    assert_string_equal(text_in(verdict, "parser"), "count");
    assert_int_equal(int_in(head, "length"), 70000);
    assert_string_equal(text_in(head, "http"), "1.1");
    assert_string_equal(text_in(head, "address"), "127.0.0.1");
    assert_true(json_is_false(json_object_get(head, "proxied")));
    assert_true(json_is_true(json_object_get(head, "resumable")));
    assert_methods(a, "/bytes", 1);
    json_decref(verdict);
    api_world_free(a);
}

static void test_a_server_without_head(void **state)
{
    struct api_world *a = api_world_new("", false);
    json_t *verdict = head_of(a, "/bytes?n=7&status=405", JOB_FAILED);
    const json_t *error = json_object_get(verdict, "error");
    (void)state;
    assert_string_equal(text_in(error, "kind"), "http_status");
    assert_non_null(strstr(text_in(error, "message"), "a GET may work"));
    assert_int_equal(int_in(verdict, "status"), 405);
    json_decref(verdict);
    api_world_free(a);
}

/* That says nothing about the host: it is not left alone for it, as for a failure of its own. */
static void test_a_server_without_head_is_no_broken_one(void **state)
{
    struct api_world *a =
        api_world_new("[fetch]\nbreaker_failures = 1\nbreaker_cooldown = 1h\n", false);
    (void)state;
    json_decref(head_of(a, "/bytes?n=7&status=501", JOB_FAILED));
    world_wait_end(a->w, ask_submit(a, "/bytes?n=7"), JOB_DONE);
    json_decref(head_of(a, "/bytes?n=7&status=503", JOB_FAILED));
    assert_string_equal(shown(a, ask_submit(a, "/bytes?n=7"), "waiting_for"), "host");
    api_world_free(a);
}

/* One attempt is all, whatever the config would give. */
static void test_it_is_not_tried_again(void **state)
{
    struct api_world *a = api_world_new("[defaults]\nmax_attempts = 5\n", false);
    json_t *params = job_json(a, "/bytes?n=7&status=503");
    (void)state;
    json_object_del(params, "max_attempts");
    json_t *verdict = head_ends(a, head_well(a, params), JOB_FAILED);
    assert_int_equal(int_in(verdict, "attempt"), 1);
    assert_methods(a, "/bytes", 1);
    json_decref(verdict);
    api_world_free(a);
}

static void test_redirects(void **state)
{
    struct api_world *a = api_world_new("", false);
    (void)state;
    json_t *verdict = head_of(a, "/text?text=x&redirect=/bytes%3Fn%3D9", JOB_DONE);
    assert_int_equal(int_in(verdict, "redirects"), 1);
    assert_non_null(strstr(text_in(verdict, "final_url"), "/bytes?n=9"));
    assert_int_equal(int_in(json_object_get(verdict, "head"), "length"), 9);
    assert_methods(a, "/bytes", 1); /* a HEAD as well */
    json_decref(verdict);
    verdict = head_of(a, "/text?text=x&redirect=http%3A//10.1.2.3/", JOB_FAILED);
    assert_string_equal(text_in(json_object_get(verdict, "error"), "kind"), "policy");
    json_decref(verdict);
    verdict = head_of(a, "/text?text=x&redirect=ftp%3A//127.0.0.1/", JOB_FAILED);
    assert_string_equal(text_in(json_object_get(verdict, "error"), "kind"), "policy");
    json_decref(verdict);
    api_world_free(a);
}

static void test_an_origin_that_never_answers(void **state)
{
    struct api_world *a = api_world_new("", false);
    json_t *params = job_json(a, "/bytes?n=7&hold=it");
    (void)state;
    json_object_set_new(params, "first_byte_timeout", json_string("50ms"));
    json_t *verdict = head_ends(a, head_well(a, params), JOB_FAILED);
    assert_string_equal(text_in(json_object_get(verdict, "error"), "kind"), "first_byte_timeout");
    assert_null(json_object_get(json_object_get(verdict, "head"), "http"));
    json_decref(verdict);
    api_world_free(a);
}

/* --- its turn --------------------------------------------------------------------------------- */

/* A host's slot, a hold of the host and one of its parser keep it waiting as any other. */
static void test_it_waits_for_its_turn(void **state)
{
    struct api_world *a = api_world_new("[fetch]\nhost_connections = 1\n", false);
    (void)state;
    uint64_t first = ask_submit(a, "/bytes?n=7&hold=it");
    world_wait_running(a->w, first);
    uint64_t id = head_well(a, job_json(a, "/bytes?n=8"));
    assert_string_equal(shown(a, id, "waiting_for"), "host");
    assert_int_equal(hold_set(a->w->jobs, NULL, "count", true), 0);
    origin_release(a->w->origin, "it");
    world_wait_end(a->w, first, JOB_DONE);
    assert_string_equal(shown(a, id, "waiting_for"), "paused");
    assert_int_equal(hold_set(a->w->jobs, NULL, "count", false), 0);
    json_decref(head_ends(a, id, JOB_DONE));
    api_world_free(a);
}

/* Each is memory that no window bounds: so a connection has only so many, also of those that are
 * asked for in one go. */
static void test_so_many_at_once(void **state)
{
    struct api_world *a = api_world_new("", false);
    struct asked *asked[RUNNER_HEADS + 1];
    (void)state;
    assert_int_equal(hold_set(a->w->jobs, NULL, NULL, true), 0);
    for (size_t i = 0; i <= RUNNER_HEADS; i++)
        asked[i] = ask_head(a, job_json(a, "/bytes?n=7"));
    for (size_t i = 0; i <= RUNNER_HEADS; i++) {
        WORLD_WAIT(a->w, asked[i]->answered);
        assert_int_equal(asked[i]->code, i < RUNNER_HEADS ? 0 : API_QUEUE_FULL);
        asked_free(asked[i]);
    }
    asked[0] = ask_head(a, job_json(a, "/bytes?n=7"));
    WORLD_WAIT(a->w, asked[0]->answered);
    assert_int_equal(asked[0]->code, API_QUEUE_FULL);
    asked_free(asked[0]);
    assert_int_equal(hold_set(a->w->jobs, NULL, NULL, false), 0);
    WORLD_WAIT(a->w, list_empty(&runner.jobs));
    json_decref(head_of(a, "/bytes?n=7", JOB_DONE));
    api_world_free(a);
}

/* Whether it waits or runs. */
static void test_the_client_goes(void **state)
{
    struct api_world *a = api_world_new("[fetch]\nhost_connections = 1\n", false);
    (void)state;
    uint64_t runs = head_well(a, job_json(a, "/bytes?n=7&hold=it"));
    uint64_t waits = head_well(a, job_json(a, "/bytes?n=7"));
    world_wait_running(a->w, runs);
    api_runner_gone(&runner);
    json_t *verdict = head_ends(a, runs, JOB_CANCELLED);
    assert_string_equal(text_in(verdict, "reason"), "the client that asked has gone");
    json_decref(verdict);
    json_decref(head_ends(a, waits, JOB_CANCELLED));
    assert_int_equal(a->w->jobs->permits_used, 0);
    api_world_free(a);
}

static void test_the_daemon_stops(void **state)
{
    struct api_world *a = api_world_new("[fetch]\nhost_connections = 1\n", true);
    (void)state;
    uint64_t runs = head_well(a, job_json(a, "/bytes?n=7&hold=it"));
    uint64_t waits = head_well(a, job_json(a, "/bytes?n=7"));
    world_wait_running(a->w, runs);
    drain_begin(a->w->jobs, world_on_drained, a->w);
    drain_stop(a->w->jobs);
    WORLD_WAIT(a->w, a->w->drained);
    assert_int_equal(world_end_of(a->w, runs)->state, JOB_CANCELLED);
    assert_int_equal(world_end_of(a->w, waits)->state, JOB_CANCELLED);
    api_world_free(a);
}

/* --- what is refused -------------------------------------------------------------------------- */

static void assert_refused(struct api_world *a, const char *params, const char *field)
{
    struct asked *asked = ask_head(a, json_of("%s", params));
    WORLD_WAIT(a->w, asked->answered);
    if (asked->code != API_INVALID_PARAMS || strcmp(asked->field, field) != 0)
        fail_msg("%s: %d '%s' of '%s'", params, asked->code, asked->message, asked->field);
    asked_free(asked);
}

static void test_refused(void **state)
{
    struct api_world *a = api_world_new("", false);
    (void)state;
    assert_refused(a, "{}", "url");
    assert_refused(a, "{'url':'ftp://h.test/'}", "url");
    assert_refused(a, "{'url':'file:///etc/passwd'}", "url");
    assert_refused(a, "{'url':'http://h.test/','method':'POST'}", "method");
    assert_refused(a, "{'url':'http://h.test/','method':1}", "method");
    assert_refused(a, "{'url':'http://h.test/','body':'x'}", "body");
    assert_refused(a, "{'url':'http://h.test/','key':'k'}", "key");
    assert_refused(a, "{'url':'http://h.test/','parser':'none'}", "parser");
    assert_int_equal(a->w->gate.made[GATE_SUBMIT], 0);
    api_world_free(a);
}

/* What makes such a job can be had by this call alone. */
static void test_not_by_others(void **state)
{
    struct api_world *a = api_world_new("", false);
    (void)state;
    ask_ill(a, API_SUBMIT, json_of("{'url':'http://h.test/','method':'HEAD'}"), API_INVALID_PARAMS,
            "method");
    ask_ill(a, API_SUBMIT, json_of("{'url':'http://h.test/','method':'HEAD','run':true}"),
            API_INVALID_PARAMS, "run");
    ask_ill(a, API_CHECK_URL, json_of("{'job':{'url':'http://h.test/','method':'HEAD'}}"),
            API_INVALID_PARAMS, "method");
    json_decref(head_of(a, "/bytes?n=7", JOB_DONE));
    json_t *answer = ask_well(a, API_RETRY, id_json(1));
    assert_int_equal(count_in(answer, "retried"), 0);
    json_decref(answer);
    api_world_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_head),
        cmocka_unit_test(test_a_server_without_head),
        cmocka_unit_test(test_a_server_without_head_is_no_broken_one),
        cmocka_unit_test(test_it_is_not_tried_again),
        cmocka_unit_test(test_redirects),
        cmocka_unit_test(test_an_origin_that_never_answers),
        cmocka_unit_test(test_it_waits_for_its_turn),
        cmocka_unit_test(test_so_many_at_once),
        cmocka_unit_test(test_the_client_goes),
        cmocka_unit_test(test_the_daemon_stops),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_not_by_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
