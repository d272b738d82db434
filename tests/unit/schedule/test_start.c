/* A run of a schedule that is asked for: what it leaves behind, and what happens when the schedule
 * is changed under it. */
#include "schedules_world.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(test_what_a_run_leaves),
        EACH(test_failures_are_counted),
        EACH(test_conditional_runs),
        EACH(test_redefined_in_a_run),
        EACH(test_redefined_before_a_run),
        EACH(test_removed_in_a_run),
        EACH(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
