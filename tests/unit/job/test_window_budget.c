/* All windows together: how many jobs are in memory, whose they are, and what a job costs beside
 * many hosts. */
#include "job/hold.h"
#include "job/window.h"

#include "jobs_world.h"

#define HOST "127.0.0.1"
#define MANY "[queue]\nwindow_max = 64\n[fetch]\nhost_connections = 1\n"

static uint64_t submit_at(struct world *w, unsigned host, const char *path)
{
    char name[32];
    snprintf(name, sizeof name, "h%u.localhost", host);
    return world_submit(w, name, path);
}

/* However many hosts have a queue, so many jobs are in memory, and all of them run. */
static void test_windows_have_a_budget(void **state)
{
    enum { HOSTS = 100, EACH = 5 };
    uint64_t last[HOSTS];
    (void)state;
    struct world *w = world_new(MANY, false);
    assert_int_equal(hold_set(w->jobs, NULL, NULL, true), 0);
    for (unsigned i = 0; i < HOSTS * EACH; i++)
        last[i % HOSTS] = submit_at(w, i % HOSTS, "/bytes?n=1");
    assert_int_equal(w->jobs->window_len, 64);
    assert_int_equal(hold_set(w->jobs, NULL, NULL, false), 0);
    for (unsigned i = 0; i < HOSTS; i++) {
        world_wait_end(w, last[i], JOB_DONE);
        assert_true(w->jobs->window_len <= 64);
    }
    WORLD_WAIT(w, w->end_count == HOSTS * EACH);
    WORLD_WAIT(w, w->jobs->host_count == 0); /* a host without work costs nothing */
    assert_int_equal(w->jobs->hungry_count, 0);
    world_free(w);
}

/* While others wait for a share of the budget, submissions for hosts that are new do not take what
 * gets free of it: what waits in the store has its turn, however many of them keep coming. */
static void test_new_hosts_do_not_go_first(void **state)
{
    (void)state;
    struct world *w = world_new("[queue]\nwindow_max = 64\n[parse]\nworkers = 1\n"
                                "[fetch]\nhost_connections = 8\n",
                                false);
    unsigned next = 0;
    assert_int_equal(hold_set(w->jobs, NULL, NULL, true), 0);
    while (w->jobs->window_len < 64)
        submit_at(w, next++, "/bytes?n=1");
    uint64_t stored = submit_at(w, next, "/bytes?n=1");
    for (unsigned i = 1; i < 20; i++)
        submit_at(w, next, "/bytes?n=1");
    assert_int_equal(w->jobs->backlog.count, 1);
    assert_int_equal(hold_set(w->jobs, NULL, NULL, false), 0);
    for (size_t ends = 0; !world_end_of(w, stored) && ends < 300; ends++) {
        submit_at(w, ++next, "/bytes?n=1");
        WORLD_WAIT(w, w->end_count > ends);
    }
    assert_non_null(world_end_of(w, stored));
    world_free(w);
}

/* Windows of hosts that cannot start anything do not keep others from theirs; and once they can,
 * they do. Whoever cannot is not asked for again and again meanwhile. */
static void test_blocked_windows_make_room(void **state)
{
    static const char *const parsers[] = {"count", NULL};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct world *w = world_new(MANY, false);
        char text[256];
        uint64_t last = 0;
        const char *host = parsers[i] ? NULL : HOST;
        assert_int_equal(hold_set(w->jobs, host, parsers[i], true), 0);
        for (unsigned n = 0; n < 90; n++)
            last = host ? world_submit(w, HOST, "/bytes?n=1") : submit_at(w, n, "/bytes?n=1");
        assert_true(w->jobs->window_len > 0 && w->jobs->window_len <= 64);
        snprintf(text, sizeof text,
                 "{\"url\":\"http://localhost:%u/lines?n=1\",\"parser\":\"lines\"}",
                 (unsigned)origin_port(w->origin));
        uint64_t other = world_submit_json(w, text);
        world_wait_end(w, other, JOB_DONE);
        for (int n = 0; n < 50; n++) /* what is loaded is loaded */
            uv_run(&w->loop, UV_RUN_NOWAIT);
        unsigned made = w->gate.made[GATE_WINDOW];
        for (int n = 0; n < 50; n++)
            uv_run(&w->loop, UV_RUN_NOWAIT);
        assert_int_equal(w->gate.made[GATE_WINDOW], made);
        assert_true(w->jobs->window_len <= 64);
        assert_int_equal(hold_set(w->jobs, host, parsers[i], false), 0);
        world_wait_end(w, last, JOB_DONE);
        WORLD_WAIT(w, w->end_count == 91);
        world_free(w);
    }
}

/* Hosts of which the store has all there is rest: few are more than a name, and each of them has
 * its turn. One that is blocked does not come back before it may go on. */
static void test_hosts_rest(void **state)
{
    enum { HOSTS = 600 };
    (void)state;
    struct world *w = world_new(MANY, false);
    assert_int_equal(hold_set(w->jobs, NULL, NULL, true), 0);
    for (unsigned i = 0; i < HOSTS; i++)
        submit_at(w, i, "/bytes?n=1");
    assert_int_equal(w->jobs->host_count, 64);
    assert_int_equal(w->jobs->backlog.count, HOSTS - 64);
    assert_true(host_rests(w->jobs, "h599.localhost"));
    assert_int_equal(hold_set(w->jobs, NULL, "count", true), 0);
    assert_int_equal(hold_set(w->jobs, NULL, NULL, false), 0);
    WORLD_WAIT(w, w->jobs->backlog.count > 0 && list_empty(&w->jobs->backlog.turn));
    assert_true(w->jobs->host_count <= 64 + 2 * 128);
    for (int n = 0; n < 50; n++)
        uv_run(&w->loop, UV_RUN_NOWAIT);
    assert_true(list_empty(&w->jobs->backlog.turn)); /* nor does anything go round */
    assert_int_equal(w->end_count, 0);
    assert_int_equal(hold_set(w->jobs, NULL, "count", false), 0);
    WORLD_WAIT(w, w->end_count == HOSTS);
    WORLD_WAIT(w, w->jobs->host_count == 0);
    assert_int_equal(w->jobs->backlog.count, 0);
    world_free(w);
}

/* Hosts that have long queues and are hungry all the time do not keep those that rest from their
 * turn. */
static void test_who_rests_has_a_turn(void **state)
{
    enum { BUSY = 180, EACH = 10 };
    (void)state;
    struct world *w = world_new(MANY, false);
    assert_int_equal(hold_set(w->jobs, NULL, NULL, true), 0);
    uint64_t last = 0;
    for (unsigned i = 0; i < BUSY * EACH; i++)
        last = submit_at(w, i % BUSY, "/bytes?n=1");
    uint64_t other = submit_at(w, BUSY, "/bytes?n=1");
    assert_int_equal(hold_set(w->jobs, NULL, NULL, false), 0);
    WORLD_WAIT(w, world_is_at(w, other, PLACE_RUNNING) || world_end_of(w, other));
    assert_true(w->end_count < BUSY * 3);
    assert_null(world_end_of(w, last));
    world_free(w);
}

/* So many hosts and jobs are looked at for one job. */
static double steps_for_each(unsigned hosts)
{
    struct world *w = world_new("[parse]\nworkers = 8\n", true);
    uint64_t ids[200];
    for (unsigned i = 0; i < hosts; i++) { /* whose only job is due much later */
        char name[32];
        snprintf(name, sizeof name, "waits%u", i);
        host_due(w->jobs, name, clock_real_us() + INT64_C(3600000000) + i);
    }
    uint64_t before = w->jobs->steps;
    for (unsigned i = 0; i < 200; i++)
        ids[i] = submit_at(w, i % 10, "/bytes?n=1");
    for (unsigned i = 0; i < 200; i++)
        WORLD_WAIT(w, world_end_of(w, ids[i]));
    double steps = (double)(w->jobs->steps - before) / 200;
    world_free(w);
    return steps;
}

static void test_a_job_costs_the_same_beside_many_hosts(void **state)
{
    (void)state;
    double few = steps_for_each(10), many = steps_for_each(5000);
    assert_true(few > 0);
    if (many > 1.3 * few + 2)
        fail_msg("%.1f steps a job beside 10 hosts, %.1f beside 5,000", few, many);
}

/* So many hosts and jobs are looked at for a job, if each host has two and nearly all of them rest:
 * what `tests/bench/run scale` measures, small. */
static double steps_over(unsigned hosts)
{
    struct world *w = world_new(MANY, false);
    assert_int_equal(hold_set(w->jobs, NULL, NULL, true), 0);
    for (unsigned i = 0; i < 2 * hosts; i++)
        submit_at(w, i % hosts, "/bytes?n=1");
    uint64_t before = w->jobs->steps;
    assert_int_equal(hold_set(w->jobs, NULL, NULL, false), 0);
    WORLD_WAIT(w, w->end_count == 2 * hosts);
    double steps = (double)(w->jobs->steps - before) / (2 * hosts);
    world_free(w);
    return steps;
}

static void test_a_job_costs_the_same_over_many_hosts(void **state)
{
    (void)state;
    double few = steps_over(90), many = steps_over(900);
    assert_true(few > 0);
    if (many > 1.3 * few + 2)
        fail_msg("%.1f steps a job over 90 hosts, %.1f over 900", few, many);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_windows_have_a_budget),
        cmocka_unit_test(test_new_hosts_do_not_go_first),
        cmocka_unit_test(test_blocked_windows_make_room),
        cmocka_unit_test(test_hosts_rest),
        cmocka_unit_test(test_who_rests_has_a_turn),
        cmocka_unit_test(test_a_job_costs_the_same_beside_many_hosts),
        cmocka_unit_test(test_a_job_costs_the_same_over_many_hosts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
