/* Claims: a row is `running` in the store before its attempt begins, and whatever comes in between
 * ends well. */
#include "job/run.h"

#include "jobs_world.h"

#define HOST "127.0.0.1"

/* What can start at once is claimed in the call that stores it. */
static void test_claimed_with_the_submission(void **state)
{
    (void)state;
    struct world *w = world_new("[fetch]\nhost_connections = 1\n", true);
    uint64_t first = world_submit(w, HOST, "/bytes?n=1&hold=first");
    world_wait_running(w, first);
    assert_int_equal(w->gate.made[GATE_CLAIM], 0);
    assert_int_equal(world_job(w, first)->row->attempt, 1);
    uint64_t second = world_submit(w, HOST, "/bytes?n=2"); /* no slot is free: it is not */
    assert_false(world_job(w, second)->claimed);
    origin_release(w->origin, "first");
    world_wait_end(w, second, JOB_DONE);
    assert_int_equal(w->gate.made[GATE_CLAIM], 1);
    assert_int_equal(host_find(w->jobs, HOST) ? host_find(w->jobs, HOST)->folding : 0, 0);
    world_free(w);
}

static void test_not_claimed_while_nothing_starts(void **state)
{
    (void)state;
    struct world *w = world_new("", true);
    struct store_job row = {.host = (char *)HOST, .parser = (char *)"count"};
    w->gate.failing = true;
    assert_false(claim_fold(w->jobs, &row));
    w->gate.failing = false;
    row.due = clock_real_us() + 3600 * INT64_C(1000000);
    assert_false(claim_fold(w->jobs, &row));
    row.due = 0;
    assert_true(claim_fold(w->jobs, &row));
    assert_int_equal(host_find(w->jobs, HOST)->folding, 1);
    claim_unfold(w->jobs, &row);
    assert_null(host_find(w->jobs, HOST));
    world_free(w);
}

/* So many submissions may claim as there are permits and slots, and no more. */
static void test_folds_are_bounded(void **state)
{
    (void)state;
    struct world *w = world_new("[fetch]\nhost_connections = 2\n[parse]\nworkers = 3\n", true);
    struct store_job here = {.host = (char *)HOST, .parser = (char *)"count"};
    struct store_job there = {.host = (char *)"localhost", .parser = (char *)"count"};
    assert_true(claim_fold(w->jobs, &here));
    assert_true(claim_fold(w->jobs, &here));
    assert_false(claim_fold(w->jobs, &here)); /* the host's slots */
    assert_true(claim_fold(w->jobs, &there));
    assert_false(claim_fold(w->jobs, &there)); /* the workers */
    claim_unfold(w->jobs, &here);
    assert_true(claim_fold(w->jobs, &there));
    claim_unfold(w->jobs, &here);
    claim_unfold(w->jobs, &there);
    claim_unfold(w->jobs, &there);
    world_free(w);
}

/* --- while the claim is on its way ------------------------------------------------------------ */

static uint64_t submit_claiming(struct world *w)
{
    w->gate.hold[GATE_CLAIM] = true;
    uint64_t id = world_submit(w, HOST, "/bytes?n=1");
    WORLD_WAIT(w, w->gate.held_count == 1);
    assert_int_equal(world_job(w, id)->place, PLACE_CLAIMING);
    assert_int_equal(w->jobs->permits_used, 1);
    assert_true(claims_busy(w->jobs));
    return id;
}

static void test_cancelled_while_claimed(void **state)
{
    (void)state;
    struct world *w = world_new("", false);
    uint64_t id = submit_claiming(w);
    assert_true(job_cancel(world_job(w, id), "no"));
    assert_int_equal(world_job(w, id)->place, PLACE_CLAIMING); /* the store has its call */
    gate_release(&w->gate);
    world_wait_end(w, id, JOB_CANCELLED);
    assert_int_equal(w->jobs->permits_used, 0);
    assert_false(claims_busy(w->jobs));
    world_free(w);
}

/* It has ended meanwhile, or runs elsewhere: it is forgotten, and what it held is free again. */
static void test_claim_that_is_too_late(void **state)
{
    static const int results[] = {-ENOENT, -ESTALE};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct world *w = world_new("", false);
        uint64_t id = submit_claiming(w);
        w->gate.refuse[GATE_CLAIM] = results[i];
        gate_release(&w->gate);
        WORLD_WAIT(w, !job_find(w->jobs, id));
        assert_int_equal(w->jobs->permits_used, 0);
        assert_null(host_find(w->jobs, HOST));
        assert_null(world_end_of(w, id));
        world_free(w);
    }
}

/* The disk is full, say: the row is the store's again, and the host looks for it a second later. */
static void test_claim_that_fails_is_tried_again(void **state)
{
    (void)state;
    struct world *w = world_new("", false);
    uint64_t id = submit_claiming(w);
    w->gate.refuse[GATE_CLAIM] = -EIO;
    gate_release(&w->gate);
    WORLD_WAIT(w, !job_find(w->jobs, id));
    assert_int_equal(w->jobs->permits_used, 0);
    assert_true(host_find(w->jobs, HOST)->due.at > 0);
    w->gate.refuse[GATE_CLAIM] = 0;
    world_wait_end(w, id, JOB_DONE);
    world_free(w);
}

static void test_cancelled_while_a_claim_fails(void **state)
{
    (void)state;
    struct world *w = world_new("", false);
    uint64_t id = submit_claiming(w);
    assert_true(job_cancel(world_job(w, id), "no"));
    w->gate.refuse[GATE_CLAIM] = -EIO;
    gate_release(&w->gate);
    world_wait_end(w, id, JOB_CANCELLED);
    assert_int_equal(w->jobs->permits_used, 0);
    world_free(w);
}

/* --- before there is a slot ------------------------------------------------------------------- */

/* On a host where jobs come and go fast the next ones are claimed ahead; those that then wait too
 * long are given back, and are queued for everybody meanwhile. */
static void test_claimed_ahead_and_given_back(void **state)
{
    (void)state;
    struct world *w = world_new("[fetch]\nhost_connections = 1\n", true);
    struct store_counts counts;
    uint64_t first = world_submit(w, HOST, "/bytes?n=1&hold=first");
    world_wait_running(w, first);
    struct host *host = host_find(w->jobs, HOST);
    uint64_t next = world_submit(w, HOST, "/bytes?n=2");
    host->ahead = 4; /* as after many that were short */
    claim_ahead(host);
    WORLD_WAIT(w, world_job(w, next)->claimed);
    assert_int_equal(world_job(w, next)->place, PLACE_WINDOW);
    jobs_counts(w->jobs, &counts);
    assert_int_equal(counts.by_state[JOB_RUNNING], 1);
    assert_int_equal(counts.by_state[JOB_QUEUED], 1);
    claim_watch(world_job(w, next));
    assert_true(host->back_at > 0);
    claim_give_back(host, host->back_at - 1); /* it is not time yet */
    assert_int_equal(world_job(w, next)->place, PLACE_WINDOW);
    claim_give_back(host, clock_now() + 2 * NS_PER_SEC);
    assert_int_equal(world_job(w, next)->place, PLACE_ENDING);
    assert_int_equal(host->ahead, 0);
    assert_true(host->more);
    origin_release(w->origin, "first");
    world_wait_end(w, next, JOB_DONE);
    assert_int_equal(world_logged(w, "interrupted"), 0); /* it never began */
    world_free(w);
}

static void test_cancelled_while_claimed_ahead(void **state)
{
    (void)state;
    struct world *w = world_new("[fetch]\nhost_connections = 1\n", true);
    uint64_t first = world_submit(w, HOST, "/bytes?n=1&hold=first");
    world_wait_running(w, first);
    uint64_t next = world_submit(w, HOST, "/bytes?n=2");
    uint64_t gone = world_submit(w, HOST, "/bytes?n=3");
    w->gate.hold[GATE_CLAIM] = true;
    host_find(w->jobs, HOST)->ahead = 4;
    claim_ahead(host_find(w->jobs, HOST));
    assert_int_equal(w->gate.held_count, 2);
    assert_true(job_cancel(world_job(w, next), "no"));
    assert_int_equal(world_job(w, next)->place, PLACE_WINDOW);
    w->gate.held_count = 1; /* the second one's claim comes back as too late */
    struct store_claim *claim = w->gate.held[1].call;
    claim->call.result = -ESTALE;
    mailbox_post(&w->mailbox, &claim->call.mail);
    gate_release(&w->gate);
    world_wait_end(w, next, JOB_CANCELLED);
    WORLD_WAIT(w, !job_find(w->jobs, gone));
    assert_int_equal(host_find(w->jobs, HOST)->window_len, 0);
    origin_release(w->origin, "first");
    world_wait_end(w, first, JOB_DONE);
    world_free(w);
}

/* A drain puts what is claimed and has not started back into the queue. */
static void test_drain_of_what_is_claimed_ahead(void **state)
{
    (void)state;
    struct world *w = world_new("[fetch]\nhost_connections = 1\n", true);
    uint64_t first = world_submit(w, HOST, "/bytes?n=1&hold=first");
    world_wait_running(w, first);
    uint64_t next = world_submit(w, HOST, "/bytes?n=2");
    host_find(w->jobs, HOST)->ahead = 4;
    claim_ahead(host_find(w->jobs, HOST));
    WORLD_WAIT(w, world_job(w, next)->claimed);
    drain_begin(w->jobs, world_on_drained, w);
    assert_int_equal(world_job(w, next)->place, PLACE_ENDING);
    origin_release(w->origin, "first");
    WORLD_WAIT(w, w->drained);
    struct store_counts counts;
    jobs_counts(w->jobs, &counts);
    assert_int_equal(counts.by_state[JOB_QUEUED], 1);
    assert_int_equal(counts.by_state[JOB_RUNNING], 0);
    assert_null(world_end_of(w, next));
    world_free(w);
}

/* From need: more when a job has to wait for its claim after one that was short, fewer after a long
 * one. */
static void test_how_far_ahead(void **state)
{
    (void)state;
    struct world *w = world_new("[fetch]\nhost_connections = 2\n", true);
    uint64_t hold = world_submit(w, HOST, "/bytes?n=1&hold=first");
    world_wait_running(w, hold);
    struct host *host = host_find(w->jobs, HOST);
    host->brisk = true;
    world_wait_end(w, world_submit(w, HOST, "/bytes?n=2"), JOB_DONE); /* folded: it was claimed */
    assert_int_equal(host->ahead, 0);
    host->brisk = true;
    host->folding = 2; /* so that it is not */
    uint64_t id = world_submit(w, HOST, "/bytes?n=2");
    WORLD_WAIT(w, world_is_at(w, id, PLACE_RUNNING) || world_end_of(w, id));
    host->folding = 0;
    assert_int_equal(host->ahead, host->limit);
    world_wait_end(w, id, JOB_DONE);
    host->brisk = false;
    host->folding = 2;
    id = world_submit(w, HOST, "/bytes?n=2");
    WORLD_WAIT(w, world_is_at(w, id, PLACE_RUNNING) || world_end_of(w, id));
    host->folding = 0;
    assert_int_equal(host->ahead, host->limit / 2);
    origin_release(w->origin, "first");
    world_wait_end(w, hold, JOB_DONE);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_claimed_with_the_submission),
        cmocka_unit_test(test_not_claimed_while_nothing_starts),
        cmocka_unit_test(test_folds_are_bounded),
        cmocka_unit_test(test_cancelled_while_claimed),
        cmocka_unit_test(test_claim_that_is_too_late),
        cmocka_unit_test(test_claim_that_fails_is_tried_again),
        cmocka_unit_test(test_cancelled_while_a_claim_fails),
        cmocka_unit_test(test_claimed_ahead_and_given_back),
        cmocka_unit_test(test_cancelled_while_claimed_ahead),
        cmocka_unit_test(test_drain_of_what_is_claimed_ahead),
        cmocka_unit_test(test_how_far_ahead),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
