/* Schedules in one process, for each test anew: the world of jobs and what is due, with looks at
 * the store's rows. Included once by each test program. */
#ifndef PENSTOCK_TESTS_SCHEDULES_WORLD_H
#define PENSTOCK_TESTS_SCHEDULES_WORLD_H

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

static inline void on_schedules_closed(void *arg)
{
    (void)arg;
    closed = true;
}

static inline int begin(void **state)
{
    struct error err = {""};
    (void)state;
    w = world_new("", false);
    assert_int_equal(schedules_new(w->jobs, &schedules, &err), 0);
    WORLD_WAIT(w, !schedules->loading);
    return 0;
}

static inline int end(void **state)
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

static inline void on_looked(struct mail *mail)
{
    container_of(mail, struct look, get.call.mail)->done = true;
}

static inline struct store_schedule *look(const char *name)
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

static inline uint64_t count(void)
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

static inline void on_changed(struct schedule_change *change, const struct store_call *failed)
{
    struct changed *c = container_of(change, struct changed, change);
    c->done = true;
    c->result = failed ? failed->result : 0;
}

/* A row as `apply` makes it; `next_in` µs from now; 0: when it was due anyway. */
static inline int put(const char *name, const char *path, const char *timing, int64_t next_in)
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

static inline void made(const char *name, const char *path)
{
    assert_int_equal(put(name, path, "\"every\":\"1h\"", LATER), 0);
    assert_non_null(look(name));
}

static inline void remove_one(const char *name)
{
    struct changed c = {.done = false};
    assert_int_equal(schedule_change_init(&c.change, schedules, 0), 0);
    assert_int_equal(schedule_change_remove(&c.change, name), 0);
    c.change.done = on_changed;
    assert_int_equal(schedule_change_store(&c.change), 0);
    WORLD_WAIT(w, c.done);
    schedule_change_deinit(&c.change);
}

/* --- runs ------------------------------------------------------------------------------------- */

struct started {
    struct schedule_start start;
    bool done;
};

static inline void on_started(struct schedule_start *start)
{
    container_of(start, struct started, start)->done = true;
}

/* A run that is asked for; what comes of it. */
static inline int ask(const char *name, bool forced, uint64_t *ret_id, struct error *err)
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

static inline uint64_t start(const char *name)
{
    struct error err = {""};
    uint64_t id = 0;
    assert_int_equal(ask(name, false, &id, &err), 0);
    return id;
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, begin, end)

#endif
