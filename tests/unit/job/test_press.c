/* Who keeps others waiting: jobs that a client presses on, and those that wait behind them. */
#include "job/press.h"
#include "job/hold.h"

#include "jobs_world.h"

#define HOST "127.0.0.1"

/* Nobody takes from them: no job that they press on begins meanwhile. */
static struct sink_credit *const one = (struct sink_credit *)1;
static struct sink_credit *const two = (struct sink_credit *)2;

/* The first who presses on a job does so, and another is nobody; then the next may. */
static void test_one_presses_at_a_time(void **state)
{
    (void)state;
    struct world *w = world_new("", false);
    struct press first = {0}, second = {0}, other = {0};
    assert_null(press_credit(w->jobs, 7));
    press_begin(w->jobs, &first, 7, one);
    press_begin(w->jobs, &second, 7, two);
    press_begin(w->jobs, &other, 8, two);
    assert_ptr_equal(press_credit(w->jobs, 7), one);
    assert_ptr_equal(press_credit(w->jobs, 8), two);
    assert_null(second.credit);
    press_end(w->jobs, &second); /* it has not begun: the first stays */
    assert_ptr_equal(press_credit(w->jobs, 7), one);
    press_end(w->jobs, &first);
    assert_null(first.credit);
    press_end(w->jobs, &first);
    assert_null(press_credit(w->jobs, 7));
    press_begin(w->jobs, &second, 7, two);
    assert_ptr_equal(press_credit(w->jobs, 7), two);
    press_end(w->jobs, &second);
    press_end(w->jobs, &other);
    world_free(w);
}

/* Jobs of the same client are no others. */
static void test_behind_a_host(void **state)
{
    struct press running = {0}, mine = {0}, other = {0};
    (void)state;
    struct world *w = world_new("[fetch]\nhost_connections = 1\n", false);
    uint64_t first = world_submit(w, HOST, "/bytes?n=1&hold=first");
    press_begin(w->jobs, &running, first + 1, one); /* of none that there is */
    assert_false(press_runs(w->jobs, &running));
    press_end(w->jobs, &running);
    assert_false(press_runs(w->jobs, &running));
    world_wait_running(w, first);
    press_begin(w->jobs, &running, first, one);
    assert_true(press_runs(w->jobs, &running));
    assert_false(press_fills_host(w->jobs, &running)); /* nobody waits */
    uint64_t second = world_submit(w, HOST, "/bytes?n=2");
    assert_true(press_fills_host(w->jobs, &running));
    press_begin(w->jobs, &mine, second, one);
    assert_false(press_runs(w->jobs, &mine));
    assert_false(press_fills_host(w->jobs, &running)); /* it waits for itself */
    press_end(w->jobs, &mine);
    press_begin(w->jobs, &other, second, two);
    assert_true(press_fills_host(w->jobs, &running)); /* for another who presses */
    /* What an operator holds back does not wait for this one. */
    assert_int_equal(hold_set(w->jobs, NULL, "count", true), 0);
    assert_false(press_fills_host(w->jobs, &running));
    assert_int_equal(hold_set(w->jobs, NULL, "count", false), 0);
    assert_true(press_fills_host(w->jobs, &running));
    assert_int_equal(hold_set(w->jobs, HOST, NULL, true), 0);
    assert_false(press_fills_host(w->jobs, &running));
    assert_int_equal(hold_set(w->jobs, HOST, NULL, false), 0);
    assert_int_equal(hold_set(w->jobs, NULL, NULL, true), 0);
    assert_false(press_fills_host(w->jobs, &running));
    assert_int_equal(hold_set(w->jobs, NULL, NULL, false), 0);
    /* Nor while there is a slot for it. */
    host_find(w->jobs, HOST)->limit = 2;
    assert_false(press_fills_host(w->jobs, &running));
    host_find(w->jobs, HOST)->limit = 1;
    press_end(w->jobs, &running);
    press_end(w->jobs, &other);
    origin_release(w->origin, "first");
    world_wait_end(w, second, JOB_DONE);
    world_free(w);
}

static void test_behind_workers(void **state)
{
    struct press running = {0}, mine = {0};
    (void)state;
    struct world *w = world_new("[parse]\nworkers = 1\n", false);
    assert_false(press_fills_workers(w->jobs, one));
    uint64_t first = world_submit(w, HOST, "/bytes?n=1&hold=first");
    world_wait_running(w, first);
    press_begin(w->jobs, &running, first, one);
    assert_false(press_fills_workers(w->jobs, one));
    uint64_t second = world_submit(w, "localhost", "/bytes?n=2");
    WORLD_WAIT(w, w->jobs->hungry_count == 0);
    assert_true(press_fills_workers(w->jobs, one));
    press_begin(w->jobs, &mine, second, one);
    assert_false(press_fills_workers(w->jobs, one));
    assert_true(press_fills_workers(w->jobs, two));
    assert_int_equal(hold_set(w->jobs, NULL, NULL, true), 0);
    assert_false(press_fills_workers(w->jobs, two));
    assert_int_equal(hold_set(w->jobs, NULL, NULL, false), 0);
    press_end(w->jobs, &running);
    press_end(w->jobs, &mine);
    origin_release(w->origin, "first");
    world_wait_end(w, second, JOB_DONE);
    assert_false(press_fills_workers(w->jobs, two)); /* there is one to be had */
    world_free(w);
}

/* A drain starts nobody, so nobody is kept waiting. */
static void test_in_a_drain(void **state)
{
    struct press running = {0};
    (void)state;
    struct world *w = world_new("[fetch]\nhost_connections = 1\n", true);
    uint64_t first = world_submit(w, HOST, "/bytes?n=1&hold=first");
    world_wait_running(w, first);
    world_submit(w, HOST, "/bytes?n=2");
    press_begin(w->jobs, &running, first, one);
    assert_true(press_fills_host(w->jobs, &running));
    drain_begin(w->jobs, world_on_drained, w);
    assert_false(press_fills_host(w->jobs, &running));
    press_end(w->jobs, &running);
    origin_release(w->origin, "first");
    WORLD_WAIT(w, w->drained);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_presses_at_a_time),
        cmocka_unit_test(test_behind_a_host),
        cmocka_unit_test(test_behind_workers),
        cmocka_unit_test(test_in_a_drain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
