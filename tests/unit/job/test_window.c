/* Windows, the intake that fills them, and walks over rows: what is in memory, and what stays in
 * the store. */
#include "job/hold.h"
#include "job/window.h"
#include "job/run.h"
#include "job/walk.h"

#include "jobs_world.h"

#define HOST "127.0.0.1"

/* Few of many jobs are in memory; all of them run, in their order. */
static void test_a_long_queue(void **state)
{
    uint64_t ids[200];
    (void)state;
    struct world *w = world_new("[fetch]\nhost_connections = 1\n", false);
    uint64_t first = world_submit(w, HOST, "/bytes?n=1&hold=first");
    world_wait_running(w, first);
    struct host *host = host_find(w->jobs, HOST);
    for (size_t i = 0; i < 200; i++)
        ids[i] = world_submit(w, HOST, "/bytes?n=1");
    assert_int_equal(host->window_len, 64);
    assert_true(host->more);
    assert_false(window_has_room(host));
    assert_null(job_find(w->jobs, ids[199]));
    origin_release(w->origin, "first");
    for (size_t i = 0; i < 200; i++)
        world_wait_end(w, ids[i], JOB_DONE);
    for (size_t i = 0; i < w->end_count; i++)
        assert_int_equal(w->ends[i].job, first + i);
    assert_true(w->gate.made[GATE_WINDOW] >= 2);
    world_free(w);
}

/* Of a list that could not be read nothing is lost: it is read again a second later. */
static void test_a_window_that_cannot_be_read(void **state)
{
    uint64_t ids[80];
    (void)state;
    struct world *w = world_new("[fetch]\nhost_connections = 1\n", false);
    uint64_t first = world_submit(w, HOST, "/bytes?n=1&hold=first");
    world_wait_running(w, first);
    for (size_t i = 0; i < 80; i++)
        ids[i] = world_submit(w, HOST, "/bytes?n=1");
    w->gate.refuse[GATE_WINDOW] = -EIO;
    origin_release(w->origin, "first");
    WORLD_WAIT(w, w->gate.made[GATE_WINDOW] > 0);
    WORLD_WAIT(w, host_find(w->jobs, HOST)->due.at > 0);
    w->gate.refuse[GATE_WINDOW] = 0;
    for (size_t i = 0; i < 80; i++)
        world_wait_end(w, ids[i], JOB_DONE);
    world_free(w);
}

/* A drain waits for a list that is on its way. */
static void test_a_drain_while_a_window_is_read(void **state)
{
    (void)state;
    struct world *w = world_new("[fetch]\nhost_connections = 1\n", true);
    uint64_t first = world_submit(w, HOST, "/bytes?n=1&hold=first");
    world_wait_running(w, first);
    for (size_t i = 0; i < 80; i++)
        world_submit(w, HOST, "/bytes?n=1");
    w->gate.hold[GATE_WINDOW] = true;
    struct host *host = host_find(w->jobs, HOST);
    while (host->window_len > 10)
        window_drop(container_of(host->window.prev, struct job, link));
    window_want(host);
    windows_load(w->jobs, false);
    assert_true(windows_loading(w->jobs));
    drain_begin(w->jobs, world_on_drained, w);
    origin_release(w->origin, "first");
    world_wait_end(w, first, JOB_DONE);
    for (int i = 0; i < 20; i++)
        uv_run(&w->loop, UV_RUN_NOWAIT);
    assert_false(w->drained);
    gate_release(&w->gate);
    WORLD_WAIT(w, w->drained);
    world_free(w);
}

static void ignore(struct mail *mail)
{
    (void)mail;
}

/* Straight into the store's table, as an earlier daemon left it. */
static uint64_t store_row_at(struct world *w, const char *host, const char *spec,
                             const char *parser)
{
    struct store_job row = {.state = JOB_QUEUED,
                            .host = (char *)(uintptr_t)host,
                            .parser = (char *)(uintptr_t)parser,
                            .spec = (char *)(uintptr_t)spec,
                            .labels = (char *)"{}",
                            .created = clock_real_us()};
    struct store_submit_item item = {.job = &row};
    struct store_submit call = {.items = &item, .count = 1};
    mail_init(&call.call.mail, ignore);
    w->gate.inner->engine->submit(w->gate.inner, &call);
    uv_run(&w->loop, UV_RUN_NOWAIT);
    return row.id;
}

static uint64_t store_row(struct world *w, const char *spec, const char *parser)
{
    return store_row_at(w, HOST, spec, parser);
}

/* It was acknowledged, so it has a verdict, though nobody can read it any more. */
static void test_rows_that_cannot_run(void **state)
{
    (void)state;
    struct world *w = world_new("", false);
    uint64_t unknown = store_row(w, "{\"url\":\"http://" HOST "/\",\"parser\":\"gone\"}", "gone");
    uint64_t text = store_row(w, "no JSON", "count");
    uint64_t command = store_row(w, "{\"url\":\"http://" HOST "/\",\"run\":true}", "run");
    host_has_more(host_get(w->jobs, HOST));
    wake_admit(&w->jobs->wake);
    world_wait_end(w, unknown, JOB_FAILED);
    assert_int_equal(world_end_of(w, unknown)->error, KIND_UNEXPECTED);
    world_wait_end(w, text, JOB_FAILED);
    world_wait_end(w, command, JOB_CANCELLED);
    world_free(w);
}

static uint64_t submit_due(struct world *w, int64_t due)
{
    char text[256], stamp[CLOCK_STAMP_SIZE];
    clock_stamp(due, stamp);
    snprintf(text, sizeof text,
             "{\"url\":\"http://" HOST
             ":%u/bytes?n=1\",\"parser\":\"count\",\"not_before\":\"%s\"}",
             (unsigned)origin_port(w->origin), stamp);
    return world_submit_json(w, text);
}

/* Not before its time, and not in memory. */
static void test_due_later(void **state)
{
    (void)state;
    struct world *w = world_new("", false);
    int64_t now = clock_real_us(), later = now + 3600 * INT64_C(1000000), soon = now + 400000;
    uint64_t far = submit_due(w, later);
    assert_null(job_find(w->jobs, far));
    assert_int_equal(host_find(w->jobs, HOST)->due.at, later);
    uint64_t near = submit_due(w, soon);
    world_wait_end(w, near, JOB_DONE);
    assert_true(clock_real_us() >= soon);
    assert_null(job_find(w->jobs, far));
    world_free(w);
}

/* A command's job that is due later stays in memory: nobody else has its pipe. */
static void test_command_due_later(void **state)
{
    (void)state;
    struct world *w = world_new("", false);
    struct error err = {""};
    struct store_job *row = calloc(1, sizeof *row);
    row->id = 7;
    row->host = strdup(HOST);
    row->parser = strdup("run");
    row->spec = strdup("{\"url\":\"http://" HOST "/\",\"run\":true}");
    row->due = clock_real_us() + 1000000;
    struct job *job = job_new(w->jobs, row, NULL, &err);
    assert_non_null(job->spec);
    host_set_aside(job);
    assert_int_equal(job->clock.at, row->due);
    assert_int_equal(job->place, PLACE_ASIDE);
    assert_int_equal(hold_set(w->jobs, NULL, NULL, true), 0);
    WORLD_WAIT(w, job->place == PLACE_WINDOW);
    drain_begin(w->jobs, world_on_drained, w); /* which cancels it: it has nobody to come back to */
    WORLD_WAIT(w, w->drained);
    assert_int_equal(world_logged(w, "\"state\":\"cancelled\""), 1);
    world_free(w);
}

/* --- what is held back, and calls that are shared --------------------------------------------- */

/* A window in which all are held back has room for what is not. */
static void test_behind_what_is_held_back(void **state)
{
    (void)state;
    struct world *w = world_new("[fetch]\nhost_connections = 1\n", false);
    char text[256];
    assert_int_equal(hold_set(w->jobs, NULL, "count", true), 0);
    for (unsigned i = 0; i < 30; i++)
        store_row(w, "{\"url\":\"http://" HOST "/\",\"parser\":\"count\"}", "count");
    snprintf(text, sizeof text, "{\"url\":\"http://" HOST ":%u/lines?n=1\",\"parser\":\"lines\"}",
             (unsigned)origin_port(w->origin));
    uint64_t other = store_row(w, text, "lines");
    w->jobs->backlog.count += 4096; /* as if so many waited: each gets little */
    host_has_more(host_get(w->jobs, HOST));
    wake_admit(&w->jobs->wake);
    world_wait_end(w, other, JOB_DONE);
    w->jobs->backlog.count -= 4096;
    world_free(w);
}

/* Many hosts are asked for in few calls. */
static void test_hosts_share_calls(void **state)
{
    (void)state;
    struct world *w = world_new("[parse]\nworkers = 200\n", false);
    for (unsigned i = 0; i < 128; i++) {
        char name[32], text[128];
        snprintf(name, sizeof name, "h%u.localhost", i);
        snprintf(text, sizeof text, "{\"url\":\"http://%s:%u/bytes?n=1\",\"parser\":\"count\"}",
                 name, (unsigned)origin_port(w->origin));
        store_row_at(w, name, text, "count");
        host_has_more(host_get(w->jobs, name));
    }
    wake_admit(&w->jobs->wake);
    WORLD_WAIT(w, w->end_count == 128);
    assert_int_equal(w->gate.made[GATE_WINDOW], 2);
    world_free(w);
}

/* So many jobs that have queues of their own: what is loaded for one does not grow with them. */
static void test_a_job_costs_the_same_beside_many_jobs(void **state)
{
    (void)state;
    double steps[2];
    for (size_t i = 0; i < 2; i++) {
        struct world *w = world_new("[fetch]\nhost_connections = 1\n", false);
        unsigned others = i ? 1500 : 15, ended = 0;
        assert_int_equal(hold_set(w->jobs, NULL, "lines", true), 0);
        for (unsigned n = 0; n < others; n++) { /* in memory, and held back */
            char name[32], text[128];
            snprintf(name, sizeof name, "held%u", n);
            snprintf(text, sizeof text, "{\"url\":\"http://%s/\",\"parser\":\"lines\"}", name);
            world_submit_json(w, text);
        }
        uint64_t before = w->jobs->steps;
        for (unsigned n = 0; n < 150; n++) {
            char text[128];
            snprintf(text, sizeof text,
                     "{\"url\":\"http://" HOST ":%u/bytes?n=1\",\"parser\":\"count\"}",
                     (unsigned)origin_port(w->origin));
            store_row(w, text, "count");
        }
        host_has_more(host_get(w->jobs, HOST));
        wake_admit(&w->jobs->wake);
        WORLD_WAIT(w, (ended = (unsigned)w->end_count) == 150);
        steps[i] = (double)(w->jobs->steps - before) / ended;
        world_free(w);
    }
    if (steps[1] > 1.3 * steps[0] + 2)
        fail_msg("%.1f steps a job beside 15 jobs, %.1f beside 1,500", steps[0], steps[1]);
}

/* --- walks ------------------------------------------------------------------------------------ */

struct counter {
    struct walk walk;
    size_t rows, pages, stop_after;
    bool keep, ended;
    int failed;
    struct store_job *kept;
};

static bool on_row(struct walk *walk, struct store_job *row)
{
    struct counter *c = container_of(walk, struct counter, walk);
    c->rows++;
    if (c->keep) {
        c->kept = row;
        return false;
    }
    store_job_free(row);
    return true;
}

static bool has_enough(struct walk *walk)
{
    struct counter *c = container_of(walk, struct counter, walk);
    c->pages++;
    return c->stop_after && c->rows >= c->stop_after;
}

static void on_end(struct walk *walk, const struct store_call *failed)
{
    struct counter *c = container_of(walk, struct counter, walk);
    c->ended = true;
    c->failed = failed ? failed->result : 0;
}

static void counter_init(struct counter *c, struct world *w, bool fresh)
{
    *c = (struct counter){.walk = {.jobs = w->jobs,
                                   .select = {.state = -1, .error = -1},
                                   .fresh = fresh,
                                   .row = on_row,
                                   .enough = has_enough,
                                   .end = on_end}};
}

static struct world *world_with_rows(size_t count)
{
    struct world *w = world_new("", false);
    assert_int_equal(hold_set(w->jobs, NULL, NULL, true), 0);
    for (size_t i = 0; i < count; i++)
        store_row(w, "{\"url\":\"http://" HOST "/\",\"parser\":\"count\"}", "count");
    return w;
}

static void test_walk(void **state)
{
    (void)state;
    struct world *w = world_with_rows(700);
    for (int fresh = 0; fresh < 2; fresh++) {
        struct counter c;
        counter_init(&c, w, fresh);
        walk_start(&c.walk);
        WORLD_WAIT(w, c.ended);
        assert_int_equal(c.rows, 700);
        assert_int_equal(c.failed, 0);
        assert_true(c.pages >= 2); /* asked between pages */
        assert_int_equal(w->jobs->walks.paging, 0);
        counter_init(&c, w, fresh);
        c.stop_after = 256;
        walk_start(&c.walk);
        WORLD_WAIT(w, c.ended);
        assert_int_equal(c.rows, 256);
    }
    world_free(w);
}

/* One by one: each row may take its time. */
static void test_walk_that_is_held(void **state)
{
    (void)state;
    struct world *w = world_with_rows(3);
    struct counter c;
    counter_init(&c, w, false);
    c.keep = true;
    walk_start(&c.walk);
    for (size_t i = 1; i <= 3; i++) {
        WORLD_WAIT(w, c.rows == i);
        assert_false(c.ended);
        store_job_free(c.kept);
        if (i < 3)
            walk_go_on(&c.walk);
    }
    walk_go_on(&c.walk);
    assert_true(c.ended);
    counter_init(&c, w, false);
    c.keep = true;
    walk_start(&c.walk);
    WORLD_WAIT(w, c.rows == 1);
    store_job_free(c.kept);
    walk_abandon(&c.walk); /* with two rows that it had not handed out */
    assert_false(c.ended);
    world_free(w);
}

static void test_walk_that_fails(void **state)
{
    (void)state;
    struct world *w = world_with_rows(3);
    struct counter c;
    w->gate.refuse[GATE_LIST] = -EIO;
    counter_init(&c, w, false);
    walk_start(&c.walk);
    WORLD_WAIT(w, c.ended);
    assert_int_equal(c.failed, -EIO);
    w->gate.refuse[GATE_LIST] = 0;
    w->gate.refuse[GATE_GET] = -EIO;
    counter_init(&c, w, true);
    walk_start(&c.walk);
    WORLD_WAIT(w, c.ended);
    assert_int_equal(c.failed, -EIO);
    assert_int_equal(c.rows, 0);
    assert_int_equal(w->jobs->walks.paging, 0);
    world_free(w);
}

/* What has ended since the page was read is not handed out. */
static void test_walk_over_what_has_ended(void **state)
{
    (void)state;
    struct world *w = world_new("[fetch]\nhost_connections = 1\n", false);
    uint64_t first = world_submit(w, HOST, "/bytes?n=1&hold=first");
    world_wait_running(w, first);
    uint64_t second = world_submit(w, HOST, "/bytes?n=1");
    struct counter c;
    counter_init(&c, w, true);
    w->gate.hold[GATE_GET] = true;
    walk_start(&c.walk);
    WORLD_WAIT(w, w->gate.held_count == 2);
    assert_true(job_cancel(world_job(w, second), "meanwhile"));
    world_wait_end(w, second, JOB_CANCELLED);
    gate_release(&w->gate);
    WORLD_WAIT(w, c.ended);
    assert_int_equal(c.rows, 1);
    origin_release(w->origin, "first");
    world_wait_end(w, first, JOB_DONE);
    world_free(w);
}

/* While many jobs are ending none asks for a page, and few have one at a time. */
static void test_walks_that_wait(void **state)
{
    struct counter c[10];
    (void)state;
    struct world *w = world_with_rows(3);
    w->jobs->ending_count = 513; /* as if so many were */
    counter_init(&c[0], w, false);
    walk_start(&c[0].walk);
    assert_int_equal(w->gate.made[GATE_LIST], 0);
    w->jobs->ending_count = 300;
    watch_tell_room(w->jobs);
    assert_int_equal(w->gate.made[GATE_LIST], 0);
    w->jobs->ending_count = 256;
    watch_tell_room(w->jobs);
    assert_int_equal(w->gate.made[GATE_LIST], 1);
    w->jobs->ending_count = 0;
    WORLD_WAIT(w, c[0].ended);
    w->gate.hold[GATE_LIST] = true;
    for (size_t i = 0; i < 10; i++) {
        counter_init(&c[i], w, false);
        walk_start(&c[i].walk);
    }
    assert_int_equal(w->gate.held_count, 8);
    gate_release(&w->gate);
    for (size_t i = 0; i < 10; i++)
        WORLD_WAIT(w, c[i].ended);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_long_queue),
        cmocka_unit_test(test_a_window_that_cannot_be_read),
        cmocka_unit_test(test_a_drain_while_a_window_is_read),
        cmocka_unit_test(test_rows_that_cannot_run),
        cmocka_unit_test(test_due_later),
        cmocka_unit_test(test_command_due_later),
        cmocka_unit_test(test_behind_what_is_held_back),
        cmocka_unit_test(test_hosts_share_calls),
        cmocka_unit_test(test_a_job_costs_the_same_beside_many_jobs),
        cmocka_unit_test(test_walk),
        cmocka_unit_test(test_walk_that_is_held),
        cmocka_unit_test(test_walk_that_fails),
        cmocka_unit_test(test_walk_over_what_has_ended),
        cmocka_unit_test(test_walks_that_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
