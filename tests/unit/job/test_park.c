/* What a member of a fleet cannot run, and what it runs for others that cannot. */
#include "fleet_world.h"
#include "job/admission.h"
#include "job/needs.h"
#include "job/park.h"

#define HOST  "127.0.0.1"
#define OTHER "localhost"

/* --- what a job needs ------------------------------------------------------------------------- */

static void assert_needs(const char *spec, const char *needs, const char *shown)
{
    struct store_job row = {.parser = (char *)(uintptr_t) "count", .spec = (char *)(uintptr_t)spec};
    struct buf b = BUF_INIT;
    char *text = needs_of(&row);
    assert_string_equal(text, needs);
    needs_put(&b, text);
    assert_false(b.failed);
    assert_string_equal(b.data, shown);
    buf_deinit(&b);
    free(text);
}

static void test_what_a_job_needs(void **state)
{
    (void)state;
    assert_needs("{\"url\":\"http://h/\"}", "parser count", "parser count");
    assert_needs("{\"url\":\"http://h/\",\"level\":1}", "parser count", "parser count");
    assert_needs("{\"url\":\"http://h/\",\"credential\":\"c\",\"level\":2}",
                 "parser count\ncredential c\nlevel 2",
                 "parser count and credential c and level 2");
    assert_needs("no JSON", "parser count", "parser count");
}

static void test_what_is_met(void **state)
{
    (void)state;
    struct fleet_world *f = fleet_world_new("[credential \"c\"]\ntype = bearer\n"
                                            "secret_file = /nowhere\nhosts = h\n");
    const struct jobs *jobs = f->w->jobs;
    assert_true(needs_met(jobs, "parser count"));
    assert_false(needs_met(jobs, "parser theirs"));
    assert_false(needs_met(jobs, "parser count\ncredential theirs"));
    assert_true(needs_met(jobs, "parser count\ncredential c"));
    assert_true(needs_met(jobs, "parser count\ncredential c\nlevel 1"));
    assert_false(needs_met(jobs, "parser count\nlevel 2"));
    assert_false(needs_met(jobs, "parser count\nmoon full")); /* of a newer version */
    fleet_world_free(f);
}

/* --- what this member lacks ------------------------------------------------------------------- */

/* It is parked with all that it needs, and what stands behind it runs. */
static void test_what_is_lacking_is_parked(void **state)
{
    (void)state;
    static const char spec[] = "{\"url\":\"http://127.0.0.1/\",\"parser\":\"theirs\"}";
    struct fleet_world *f = fleet_world_new("");
    struct world *w = f->w;
    f->park_result = 0;
    uint64_t first = fleet_row(w, HOST, "theirs", spec);
    fleet_row(w, HOST, "theirs", spec);
    fleet_row(w, HOST, "count",
              "{\"url\":\"http://127.0.0.1/\",\"parser\":\"count\",\"credential\":\"theirs\"}");
    uint64_t last = world_submit(w, HOST, "/bytes?n=1");
    fleet_gain(f, HOST);
    world_wait_end(w, last, JOB_DONE);
    WORLD_WAIT(w, w->jobs->fleet->orphans == 0);
    assert_int_equal(f->park_count, 3);
    assert_int_equal(f->parked[0].id, first);
    assert_string_equal(f->parked[0].needs, "parser theirs");
    assert_string_equal(f->parked[2].needs, "parser count\ncredential theirs");
    assert_int_equal(w->gate.made[GATE_CLAIM] + w->gate.made[GATE_SUBMIT], 2);
    assert_int_equal(w->gate.made[GATE_POSTPONE], 0);
    const struct host *host = host_find(w->jobs, HOST);
    assert_int_equal(host ? host->unread_count : 0, 0);
    fleet_world_free(f);
}

/* What no member could read better is no matter of what it has. */
static void test_what_has_what_it_needs_stays(void **state)
{
    (void)state;
    struct fleet_world *f = fleet_world_new("");
    struct world *w = f->w;
    fleet_row(w, HOST, "count", "{\"url\":\"http://127.0.0.1/\",\"what\":1}");
    fleet_gain(f, HOST);
    WORLD_WAIT(w, host_find(w->jobs, HOST) && host_find(w->jobs, HOST)->unread_count == 1);
    assert_int_equal(f->park_count, 0);
    fleet_world_free(f);
}

/* --- what it runs for others ------------------------------------------------------------------ */

static void test_it_says_what_it_can_run(void **state)
{
    (void)state;
    static const char *const needs[] = {"parser theirs", "parser count", "parser lines"};
    struct fleet_world *f = fleet_world_new("");
    struct jobs *jobs = f->w->jobs;
    fleet_tell_parked(f, needs, 3);
    assert_int_equal(f->able_count, 2);
    assert_string_equal(f->able[0], "parser count");
    assert_string_equal(f->able[1], "parser lines");
    assert_int_equal(park_count(jobs), 1 + 2 + 3);
    unsigned before = f->ables; /* a reload may bring what was missing */
    jobs_reconfigure(jobs, f->w->settings, f->w->registry, f->w->policy);
    assert_int_equal(f->ables, before + 1);
    fleet_tell_parked(f, NULL, 0);
    assert_int_equal(f->able_count, 0);
    assert_int_equal(park_count(jobs), 0);
    fleet_world_free(f);
}

/* Jobs of another's host, which wait at the origin for "g0", "g1" … */
static void guest_rows(struct world *w, uint64_t *ids, int count)
{
    char text[160];
    for (int i = 0; i < count; i++) {
        snprintf(text, sizeof text,
                 "{\"url\":\"http://localhost:%u/bytes?n=1&hold=g%d\",\"parser\":\"count\"}",
                 (unsigned)origin_port(w->origin), i);
        ids[i] = fleet_row(w, OTHER, "count", text);
    }
}

static void turn_a_while(struct world *w)
{
    for (int i = 0; i < 100; i++)
        uv_run(&w->loop, UV_RUN_NOWAIT);
}

/* As a guest: so many at a time as a redirect may, and none of them goes to the owner. */
static void test_a_guest(void **state)
{
    (void)state;
    struct fleet_world *f = fleet_world_new("");
    struct world *w = f->w;
    uint64_t ids[2];
    guest_rows(w, ids, 2);
    fleet_invite(f, OTHER, false, false);
    world_wait_running(w, ids[0]);
    turn_a_while(w);
    assert_int_equal(w->jobs->permits_used, 1);
    assert_int_equal(w->gate.made[GATE_CLAIM], 1);
    assert_int_equal(host_find(w->jobs, OTHER)->window_len, 1);
    origin_release(w->origin, "g0");
    world_wait_end(w, ids[0], JOB_DONE);
    world_wait_running(w, ids[1]);
    origin_release(w->origin, "g1");
    world_wait_end(w, ids[1], JOB_DONE);
    assert_int_equal(w->gate.made[GATE_POSTPONE], 0);
    fleet_world_free(f);
}

/* Where guests could have all slots and the owner has jobs that wait: one job, some time after it
 * was told, and no further one without another word. */
static void test_a_guest_takes_turns_with_the_owner(void **state)
{
    (void)state;
    struct fleet_world *f = fleet_world_new("[fetch]\nhost_connections = 1\n");
    struct world *w = f->w;
    uint64_t ids[3];
    guest_rows(w, ids, 3);
    w->jobs->fleet->guest_wait_ns = 3600 * NS_PER_SEC;
    fleet_invite(f, OTHER, true, false);
    turn_a_while(w);
    struct host *host = host_find(w->jobs, OTHER);
    assert_true(host->guest_at > 0);
    assert_int_equal(w->gate.made[GATE_WINDOW], 0);
    host->guest_at = clock_now();
    host_set_clock(host);
    world_wait_running(w, ids[0]);
    fleet_invite(f, OTHER, true, false); /* it runs one */
    turn_a_while(w);
    assert_int_equal(host->window_len, 0);
    assert_int_equal(host->guest_at, 0);
    origin_release(w->origin, "g0");
    world_wait_end(w, ids[0], JOB_DONE);
    turn_a_while(w);
    assert_int_equal(w->gate.made[GATE_CLAIM], 1);
    fleet_invite(f, OTHER, true, true); /* it is another guest's turn */
    assert_null(host_find(w->jobs, OTHER));

    fleet_invite(f, OTHER, false, false); /* the owner has nothing more: all may run */
    world_wait_running(w, ids[1]);
    WORLD_WAIT(w, world_is_at(w, ids[2], PLACE_WINDOW));
    fleet_invite(f, OTHER, true, true); /* it has again: the next one goes back to the store */
    assert_null(job_find(w->jobs, ids[2]));
    origin_release(w->origin, "g1");
    world_wait_end(w, ids[1], JOB_DONE);
    turn_a_while(w);
    assert_int_equal(w->gate.made[GATE_CLAIM], 2);
    fleet_world_free(f);
}

/* Where the owner has a slot whatever guests do, they need not wait. */
static void test_a_guest_where_there_are_slots_enough(void **state)
{
    (void)state;
    struct fleet_world *f = fleet_world_new("[fetch]\nhost_connections = 2\n");
    uint64_t id;
    guest_rows(f->w, &id, 1);
    f->w->jobs->fleet->guest_wait_ns = 3600 * NS_PER_SEC;
    fleet_invite(f, OTHER, true, true);
    world_wait_running(f->w, id);
    origin_release(f->w->origin, "g0");
    world_wait_end(f->w, id, JOB_DONE);
    fleet_world_free(f);
}

/* --- what others have run meanwhile ----------------------------------------------------------- */

/* A row that was read before another member ran it is read again, and not run by what it said. */
static void test_a_row_that_another_member_has_run(void **state)
{
    (void)state;
    struct fleet_world *f = fleet_world_new("[fetch]\nhost_connections = 1\n");
    struct world *w = f->w;
    fleet_gain(f, HOST);
    uint64_t first = world_submit(w, HOST, "/bytes?n=1&hold=first");
    world_wait_running(w, first);
    uint64_t next = world_submit(w, HOST, "/bytes?n=2");
    WORLD_WAIT(w, world_is_at(w, next, PLACE_WINDOW));
    fleet_claim_elsewhere(f, next);
    fleet_give_back_elsewhere(f, next);
    origin_release(w->origin, "first");
    world_wait_end(w, next, JOB_DONE);
    assert_true(world_logged(w, "\"attempt\":2") > 0);
    fleet_world_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_a_job_needs),
        cmocka_unit_test(test_what_is_met),
        cmocka_unit_test(test_what_is_lacking_is_parked),
        cmocka_unit_test(test_what_has_what_it_needs_stays),
        cmocka_unit_test(test_it_says_what_it_can_run),
        cmocka_unit_test(test_a_guest),
        cmocka_unit_test(test_a_guest_takes_turns_with_the_owner),
        cmocka_unit_test(test_a_guest_where_there_are_slots_enough),
        cmocka_unit_test(test_a_row_that_another_member_has_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
