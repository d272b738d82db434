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

/* A schedule that is due now, as another member may have stored it. */
static void put(const char *name, const char *host)
{
    char text[256];
    struct error err = {""};
    const char *field;
    struct schedule_spec spec;
    struct store *inner = f->w->gate.inner;
    snprintf(text, sizeof text,
             "{\"name\":\"%s\",\"url\":\"http://%s:%u/"
             "bytes?n=1\",\"parser\":\"count\",\"every\":\"1h\"}",
             name, host, (unsigned)origin_port(f->w->origin));
    json_t *json = json_loads(text, 0, NULL);
    assert_non_null(json);
    if (schedule_spec_parse(json, &spec, &err, &field) < 0)
        fail_msg("%s: %s", text, err.text);
    json_decref(json);
    struct store_schedule row = {.name = (char *)(uintptr_t)name,
                                 .spec = spec.text,
                                 .created = clock_real_us(),
                                 .revision = 1,
                                 .next_at = jobs_now(f->w->jobs)};
    struct store_schedule *const rows[] = {&row};
    struct put p = {.put = {.rows = rows, .count = 1}};
    mail_init(&p.put.call.mail, on_put);
    inner->engine->schedule_put(inner, &p.put);
    WORLD_WAIT(f->w, p.done);
    assert_int_equal(p.put.call.result, 0);
    schedule_spec_deinit(&spec);
}

/* Nothing is asked of the store for one of another member's host, until that host is ours. */
static void test_the_owner_of_the_host_starts_it(void **state)
{
    struct error err = {""};
    (void)state;
    f = fleet_world_new("");
    fleet_gain(f, OWN);
    assert_int_equal(schedules_new(f->w->jobs, &schedules, &err), 0);
    put("a", OTHER);
    put("b", OWN);
    fleet_tell(f, fleet_event(EVENT_SCHEDULES));
    WORLD_WAIT(f->w, runs_of("b") == 1); /* a's turn was before */
    assert_int_equal(runs_of("a"), 0);
    assert_int_equal(f->w->jobs->submitted, 1);
    fleet_gain(f, OTHER);
    WORLD_WAIT(f->w, runs_of("a") == 1);
    assert_int_equal(f->w->jobs->submitted, 2);
    drain_begin(f->w->jobs, world_on_drained, f->w);
    drain_stop(f->w->jobs);
    WORLD_WAIT(f->w, f->w->drained);
    schedules_close(schedules, on_schedules_closed, NULL);
    WORLD_WAIT(f->w, closed);
    world_free(f->w);
    free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_owner_of_the_host_starts_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
