/* What an earlier daemon left: rows that were running, hosts with a queue; and a store that cannot
 * be read at first. */
#include "job/recover.h"

#include "jobs_world.h"

#define HOST "127.0.0.1"

struct put {
    struct store_submit submit;
    struct store_submit_item item;
    bool stored;
};

static void on_put(struct mail *mail)
{
    container_of(mail, struct put, submit.call.mail)->stored = true;
}

/* A row of which the jobs do not know: as one of an earlier daemon. With `claim` it was running. */
static uint64_t put_row(struct world *w, const char *path, bool claim)
{
    struct put put = {.stored = false};
    struct spec *spec;
    struct error err;
    const char *field;
    char text[256];
    snprintf(text, sizeof text, "{\"url\":\"http://" HOST ":%u%s\",\"parser\":\"count\"}",
             (unsigned)origin_port(w->origin), path);
    json_t *json = json_loads(text, 0, NULL);
    struct submission s = {.json = json};
    assert_int_equal(submission_row(w->jobs, &s, &put.item.job, &spec, &err, &field), 0);
    json_decref(json);
    spec_free(spec);
    put.item.claim = claim;
    put.submit = (struct store_submit){.items = &put.item, .count = 1};
    mail_init(&put.submit.call.mail, on_put);
    w->gate.inner->engine->submit(w->gate.inner, &put.submit);
    WORLD_WAIT(w, put.stored);
    assert_int_equal(put.submit.call.result, 0);
    uint64_t id = put.item.job->id;
    store_job_free(put.item.job);
    return id;
}

/* Nobody told the jobs of the host: the store does. */
static void test_queued(void **state)
{
    struct world *w = world_new("", true);
    uint64_t first = put_row(w, "/bytes?n=1", false), second = put_row(w, "/bytes?n=2", false);
    recover_start(w->jobs);
    assert_true(recover_busy(w->jobs));
    world_wait_end(w, first, JOB_DONE);
    world_wait_end(w, second, JOB_DONE);
    assert_false(recover_busy(w->jobs));
    world_free(w);
}

/* Its attempt gets a line that says so, and it runs again, with another number. */
static void test_interrupted(void **state)
{
    struct world *w = world_new("", true);
    uint64_t id = put_row(w, "/bytes?n=1", true);
    recover_start(w->jobs);
    world_wait_end(w, id, JOB_DONE);
    assert_int_equal(world_logged(w, "\"outcome\":\"interrupted\""), 1);
    assert_int_equal(world_logged(w, "\"attempt\":1,\"outcome\":\"interrupted\""), 1);
    assert_int_equal(world_logged(w, "\"attempt\":2,\"state\":\"done\""), 1);
    world_free(w);
}

/* Not those that run here. */
static void test_what_runs_is_left_alone(void **state)
{
    struct world *w = world_new("", true);
    uint64_t id = world_submit(w, HOST, "/bytes?n=1&hold=r");
    world_wait_running(w, id);
    unsigned lists = w->gate.made[GATE_LIST];
    recover_start(w->jobs);
    WORLD_WAIT(w, !recover_busy(w->jobs));
    assert_int_equal(w->gate.made[GATE_LIST], lists + 1);
    assert_int_equal(world_job(w, id)->place, PLACE_RUNNING);
    origin_release(w->origin, "r");
    world_wait_end(w, id, JOB_DONE);
    assert_int_equal(world_logged(w, "interrupted"), 0);
    world_free(w);
}

/* A store that ends with the daemon has left nothing running. */
static void test_a_store_that_does_not_keep(void **state)
{
    struct world *w = world_new("", false);
    unsigned lists = w->gate.made[GATE_LIST];
    recover_start(w->jobs);
    WORLD_WAIT(w, !recover_busy(w->jobs));
    assert_int_equal(w->gate.made[GATE_LIST], lists);
    world_free(w);
}

/* While it is not known what was running nothing starts; it is read again in a second. */
static void test_a_list_that_fails(void **state)
{
    struct world *w = world_new("", true);
    uint64_t torn = put_row(w, "/bytes?n=1", true);
    w->gate.refuse[GATE_LIST] = -EIO;
    recover_start(w->jobs);
    uint64_t id = world_submit(w, HOST, "/bytes?n=2");
    WORLD_WAIT(w, !recover_busy(w->jobs));
    assert_true(w->jobs->unread);
    for (int i = 0; i < 50; i++)
        uv_run(&w->loop, UV_RUN_NOWAIT);
    assert_null(world_end_of(w, id));
    assert_int_equal(w->jobs->permits_used, 0);
    w->gate.refuse[GATE_LIST] = 0;
    world_wait_end(w, torn, JOB_DONE);
    world_wait_end(w, id, JOB_DONE);
    assert_false(w->jobs->unread);
    assert_int_equal(world_logged(w, "\"outcome\":\"interrupted\""), 1);
    world_free(w);
}

static void test_hosts_that_fail(void **state)
{
    struct world *w = world_new("", true);
    uint64_t id = put_row(w, "/bytes?n=1", false);
    w->gate.refuse[GATE_HOSTS] = -EIO;
    recover_hosts(w->jobs);
    WORLD_WAIT(w, !recover_busy(w->jobs));
    assert_true(w->jobs->recover.at > 0);
    assert_null(world_end_of(w, id));
    w->gate.refuse[GATE_HOSTS] = 0;
    world_wait_end(w, id, JOB_DONE);
    world_free(w);
}

/* Asked for while it is under way: once more afterwards, however often. */
static void test_hosts_once_more(void **state)
{
    struct world *w = world_new("", true);
    unsigned asked = w->gate.made[GATE_HOSTS];
    w->gate.hold[GATE_HOSTS] = true;
    recover_hosts(w->jobs);
    recover_hosts(w->jobs);
    recover_hosts(w->jobs);
    assert_int_equal(w->gate.made[GATE_HOSTS], asked + 1);
    gate_release(&w->gate);
    WORLD_WAIT(w, !recover_busy(w->jobs));
    assert_int_equal(w->gate.made[GATE_HOSTS], asked + 3); /* held, released, once more */
    world_free(w);
}

/* The drain waits for what is being read, and does not read on. */
static void test_drain(void **state)
{
    struct world *w = world_new("", true);
    w->gate.hold[GATE_HOSTS] = true;
    recover_hosts(w->jobs);
    recover_hosts(w->jobs);
    drain_begin(w->jobs, world_on_drained, w);
    for (int i = 0; i < 50; i++)
        uv_run(&w->loop, UV_RUN_NOWAIT);
    assert_false(w->drained);
    unsigned asked = w->gate.made[GATE_HOSTS];
    gate_release(&w->gate);
    WORLD_WAIT(w, w->drained);
    assert_int_equal(w->gate.made[GATE_HOSTS], asked + 1);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_queued),
        cmocka_unit_test(test_interrupted),
        cmocka_unit_test(test_what_runs_is_left_alone),
        cmocka_unit_test(test_a_store_that_does_not_keep),
        cmocka_unit_test(test_a_list_that_fails),
        cmocka_unit_test(test_hosts_that_fail),
        cmocka_unit_test(test_hosts_once_more),
        cmocka_unit_test(test_drain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
