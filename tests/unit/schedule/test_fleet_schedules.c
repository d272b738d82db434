/* Schedules in a fleet: who starts a run. */
#include "../job/fleet_world.h"
#include "schedule/definition.h"
#include "schedule/schedules.h"
#include "store/schedule_row.h"

#define OWN   "127.0.0.1"
#define OTHER "localhost"

static struct fleet_world *f;
static struct schedules *schedules;
static bool closed;

static void on_schedules_closed(void *arg)
{
    (void)arg;
    closed = true;
}

struct look {
    struct store_schedule_get get;
    bool done;
};

static void on_looked(struct mail *mail)
{
    container_of(mail, struct look, get.call.mail)->done = true;
}

static uint64_t runs_of(const char *name)
{
    struct look l = {.get = {.names = &name, .count = 1}};
    struct store *inner = f->w->gate.inner;
    mail_init(&l.get.call.mail, on_looked);
    inner->engine->schedule_get(inner, &l.get);
    WORLD_WAIT(f->w, l.done);
    assert_non_null(l.get.rows[0]);
    uint64_t runs = l.get.rows[0]->runs;
    store_schedule_free(l.get.rows[0]);
    free(l.get.rows);
    return runs;
}

struct put {
    struct store_schedule_put put;
    bool done;
};

static void on_put(struct mail *mail)
{
    container_of(mail, struct put, put.call.mail)->done = true;
}

/* What another member may have stored: due so many µs ago, of this parser. */
static struct store_schedule *row_of(const char *name, const char *host, const char *parser,
                                     int64_t ago)
{
    char text[256];
    struct error err = {""};
    const char *field;
    struct schedule_spec spec;
    snprintf(text, sizeof text,
             "{\"name\":\"%s\",\"url\":\"http://%s:%u/"
             "bytes?n=1\",\"parser\":\"%s\",\"every\":\"1h\",\"jitter\":\"none\"}",
             name, host, (unsigned)origin_port(f->w->origin), parser);
    json_t *json = json_loads(text, 0, NULL);
    assert_non_null(json);
    if (schedule_spec_parse(json, &spec, &err, &field) < 0)
        fail_msg("%s: %s", text, err.text);
    json_decref(json);
    struct store_schedule row = {.name = (char *)(uintptr_t)name,
                                 .spec = spec.text,
                                 .created = clock_real_us(),
                                 .revision = 1,
                                 .next_at = jobs_now(f->w->jobs) - ago};
    struct store_schedule *copy = store_schedule_copy(&row);
    assert_non_null(copy);
    schedule_spec_deinit(&spec);
    return copy;
}

/* They stand in the store at once; its answer comes when the loop runs. */
static void put_begin(struct put *p, struct store_schedule **rows, size_t count)
{
    struct store *inner = f->w->gate.inner;
    *p = (struct put){.put = {.rows = rows, .count = count}};
    mail_init(&p->put.call.mail, on_put);
    inner->engine->schedule_put(inner, &p->put);
}

static void put_end(struct put *p)
{
    WORLD_WAIT(f->w, p->done);
    assert_int_equal(p->put.call.result, 0);
    for (size_t i = 0; i < p->put.count; i++)
        store_schedule_free(p->put.rows[i]);
}

static void put_rows(struct store_schedule **rows, size_t count)
{
    struct put p;
    put_begin(&p, rows, count);
    put_end(&p);
}

static void put(const char *name, const char *host, const char *parser)
{
    struct store_schedule *row = row_of(name, host, parser, 0);
    put_rows(&row, 1);
}

static void begin(void)
{
    struct error err = {""};
    f = fleet_world_new("");
    fleet_gain(f, OWN);
    closed = false;
    assert_int_equal(schedules_new(f->w->jobs, &schedules, &err), 0);
}

static void end(void)
{
    drain_begin(f->w->jobs, world_on_drained, f->w);
    drain_stop(f->w->jobs);
    WORLD_WAIT(f->w, f->w->drained);
    schedules_close(schedules, on_schedules_closed, NULL);
    WORLD_WAIT(f->w, closed);
    world_free(f->w);
    free(f);
}

/* It is so much later for all of the fleet. */
static void later(int64_t seconds)
{
    f->ahead += seconds * 1000000;
    schedules_look(schedules);
}

/* Nothing is asked of the store for one of another member's host, until that host is ours: then it
 * is looked at at once. */
static void test_the_owner_of_the_host_starts_it(void **state)
{
    (void)state;
    begin();
    put("a", OTHER, "count");
    put("b", OWN, "count");
    fleet_tell(f, fleet_event(EVENT_SCHEDULES));
    WORLD_WAIT(f->w, runs_of("b") == 1); /* a's turn was before */
    assert_int_equal(runs_of("a"), 0);
    assert_int_equal(f->w->gate.made[GATE_SUBMIT], 1);
    fleet_gain(f, OTHER);
    WORLD_WAIT(f->w, runs_of("a") == 1);
    assert_int_equal(f->w->gate.made[GATE_SUBMIT], 2);
    end();
}

/* … or until it is overdue. */
static void test_what_nobody_starts_is_started(void **state)
{
    (void)state;
    begin();
    put("a", OTHER, "count");
    put("b", OWN, "count");
    fleet_tell(f, fleet_event(EVENT_SCHEDULES));
    WORLD_WAIT(f->w, runs_of("b") == 1);
    unsigned read = f->w->gate.made[GATE_SCHEDULES];
    put("c", OWN, "count");
    later(20);
    fleet_tell(f, fleet_event(EVENT_SCHEDULES));
    WORLD_WAIT(f->w, runs_of("c") == 1);
    assert_int_equal(runs_of("a"), 0);
    assert_int_equal(f->w->gate.made[GATE_SUBMIT], 2);
    assert_int_equal(f->w->gate.made[GATE_SCHEDULES], read + 1);
    later(11);
    WORLD_WAIT(f->w, runs_of("a") == 1);
    assert_int_equal(f->w->gate.made[GATE_SUBMIT], 3);
    end();
}

/* A page that was read before a change comes after the news of it: it is read again. */
static void test_a_change_while_they_are_read(void **state)
{
    struct put p;
    (void)state;
    begin();
    struct store_schedule *row = row_of("a", OWN, "count", 0);
    assert_true(schedules->loading);
    put_begin(&p, &row, 1);
    fleet_tell(f, fleet_event(EVENT_SCHEDULES));
    assert_int_equal(f->w->gate.made[GATE_SCHEDULES], 1);
    put_end(&p);
    WORLD_WAIT(f->w, runs_of("a") == 1);
    assert_int_equal(f->w->gate.made[GATE_SCHEDULES], 2);
    end();
}

/* More than an agenda holds is due, and what is others' comes first: ours does not wait for it. */
static void test_those_of_others_hold_nothing_up(void **state)
{
    enum { OTHERS = AGENDA_MAX + 76, OWNS = OTHERS / 2 };
    static struct store_schedule *rows[OTHERS + OWNS];
    char name[16];
    (void)state;
    begin();
    for (int i = 0; i < OTHERS + OWNS; i++) {
        snprintf(name, sizeof name, "%c%d", i < OTHERS ? 'a' : 'b', i);
        rows[i] = row_of(name, i < OTHERS ? OTHER : OWN, "count", i < OTHERS ? 1000000 : 0);
    }
    put_rows(rows, OTHERS + OWNS);
    fleet_tell(f, fleet_event(EVENT_SCHEDULES));
    WORLD_WAIT(f->w, f->w->jobs->submitted == OWNS);
    assert_int_equal(f->w->gate.made[GATE_SUBMIT], OWNS);
    assert_int_equal(f->w->gate.made[GATE_SCHEDULE_PASS], 0);
    end();
}

/* Another member may know the parser, whosever the host is: it starts the run when that is overdue.
 * Later the host's owner says that nobody could. */
static void test_a_parser_that_is_unknown_here(void **state)
{
    (void)state;
    begin();
    put("a", OTHER, "nobodys");
    put("b", OWN, "nobodys");
    put("c", OWN, "count");
    fleet_tell(f, fleet_event(EVENT_SCHEDULES));
    WORLD_WAIT(f->w, runs_of("c") == 1);
    put("d", OWN, "count");
    later(31);
    WORLD_WAIT(f->w, runs_of("d") == 1);
    assert_int_equal(f->w->gate.made[GATE_SCHEDULE_PASS], 0);
    later(31);
    WORLD_WAIT(f->w, f->w->gate.made[GATE_SCHEDULE_PASS] == 1);
    put("e", OWN, "count");
    fleet_tell(f, fleet_event(EVENT_SCHEDULES));
    WORLD_WAIT(f->w, runs_of("e") == 1);
    assert_int_equal(f->w->gate.made[GATE_SCHEDULE_PASS], 1);
    assert_int_equal(f->w->gate.made[GATE_SUBMIT], 3);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_owner_of_the_host_starts_it),
        cmocka_unit_test(test_what_nobody_starts_is_started),
        cmocka_unit_test(test_a_change_while_they_are_read),
        cmocka_unit_test(test_those_of_others_hold_nothing_up),
        cmocka_unit_test(test_a_parser_that_is_unknown_here),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
