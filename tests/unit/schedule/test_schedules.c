/* Schedules in one process: when they run, what a run leaves behind, and what happens when the
 * store does not follow. */
#include "../job/jobs_world.h"
#include "schedule/change.h"
#include "schedule/schedules.h"
#include "schedule/timetable.h"

#define HOST "127.0.0.1"

static struct world *w;
static struct schedules *schedules;
static bool closed;
static unsigned told;

static void on_told(void *arg)
{
    (void)arg;
    told++;
}

static void on_schedules_closed(void *arg)
{
    (void)arg;
    closed = true;
}

static int begin(void **state)
{
    struct error err = {""};
    (void)state;
    w = world_new("", false);
    told = 0;
    assert_int_equal(schedules_new(w->jobs, &schedules, &err), 0);
    schedules_tell(schedules, on_told, NULL);
    WORLD_WAIT(w, schedules->loaded);
    return 0;
}

static int end(void **state)
{
    (void)state;
    gate_release(&w->gate);
    memset(w->gate.refuse, 0, sizeof w->gate.refuse);
    if (!w->drained) {
        drain_begin(w->jobs, world_on_drained, w);
        drain_stop(w->jobs);
    }
    WORLD_WAIT(w, w->drained);
    closed = false;
    schedules_close(schedules, on_schedules_closed, NULL);
    WORLD_WAIT(w, closed);
    world_free(w);
    return 0;
}

/* --- changes ---------------------------------------------------------------------------------- */

struct changed {
    struct schedule_change change;
    bool done;
    int result;
};

static void on_changed(struct schedule_change *change, const struct store_call *failed)
{
    struct changed *c = container_of(change, struct changed, change);
    c->done = true;
    c->result = failed ? failed->result : 0;
}

/* A row as `apply` makes it; `next_in` µs from now. */
static int put(const char *name, const char *path, const char *timing, int64_t next_in)
{
    char text[512];
    struct error err = {""};
    const char *field;
    struct changed c = {.done = false};
    assert_int_equal(schedule_change_init(&c.change, schedules, 1, 0, true), 0);
    snprintf(text, sizeof text,
             "{\"name\":\"%s\",\"url\":\"http://" HOST
             ":%u%s\",\"parser\":\"count\",\"max_attempts\":1,%s}",
             name, (unsigned)origin_port(w->origin), path, timing);
    json_t *json = json_loads(text, 0, NULL);
    assert_non_null(json);
    if (schedule_spec_parse(json, &c.change.specs[0], &err, &field) < 0)
        fail_msg("%s: %s", text, err.text);
    json_decref(json);
    struct store_schedule *row = calloc(1, sizeof *row);
    row->name = strdup(name);
    row->spec = strdup(c.change.specs[0].text);
    row->created = clock_real_us();
    row->revision = (uint64_t)row->created;
    row->next_at = row->created + next_in;
    c.change.rows[0] = row;
    c.change.count = 1;
    c.change.done = on_changed;
    assert_int_equal(schedule_change_store(&c.change), 0);
    assert_true(schedules->changing);
    WORLD_WAIT(w, c.done);
    assert_false(schedules->changing);
    schedule_change_deinit(&c.change);
    return c.result;
}

#define LATER INT64_C(3600000000)

static struct schedule *made(const char *name, const char *path)
{
    assert_int_equal(put(name, path, "\"every\":\"1h\"", LATER), 0);
    struct schedule *s = schedules_find(schedules, name);
    assert_non_null(s);
    return s;
}

static void test_change(void **state)
{
    (void)state;
    struct schedule *s = made("b", "/bytes?n=1");
    assert_true(told > 0);
    made("a", "/bytes?n=1");
    made("c", "/bytes?n=1");
    assert_int_equal(schedules->count, 3);
    assert_string_equal(schedules_first(schedules)->row->name, "a");
    assert_ptr_equal(schedule_next(schedules_first(schedules)), s);
    assert_string_equal(schedules_after(schedules, "b")->row->name, "c");
    assert_null(schedules_after(schedules, "c"));
    struct changed c = {.done = false};
    assert_int_equal(schedule_change_init(&c.change, schedules, 0, 1, false), 0);
    c.change.removed[0] = strdup("b");
    c.change.removed_count = 1;
    c.change.done = on_changed;
    assert_int_equal(schedule_change_store(&c.change), 0);
    assert_non_null(schedules_find(schedules, "b")); /* until it is stored */
    WORLD_WAIT(w, c.done);
    assert_null(schedules_find(schedules, "b"));
    schedule_change_deinit(&c.change);
}

static void test_a_change_with_nothing_in_it(void **state)
{
    (void)state;
    struct changed c = {.done = false};
    assert_int_equal(schedule_change_init(&c.change, schedules, 0, 0, false), 0);
    assert_int_equal(schedule_change_store(&c.change), -ENOENT);
    assert_false(schedules->changing);
    schedule_change_deinit(&c.change);
}

static void test_a_change_that_is_not_stored(void **state)
{
    (void)state;
    w->gate.refuse[GATE_SCHEDULE_PUT] = -EIO;
    assert_int_equal(put("a", "/bytes?n=1", "\"every\":\"1h\"", LATER), -EIO);
    assert_null(schedules_find(schedules, "a"));
    assert_int_equal(schedules->count, 0);
}

/* What runs came to stays, but for the validators: another body is meant. */
static void test_a_schedule_that_is_redefined(void **state)
{
    (void)state;
    struct schedule *s = made("a", "/bytes?n=1");
    s->row->runs = 7;
    s->row->etag = strdup("\"x\"");
    schedule_set_problem(s, "it was wrong");
    assert_true(schedule_failing(s));
    assert_int_equal(put("a", "/bytes?n=2", "\"every\":\"2h\"", LATER), 0);
    assert_ptr_equal(schedules_find(schedules, "a"), s);
    assert_int_equal(s->row->runs, 7);
    assert_null(s->row->etag);
    assert_null(s->problem);
    assert_false(schedule_failing(s));
    assert_non_null(strstr(s->row->spec, "/bytes?n=2"));
}

/* --- runs ------------------------------------------------------------------------------------- */

struct started {
    struct schedule_ask ask;
    bool done;
    uint64_t id;
    int result;
};

static void on_started(struct schedule_ask *ask, uint64_t id, const struct store_call *failed)
{
    struct started *s = container_of(ask, struct started, ask);
    s->done = true;
    s->id = id;
    s->result = failed ? failed->result : 0;
}

static uint64_t start(struct schedule *s)
{
    struct error err = {""};
    struct started started = {.ask = {.done = on_started}};
    assert_int_equal(schedule_start(schedules, s, s->row->next_at, &started.ask, &err), 0);
    assert_true(s->starting);
    WORLD_WAIT(w, started.done);
    assert_int_equal(started.result, 0);
    assert_false(s->starting);
    return started.id;
}

static void test_what_a_run_leaves(void **state)
{
    (void)state;
    struct schedule *s = made("a", "/bytes?n=1&hold=it");
    uint64_t id = start(s);
    assert_int_equal(s->row->job, id);
    assert_int_equal(s->row->runs, 1);
    assert_string_equal(world_job(w, id)->row->schedule, "a");
    origin_release(w->origin, "it");
    world_wait_end(w, id, JOB_DONE);
    assert_int_equal(s->row->job, 0);
    assert_int_equal(s->row->last_job, id);
    assert_int_equal(s->row->last_state, JOB_DONE);
    assert_true(s->row->last_done > 0);
    assert_int_equal(world_logged(w, "\"schedule\":\"a\""), 3); /* record, attempt and verdict */
}

static void test_failures_are_counted(void **state)
{
    (void)state;
    struct schedule *s = made("a", "/bytes?n=1&status=404");
    world_wait_end(w, start(s), JOB_FAILED);
    world_wait_end(w, start(s), JOB_FAILED);
    assert_int_equal(s->row->failures, 2);
    assert_int_equal(s->row->last_error, KIND_HTTP_STATUS);
    assert_true(schedule_failing(s));
    assert_int_equal(put("a", "/bytes?n=1", "\"every\":\"1h\"", LATER), 0);
    world_wait_end(w, start(s), JOB_DONE);
    assert_int_equal(s->row->failures, 0);
    assert_false(schedule_failing(s));
}

/* The second time there is nothing new, unless it is forced. */
static void test_conditional_runs(void **state)
{
    (void)state;
    struct schedule *s = made("a", "/bytes?n=10&etag=%22v1%22");
    world_wait_end(w, start(s), JOB_DONE);
    assert_non_null(s->row->etag);
    assert_non_null(s->row->validated);
    world_wait_end(w, start(s), JOB_DONE);
    assert_int_equal(world_logged(w, "\"unchanged\":true"), 1);
    struct error err = {""};
    assert_int_equal(schedule_start(schedules, s, s->row->next_at, NULL, &err), 0);
    s->forced = true;
    WORLD_WAIT(w, w->end_count == 3);
    assert_int_equal(world_logged(w, "\"unchanged\":true"), 1);
    assert_int_equal(world_logged(w, "\"verified_by\":\"length\""), 2);
}

/* Another body is asked for meanwhile: what the run saw is not remembered for it. */
static void test_redefined_in_a_run(void **state)
{
    (void)state;
    struct schedule *s = made("a", "/bytes?n=10&etag=%22v1%22&hold=it");
    uint64_t id = start(s);
    world_wait_running(w, id);
    assert_int_equal(put("a", "/bytes?n=11&etag=%22v2%22", "\"every\":\"1h\"", LATER), 0);
    origin_release(w->origin, "it");
    world_wait_end(w, id, JOB_DONE);
    assert_null(s->row->etag);
    assert_int_equal(s->row->last_state, JOB_DONE);
}

static void test_removed_in_a_run(void **state)
{
    (void)state;
    struct schedule *s = made("a", "/bytes?n=10&hold=it");
    uint64_t id = start(s);
    world_wait_running(w, id);
    schedules_remove(schedules, s);
    origin_release(w->origin, "it");
    world_wait_end(w, id, JOB_DONE);
}

/* What cannot be submitted is told to who asked. */
static void test_refused(void **state)
{
    struct error err = {""};
    (void)state;
    struct schedule *s = made("a", "/bytes?n=1");
    struct started started = {.ask = {.done = on_started}};
    w->gate.refuse[GATE_SUBMIT] = -EDQUOT;
    assert_int_equal(schedule_start(schedules, s, s->row->next_at, &started.ask, &err), 0);
    WORLD_WAIT(w, started.done);
    assert_int_equal(started.result, -EDQUOT);
    assert_int_equal(started.id, 0);
    assert_null(s->problem); /* who asked knows */
    json_object_set_new(s->spec.job, "parser", json_string("gone"));
    started.done = false;
    assert_int_equal(schedule_start(schedules, s, s->row->next_at, &started.ask, &err), -EINVAL);
    assert_non_null(strstr(err.text, "gone"));
    assert_non_null(s->problem);
    assert_false(started.done);
    assert_false(s->starting);
}

/* --- the clock -------------------------------------------------------------------------------- */

static void test_runs_when_it_is_due(void **state)
{
    (void)state;
    assert_int_equal(put("a", "/bytes?n=1", "\"every\":\"1h\"", 50000), 0);
    struct schedule *s = schedules_find(schedules, "a");
    WORLD_WAIT(w, w->end_count == 1);
    assert_int_equal(s->row->runs, 1);
    assert_true(s->due > clock_real_us());
}

/* One run at a time: what falls due meanwhile is left out, and counted. */
static void test_one_at_a_time(void **state)
{
    (void)state;
    assert_int_equal(put("a", "/bytes?n=1&hold=it", "\"every\":\"1s\"", 50000), 0);
    struct schedule *s = schedules_find(schedules, "a");
    WORLD_WAIT(w, s->row->skipped >= 1);
    assert_int_equal(s->row->runs, 1);
    assert_true(s->late);
    origin_release(w->origin, "it");
    WORLD_WAIT(w, s->row->runs == 2);
    assert_false(s->late);
}

/* A full queue, say: the run is made up for once it is possible. */
static void test_refused_by_the_store(void **state)
{
    (void)state;
    w->gate.refuse[GATE_SUBMIT] = -EDQUOT;
    assert_int_equal(put("a", "/bytes?n=1", "\"every\":\"1h\"", 50000), 0);
    struct schedule *s = schedules_find(schedules, "a");
    WORLD_WAIT(w, s->problem);
    assert_true(schedule_failing(s));
    assert_int_equal(s->row->runs, 0);
    w->gate.refuse[GATE_SUBMIT] = 0;
    WORLD_WAIT(w, w->end_count == 1);
    assert_null(s->problem);
    assert_int_equal(s->row->runs, 1);
}

/* Nothing is started while a drain is on, and none of what was on its way is lost. */
static void test_drain(void **state)
{
    struct error err = {""};
    (void)state;
    struct schedule *s = made("a", "/bytes?n=1");
    w->gate.hold[GATE_SUBMIT] = true;
    assert_int_equal(schedule_start(schedules, s, s->row->next_at, NULL, &err), 0);
    assert_int_equal(w->gate.held_count, 1);
    drain_begin(w->jobs, world_on_drained, w);
    for (int i = 0; i < 20; i++)
        uv_run(&w->loop, UV_RUN_NOWAIT);
    assert_false(w->drained);
    s->due = 0;
    schedules_look(schedules);
    gate_release(&w->gate);
    WORLD_WAIT(w, w->drained);
    assert_int_equal(s->row->runs, 1);
    assert_int_equal(w->end_count, 1); /* the store ends with the daemon: it has its verdict */
    assert_int_equal(w->ends[0].state, JOB_CANCELLED);
}

/* --- at the start ----------------------------------------------------------------------------- */

static void test_read_again(void **state)
{
    struct error err = {""};
    (void)state;
    made("a", "/bytes?n=1");
    made("b", "/bytes?n=1");
    closed = false;
    schedules_close(schedules, on_schedules_closed, NULL);
    WORLD_WAIT(w, closed);
    w->gate.refuse[GATE_SCHEDULES] = -EIO;
    assert_int_equal(schedules_new(w->jobs, &schedules, &err), 0);
    WORLD_WAIT(w, w->gate.made[GATE_SCHEDULES] == 2);
    w->gate.refuse[GATE_SCHEDULES] = 0;
    assert_false(schedules->loaded);
    WORLD_WAIT(w, schedules->loaded); /* a second later */
    assert_int_equal(schedules->count, 2);
    assert_non_null(schedules_find(schedules, "a")->spec.job);
}

int main(void)
{
#define EACH(test) cmocka_unit_test_setup_teardown(test, begin, end)
    const struct CMUnitTest tests[] = {
        EACH(test_change),
        EACH(test_a_change_with_nothing_in_it),
        EACH(test_a_change_that_is_not_stored),
        EACH(test_a_schedule_that_is_redefined),
        EACH(test_what_a_run_leaves),
        EACH(test_failures_are_counted),
        EACH(test_conditional_runs),
        EACH(test_redefined_in_a_run),
        EACH(test_removed_in_a_run),
        EACH(test_refused),
        EACH(test_runs_when_it_is_due),
        EACH(test_one_at_a_time),
        EACH(test_refused_by_the_store),
        EACH(test_drain),
        EACH(test_read_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
