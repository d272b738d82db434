/* Schedules in one process: when they run, what a run leaves behind, and what happens when the
 * store does not follow. */
#include "../job/jobs_world.h"
#include "schedule/change.h"
#include "schedule/schedules.h"
#include "schedule/start.h"
#include "store/schedule_row.h"

#define HOST "127.0.0.1"

static struct world *w;
static struct schedules *schedules;
static bool closed;
static struct store_schedule *seen; /* the last row that was looked at */

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
    assert_int_equal(schedules_new(w->jobs, &schedules, &err), 0);
    WORLD_WAIT(w, !schedules->loading);
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
    store_schedule_free(seen);
    seen = NULL;
    return 0;
}

/* The row as the store has it, until the next look; NULL: there is none. */
struct look {
    struct store_schedule_get get;
    bool done;
};

static void on_looked(struct mail *mail)
{
    container_of(mail, struct look, get.call.mail)->done = true;
}

static struct store_schedule *look(const char *name)
{
    struct look l = {.get = {.names = &name, .count = 1}};
    mail_init(&l.get.call.mail, on_looked);
    w->gate.inner->engine->schedule_get(w->gate.inner, &l.get);
    WORLD_WAIT(w, l.done);
    store_schedule_free(seen);
    seen = l.get.rows[0];
    free(l.get.rows);
    return seen;
}

static uint64_t count(void)
{
    struct store_counts counts;
    w->gate.inner->engine->counts(w->gate.inner, &counts);
    return counts.schedules;
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

/* A row as `apply` makes it; `next_in` µs from now; 0: when it was due anyway. */
static int put(const char *name, const char *path, const char *timing, int64_t next_in)
{
    char text[512];
    struct error err = {""};
    const char *field;
    struct schedule_spec spec;
    struct changed c = {.done = false};
    const struct store_schedule *old = look(name);
    assert_int_equal(schedule_change_init(&c.change, schedules, 1), 0);
    snprintf(text, sizeof text,
             "{\"name\":\"%s\",\"url\":\"http://" HOST
             ":%u%s\",\"parser\":\"count\",\"max_attempts\":1,%s}",
             name, (unsigned)origin_port(w->origin), path, timing);
    json_t *json = json_loads(text, 0, NULL);
    assert_non_null(json);
    if (schedule_spec_parse(json, &spec, &err, &field) < 0)
        fail_msg("%s: %s", text, err.text);
    json_decref(json);
    struct store_schedule *row = calloc(1, sizeof *row);
    row->name = strdup(name);
    row->spec = strdup(spec.text);
    row->created = clock_real_us();
    row->revision = (uint64_t)row->created;
    row->version = old ? old->version : 0;
    row->next_at = next_in ? row->created + next_in : 0;
    schedule_spec_deinit(&spec);
    c.change.rows[0] = row;
    c.change.count = 1;
    c.change.done = on_changed;
    assert_int_equal(schedule_change_store(&c.change), 0);
    WORLD_WAIT(w, c.done);
    schedule_change_deinit(&c.change);
    return c.result;
}

#define LATER INT64_C(3600000000)

static void made(const char *name, const char *path)
{
    assert_int_equal(put(name, path, "\"every\":\"1h\"", LATER), 0);
    assert_non_null(look(name));
}

static void remove_one(const char *name)
{
    struct changed c = {.done = false};
    assert_int_equal(schedule_change_init(&c.change, schedules, 0), 0);
    assert_int_equal(schedule_change_remove(&c.change, name), 0);
    c.change.done = on_changed;
    assert_int_equal(schedule_change_store(&c.change), 0);
    WORLD_WAIT(w, c.done);
    schedule_change_deinit(&c.change);
}

static void test_change(void **state)
{
    (void)state;
    made("b", "/bytes?n=1");
    made("a", "/bytes?n=1");
    assert_int_equal(count(), 2);
    assert_non_null(agenda_find(&schedules->agenda, "a"));
    assert_string_equal(agenda_first(&schedules->agenda)->row->name, "b");
    remove_one("b");
    assert_null(look("b"));
    assert_null(agenda_find(&schedules->agenda, "b"));
}

static void test_a_change_with_nothing_in_it(void **state)
{
    (void)state;
    struct changed c = {.done = false};
    assert_int_equal(schedule_change_init(&c.change, schedules, 0), 0);
    assert_int_equal(schedule_change_store(&c.change), -ENOENT);
    schedule_change_deinit(&c.change);
}

static void test_a_change_that_is_not_stored(void **state)
{
    (void)state;
    w->gate.refuse[GATE_SCHEDULE_PUT] = -EIO;
    assert_int_equal(put("a", "/bytes?n=1", "\"every\":\"1h\"", LATER), -EIO);
    assert_null(look("a"));
    assert_null(agenda_first(&schedules->agenda));
}

/* A time that stays is the one that is known. */
static void test_a_schedule_that_is_redefined(void **state)
{
    (void)state;
    made("a", "/bytes?n=1");
    int64_t due = look("a")->next_at;
    assert_int_equal(put("a", "/bytes?n=2", "\"every\":\"1h\"", 0), 0);
    const struct agenda_entry *entry = agenda_find(&schedules->agenda, "a");
    assert_non_null(entry);
    assert_int_equal(entry->due, due);
    assert_non_null(strstr(entry->row->spec, "/bytes?n=2"));
    assert_int_equal(entry->row->version, look("a")->version);
    assert_int_equal(seen->next_at, due);
}

/* However many there are, no more than AGENDA_MAX of them are in memory, those that are due
 * first; and all run. */
static void test_more_than_the_agenda_holds(void **state)
{
    char name[32];
    (void)state;
    for (int i = 0; i < AGENDA_MAX + 300; i++) { /* the last one is due first */
        snprintf(name, sizeof name, "s%04d", i);
        assert_int_equal(put(name, "/bytes?n=1", "\"every\":\"1h\"", LATER * 2 - i * 1000000), 0);
        assert_true(schedules->agenda.count <= AGENDA_MAX);
    }
    assert_int_equal(count(), AGENDA_MAX + 300);
    assert_string_equal(agenda_first(&schedules->agenda)->row->name, name);
    assert_null(agenda_find(&schedules->agenda, "s0000"));
    /* All of them are gone but the ones that are in the store alone: these are read. */
    for (int i = 0; i < AGENDA_MAX + 300; i++) {
        snprintf(name, sizeof name, "s%04d", i);
        if (i != 7)
            agenda_drop(&schedules->agenda, name);
    }
    assert_null(agenda_find(&schedules->agenda, "s0007"));
    schedules_look(schedules);
    WORLD_WAIT(w, agenda_find(&schedules->agenda, "s0007"));
    assert_true(schedules->agenda.count <= AGENDA_MAX);
}

/* --- runs ------------------------------------------------------------------------------------- */

struct started {
    struct schedule_start start;
    bool done;
};

static void on_started(struct schedule_start *start)
{
    container_of(start, struct started, start)->done = true;
}

/* A run that is asked for; what comes of it. */
static int ask(const char *name, bool forced, uint64_t *ret_id, struct error *err)
{
    const struct store_schedule *row = look(name);
    struct started s = {.start = {.done = on_started}};
    struct schedule_how how = {.next_at = row->next_at, .asked = true, .forced = forced};
    struct schedule_plan plan;
    assert_int_equal(schedule_plan_read(row->spec, &plan, err), 0);
    int r = schedule_start(&s.start, w->jobs, row, plan.job, how, err);
    schedule_plan_deinit(&plan);
    if (r < 0)
        return r;
    WORLD_WAIT(w, s.done);
    *ret_id = s.start.id;
    return s.start.submit.call.result;
}

static uint64_t start(const char *name)
{
    struct error err = {""};
    uint64_t id;
    assert_int_equal(ask(name, false, &id, &err), 0);
    return id;
}

static void test_what_a_run_leaves(void **state)
{
    (void)state;
    made("a", "/bytes?n=1&hold=it");
    uint64_t id = start("a");
    assert_int_equal(look("a")->job, id);
    assert_int_equal(seen->runs, 1);
    assert_string_equal(world_job(w, id)->row->schedule, "a");
    origin_release(w->origin, "it");
    world_wait_end(w, id, JOB_DONE);
    assert_int_equal(look("a")->job, 0);
    assert_int_equal(seen->last_job, id);
    assert_int_equal(seen->last_state, JOB_DONE);
    assert_true(seen->last_done > 0);
    assert_int_equal(world_logged(w, "\"schedule\":\"a\""), 3); /* record, attempt and verdict */
}

static void test_failures_are_counted(void **state)
{
    (void)state;
    made("a", "/bytes?n=1&status=404");
    world_wait_end(w, start("a"), JOB_FAILED);
    world_wait_end(w, start("a"), JOB_FAILED);
    assert_int_equal(look("a")->failures, 2);
    assert_int_equal(seen->last_error, KIND_HTTP_STATUS);
    assert_true(store_schedule_failing(seen));
    assert_int_equal(put("a", "/bytes?n=1", "\"every\":\"1h\"", LATER), 0);
    world_wait_end(w, start("a"), JOB_DONE);
    assert_int_equal(look("a")->failures, 0);
    assert_false(store_schedule_failing(seen));
}

/* The second time there is nothing new, unless it is forced. */
static void test_conditional_runs(void **state)
{
    struct error err = {""};
    uint64_t id;
    (void)state;
    made("a", "/bytes?n=10&etag=%22v1%22");
    world_wait_end(w, start("a"), JOB_DONE);
    assert_non_null(look("a")->etag);
    assert_non_null(seen->validated);
    world_wait_end(w, start("a"), JOB_DONE);
    assert_int_equal(world_logged(w, "\"unchanged\":true"), 1);
    assert_int_equal(ask("a", true, &id, &err), 0);
    world_wait_end(w, id, JOB_DONE);
    assert_int_equal(world_logged(w, "\"unchanged\":true"), 1);
    assert_int_equal(world_logged(w, "\"verified_by\":\"length\""), 2);
}

/* Another body is asked for meanwhile: what the run saw is not remembered for it. */
static void test_redefined_in_a_run(void **state)
{
    (void)state;
    made("a", "/bytes?n=10&etag=%22v1%22&hold=it");
    uint64_t id = start("a");
    world_wait_running(w, id);
    assert_int_equal(put("a", "/bytes?n=11&etag=%22v2%22", "\"every\":\"1h\"", LATER), 0);
    origin_release(w->origin, "it");
    world_wait_end(w, id, JOB_DONE);
    assert_null(look("a")->etag);
    assert_int_equal(seen->last_state, JOB_DONE);
}

/* Or before it has begun: it was queued as what the schedule asked for then. */
static void test_redefined_before_a_run(void **state)
{
    (void)state;
    made("a", "/bytes?n=10&etag=%22v1%22");
    w->gate.hold[GATE_CLAIM] = true;
    uint64_t id = start("a");
    WORLD_WAIT(w, w->gate.held_count == 1);
    assert_int_equal(put("a", "/bytes?n=11&etag=%22v2%22", "\"every\":\"1h\"", LATER), 0);
    gate_release(&w->gate);
    world_wait_end(w, id, JOB_DONE);
    assert_null(look("a")->etag);
}

static void test_removed_in_a_run(void **state)
{
    (void)state;
    made("a", "/bytes?n=10&hold=it");
    uint64_t id = start("a");
    world_wait_running(w, id);
    remove_one("a");
    origin_release(w->origin, "it");
    world_wait_end(w, id, JOB_DONE);
    assert_null(look("a"));
}

/* What cannot be submitted is told to who asked, and nobody else. */
static void test_refused(void **state)
{
    struct error err = {""};
    uint64_t id = 1;
    (void)state;
    made("a", "/bytes?n=1&hold=it");
    w->gate.refuse[GATE_SUBMIT] = -EDQUOT;
    assert_int_equal(ask("a", false, &id, &err), -EDQUOT);
    assert_int_equal(id, 0);
    assert_null(look("a")->problem);
    w->gate.refuse[GATE_SUBMIT] = 0;
    start("a");
    assert_int_equal(ask("a", false, &id, &err), -EBUSY);
    origin_release(w->origin, "it");
}

/* --- the clock -------------------------------------------------------------------------------- */

static void test_runs_when_it_is_due(void **state)
{
    (void)state;
    assert_int_equal(put("a", "/bytes?n=1", "\"every\":\"1h\"", 50000), 0);
    WORLD_WAIT(w, w->end_count == 1);
    assert_int_equal(look("a")->runs, 1);
    assert_true(seen->next_at > clock_real_us());
    assert_int_equal(agenda_find(&schedules->agenda, "a")->due, seen->next_at);
}

/* One run at a time: what falls due meanwhile is left out, and counted. */
static void test_one_at_a_time(void **state)
{
    (void)state;
    assert_int_equal(put("a", "/bytes?n=1&hold=it", "\"every\":\"1s\"", 50000), 0);
    WORLD_WAIT(w, look("a")->skipped >= 1);
    assert_int_equal(seen->runs, 1);
    assert_true(seen->left_out >= 1);
    origin_release(w->origin, "it");
    WORLD_WAIT(w, look("a")->runs == 2);
}

/* A full queue, say: the run is made up for once it is possible. */
static void test_refused_by_the_store(void **state)
{
    (void)state;
    w->gate.refuse[GATE_SUBMIT] = -EDQUOT;
    assert_int_equal(put("a", "/bytes?n=1", "\"every\":\"1h\"", 50000), 0);
    WORLD_WAIT(w, look("a")->problem);
    assert_true(store_schedule_failing(seen));
    assert_int_equal(seen->runs, 0);
    w->gate.refuse[GATE_SUBMIT] = 0;
    WORLD_WAIT(w, w->end_count == 1);
    assert_null(look("a")->problem);
    assert_int_equal(seen->runs, 1);
}

/* Its user has his number of jobs: the time is left out, and no other schedule waits for it. */
static void test_its_user_has_enough(void **state)
{
    (void)state;
    w->gate.refuse[GATE_SUBMIT] = -EUSERS;
    assert_int_equal(put("a", "/bytes?n=1", "\"every\":\"1h\"", 50000), 0);
    WORLD_WAIT(w, look("a")->problem);
    assert_int_equal(schedules->hold_until, 0);
    assert_true(seen->next_at > clock_real_us());
    assert_int_equal(seen->runs, 0);
    WORLD_WAIT(w, agenda_find(&schedules->agenda, "a"));
    assert_int_equal(agenda_find(&schedules->agenda, "a")->due, seen->next_at);
    w->gate.refuse[GATE_SUBMIT] = 0;
    assert_int_equal(put("b", "/bytes?n=1", "\"every\":\"1h\"", 50000), 0);
    WORLD_WAIT(w, w->end_count == 1);
    assert_int_equal(look("b")->runs, 1);
}

/* Its parser is not there any more: that is told, and it is tried at its next time. */
static void test_no_job_can_be_made(void **state)
{
    (void)state;
    assert_int_equal(put("a", "/bytes?n=1", "\"parser\":\"gone\",\"every\":\"1h\"", 50000), 0);
    WORLD_WAIT(w, look("a")->problem);
    assert_non_null(strstr(seen->problem, "gone"));
    assert_true(seen->next_at > clock_real_us());
    assert_int_equal(w->gate.made[GATE_SUBMIT], 0);
    WORLD_WAIT(w, agenda_find(&schedules->agenda, "a"));
}

/* Somebody else has had this time, or changed the schedule: it is read again, and not run twice. */
static void test_had_by_another(void **state)
{
    (void)state;
    assert_int_equal(put("a", "/bytes?n=1", "\"every\":\"1h\"", LATER), 0);
    struct agenda_entry *entry = agenda_find(&schedules->agenda, "a");
    int64_t now = clock_real_us();
    entry->row->next_at = now; /* which it is not in the store */
    agenda_begin(&schedules->agenda, entry);
    agenda_put_back(&schedules->agenda, entry, now);
    schedules_look(schedules);
    WORLD_WAIT(w, w->gate.made[GATE_SUBMIT] == 1 && schedules->starting == 0);
    assert_int_equal(w->gate.made[GATE_SCHEDULE_GET], 1);
    assert_int_equal(look("a")->runs, 0);
    assert_int_equal(agenda_find(&schedules->agenda, "a")->due, seen->next_at);
}

/* Nothing is started while a drain is on, and none of what was on its way is lost. */
static void test_drain(void **state)
{
    (void)state;
    w->gate.hold[GATE_SUBMIT] = true;
    assert_int_equal(put("a", "/bytes?n=1", "\"every\":\"1h\"", 1), 0);
    assert_int_equal(put("b", "/bytes?n=1", "\"every\":\"1h\"", LATER), 0);
    WORLD_WAIT(w, w->gate.held_count == 1);
    drain_begin(w->jobs, world_on_drained, w);
    for (int i = 0; i < 20; i++)
        uv_run(&w->loop, UV_RUN_NOWAIT);
    assert_false(w->drained);
    schedules_look(schedules);
    gate_release(&w->gate);
    WORLD_WAIT(w, w->drained);
    assert_int_equal(w->gate.made[GATE_SUBMIT], 2); /* held, and released */
    assert_int_equal(look("a")->runs, 1);
    assert_int_equal(w->end_count, 1); /* the store ends with the daemon: it has its verdict */
    assert_int_equal(w->ends[0].state, JOB_CANCELLED);
}

/* --- at the start ----------------------------------------------------------------------------- */

static void begin_again(void)
{
    struct error err = {""};
    WORLD_WAIT(w, !schedules->starting && !schedules->turning && !schedules->loading);
    closed = false;
    schedules_close(schedules, on_schedules_closed, NULL);
    WORLD_WAIT(w, closed);
    assert_int_equal(schedules_new(w->jobs, &schedules, &err), 0);
}

static void test_read_again(void **state)
{
    (void)state;
    made("a", "/bytes?n=1");
    made("b", "/bytes?n=1");
    unsigned before = w->gate.made[GATE_SCHEDULES];
    w->gate.refuse[GATE_SCHEDULES] = -EIO;
    begin_again();
    WORLD_WAIT(w, w->gate.made[GATE_SCHEDULES] == before + 2); /* a second later */
    w->gate.refuse[GATE_SCHEDULES] = 0;
    assert_null(agenda_first(&schedules->agenda));
    WORLD_WAIT(w, agenda_find(&schedules->agenda, "b"));
    assert_int_equal(schedules->agenda.count, 2);
}

/* The day's clock was set back by a day: what was soon is soon. */
static void test_the_clock_was_set_back(void **state)
{
    (void)state;
    assert_int_equal(put("a", "/bytes?n=1", "\"every\":\"2h\"", 24 * LATER), 0);
    assert_int_equal(put("b", "/bytes?n=1", "\"every\":\"48h\"", 24 * LATER), 0);
    assert_int_equal(put("c", "/bytes?n=1", "\"cron\":\"0 3 1 1 *\"", 24 * LATER), 0);
    schedules->ahead += 24 * LATER;
    assert_int_equal(put("d", "/bytes?n=1", "\"every\":\"1h\"", 1), 0); /* which is looked at */
    WORLD_WAIT(w, w->end_count == 1 && !schedules->set_back.under_way);
    assert_true(look("a")->next_at < clock_real_us() + 2 * LATER);
    assert_true(look("b")->next_at > clock_real_us() + 20 * LATER);
    assert_true(look("c")->next_at > clock_real_us() + 20 * LATER);
    WORLD_WAIT(w, agenda_find(&schedules->agenda, "a"));
    assert_int_equal(agenda_find(&schedules->agenda, "a")->due, look("a")->next_at);
}

/* What was missed while nobody looked is not all run in one moment. */
static void test_missed(void **state)
{
    char name[16];
    (void)state;
    w->gate.hold[GATE_SUBMIT] = true;
    for (int i = 0; i < 30; i++) {
        snprintf(name, sizeof name, "s%d", i);
        assert_int_equal(put(name, "/bytes?n=1", "\"every\":\"5min\"", -LATER * 2), 0);
        agenda_drop(&schedules->agenda, name);
    }
    gate_release(&w->gate);
    begin_again();
    schedules->started_at -= 15000000; /* half of the time in which they are made up for */
    WORLD_WAIT(w, w->end_count > 0 && schedules->starting == 0 && !schedules->turning &&
                      agenda_first(&schedules->agenda) &&
                      agenda_first(&schedules->agenda)->due > clock_real_us());
    assert_in_range(schedules->agenda.count, 3, 30);
    uint64_t made = w->jobs->submitted;
    assert_in_range(made, 5, 29);
    for (int i = 0; i < 30; i++) {
        snprintf(name, sizeof name, "s%d", i);
        const struct agenda_entry *entry = agenda_find(&schedules->agenda, name);
        assert_non_null(entry);
        assert_true(entry->due < clock_real_us() + 301000000);
    }
}

/* --- texts ------------------------------------------------------------------------------------ */

static void test_what_a_text_makes(void **state)
{
    static const struct {
        const char *text, *job;
        bool makes;
    } cases[] = {
        {"{\"every\":\"1h\",\"name\":\"a\",\"url\":\"http://x/\"}", "{\"url\":\"http://x/\"}",
         true},
        {"{\"every\":\"1h\",\"name\":\"a\",\"url\":\"http://x/\"}", "{\"url\":\"http://y/\"}",
         false},
        {"{\"name\":\"a\",\"url\":\"http://x/\"}", "{\"a\":1,\"url\":\"http://x/\"}", false},
        {"{\"a\":1,\"name\":\"a\",\"url\":\"http://x/\"}", "{\"url\":\"http://x/\"}", false},
        {"{\"a\":1,\"name\":\"a\",\"url\":\"http://x/\"}", "{\"a\":1}", false},
        {"{\"cron\":\"* * * * "
         "*\",\"headers\":{\"name\":\"}\\\",\"},\"jitter\":\"1s\",\"labels\":{\"every\":\"[\"},"
         "\"name\":\"x\",\"options\":[{\"a\":[1,2]}],\"timezone\":\"UTC\"}",
         "{\"headers\":{\"name\":\"}\\\",\"},\"labels\":{\"every\":\"[\"},\"options\":[{\"a\":[1,2]"
         "}]}",
         true},
        {"{\"name\":\"a\"}", "{}", true},
        {"{\"name\":\"a\"}", "{\"b\":1}", false},
        {"{\"b\":1,\"name\":\"a\"}", "{}", false},
        {"{\"b\":1", "{\"b\":1}", true},
        {"", "", false},
        {"{\"b\":\"", "{\"b\":\"\"}", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (schedule_text_makes(cases[i].text, cases[i].job) != cases[i].makes)
            fail_msg("%s makes %s: %d", cases[i].text, cases[i].job, !cases[i].makes);
}

int main(void)
{
#define EACH(test) cmocka_unit_test_setup_teardown(test, begin, end)
    const struct CMUnitTest tests[] = {
        EACH(test_change),
        EACH(test_a_change_with_nothing_in_it),
        EACH(test_a_change_that_is_not_stored),
        EACH(test_a_schedule_that_is_redefined),
        EACH(test_more_than_the_agenda_holds),
        EACH(test_what_a_run_leaves),
        EACH(test_failures_are_counted),
        EACH(test_conditional_runs),
        EACH(test_redefined_in_a_run),
        EACH(test_redefined_before_a_run),
        EACH(test_removed_in_a_run),
        EACH(test_refused),
        EACH(test_runs_when_it_is_due),
        EACH(test_one_at_a_time),
        EACH(test_refused_by_the_store),
        EACH(test_its_user_has_enough),
        EACH(test_no_job_can_be_made),
        EACH(test_had_by_another),
        EACH(test_drain),
        EACH(test_read_again),
        EACH(test_the_clock_was_set_back),
        EACH(test_missed),
        cmocka_unit_test(test_what_a_text_makes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
