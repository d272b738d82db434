/* How many jobs of one user run at once, and who goes on when one of them has ended. */
#include "job/admission.h"
#include "job/hold.h"
#include "job/run.h"

#include "jobs_world.h"

#define HOST "127.0.0.1"

enum { ANNA = 61001, BEN = 61002 };

#define LIMITED(n) "[user \"61001\"]\nmax_running = " #n "\n[fetch]\nhost_connections = 8\n"

static uint64_t submit(struct world *w, uint32_t uid, const char *host, const char *path)
{
    char text[512];
    snprintf(text, sizeof text,
             "{\"url\":\"http://%s:%u%s\",\"parser\":\"count\",\"max_attempts\":2}", host,
             (unsigned)origin_port(w->origin), path);
    return world_submit_as(w, uid, text);
}

static uint64_t submit_at(struct world *w, uint32_t uid, unsigned host, const char *path)
{
    char name[32];
    snprintf(name, sizeof name, "h%u.localhost", host);
    return submit(w, uid, name, path);
}

static unsigned running(const struct world *w, uint32_t uid)
{
    const struct user *user = user_find(w->jobs, uid);
    return user ? user->running : 0;
}

/* The count is what runs, and what waits in turn is known as that. */
static void check_counts(const struct world *w, uint64_t max)
{
    unsigned anna = 0;
    list_for_each(e, &w->jobs->running) anna +=
        container_of(e, struct job, link)->user == user_find(w->jobs, ANNA);
    assert_int_equal(running(w, ANNA), anna);
    assert_true(!max || anna <= max);
}

/* --- waiting ---------------------------------------------------------------------------------- */

static void test_others_go_on(void **state)
{
    uint64_t ids[300];
    (void)state;
    struct world *w = world_new(LIMITED(2), false);
    assert_int_equal(hold_set(w->jobs, NULL, NULL, true), 0);
    for (size_t i = 0; i < 300; i++) /* which fill the window */
        ids[i] = submit(w, ANNA, HOST, i < 2 ? "/bytes?n=1&hold=anna" : "/bytes?n=1");
    assert_int_equal(hold_set(w->jobs, NULL, NULL, false), 0);
    world_wait_running(w, ids[0]);
    world_wait_running(w, ids[1]);
    for (size_t i = 0; i < 300; i++) /* on her host, behind all of hers, and before they end */
        world_wait_end(w, submit(w, BEN, HOST, "/bytes?n=1"), JOB_DONE);
    assert_int_equal(running(w, ANNA), 2);
    assert_null(job_find(w->jobs, ids[2])); /* they wait in the store */
    assert_string_equal(admission_obstacle(w->jobs, HOST, "count", ANNA), "user");
    assert_string_equal(admission_obstacle(w->jobs, HOST, "count", BEN), "worker");
    origin_release(w->origin, "anna");
    WORLD_WAIT(w, (check_counts(w, 2), w->end_count == 600));
    assert_null(user_find(w->jobs, ANNA)->hosts.root);
    assert_int_equal(w->jobs->users.tight_count, 0);
    world_free(w);
}

/* Those of one host in their order, and hosts in turn. */
static void test_order(void **state)
{
    uint64_t ids[30];
    (void)state;
    struct world *w = world_new(LIMITED(1), false);
    uint64_t first = submit(w, ANNA, HOST, "/bytes?n=1&hold=first");
    world_wait_running(w, first);
    for (unsigned i = 0; i < 30; i++)
        ids[i] = submit_at(w, ANNA, i / 10, "/bytes?n=1");
    origin_release(w->origin, "first");
    WORLD_WAIT(w, (check_counts(w, 1), w->end_count == 31));
    for (unsigned i = 0; i < 30; i++)
        assert_int_equal(w->ends[1 + i].job, ids[i % 3 * 10 + i / 3]);
    world_free(w);
}

/* While others always have something to start, and take each permit as it gets free, she has her
 * turn among them. */
static void test_others_do_not_take_all(void **state)
{
    enum { HERS = 4, OTHERS = 60 };
    uint64_t last = 0;
    (void)state;
    struct world *w = world_new(LIMITED(1) "[parse]\nworkers = 1\n", false);
    world_wait_running(w, submit(w, ANNA, HOST, "/bytes?n=1&hold=first"));
    for (unsigned i = 0; i < HERS; i++)
        last = submit_at(w, ANNA, i % 2, "/bytes?n=1");
    for (unsigned i = 0; i < OTHERS; i++)
        submit_at(w, BEN, 2 + i % 2, "/bytes?n=1");
    origin_release(w->origin, "first");
    world_wait_end(w, last, JOB_DONE);
    assert_true(w->end_count < 1 + HERS * 6); /* one turn for each, as the hosts of the others */
    WORLD_WAIT(w, (check_counts(w, 1), w->end_count == 1 + HERS + OTHERS));
    world_free(w);
}

/* A host that cannot start what it is offered does not keep her from her others, and is
 * the next one once it can. */
static void test_a_host_that_cannot(void **state)
{
    (void)state;
    struct world *w = world_new(LIMITED(1), false);
    uint64_t first = submit(w, ANNA, HOST, "/bytes?n=1&hold=first");
    world_wait_running(w, first);
    assert_int_equal(hold_set(w->jobs, "h0.localhost", NULL, true), 0);
    uint64_t held = submit_at(w, ANNA, 0, "/bytes?n=1");
    uint64_t other = submit_at(w, ANNA, 1, "/bytes?n=1&hold=other");
    uint64_t last = submit_at(w, ANNA, 2, "/bytes?n=1");
    origin_release(w->origin, "first");
    world_wait_running(w, other);
    assert_string_equal(admission_obstacle(w->jobs, "h0.localhost", "count", ANNA), "paused");
    assert_int_equal(hold_set(w->jobs, "h0.localhost", NULL, false), 0);
    admission_run(w->jobs);
    WORLD_WAIT(w, !host_find(w->jobs, "h0.localhost")); /* it has looked, and she has no room */
    assert_null(world_end_of(w, held));
    origin_release(w->origin, "other");
    world_wait_end(w, last, JOB_DONE);
    assert_int_equal(w->ends[w->end_count - 2].job, held);
    assert_null(user_find(w->jobs, ANNA)->hosts.root);
    world_free(w);
}

/* What comes to a host that has been offered room, and has lost what it was to start, is not left
 * behind, whatever the others do. */
static void test_a_job_for_a_host_that_stands(void **state)
{
    (void)state;
    struct world *w = world_new(LIMITED(1) "[host \"h0.localhost\"]\nconnections = 2\n", false);
    uint64_t short_one = submit_at(w, BEN, 0, "/bytes?n=1&hold=short");
    uint64_t long_one = submit_at(w, BEN, 0, "/bytes?n=1&hold=long");
    world_wait_running(w, short_one);
    world_wait_running(w, long_one);
    world_wait_running(w, submit(w, ANNA, HOST, "/bytes?n=1&hold=first"));
    uint64_t lost = submit_at(w, ANNA, 0, "/bytes?n=1");
    origin_release(w->origin, "first");
    WORLD_WAIT(w, user_stands(user_find(w->jobs, ANNA), "h0.localhost"));
    assert_true(job_cancel(world_job(w, lost), "enough"));
    world_wait_end(w, lost, JOB_CANCELLED);
    world_wait_running(w, submit(w, ANNA, HOST, "/bytes?n=1&hold=second"));
    w->gate.hold[GATE_WINDOW] = true;
    uint64_t other = submit_at(w, ANNA, 1, "/bytes?n=1");
    origin_release(w->origin, "second");
    WORLD_WAIT(w, w->gate.held_count == 1); /* she has room, which is offered elsewhere */
    uint64_t next = submit_at(w, ANNA, 0, "/bytes?n=1");
    gate_release(&w->gate);
    world_wait_end(w, other, JOB_DONE);
    origin_release(w->origin, "short");
    world_wait_end(w, next, JOB_DONE);
    origin_release(w->origin, "long");
    world_wait_end(w, long_one, JOB_DONE);
    world_free(w);
}

/* What was left behind by jobs that are gone keeps nobody from his turn. */
static void test_hosts_whose_jobs_are_gone(void **state)
{
    uint64_t ids[50];
    (void)state;
    struct world *w = world_new(LIMITED(1), false);
    uint64_t first = submit(w, ANNA, HOST, "/bytes?n=1&hold=first");
    world_wait_running(w, first);
    for (unsigned i = 0; i < 50; i++)
        ids[i] = submit_at(w, ANNA, i, "/bytes?n=1");
    uint64_t last = submit_at(w, ANNA, 50, "/bytes?n=1");
    for (unsigned i = 0; i < 50; i++) {
        struct store_job *row = calloc(1, sizeof *row);
        char name[32];
        snprintf(name, sizeof name, "h%u.localhost", i);
        *row = (struct store_job){.id = ids[i], .uid = ANNA, .gid = ANNA, .host = strdup(name)};
        row->parser = strdup("count");
        row->spec = strdup("{\"url\":\"http://localhost/\",\"parser\":\"count\"}");
        assert_int_equal(job_cancel_row(w->jobs, row, "gone"), 0);
    }
    WORLD_WAIT(w, w->end_count == 50);
    origin_release(w->origin, "first");
    world_wait_end(w, last, JOB_DONE);
    WORLD_WAIT(w, !user_find(w->jobs, ANNA)->hosts.root);
    world_free(w);
}

/* --- the count -------------------------------------------------------------------------------- */

/* A job that is redirected keeps its place, and one that waits for its next attempt does not. */
static void test_redirect_and_retry(void **state)
{
    char path[256];
    (void)state;
    struct world *w = world_new(LIMITED(1), false);
    snprintf(path, sizeof path,
             "/text?text=x&redirect=http%%3A//localhost%%3A%u/bytes%%3Fn%%3D1%%26hold%%3Dhop",
             (unsigned)origin_port(w->origin));
    uint64_t hops = submit(w, ANNA, HOST, path);
    WORLD_WAIT(w, world_is_at(w, hops, PLACE_RUNNING) &&
                      strcmp(world_job(w, hops)->host->name, "localhost") == 0);
    uint64_t fails = submit(w, ANNA, HOST, "/text?text=x&status=503");
    assert_int_equal(running(w, ANNA), 1);
    assert_null(job_find(w->jobs, fails));
    origin_release(w->origin, "hop");
    world_wait_end(w, hops, JOB_DONE);
    WORLD_WAIT(w, w->jobs->retries == 1);
    world_wait_end(w, submit(w, ANNA, HOST, "/bytes?n=1"), JOB_DONE);
    world_wait_end(w, fails, JOB_FAILED); /* its next attempt may have begun meanwhile */
    assert_int_equal(running(w, ANNA), 0);
    world_free(w);
}

/* However it goes, what was taken is given back: claims that are refused, a cancel at each place,
 * a drain. */
static void test_no_way_leaks(void **state)
{
    (void)state;
    struct world *w = world_new(LIMITED(1), true);
    w->gate.refuse[GATE_CLAIM] = -EIO;
    assert_int_equal(hold_set(w->jobs, NULL, NULL, true), 0); /* else it is claimed at once */
    uint64_t id = submit(w, ANNA, HOST, "/bytes?n=1&hold=a");
    assert_int_equal(hold_set(w->jobs, NULL, NULL, false), 0);
    WORLD_WAIT(w, w->gate.made[GATE_CLAIM] > 0 && !job_find(w->jobs, id));
    assert_int_equal(running(w, ANNA), 0);
    w->gate.refuse[GATE_CLAIM] = 0;
    w->gate.hold[GATE_CLAIM] = true;
    WORLD_WAIT(w, world_is_at(w, id, PLACE_CLAIMING));
    assert_int_equal(running(w, ANNA), 1); /* before the store has said so */
    assert_true(job_cancel(world_job(w, id), "enough"));
    gate_release(&w->gate);
    world_wait_end(w, id, JOB_CANCELLED);
    assert_int_equal(running(w, ANNA), 0);
    id = submit(w, ANNA, HOST, "/bytes?n=1&hold=a");
    world_wait_running(w, id);
    uint64_t next = submit(w, ANNA, HOST, "/bytes?n=1&hold=a");
    assert_true(job_cancel(world_job(w, id), "enough"));
    world_wait_end(w, id, JOB_CANCELLED);
    world_wait_running(w, next);
    drain_begin(w->jobs, world_on_drained, w);
    drain_stop(w->jobs);
    WORLD_WAIT(w, w->drained);
    assert_int_equal(running(w, ANNA), 0);
    world_free(w);
}

/* Whatever happens in whatever order: never more than the limit, no count that is not the number of
 * jobs that run, and nobody is forgotten. */
static void test_churn(void **state)
{
    enum { JOBS = 1200, AT_ONCE = 3 };
    static const char *const paths[] = {"/bytes?n=1", "/bytes?n=70000", "/text?text=x&status=503",
                                        "/text?text=x&redirect=/bytes%3Fn%3D1"};
    static uint64_t ids[JOBS];
    (void)state;
    struct world *w = world_new(LIMITED(3) "retry_delay = 10ms\n[queue]\nwindow_max = 64\n", true);
    uint64_t seed = 42;
    for (unsigned i = 0; i < JOBS; i++) {
        unsigned dice = (unsigned)((seed = seed * 6364136223846793005U + 1) >> 40);
        ids[i] = submit_at(w, dice & 1 ? ANNA : BEN, dice / 2 % 40, paths[dice / 128 % 4]);
        check_counts(w, AT_ONCE);
        struct job *job = job_find(w->jobs, ids[dice / 512 % (i + 1)]);
        if (dice % 11 == 0 && job)
            job_cancel(job, "enough");
        if (dice % 17 == 0)
            w->gate.refuse[GATE_CLAIM] = w->gate.refuse[GATE_CLAIM] ? 0 : -EIO;
        if (dice % 23 == 0)
            assert_int_equal(hold_set(w->jobs, "h7.localhost", NULL, dice & 64), 0);
    }
    w->gate.refuse[GATE_CLAIM] = 0;
    assert_int_equal(hold_set(w->jobs, "h7.localhost", NULL, false), 0);
    for (unsigned n = 100; n <= JOBS; n += 100) /* a slow machine gets on as well */
        WORLD_WAIT(w, (check_counts(w, AT_ONCE), w->end_count >= n));
    assert_int_equal(w->end_count, JOBS);
    assert_int_equal(running(w, ANNA), 0);
    assert_int_equal(running(w, BEN), 0);
    WORLD_WAIT(w, w->jobs->users.tight_count == 0);
    world_free(w);
}

/* --- reload ----------------------------------------------------------------------------------- */

static struct settings *reload(struct world *w, const char *text)
{
    struct settings *before = w->settings;
    w->settings = world_settings(text);
    jobs_reconfigure(w->jobs, w->settings, w->registry, w->policy);
    return before;
}

static void test_reload(void **state)
{
    uint64_t ids[40];
    (void)state;
    struct settings *old[4];
    struct world *w = world_new("[fetch]\nhost_connections = 8\n", false);
    for (unsigned i = 0; i < 8; i++)
        ids[i] = submit(w, ANNA, HOST, i < 4 ? "/bytes?n=1&hold=a" : "/bytes?n=1&hold=b");
    for (unsigned i = 0; i < 8; i++)
        world_wait_running(w, ids[i]);
    old[0] = reload(w, LIMITED(6)); /* what runs counts, and runs on */
    for (unsigned i = 8; i < 40; i++)
        ids[i] = submit_at(w, ANNA, i, "/bytes?n=1&hold=c");
    origin_release(w->origin, "a");
    for (unsigned i = 0; i < 4; i++)
        world_wait_end(w, ids[i], JOB_DONE);
    WORLD_WAIT(w, running(w, ANNA) == 6);
    old[1] = reload(w, LIMITED(9));
    WORLD_WAIT(w, (check_counts(w, 9), running(w, ANNA) == 9));
    old[2] = reload(w, LIMITED(5));
    origin_release(w->origin, "b");
    for (unsigned i = 4; i < 8; i++)
        world_wait_end(w, ids[i], JOB_DONE);
    WORLD_WAIT(w, (check_counts(w, 9), running(w, ANNA) == 5));
    old[3] = reload(w, "[fetch]\nhost_connections = 8\n");
    assert_null(user_find(w->jobs, ANNA)->hosts.root); /* they go as any others */
    WORLD_WAIT(w, running(w, ANNA) == 32);             /* all that are left */
    origin_release(w->origin, "c");
    WORLD_WAIT(w, w->end_count == 40);
    world_free(w);
    for (unsigned i = 0; i < 4; i++)
        settings_free(old[i]);
}

/* Connections as several groups: the most generous counts, whichever came last, and after a reload
 * as before it. */
static void test_several_groups(void **state)
{
#define GROUPS "[group \"70001\"]\nmax_running = 3\n[group \"70002\"]\nmax_running = 2\n"
    (void)state;
    struct world *w = world_new(GROUPS, false);
    struct user *user = user_get(w->jobs, ANNA, 70001);
    assert_ptr_equal(user_get(w->jobs, ANNA, 70002), user);
    assert_int_equal(user->max, 3);
    settings_free(reload(w, GROUPS));
    assert_int_equal(user->max, 3);
    assert_string_equal(user->section, "[group \"70001\"]");
    settings_free(reload(w, ""));
    assert_int_equal(user->max, 0);
    world_free(w);
#undef GROUPS
}

/* Nobody escapes from his group's limit by connecting as another one, which has none. */
static void test_a_group_without_a_section(void **state)
{
    (void)state;
    struct world *w = world_new("[group \"70001\"]\nmax_running = 3\n", false);
    struct user *user = user_get(w->jobs, ANNA, 70009);
    assert_int_equal(user->max, 0);
    user_get(w->jobs, ANNA, 70001);
    assert_int_equal(user->max, 3);
    user = user_get(w->jobs, BEN, 70001);
    user_get(w->jobs, BEN, 70009);
    assert_int_equal(user->max, 3);
    /* Of very many groups the first ones are remembered, and the last one. */
    for (uint32_t gid = 80000; gid < 80000 + 2 * USER_GROUPS; gid++)
        user_get(w->jobs, BEN, gid);
    settings_free(reload(w, "[group \"80031\"]\nmax_running = 1\n"));
    assert_int_equal(user->max, 1);
    settings_free(reload(w, "[group \"70001\"]\nmax_running = 3\n"));
    assert_int_equal(user->max, 3);
    world_free(w);
}

/* The room went while the host looked, and came back: what was left in the store meanwhile is
 * loaded, also if the host stays in memory for another reason. */
static void test_room_that_comes_and_goes(void **state)
{
#define RATE "[host \"h0.localhost\"]\nrequests_per_second = 1000\n" /* so it is remembered */
    (void)state;
    struct settings *old[3];
    struct world *w = world_new(LIMITED(1) RATE, false);
    world_wait_end(w, submit_at(w, ANNA, 0, "/bytes?n=1"), JOB_DONE);
    uint64_t first = submit(w, ANNA, HOST, "/bytes?n=1&hold=first");
    world_wait_running(w, first);
    uint64_t next = submit_at(w, ANNA, 0, "/bytes?n=1");
    WORLD_WAIT(w, !job_find(w->jobs, next) && !host_find(w->jobs, "h0.localhost")->ready);
    old[0] = reload(w, LIMITED(2) RATE);
    admission_run(w->jobs); /* offers it to the host, … */
    old[1] = reload(w, LIMITED(1) RATE);
    admission_run(w->jobs); /* … which looks for what may start when nothing may */
    assert_true(host_find(w->jobs, "h0.localhost")->loading);
    old[2] = reload(w, LIMITED(2) RATE);
    world_wait_end(w, next, JOB_DONE);
    origin_release(w->origin, "first");
    world_wait_end(w, first, JOB_DONE);
    world_free(w);
    for (unsigned i = 0; i < 3; i++)
        settings_free(old[i]);
#undef RATE
}

/* --- cost ------------------------------------------------------------------------------------- */

/* So many hosts and jobs are looked at for each end, if a job waits at each of so many hosts. */
static double steps_for_each(unsigned hosts)
{
    enum { ENDS = 200 };
    struct world *w = world_new(LIMITED(2), true);
    uint64_t first[2];
    for (unsigned i = 0; i < 2; i++)
        first[i] = submit(w, ANNA, HOST, "/bytes?n=1&hold=first");
    world_wait_running(w, first[0]);
    world_wait_running(w, first[1]);
    for (unsigned i = 0; i < hosts * (hosts < ENDS ? ENDS / hosts + 1 : 1); i++)
        submit_at(w, ANNA, i % hosts, "/bytes?n=1");
    assert_true(w->jobs->host_count < 10);
    uint64_t before = w->jobs->steps;
    origin_release(w->origin, "first");
    WORLD_WAIT(w, (check_counts(w, 2), w->end_count >= ENDS));
    double steps = (double)(w->jobs->steps - before) / (double)w->end_count;
    world_free(w);
    return steps;
}

static void test_an_end_costs_the_same_beside_many_hosts(void **state)
{
    (void)state;
    double few = steps_for_each(10), many = steps_for_each(10000);
    print_message("%.1f steps an end with 10 hosts, %.1f with 10,000\n", few, many);
    assert_true(few > 0);
    if (many > 1.3 * few + 2)
        fail_msg("%.1f steps an end with 10 hosts, %.1f with 10,000", few, many);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_others_go_on),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_others_do_not_take_all),
        cmocka_unit_test(test_a_host_that_cannot),
        cmocka_unit_test(test_a_job_for_a_host_that_stands),
        cmocka_unit_test(test_hosts_whose_jobs_are_gone),
        cmocka_unit_test(test_redirect_and_retry),
        cmocka_unit_test(test_no_way_leaks),
        cmocka_unit_test(test_churn),
        cmocka_unit_test(test_reload),
        cmocka_unit_test(test_several_groups),
        cmocka_unit_test(test_a_group_without_a_section),
        cmocka_unit_test(test_room_that_comes_and_goes),
        cmocka_unit_test(test_an_end_costs_the_same_beside_many_hosts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
