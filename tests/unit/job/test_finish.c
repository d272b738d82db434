/* How jobs end: the gate, what is told and when, and what goes back to the queue. */
#include "job/finish.h"
#include "job/run.h"

#include "jobs_world.h"

#define HOST "127.0.0.1"

/* The lines are in the sink before the store has the end; it is told when the store has it. */
static void test_order(void **state)
{
    (void)state;
    struct world *w = world_new("", false);
    w->gate.hold[GATE_FINISH] = true;
    uint64_t id = world_submit(w, HOST, "/bytes?n=1");
    WORLD_WAIT(w, w->gate.held_count == 1);
    assert_int_equal(world_logged(w, "\"event\":\"verdict\""), 1);
    assert_int_equal(world_job(w, id)->place, PLACE_ENDING);
    assert_int_equal(w->jobs->permits_used, 0);
    assert_int_equal(w->jobs->ending_count, 1);
    assert_null(world_end_of(w, id));
    gate_release(&w->gate);
    world_wait_end(w, id, JOB_DONE);
    assert_null(job_find(w->jobs, id));
    assert_int_equal(w->jobs->ending_count, 0);
    world_free(w);
}

/* An end that could not be stored is told to nobody: the row runs again after the next start. */
static void test_an_end_that_is_not_stored_is_not_told(void **state)
{
    (void)state;
    struct world *w = world_new("", false);
    w->gate.refuse[GATE_FINISH] = -EIO;
    uint64_t id = world_submit(w, HOST, "/bytes?n=1");
    WORLD_WAIT(w, w->gate.made[GATE_FINISH] == 1 && !job_find(w->jobs, id));
    assert_null(world_end_of(w, id));
    assert_int_equal(w->jobs->ending_count, 0);
    world_free(w);
}

static bool stand_in_order(const struct world *w, const char *const *texts, size_t count)
{
    struct buf log = BUF_INIT;
    assert_true(test_read_file(w->log, &log));
    buf_putc(&log, '\0');
    const char *at = log.data;
    for (size_t i = 0; at && i < count; i++)
        at = strstr(at, texts[i]);
    buf_deinit(&log);
    return at;
}

/* A store that refuses what the end brings, as a constraint does, is told so too late for the log:
 * what that says is revoked, and the job has failed. */
static void test_an_end_that_is_refused_fails(void **state)
{
    (void)state;
    struct world *w = world_new("", false);
    w->gate.hold[GATE_FINISH] = true;
    uint64_t id = world_submit(w, HOST, "/bytes?n=1");
    WORLD_WAIT(w, w->gate.held_count == 1);
    struct store_finish *end = w->gate.held[0].call;
    w->gate.held_count = 0;
    end->call.result = error_set(&end->call.error, -EINVAL, "the table does not take it");
    mailbox_post(&w->mailbox, &end->call.mail);
    WORLD_WAIT(w, w->gate.held_count == 1);
    assert_null(world_end_of(w, id));
    assert_int_equal(end->state, JOB_FAILED);
    assert_null(end->records);
    gate_release(&w->gate);
    world_wait_end(w, id, JOB_FAILED);
    assert_int_equal(world_end_of(w, id)->error, KIND_UNEXPECTED);
    static const char *const texts[] = {"\"state\":\"done\"", "\"event\":\"revoke\"",
                                        "\"event\":\"verdict\"", "\"state\":\"failed\"",
                                        "\"message\":\"the table does not take it\""};
    assert_true(stand_in_order(w, texts, sizeof texts / sizeof texts[0]));
    assert_int_equal(w->jobs->ending_count, 0);
    world_free(w);
}

/* The gate closes once: what comes later changes nothing. */
static void test_once(void **state)
{
    (void)state;
    struct world *w = world_new("", false);
    w->gate.hold[GATE_FINISH] = true;
    uint64_t id = world_submit(w, HOST, "/bytes?n=1");
    WORLD_WAIT(w, w->gate.held_count == 1);
    struct cause cause = {.kind = KIND_INTERNAL};
    job_finish(world_job(w, id), JOB_FAILED, &cause);
    assert_false(job_cancel(world_job(w, id), "too late"));
    assert_int_equal(world_job(w, id)->final, JOB_DONE);
    gate_release(&w->gate);
    world_wait_end(w, id, JOB_DONE);
    assert_int_equal(world_logged(w, "\"event\":\"verdict\""), 1);
    assert_int_equal(w->gate.made[GATE_FINISH], 2); /* as held, and as released */
    world_free(w);
}

static void test_cancelled_in_the_queue(void **state)
{
    (void)state;
    struct world *w = world_new("[fetch]\nhost_connections = 1\n", false);
    uint64_t first = world_submit(w, HOST, "/bytes?n=1&hold=first");
    world_wait_running(w, first);
    uint64_t queued = world_submit(w, HOST, "/bytes?n=2");
    struct host *host = host_find(w->jobs, HOST);
    assert_int_equal(host->window_len, 1);
    assert_true(job_cancel(world_job(w, queued), "no"));
    assert_int_equal(host->window_len, 0);
    assert_true(list_empty(&host->window));
    world_wait_end(w, queued, JOB_CANCELLED);
    assert_int_equal(world_logged(w, "\"event\":\"attempt\""), 0); /* there was none */
    origin_release(w->origin, "first");
    world_wait_end(w, first, JOB_DONE);
    world_free(w);
}

static void test_cancelled_while_it_runs(void **state)
{
    (void)state;
    struct world *w = world_new("", false);
    uint64_t id = world_submit(w, HOST, "/bytes?n=1000&hold=it");
    world_wait_running(w, id);
    assert_true(job_cancel(world_job(w, id), "no"));
    world_wait_end(w, id, JOB_CANCELLED);
    assert_int_equal(world_logged(w, "\"reason\":\"no\""), 1);
    assert_int_equal(w->jobs->permits_used, 0);
    world_free(w);
}

/* By its row: in memory or not, ended or not. */
static void test_cancel_row(void **state)
{
    (void)state;
    struct world *w = world_new("", false);
    uint64_t id = world_submit(w, HOST, "/bytes?n=1000&hold=it");
    world_wait_running(w, id);
    assert_int_equal(job_cancel_row(w->jobs, store_job_copy(world_job(w, id)->row), "by its row"),
                     0);
    world_wait_end(w, id, JOB_CANCELLED);
    struct store_job *row = calloc(1, sizeof *row);
    row->id = id;
    row->state = JOB_CANCELLED;
    assert_int_equal(job_cancel_row(w->jobs, row, "again"), -EALREADY);
    world_free(w);
}

/* --- other attempts --------------------------------------------------------------------------- */

static uint64_t submit_failing(struct world *w, unsigned attempts)
{
    char text[512];
    snprintf(text, sizeof text,
             "{\"url\":\"http://" HOST
             ":%u/bytes?n=1&status=503\",\"parser\":\"count\",\"max_attempts\":%u}",
             (unsigned)origin_port(w->origin), attempts);
    return world_submit_json(w, text);
}

static void test_tried_again(void **state)
{
    (void)state;
    struct world *w = world_new("", false);
    uint64_t id = submit_failing(w, 2);
    WORLD_WAIT(w, w->gate.made[GATE_POSTPONE] == 1 && !job_find(w->jobs, id));
    assert_int_equal(world_logged(w, "\"outcome\":\"retry\""), 1);
    assert_int_equal(w->jobs->retries, 1);
    assert_null(world_end_of(w, id));
    struct host *host = host_find(w->jobs, HOST);
    assert_true(host->due.at > 0); /* its row falls due there */
    world_wait_end(w, id, JOB_FAILED);
    assert_int_equal(world_end_of(w, id)->error, KIND_HTTP_STATUS);
    assert_int_equal(world_logged(w, "\"outcome\":\"failed\""), 1);
    world_free(w);
}

/* Cancelled while it is on its way back to the queue: it ends once it is there. */
static void test_cancelled_between_two_attempts(void **state)
{
    (void)state;
    struct world *w = world_new("", false);
    w->gate.hold[GATE_POSTPONE] = true;
    uint64_t id = submit_failing(w, 5);
    WORLD_WAIT(w, w->gate.held_count == 1);
    assert_int_equal(world_job(w, id)->place, PLACE_ENDING);
    assert_true(job_cancel(world_job(w, id), "no"));
    gate_release(&w->gate);
    world_wait_end(w, id, JOB_CANCELLED);
    assert_int_equal(w->jobs->ending_count, 0);
    world_free(w);
}

/* With a store that ends with the daemon, a drain leaves no job between two attempts. */
static void test_drained_between_two_attempts(void **state)
{
    (void)state;
    struct world *w = world_new("", false);
    w->gate.hold[GATE_POSTPONE] = true;
    uint64_t id = submit_failing(w, 5);
    WORLD_WAIT(w, w->gate.held_count == 1);
    drain_begin(w->jobs, world_on_drained, w);
    gate_release(&w->gate);
    WORLD_WAIT(w, w->drained);
    assert_int_equal(world_end_of(w, id)->state, JOB_CANCELLED);
    world_free(w);
}

/* A daemon that stops interrupts what runs; it is queued again, with its attempt's line. */
static void test_interrupted(void **state)
{
    (void)state;
    struct world *w = world_new("", true);
    uint64_t id = world_submit(w, HOST, "/bytes?n=1000&hold=it");
    world_wait_running(w, id);
    drain_begin(w->jobs, world_on_drained, w);
    drain_stop(w->jobs);
    WORLD_WAIT(w, w->drained);
    assert_null(world_end_of(w, id));
    assert_int_equal(world_logged(w, "\"outcome\":\"interrupted\""), 1);
    struct store_counts counts;
    jobs_counts(w->jobs, &counts);
    assert_int_equal(counts.by_state[JOB_QUEUED], 1);
    world_free(w);
}

/* --- the drain -------------------------------------------------------------------------------- */

/* Each job of a queue that would be lost gets its verdict. */
static void test_drain_of_a_queue_that_is_lost(void **state)
{
    uint64_t ids[600];
    (void)state;
    struct world *w = world_new("[fetch]\nhost_connections = 1\n", false);
    uint64_t first = world_submit(w, HOST, "/bytes?n=1&hold=first");
    world_wait_running(w, first);
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++)
        ids[i] = world_submit(w, HOST, "/bytes?n=1");
    drain_begin(w->jobs, world_on_drained, w);
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++)
        world_wait_end(w, ids[i], JOB_CANCELLED);
    assert_false(w->drained);
    origin_release(w->origin, "first");
    WORLD_WAIT(w, w->drained);
    assert_int_equal(world_end_of(w, first)->state, JOB_DONE);
    assert_int_equal(w->end_count, 1 + sizeof ids / sizeof ids[0]);
    world_free(w);
}

/* Not over while somebody may still bring a job. */
static void test_drain_that_is_deferred(void **state)
{
    (void)state;
    struct world *w = world_new("", false);
    drain_defer(w->jobs);
    drain_begin(w->jobs, world_on_drained, w);
    for (int i = 0; i < 20; i++)
        uv_run(&w->loop, UV_RUN_NOWAIT);
    assert_false(w->drained);
    drain_allow(w->jobs);
    WORLD_WAIT(w, w->drained);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_an_end_that_is_not_stored_is_not_told),
        cmocka_unit_test(test_an_end_that_is_refused_fails),
        cmocka_unit_test(test_once),
        cmocka_unit_test(test_cancelled_in_the_queue),
        cmocka_unit_test(test_cancelled_while_it_runs),
        cmocka_unit_test(test_cancel_row),
        cmocka_unit_test(test_tried_again),
        cmocka_unit_test(test_cancelled_between_two_attempts),
        cmocka_unit_test(test_drained_between_two_attempts),
        cmocka_unit_test(test_interrupted),
        cmocka_unit_test(test_drain_of_a_queue_that_is_lost),
        cmocka_unit_test(test_drain_that_is_deferred),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
