/* wait: who waits for which job, and every way in which a wait ends. */
#include "../job/fleet_world.h"
#include "api_world.h"

static json_t *ids_json(uint64_t from, uint64_t to)
{
    json_t *ids = json_array();
    for (uint64_t id = from; id <= to; id++)
        json_array_append_new(ids, json_integer((json_int_t)id));
    return json_pack("{s:o}", "ids", ids);
}

static struct asked *ask_wait(struct api_world *a, uint64_t from, uint64_t to)
{
    return ask_with(a, API_WAIT, ids_json(from, to), NULL);
}

static void turn(struct api_world *a)
{
    for (int i = 0; i < 30; i++)
        uv_run(&a->w->loop, UV_RUN_NOWAIT);
}

/* Job n is held under the name "n", from 1 on. */
static struct api_world *held_jobs(const char *settings, unsigned count)
{
    struct api_world *a = api_world_new(settings, true);
    for (unsigned i = 1; i <= count; i++) {
        char path[64];
        snprintf(path, sizeof path, "/bytes?n=%u&hold=%u", i, i);
        assert_int_equal(ask_submit(a, path), i);
    }
    return a;
}

static void job_end(struct api_world *a, unsigned id)
{
    char name[16];
    snprintf(name, sizeof name, "%u", id);
    origin_release(a->w->origin, name);
    world_wait_end(a->w, id, JOB_DONE);
}

static void test_until_all_have_ended(void **state)
{
    struct api_world *a = api_world_new("", false);
    uint64_t one = ask_submit(a, "/bytes?n=1&hold=one"), two = ask_submit(a, "/bytes?n=1");
    world_wait_end(a->w, two, JOB_DONE);
    struct asked *waits = ask_with(
        a, API_WAIT,
        json_of("{'ids':[%llu,%llu]}", (unsigned long long)one, (unsigned long long)two), NULL);
    turn(a);
    assert_false(waits->answered);
    origin_release(a->w->origin, "one");
    WORLD_WAIT(a->w, waits->answered);
    assert_int_equal(count_in(waits->result, "jobs"), 2);
    asked_free(waits);
    ask_ill(a, API_WAIT, json_of("{'ids':[98]}"), API_NOT_FOUND, "ids");
    ask_ill(a, API_WAIT, json_object(), API_INVALID_PARAMS, "ids");
    a->w->gate.refuse[GATE_GET] = -EIO;
    ask_ill(a, API_WAIT, json_of("{'ids':[%llu]}", (unsigned long long)two), API_UNAVAILABLE, "");
    api_world_free(a);
}

/* Once its end is stored nobody asks for it: the view is made of what is in memory, and it is the
 * one that the store would have given. */
static void test_the_end_is_known(void **state)
{
    struct api_world *a = api_world_new("", true);
    json_t *job = json_of("{'url':'http://127.0.0.1:%u/bytes?n=1&token=s3cret&hold=it#x',"
                          "'parser':'count','key':'k','labels':{'a':'\\\\b'}}",
                          (unsigned)origin_port(a->w->origin));
    json_t *result = ask_well(a, API_SUBMIT, job);
    uint64_t id = (uint64_t)json_integer_value(json_object_get(result, "id"));
    json_decref(result);
    /* twice in one call, and by another one */
    struct asked *waits = ask_with(
        a, API_WAIT, json_of("{'ids':[%llu,%llu]}", (unsigned long long)id, (unsigned long long)id),
        NULL);
    struct asked *other =
        ask_with(a, API_WAIT, json_of("{'ids':[%llu]}", (unsigned long long)id), NULL);
    a->w->gate.refuse[GATE_GET] = -EIO;
    origin_release(a->w->origin, "it");
    WORLD_WAIT(a->w, waits->answered && other->answered);
    a->w->gate.refuse[GATE_GET] = 0;
    assert_int_equal(waits->code, 0);
    json_t *jobs = json_object_get(waits->result, "jobs");
    json_t *shows = ask_well(a, API_SHOW, json_of("{'id':%llu}", (unsigned long long)id));
    assert_int_equal(json_array_size(jobs), 2);
    assert_true(json_equal(json_array_get(jobs, 0), shows));
    assert_true(json_equal(json_array_get(jobs, 1), shows));
    assert_true(json_equal(json_array_get(json_object_get(other->result, "jobs"), 0), shows));
    const char *url = json_string_value(json_object_get(shows, "url"));
    assert_non_null(strstr(url, "&token=***&hold=it#x"));
    const json_t *verdict = json_object_get(shows, "verdict");
    assert_string_equal(json_string_value(json_object_get(verdict, "state")),
                        json_string_value(json_object_get(shows, "state")));
    json_decref(shows);
    asked_free(waits);
    asked_free(other);
    api_world_free(a);
}

/* Its end comes while the store is asked: what the store says then is old. */
static void test_abandoned_while_the_store_is_asked(void **state)
{
    struct api_world *a = api_world_new("", true);
    uint64_t id = ask_submit(a, "/bytes?n=1");
    world_wait_end(a->w, id, JOB_DONE);
    a->w->gate.hold[GATE_GET] = true;
    struct asked *waits =
        ask_with(a, API_WAIT, json_of("{'ids':[%llu]}", (unsigned long long)id), NULL);
    assert_int_equal(a->w->gate.held_count, 1);
    api_call_abandon(&waits->call); /* its client goes */
    WORLD_WAIT(a->w, waits->answered);
    assert_int_equal(waits->code, API_INTERNAL);
    asked_free(waits);
    gate_release(&a->w->gate); /* the answer finds nobody */
    api_world_free(a);
}

/* The answer is in the order in which was asked, not in that of the ends. */
static void test_order(void **state)
{
    struct api_world *a = held_jobs("", 3);
    struct asked *asked = ask_wait(a, 1, 3);
    job_end(a, 3);
    job_end(a, 1);
    turn(a);
    assert_false(asked->answered);
    job_end(a, 2);
    WORLD_WAIT(a->w, asked->answered);
    for (size_t i = 0; i < 3; i++) {
        const json_t *job = item_in(asked->result, "jobs", i);
        assert_int_equal(int_in(job, "id"), i + 1);
        assert_string_equal(text_in(job, "state"), "done");
        assert_int_equal(int_in(json_object_get(job, "verdict"), "bytes"), i + 1);
    }
    asked_free(asked);
    api_world_free(a);
}

/* One that is given up ends at once, and keeps no other from its answer. */
static void test_given_up(void **state)
{
    struct api_world *a = held_jobs("", 2);
    struct asked *gone = ask_wait(a, 1, 2), *stays = ask_wait(a, 1, 2), *one = ask_wait(a, 2, 2);
    api_call_abandon(&gone->call);
    WORLD_WAIT(a->w, gone->answered);
    assert_int_equal(gone->code, API_INTERNAL);
    api_call_abandon(&gone->call); /* nothing is left of it */
    asked_free(gone);
    job_end(a, 2);
    WORLD_WAIT(a->w, one->answered);
    turn(a);
    assert_false(stays->answered);
    job_end(a, 1);
    WORLD_WAIT(a->w, stays->answered);
    assert_int_equal(count_in(stays->result, "jobs"), 2);
    asked_free(stays);
    asked_free(one);
    api_world_free(a);
}

static void test_refused(void **state)
{
    static const struct ill_call cases[] = {
        {API_WAIT, "{}", API_INVALID_PARAMS, "ids", "an array"},
        {API_WAIT, "{'ids':[]}", API_INVALID_PARAMS, "ids", "1 to 10000"},
        {API_WAIT, "{'ids':7}", API_INVALID_PARAMS, "ids", "1 to 10000"},
        {API_WAIT, "{'ids':[1,'2']}", API_INVALID_PARAMS, "ids", "ids[1]"},
        {API_WAIT, "{'ids':[1,0]}", API_INVALID_PARAMS, "ids", "ids[1]"},
        {API_WAIT, "{'id':0}", API_INVALID_PARAMS, "id", "positive"},
        {API_WAIT, "{'id':1,'ids':[1]}", API_INVALID_PARAMS, "id", "alone"},
        {API_WAIT, "{'ids':[1],'timeout':3}", API_INVALID_PARAMS, "ids", "alone"},
        {API_WAIT, "{'ids':[1,98,2]}", API_NOT_FOUND, "ids", "no job 98"},
    };
    struct api_world *a = held_jobs("", 2);
    ASK_ALL_ILL(a, cases);
    ask_ill(a, API_WAIT, ids_json(1, 10001), API_INVALID_PARAMS, "ids");
    ask_ill(a, API_WAIT, ids_json(1, 10000), API_NOT_FOUND, "ids");
    job_end(a, 1); /* nobody waits for it any more */
    json_t *result = ask_well(a, API_WAIT, id_json(1));
    assert_int_equal(count_in(result, "jobs"), 1);
    json_decref(result);
    api_world_free(a);
}

/* Of two whose rows are asked for one cannot be read: there is one answer, and no part of one. */
static void test_the_store_fails(void **state)
{
    struct api_world *a = held_jobs("", 3);
    job_end(a, 1);
    job_end(a, 2);
    a->w->gate.hold[GATE_GET] = true;
    struct asked *asked = ask_wait(a, 1, 3);
    assert_int_equal(a->w->gate.held_count, 2); /* the third is known to run */
    a->w->gate.refuse[GATE_GET] = -EIO;
    gate_release(&a->w->gate);
    WORLD_WAIT(a->w, asked->answered);
    assert_int_equal(asked->code, API_UNAVAILABLE);
    asked_free(asked);
    a->w->gate.refuse[GATE_GET] = 0;
    job_end(a, 3);
    api_world_free(a);
}

/* Given up while the store is asked: the late answer finds nobody, whatever else was asked for. */
static void test_given_up_while_the_store_is_asked(void **state)
{
    struct api_world *a = held_jobs("", 2);
    job_end(a, 1);
    a->w->gate.hold[GATE_GET] = true;
    struct asked *asked = ask_wait(a, 1, 2), *same = ask_wait(a, 1, 2);
    api_call_abandon(&asked->call);
    WORLD_WAIT(a->w, asked->answered);
    asked_free(asked);
    job_end(a, 2); /* the one that is over is still in the index */
    turn(a);
    assert_false(same->answered);
    gate_release(&a->w->gate);
    WORLD_WAIT(a->w, same->answered);
    assert_int_equal(same->code, 0);
    asked_free(same);
    api_world_free(a);
}

/* --- whose jobs they are ---------------------------------------------------------------------- */

/* What another user's job comes to is no business of whoever waits, neither now nor at its end. */
static void test_of_others(void **state)
{
    struct api_world *a = held_jobs("[control]\nadmin_users = 4242\n", 2);
    api_world_peer(a, 4243);
    json_t *result = ask_well(a, API_SUBMIT, job_json(a, "/bytes?n=1&hold=3"));
    assert_int_equal(int_in(result, "id"), 3);
    json_decref(result);
    ask_ill(a, API_WAIT, ids_json(2, 3), API_FORBIDDEN, "ids");
    struct asked *own = ask_wait(a, 3, 3);
    a->w->gate.hold[GATE_GET] = true; /* it is not known yet whose the second is … */
    struct asked *mixed = ask_wait(a, 2, 3);
    assert_int_equal(a->w->gate.held_count, 1);
    job_end(a, 2); /* … when it ends */
    WORLD_WAIT(a->w, mixed->answered);
    assert_int_equal(mixed->code, API_FORBIDDEN);
    assert_string_equal(mixed->field, "ids");
    asked_free(mixed);
    gate_release(&a->w->gate);
    job_end(a, 3);
    WORLD_WAIT(a->w, own->answered);
    assert_int_equal(own->code, 0);
    asked_free(own);
    api_world_peer(a, 4242);
    json_decref(ask_well(a, API_WAIT, ids_json(1 + 1, 3)));
    api_world_free(a);
}

/* --- the end of the daemon -------------------------------------------------------------------- */

/* All that wait are refused, also those for which the store is still asked; the drain waits for
 * that, and for no job. */
static void test_drain(void **state)
{
    struct api_world *a = held_jobs("", 2);
    job_end(a, 1);
    struct asked *runs = ask_wait(a, 2, 2);
    a->w->gate.hold[GATE_GET] = true;
    struct asked *asks = ask_wait(a, 1, 2);
    assert_int_equal(a->w->gate.held_count, 1);
    drain_begin(a->w->jobs, world_on_drained, a->w);
    drain_stop(a->w->jobs);
    WORLD_WAIT(a->w, a->w->drained);
    api_drain(a->api, api_world_on_drained, a);
    WORLD_WAIT(a->w, runs->answered && asks->answered);
    assert_int_equal(runs->code, API_DRAINING);
    assert_int_equal(asks->code, API_DRAINING);
    turn(a);
    assert_false(a->drained);
    gate_release(&a->w->gate);
    WORLD_WAIT(a->w, a->drained);
    asked_free(runs);
    asked_free(asks);
    api_world_free(a);
}

/* --- in a fleet ------------------------------------------------------------------------------- */

/* A job ends at another member while the store's answer is on its way: that is old, so it is asked
 * once more. */
static void test_ends_elsewhere_meanwhile(void **state)
{
    struct fleet_world *f = fleet_world_new("");
    struct api_world *a = api_world_of(f->w);
    struct store *inner = f->w->gate.inner;
    struct store_finish finish = {.id = 1,
                                  .attempt = 1,
                                  .running = true,
                                  .state = JOB_DONE,
                                  .verdict = "{\"state\":\"done\"}",
                                  .finished = clock_real_us()};
    fleet_gain(f, "127.0.0.1");
    json_decref(ask_well(a, API_SUBMIT, json_of("{'url':'http://localhost:9/x'}")));
    fleet_claim_elsewhere(f, 1);
    unsigned before = f->w->gate.made[GATE_GET];
    struct asked *asked = ask_wait(a, 1, 1);
    assert_int_equal(f->w->gate.made[GATE_GET], before + 1);
    mail_init(&finish.call.mail, fleet_nothing); /* behind that answer */
    inner->engine->finish(inner, &finish);
    struct store_event *event = fleet_event(EVENT_ENDED);
    event->id = 1;
    f->awaits[1] = 0;
    fleet_tell(f, event);
    assert_int_equal(f->w->gate.made[GATE_GET], before + 1); /* one question at a time */
    WORLD_WAIT(a->w, asked->answered);
    assert_int_equal(f->w->gate.made[GATE_GET], before + 2);
    assert_int_equal(asked->code, 0);
    assert_string_equal(text_in(item_in(asked->result, "jobs", 0), "state"), "done");
    assert_int_equal(f->awaits[1], 0);
    asked_free(asked);
    api_world_free(a);
    free(f);
}

/* However many wait for it here, the store is told once that somebody does, and once that nobody
 * does any more. */
static void test_awaited_once(void **state)
{
    struct fleet_world *f = fleet_world_new("");
    struct api_world *a = api_world_of(f->w);
    fleet_gain(f, "127.0.0.1");
    json_decref(ask_well(a, API_SUBMIT, json_of("{'url':'http://localhost:9/x'}")));
    fleet_claim_elsewhere(f, 1);
    struct asked *waits[3];
    for (int i = 0; i < 3; i++)
        waits[i] = ask_wait(a, 1, 1);
    turn(a);
    assert_int_equal(f->awaits[1], 1);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(f->awaits[1], 1);
        api_call_abandon(&waits[i]->call);
        WORLD_WAIT(a->w, waits[i]->answered);
        asked_free(waits[i]);
    }
    assert_int_equal(f->awaits[1], 0);
    api_world_free(a);
    free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_until_all_have_ended),
        cmocka_unit_test(test_the_end_is_known),
        cmocka_unit_test(test_abandoned_while_the_store_is_asked),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_given_up),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_the_store_fails),
        cmocka_unit_test(test_given_up_while_the_store_is_asked),
        cmocka_unit_test(test_of_others),
        cmocka_unit_test(test_drain),
        cmocka_unit_test(test_ends_elsewhere_meanwhile),
        cmocka_unit_test(test_awaited_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
