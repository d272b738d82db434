/* Which job starts, and which one has to wait for what. */
#include "job/admission.h"
#include "job/hold.h"
#include "job/run.h"

#include "jobs_world.h"

#define HOST "127.0.0.1"

static void test_permits(void **state)
{
    (void)state;
    struct world *w = world_new("[parse]\nworkers = 2\n", false);
    uint64_t a = world_submit(w, HOST, "/bytes?n=1&hold=a");
    uint64_t b = world_submit(w, "localhost", "/bytes?n=1&hold=b");
    uint64_t c = world_submit(w, HOST, "/bytes?n=1&hold=c");
    world_wait_running(w, a);
    world_wait_running(w, b);
    assert_int_equal(world_job(w, c)->place, PLACE_WINDOW);
    assert_int_equal(w->jobs->permits_used, 2);
    assert_string_equal(admission_obstacle(w->jobs, HOST, "count", 0), "worker");
    origin_release(w->origin, "b");
    world_wait_end(w, b, JOB_DONE);
    world_wait_running(w, c);
    origin_release(w->origin, "a");
    origin_release(w->origin, "c");
    world_wait_end(w, a, JOB_DONE);
    world_wait_end(w, c, JOB_DONE);
    assert_int_equal(w->jobs->permits_used, 0);
    world_free(w);
}

/* Many jobs of one host do not hold up the one of another. */
static void test_hosts_take_turns(void **state)
{
    (void)state;
    struct world *w = world_new("[fetch]\nhost_connections = 1\n", false);
    uint64_t first = world_submit(w, HOST, "/bytes?n=1&hold=first");
    uint64_t second = world_submit(w, HOST, "/bytes?n=2");
    uint64_t other = world_submit(w, "localhost", "/bytes?n=3");
    world_wait_end(w, other, JOB_DONE);
    assert_int_equal(world_job(w, first)->place, PLACE_RUNNING);
    assert_int_equal(world_job(w, second)->place, PLACE_WINDOW);
    assert_string_equal(admission_obstacle(w->jobs, HOST, "count", 0), "host");
    origin_release(w->origin, "first");
    world_wait_end(w, second, JOB_DONE);
    world_free(w);
}

/* --- redirects -------------------------------------------------------------------------------- */

/* A job that is redirected from the one name of the origin to the other, where it asks for
 * `path`. */
static uint64_t submit_hop(struct world *w, const char *path)
{
    char whole[512];
    snprintf(whole, sizeof whole, "/text?text=x&redirect=http%%3A//localhost%%3A%u%s",
             (unsigned)origin_port(w->origin), path);
    return world_submit(w, HOST, whole);
}

static void test_hop_waits_for_a_slot(void **state)
{
    (void)state;
    struct world *w = world_new("[fetch]\nhost_connections = 1\n", false);
    uint64_t first = world_submit(w, "localhost", "/bytes?n=1&hold=first");
    world_wait_running(w, first);
    uint64_t queued = world_submit(w, "localhost", "/bytes?n=2");
    uint64_t hops = submit_hop(w, "/bytes%3Fn%3D3%26hold%3Dhop");
    WORLD_WAIT(w, world_is_at(w, hops, PLACE_HOPPING));
    struct host *host = host_find(w->jobs, "localhost");
    assert_ptr_equal(world_job(w, hops)->host, host);
    assert_false(world_job(w, hops)->has_slot);
    assert_int_equal(w->jobs->permits_used, 2); /* it keeps its permit */
    assert_null(host_find(w->jobs, HOST));      /* and has left its old host */
    /* The slot is its own, not that of the job which came before it and has not begun. */
    origin_release(w->origin, "first");
    world_wait_running(w, hops);
    assert_int_equal(world_job(w, queued)->place, PLACE_WINDOW);
    origin_release(w->origin, "hop");
    world_wait_end(w, hops, JOB_DONE);
    world_wait_end(w, queued, JOB_DONE);
    assert_int_equal(w->jobs->permits_used, 0);
    world_free(w);
}

/* Whoever comes while others wait is behind them, even if a slot is free for a moment. */
static void test_hops_keep_their_order(void **state)
{
    (void)state;
    struct world *w = world_new("[fetch]\nhost_connections = 1\n", false);
    uint64_t first = world_submit(w, "localhost", "/bytes?n=1&hold=first");
    world_wait_running(w, first);
    uint64_t one = submit_hop(w, "/bytes%3Fn%3D3%26hold%3Done");
    WORLD_WAIT(w, world_is_at(w, one, PLACE_HOPPING));
    uint64_t two = submit_hop(w, "/bytes%3Fn%3D4");
    WORLD_WAIT(w, world_is_at(w, two, PLACE_HOPPING));
    origin_release(w->origin, "first");
    world_wait_running(w, one);
    assert_int_equal(world_job(w, two)->place, PLACE_HOPPING);
    origin_release(w->origin, "one");
    world_wait_end(w, two, JOB_DONE);
    assert_int_equal(world_end_of(w, one)->state, JOB_DONE);
    world_free(w);
}

static void test_hop_that_is_cancelled(void **state)
{
    (void)state;
    struct world *w = world_new("[fetch]\nhost_connections = 1\n", false);
    uint64_t first = world_submit(w, "localhost", "/bytes?n=1&hold=first");
    world_wait_running(w, first);
    uint64_t hops = submit_hop(w, "/bytes%3Fn%3D3");
    WORLD_WAIT(w, world_is_at(w, hops, PLACE_HOPPING));
    uint64_t other = submit_hop(w, "/bytes%3Fn%3D4");
    WORLD_WAIT(w, world_is_at(w, other, PLACE_HOPPING));
    assert_true(job_cancel(world_job(w, hops), "enough"));
    struct host *host = host_find(w->jobs, "localhost");
    host->limit = 2; /* a slot is free at this moment: it is for the one that goes on */
    struct job *next = host_take_hop(host);
    assert_ptr_equal(next, world_job(w, other));
    job_continue(next);
    origin_release(w->origin, "first");
    world_wait_end(w, hops, JOB_CANCELLED);
    world_wait_end(w, other, JOB_DONE);
    world_wait_end(w, first, JOB_DONE);
    assert_null(host_find(w->jobs, "localhost"));
    world_free(w);
}

/* A reload that gives a host more slots lets those go on that wait for one. */
static void test_hop_after_a_reload(void **state)
{
    (void)state;
    struct world *w = world_new("[fetch]\nhost_connections = 1\n", false);
    struct settings *before = w->settings,
                    *after = world_settings("[fetch]\nhost_connections = 2\n");
    uint64_t first = world_submit(w, "localhost", "/bytes?n=1&hold=first");
    world_wait_running(w, first);
    uint64_t hops = submit_hop(w, "/bytes%3Fn%3D3");
    WORLD_WAIT(w, world_is_at(w, hops, PLACE_HOPPING));
    jobs_reconfigure(w->jobs, after, w->registry, w->policy);
    w->settings = after;
    world_wait_end(w, hops, JOB_DONE);
    assert_int_equal(world_job(w, first)->place, PLACE_RUNNING);
    origin_release(w->origin, "first");
    world_wait_end(w, first, JOB_DONE);
    world_free(w);
    settings_free(before);
}

/* What runs goes on in a drain, slots and all; what is queued does not start. */
static void test_hop_in_a_drain(void **state)
{
    (void)state;
    struct world *w = world_new("[fetch]\nhost_connections = 1\n", true);
    uint64_t first = world_submit(w, "localhost", "/bytes?n=1&hold=first");
    world_wait_running(w, first);
    uint64_t queued = world_submit(w, "localhost", "/bytes?n=2");
    uint64_t hops = submit_hop(w, "/bytes%3Fn%3D3");
    WORLD_WAIT(w, world_is_at(w, hops, PLACE_HOPPING));
    drain_begin(w->jobs, world_on_drained, w);
    origin_release(w->origin, "first");
    WORLD_WAIT(w, w->drained);
    assert_int_equal(world_end_of(w, first)->state, JOB_DONE);
    assert_int_equal(world_end_of(w, hops)->state, JOB_DONE);
    assert_null(world_end_of(w, queued));
    world_free(w);
}

/* --- what an operator holds back -------------------------------------------------------------- */

static void test_holds(void **state)
{
    static const struct {
        const char *host, *parser;
    } cases[] = {{NULL, NULL}, {HOST, NULL}, {NULL, "count"}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct world *w = world_new("", false);
        assert_int_equal(hold_set(w->jobs, cases[i].host, cases[i].parser, true), 0);
        assert_int_equal(hold_set(w->jobs, cases[i].host, cases[i].parser, true), 0);
        uint64_t id = world_submit(w, HOST, "/bytes?n=1");
        admission_run(w->jobs);
        assert_int_equal(world_job(w, id)->place, PLACE_WINDOW);
        assert_string_equal(admission_obstacle(w->jobs, HOST, "count", 0), "paused");
        assert_int_equal(hold_set(w->jobs, cases[i].host, cases[i].parser, false), 0);
        world_wait_end(w, id, JOB_DONE);
        assert_int_equal(hold_set(w->jobs, cases[i].host, cases[i].parser, false), 0);
        assert_null(host_find(w->jobs, HOST)); /* a hold that is over keeps no host */
        world_free(w);
    }
}

/* A held parser is passed over: the next job of the window starts. */
static void test_hold_of_a_parser_is_passed_over(void **state)
{
    char text[256];
    (void)state;
    struct world *w = world_new("", false);
    assert_int_equal(hold_set(w->jobs, NULL, "lines", true), 0);
    snprintf(text, sizeof text, "{\"url\":\"http://" HOST ":%u/lines?n=1\",\"parser\":\"lines\"}",
             (unsigned)origin_port(w->origin));
    uint64_t held = world_submit_json(w, text);
    uint64_t id = world_submit(w, HOST, "/bytes?n=1");
    world_wait_end(w, id, JOB_DONE);
    assert_int_equal(world_job(w, held)->place, PLACE_WINDOW);
    world_free(w);
}

static void test_holds_are_bounded(void **state)
{
    char name[32];
    (void)state;
    struct world *w = world_new("", false);
    for (unsigned i = 0; i < HOLD_HOSTS_MAX; i++) {
        snprintf(name, sizeof name, "h%u", i);
        assert_int_equal(hold_set(w->jobs, name, NULL, true), 0);
    }
    assert_int_equal(hold_set(w->jobs, "more", NULL, true), -EDQUOT);
    assert_int_equal(hold_set(w->jobs, "h0", NULL, false), 0);
    assert_int_equal(hold_set(w->jobs, "more", NULL, true), 0);
    world_free(w);
}

/* --- the sink and the store ------------------------------------------------------------------- */

static void test_nothing_starts_while_the_store_fails(void **state)
{
    (void)state;
    struct world *w = world_new("", false);
    w->gate.failing = true;
    uint64_t id = world_submit(w, HOST, "/bytes?n=1");
    admission_run(w->jobs);
    assert_int_equal(world_job(w, id)->place, PLACE_WINDOW);
    assert_string_equal(admission_obstacle(w->jobs, HOST, "count", 0), "store");
    w->gate.failing = false;
    jobs_trouble_changed(w->jobs);
    world_wait_end(w, id, JOB_DONE);
    world_free(w);
}

/* Requests a second: the next one starts by itself when its time has come. */
static void test_rate(void **state)
{
    (void)state;
    struct world *w = world_new("[host \"" HOST "\"]\nrequests_per_second = 5\n", false);
    uint64_t last = 0;
    assert_int_equal(hold_set(w->jobs, NULL, NULL, true), 0);
    for (int i = 0; i < 7; i++)
        last = world_submit(w, HOST, "/bytes?n=1");
    uint64_t begin = clock_now();
    assert_int_equal(hold_set(w->jobs, NULL, NULL, false), 0);
    WORLD_WAIT(w, host_find(w->jobs, HOST)->wake_at);
    assert_string_equal(admission_obstacle(w->jobs, HOST, "count", 0), "host");
    world_wait_end(w, last, JOB_DONE);
    assert_true(clock_now() - begin >=
                300 * NS_PER_MS); /* the fifth of a second for each after five */
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_permits),
        cmocka_unit_test(test_hosts_take_turns),
        cmocka_unit_test(test_hop_waits_for_a_slot),
        cmocka_unit_test(test_hops_keep_their_order),
        cmocka_unit_test(test_hop_that_is_cancelled),
        cmocka_unit_test(test_hop_after_a_reload),
        cmocka_unit_test(test_hop_in_a_drain),
        cmocka_unit_test(test_holds),
        cmocka_unit_test(test_hold_of_a_parser_is_passed_over),
        cmocka_unit_test(test_holds_are_bounded),
        cmocka_unit_test(test_nothing_starts_while_the_store_fails),
        cmocka_unit_test(test_rate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
