/* The operations in a fleet: of jobs that other members run. */
#include "../job/fleet_world.h"
#include "api_world.h"
#include "job/hold.h"
#include "job/pauses.h"

#define OTHER "localhost"

struct fleet_api {
    struct fleet_world *f;
    struct api_world *a;
};

static struct fleet_api begin_with(const char *settings)
{
    struct fleet_api t = {.f = fleet_world_new(settings)};
    t.a = api_world_of(t.f->w);
    fleet_gain(t.f, "127.0.0.1");
    return t;
}

static struct fleet_api begin(void)
{
    return begin_with("");
}

static void end(struct fleet_api t)
{
    api_world_free(t.a);
    assert_int_equal(t.f->drains, 1);
    for (size_t i = 0; i < sizeof t.f->awaits / sizeof t.f->awaits[0]; i++)
        assert_int_equal(t.f->awaits[i], 0);
    store_pauses_free(&t.f->pauses);
    free(t.f);
}

/* A job of another member's host, which that one has claimed if `claimed`. */
static uint64_t submit_elsewhere(struct fleet_api t, bool claimed)
{
    json_t *result =
        ask_well(t.a, API_SUBMIT, json_of("{'url':'http://localhost:9/x','parser':'count'}"));
    uint64_t id = (uint64_t)json_integer_value(json_object_get(result, "id"));
    json_decref(result);
    assert_null(job_find(t.f->w->jobs, id));
    if (claimed)
        fleet_claim_elsewhere(t.f, id);
    return id;
}

static size_t length(const json_t *result, const char *member)
{
    return json_array_size(json_object_get(result, member));
}

static void test_what_it_waits_for(void **state)
{
    (void)state;
    struct fleet_api t = begin();
    uint64_t id = submit_elsewhere(t, false);
    assert_string_equal(shown(t.a, id, "waiting_for"), "member");
    end(t);
}

/* Whoever runs it is asked to end it. */
static void test_cancel(void **state)
{
    (void)state;
    struct fleet_api t = begin();
    uint64_t id = submit_elsewhere(t, true);
    json_t *result = ask_well(t.a, API_CANCEL, json_of("{'id':%llu}", (unsigned long long)id));
    assert_int_equal(length(result, "cancelled"), 1);
    json_decref(result);
    assert_int_equal(t.f->cancel_count, 1);
    assert_int_equal(t.f->w->gate.made[GATE_FINISH], 0);
    t.f->cancel_result = -ESTALE; /* it has ended meanwhile */
    result = ask_well(t.a, API_CANCEL, json_of("{'state':'running'}"));
    assert_int_equal(length(result, "ended"), 1);
    json_decref(result);
    end(t);
}

/* It was running a moment ago, and nobody runs it any more. */
static void test_cancel_what_has_come_back(void **state)
{
    (void)state;
    struct fleet_api t = begin();
    uint64_t id = submit_elsewhere(t, true);
    struct store *inner = t.f->w->gate.inner;
    struct store_postpone back = {.id = id, .attempt = 1, .interrupted = true};
    t.f->cancel_result = -EAGAIN;
    struct asked *asked =
        ask_with(t.a, API_CANCEL, json_of("{'id':%llu}", (unsigned long long)id), NULL);
    WORLD_WAIT(t.f->w, t.f->cancel_count == 1);
    mail_init(&back.call.mail, fleet_nothing);
    inner->engine->postpone(inner, &back);
    WORLD_WAIT(t.f->w, asked->answered);
    assert_int_equal(length(asked->result, "cancelled"), 1);
    asked_free(asked);
    world_wait_end(t.f->w, id, JOB_CANCELLED);
    end(t);
}

static void test_wait(void **state)
{
    (void)state;
    struct fleet_api t = begin();
    uint64_t id = submit_elsewhere(t, true);
    struct asked *asked =
        ask_with(t.a, API_WAIT, json_of("{'ids':[%llu]}", (unsigned long long)id), NULL);
    WORLD_WAIT(t.f->w, t.f->awaits[id] == 1 && t.f->w->gate.made[GATE_GET] == 1);
    assert_false(asked->answered);
    fleet_end_elsewhere(t.f, id);
    WORLD_WAIT(t.f->w, asked->answered);
    assert_int_equal(length(asked->result, "jobs"), 1);
    json_t *job = json_array_get(json_object_get(asked->result, "jobs"), 0);
    assert_string_equal(json_string_value(json_object_get(json_object_get(job, "verdict"), "by")),
                        "other");
    asked_free(asked);
    end(t);
}

/* One that gives up is forgotten by the store as well. */
static void test_wait_that_is_given_up(void **state)
{
    (void)state;
    struct fleet_api t = begin();
    uint64_t id = submit_elsewhere(t, true);
    struct asked *asked =
        ask_with(t.a, API_WAIT, json_of("{'ids':[%llu]}", (unsigned long long)id), NULL);
    WORLD_WAIT(t.f->w, t.f->awaits[id] == 1);
    api_call_abandon(&asked->call);
    WORLD_WAIT(t.f->w, asked->answered && t.f->awaits[id] == 0);
    asked_free(asked);
    end(t);
}

/* --- follow ----------------------------------------------------------------------------------- */

struct listener {
    struct follower follower;
    unsigned verdicts, revokes, hints;
    char verdict[1024];
};

static void on_line(struct follower *f, enum event event, uint64_t job, const char *line,
                    size_t len, bool owed)
{
    struct listener *l = container_of(f, struct listener, follower);
    (void)job;
    (void)owed;
    l->revokes += event == EVENT_REVOKE;
    if (event != EVENT_VERDICT)
        return;
    l->verdicts++;
    snprintf(l->verdict, sizeof l->verdict, "%.*s", (int)len, line);
}

static void on_elsewhere(struct follower *f, uint64_t id, const char *member)
{
    (void)id;
    assert_string_equal(member, "other");
    container_of(f, struct listener, follower)->hints++;
}

static void test_follow(void **state)
{
    (void)state;
    struct fleet_api t = begin();
    struct listener l = {
        .follower = {
            .line = on_line, .elsewhere = on_elsewhere, .events = EVENT_ALL, .peer = t.a->peer}};
    struct error err = {""};
    uint64_t id = submit_elsewhere(t, true);
    json_t *params = json_of("{'ids':[%llu]}", (unsigned long long)id);
    assert_int_equal(follower_begin(t.a->api, &l.follower, params, &err), 0);
    json_decref(params);
    WORLD_WAIT(t.f->w, t.f->w->gate.made[GATE_GET] == 1);
    assert_int_equal(l.verdicts, 0);
    WORLD_WAIT(t.f->w, l.hints == 1);
    fleet_end_elsewhere(t.f, id);
    WORLD_WAIT(t.f->w, l.verdicts == 1);
    assert_non_null(strstr(l.verdict, "\"by\":\"other\""));
    assert_int_equal(l.hints, 1);
    follower_end(&l.follower);
    end(t);
}

/* The line of a verdict that does not count is in the log, and its follower hears of the one that
 * does. */
static void test_follow_hears_what_counts(void **state)
{
    (void)state;
    struct fleet_api t = begin();
    struct listener l = {.follower = {.line = on_line, .events = EVENT_ALL, .peer = t.a->peer}};
    struct error err = {""};
    uint64_t id = ask_submit(t.a, "/bytes?n=1&hold=it");
    json_t *params = json_of("{'ids':[%llu]}", (unsigned long long)id);
    assert_int_equal(follower_begin(t.a->api, &l.follower, params, &err), 0);
    json_decref(params);
    t.f->w->gate.refuse[GATE_FINISH] = -ESTALE;
    origin_release(t.f->w->origin, "it");
    WORLD_WAIT(t.f->w, world_logged(t.f->w, "revoke") == 1);
    WORLD_WAIT(t.f->w, l.revokes == 1);
    assert_int_equal(world_logged(t.f->w, "\"event\":\"verdict\""), 1);
    assert_int_equal(l.verdicts, 0);
    t.f->w->gate.refuse[GATE_FINISH] = 0;
    fleet_end_elsewhere(t.f, id);
    WORLD_WAIT(t.f->w, l.verdicts == 1);
    assert_non_null(strstr(l.verdict, "\"by\":\"other\""));
    follower_end(&l.follower);
    end(t);
}

/* --- the fleet itself ------------------------------------------------------------------------- */

static void test_members(void **state)
{
    (void)state;
    struct fleet_api t = begin();
    json_t *result = ask_well(t.a, API_FLEET, json_of("{}"));
    assert_int_equal(length(result, "members"), 2);
    assert_true(json_is_true(json_object_get(result, "configs_differ")));
    assert_int_equal(json_integer_value(json_object_get(result, "owned")), 250);
    json_decref(result);
    result = ask_well(t.a, API_STATS, json_of("{}"));
    json_t *fleet = json_object_get(result, "fleet");
    assert_string_equal(json_string_value(json_object_get(fleet, "name")), "me");
    assert_int_equal(json_integer_value(json_object_get(fleet, "shards")), 1);
    assert_int_equal(length(result, "members"), 2);
    json_decref(result);
    result = ask_well(t.a, API_TOP, json_of("{}"));
    assert_int_equal(length(json_object_get(result, "fleet"), "members"), 2);
    json_decref(result);
    end(t);
}

static void test_a_standby_that_nobody_waits_for(void **state)
{
    (void)state;
    struct fleet_api t = begin();
    for (int lags = 0; lags < 2; lags++) {
        t.f->health.standby_lags = lags;
        json_t *result = ask_well(t.a, API_FLEET, json_of("{}"));
        assert_int_equal(json_is_true(json_object_get(result, "standby_lags")), lags);
        json_decref(result);
    }
    end(t);
}

/* The figures of the whole fleet are told by one member, so that they can be summed up. */
static void test_metrics(void **state)
{
    (void)state;
    struct fleet_api t = begin();
    t.f->health = (struct store_health){.members = 3,
                                        .draining = 1,
                                        .reconnects = 4,
                                        .unanswered_stood = 5,
                                        .unanswered_lost = 6,
                                        .unanswered_ns = 7 * NS_PER_SEC};
    histogram_add(&t.f->health.roundtrips[STORE_READS], NS_PER_SEC);
    for (int first = 0; first < 2; first++) {
        t.f->health.first = first;
        json_t *result = ask_well(t.a, API_METRICS, json_of("{}"));
        const char *text = json_string_value(result);
        assert_non_null(strstr(text, "\npenstock_fleet_members{state=\"working\"} 2\n"));
        assert_non_null(strstr(text, "\npenstock_fleet_members{state=\"draining\"} 1\n"));
        assert_non_null(strstr(text, "\npenstock_store_reconnects_total 4\n"));
        assert_non_null(strstr(text, "\npenstock_store_unanswered_total{outcome=\"stood\"} 5\n"));
        assert_non_null(strstr(text, "\npenstock_store_unanswered_total{outcome=\"lost\"} 6\n"));
        assert_non_null(strstr(text, "\npenstock_store_commit_wait_seconds 7.000000000\n"));
        assert_non_null(
            strstr(text, "\npenstock_store_roundtrip_seconds_count{connection=\"changes\"} 0\n"));
        assert_non_null(strstr(
            text, "\npenstock_store_roundtrip_seconds_sum{connection=\"reads\"} 1.000000000\n"));
        assert_int_equal(strstr(text, "\npenstock_jobs{") != NULL, first);
        assert_int_equal(strstr(text, "\npenstock_queue_jobs ") != NULL, first);
        json_decref(result);
    }
    end(t);
}

static void test_evict(void **state)
{
    (void)state;
    struct fleet_api t = begin_with("[sink \"audit\"]\ntype = stdout\nevents = audit\n");
    json_decref(ask_well(t.a, API_FLEET_EVICT, json_of("{'name':'other'}")));
    WORLD_WAIT(t.f->w, world_logged(t.f->w, "\"action\":\"fleet_evict\"") == 1);
    assert_int_equal(world_logged(t.f->w, "\"member\":\"other\""), 1);
    ask_ill(t.a, API_FLEET_EVICT, json_of("{'name':'none'}"), API_NOT_FOUND, "name");
    ask_ill(t.a, API_FLEET_EVICT, json_of("{'name':'me'}"), API_CONFLICT, "name");
    ask_ill(t.a, API_FLEET_EVICT, json_of("{}"), API_INVALID_PARAMS, "name");
    end(t);
}

/* It is stored for all, and holds here at once; so is its end. */
static void test_pause_is_stored(void **state)
{
    (void)state;
    struct fleet_api t = begin();
    json_decref(ask_well(t.a, API_PAUSE, json_of("{'host':'127.0.0.1'}")));
    const struct store_pause_row *row = &t.f->pauses.rows[0];
    assert_int_equal(t.f->pauses.count, 1);
    assert_string_equal(row->host, "127.0.0.1");
    assert_null(row->parser);
    assert_true(row->held);
    uint64_t id = ask_submit(t.a, "/bytes?n=1");
    assert_string_equal(shown(t.a, id, "waiting_for"), "paused");
    json_t *stats = ask_well(t.a, API_STATS, json_of("{}"));
    const json_t *pause = json_array_get(json_object_get(stats, "pauses"), 0);
    assert_string_equal(text_in(pause, "host"), "127.0.0.1");
    assert_string_equal(text_in(pause, "by"), "me");
    json_decref(stats);
    json_decref(ask_well(t.a, API_RESUME, json_of("{'host':'127.0.0.1'}")));
    assert_int_equal(t.f->pauses.count, 2);
    assert_false(t.f->pauses.rows[1].held);
    world_wait_end(t.f->w, id, JOB_DONE);
    end(t);
}

/* Nobody believes to have paused, or resumed, what all others do not hear of. */
static void test_pause_that_is_not_stored(void **state)
{
    (void)state;
    struct fleet_api t = begin();
    t.f->pause_result = -EIO;
    ask_ill(t.a, API_PAUSE, json_of("{}"), API_UNAVAILABLE, "");
    assert_false(hold_on_all(t.f->w->jobs));
    t.f->pause_result = 0;
    json_decref(ask_well(t.a, API_PAUSE, json_of("{}")));
    t.f->pause_result = -EIO;
    ask_ill(t.a, API_RESUME, json_of("{}"), API_UNAVAILABLE, "");
    assert_true(hold_on_all(t.f->w->jobs));
    end(t);
}

/* By what another member has stored: a job of its host says so, and by whom; what this one's config
 * lacks can be resumed here; and so many hosts can be paused as everywhere. */
static void test_pause_of_another(void **state)
{
    (void)state;
    struct fleet_api t = begin();
    char name[32];
    uint64_t id = submit_elsewhere(t, false);
    fleet_pause(t.f, NULL, "theirs", true);
    fleet_pause(t.f, OTHER, NULL, true);
    for (int i = 1; i < HOLD_HOSTS_MAX; i++) {
        snprintf(name, sizeof name, "h%d.test", i);
        fleet_pause(t.f, name, NULL, true);
    }
    fleet_tell(t.f, fleet_event(EVENT_PAUSES));
    WORLD_WAIT(t.f->w, !pauses_busy(t.f->w->jobs));
    assert_string_equal(shown(t.a, id, "waiting_for"), "paused");
    ask_ill(t.a, API_PAUSE, json_of("{'host':'more.test'}"), API_QUEUE_FULL, "host");
    json_t *stats = ask_well(t.a, API_STATS, json_of("{}"));
    assert_int_equal(length(stats, "pauses"), 100);
    const json_t *first = json_array_get(json_object_get(stats, "pauses"), 0);
    assert_string_equal(text_in(first, "parser"), "theirs");
    assert_string_equal(text_in(first, "by"), "other");
    assert_int_equal(int_in(first, "uid"), 1000);
    assert_string_equal(text_in(first, "at"), "2023-11-14T22:13:20.000000Z");
    json_decref(stats);
    json_decref(ask_well(t.a, API_RESUME, json_of("{'parser':'theirs'}")));
    ask_ill(t.a, API_RESUME, json_of("{'parser':'theirs'}"), API_NOT_FOUND, "parser");
    end(t);
}

static void test_no_fleet(void **state)
{
    (void)state;
    struct api_world *a = api_world_new("", true);
    ask_ill(a, API_FLEET, json_of("{}"), API_CONFLICT, "");
    ask_ill(a, API_FLEET_EVICT, json_of("{'name':'x'}"), API_CONFLICT, "");
    json_t *result = ask_well(a, API_STATS, json_of("{}"));
    assert_null(json_object_get(result, "fleet"));
    json_decref(result);
    api_world_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_it_waits_for),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_cancel_what_has_come_back),
        cmocka_unit_test(test_wait),
        cmocka_unit_test(test_wait_that_is_given_up),
        cmocka_unit_test(test_follow),
        cmocka_unit_test(test_follow_hears_what_counts),
        cmocka_unit_test(test_members),
        cmocka_unit_test(test_a_standby_that_nobody_waits_for),
        cmocka_unit_test(test_metrics),
        cmocka_unit_test(test_evict),
        cmocka_unit_test(test_pause_is_stored),
        cmocka_unit_test(test_pause_that_is_not_stored),
        cmocka_unit_test(test_pause_of_another),
        cmocka_unit_test(test_no_fleet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
