/* A job that runs: what is set aside for its lines, where redirects may lead, its clocks, and how
 * it is cancelled. */
#include "job/run.h"
#include "job/hold.h"

#include "jobs_world.h"

#define HOST "127.0.0.1"

/* A job of this path with more members: ,"name":value. */
static uint64_t submit_with(struct world *w, const char *path, const char *members)
{
    char text[2048];
    snprintf(text, sizeof text,
             "{\"url\":\"http://" HOST ":%u%s\",\"parser\":\"count\",\"max_attempts\":1%s}",
             (unsigned)origin_port(w->origin), path, members);
    return world_submit_json(w, text);
}

static void ends_with(struct world *w, uint64_t id, enum job_state state, enum error_kind kind,
                      const char *words)
{
    world_wait_end(w, id, state);
    assert_int_equal(world_end_of(w, id)->error, kind);
    if (world_logged(w, words) == 0)
        fail_msg("nothing in the log says: %s", words);
}

/* --- the memory of its lines ------------------------------------------------------------------ */

/* A job that has begun can be ended without any memory: its lines are built where there was room
 * for them before its first request went out. */
static void test_room_for_its_words(void **state)
{
    (void)state;
    struct world *w = world_new("", false);
    uint64_t id = world_submit(w, HOST, "/bytes?n=1&hold=it");
    world_wait_running(w, id);
    const struct job *job = world_job(w, id);
    const struct buf attempt = job->attempt_line.text, verdict = job->verdict_line.text;
    assert_true(attempt.size > 6 * sizeof((struct cause *)NULL)->message);
    assert_true(verdict.size >= attempt.size);
    assert_int_equal(attempt.len + verdict.len, 0);
    w->gate.hold[GATE_FINISH] = true;
    origin_release(w->origin, "it");
    WORLD_WAIT(w, w->gate.held_count == 1);
    job = world_job(w, id);
    assert_true(job->verdict_line.text.len > 0);
    assert_ptr_equal(job->verdict_line.text.data, verdict.data);
    assert_int_equal(job->verdict_line.text.size, verdict.size);
    gate_release(&w->gate);
    world_wait_end(w, id, JOB_DONE);
    world_free(w);
}

/* A redirect's URL stands in the verdict as well, and may be long. */
static void test_room_for_a_redirect(void **state)
{
    char path[1200];
    (void)state;
    struct world *w = world_new("", false);
    int len = snprintf(path, sizeof path,
                       "/text?text=x&redirect=http%%3A//" HOST
                       "%%3A%u/bytes%%3Fn%%3D1%%26hold%%3Dit%%26name%%3D",
                       (unsigned)origin_port(w->origin));
    memset(path + len, 'x', 1000);
    path[len + 1000] = '\0';
    uint64_t id = submit_with(w, path, ""), plain = submit_with(w, "/bytes?n=1&hold=it", "");
    struct attempt_report report = {.hops = 0};
    WORLD_WAIT(
        w, world_is_at(w, id, PLACE_RUNNING) && world_is_at(w, plain, PLACE_RUNNING) &&
               (attempt_report(world_job(w, id)->attempt, clock_now(), &report), report.hops == 2));
    assert_true(world_job(w, id)->verdict_line.text.size >=
                world_job(w, plain)->verdict_line.text.size + 1000);
    origin_release(w->origin, "it");
    world_wait_end(w, id, JOB_DONE);
    world_wait_end(w, plain, JOB_DONE);
    assert_int_equal(world_logged(w, "\"final_url\""), 1);
    world_free(w);
}

/* --- whether it begins ------------------------------------------------------------------------ */

/* The daemon may die under a job so often, and no more. */
static void test_torn_too_often(void **state)
{
    (void)state;
    struct world *w = world_new("", false);
    assert_int_equal(hold_set(w->jobs, NULL, NULL, true), 0);
    uint64_t often = world_submit(w, HOST, "/bytes?n=1"),
             less = world_submit(w, HOST, "/bytes?n=1");
    world_job(w, often)->row->torn = 20;
    world_job(w, less)->row->torn = 19;
    assert_int_equal(hold_set(w->jobs, NULL, NULL, false), 0);
    ends_with(w, often, JOB_FAILED, KIND_INTERNAL, "the daemon died 20 times");
    world_wait_end(w, less, JOB_DONE);
    assert_int_equal(w->jobs->permits_used, 0);
    world_free(w);
}

/* The config has changed since it was submitted. */
static void test_a_credential_that_is_gone(void **state)
{
    (void)state;
    struct world *w = world_new("[credential \"c\"]\ntype = bearer\nsecret_file = /nowhere\n"
                                "hosts = " HOST "\n",
                                false);
    struct settings *before = w->settings, *after = world_settings("");
    assert_int_equal(hold_set(w->jobs, NULL, NULL, true), 0);
    uint64_t id = submit_with(w, "/bytes?n=1", ",\"credential\":\"c\"");
    jobs_reconfigure(w->jobs, after, w->registry, w->policy);
    w->settings = after;
    assert_int_equal(hold_set(w->jobs, NULL, NULL, false), 0);
    ends_with(w, id, JOB_FAILED, KIND_POLICY, "credential");
    world_free(w);
    settings_free(before);
}

/* --- redirects -------------------------------------------------------------------------------- */

static void test_redirects_are_counted(void **state)
{
    (void)state;
    struct world *w = world_new("", false);
    uint64_t within = submit_with(w, "/bytes?n=1&redirects=2", ",\"max_redirects\":2");
    uint64_t over = submit_with(w, "/bytes?n=1&redirects=3", ",\"max_redirects\":2");
    uint64_t none = submit_with(w, "/bytes?n=1&redirects=1", ",\"max_redirects\":0");
    world_wait_end(w, within, JOB_DONE);
    ends_with(w, over, JOB_FAILED, KIND_REDIRECTS, "more than 2 redirects");
    ends_with(w, none, JOB_FAILED, KIND_REDIRECTS, "more than 0 redirects");
    assert_int_equal(world_logged(w, "\"verified_by\":\"length\",\"redirects\":2,"), 1);
    world_free(w);
}

static void test_where_a_redirect_may_not_lead(void **state)
{
    static const struct {
        const char *to;
        enum error_kind kind;
    } cases[] = {
        {"ftp%3A//a.test/x", KIND_POLICY},
        {"file%3A///etc/passwd", KIND_POLICY},
        {"http%3A//user%3Apass%40a.test/", KIND_POLICY},
    };
    char path[256];
    (void)state;
    struct world *w = world_new("", false);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        snprintf(path, sizeof path, "/text?text=x&redirect=%s", cases[i].to);
        uint64_t id = world_submit(w, HOST, path);
        world_wait_end(w, id, JOB_FAILED);
        if (world_end_of(w, id)->error != cases[i].kind)
            fail_msg("%s: %s", cases[i].to, kind_name(world_end_of(w, id)->error));
    }
    assert_int_equal(world_logged(w, ":pass"), 0); /* nor is it told with its password */
    assert_int_equal(w->jobs->permits_used, 0);
    world_free(w);
}

/* --- clocks ----------------------------------------------------------------------------------- */

/* Its time is up while its origin says nothing; and no more is waited for than that. */
static void test_time_out(void **state)
{
    (void)state;
    struct world *w = world_new("", false);
    uint64_t begin = clock_now();
    uint64_t id = submit_with(w, "/bytes?n=1&hold=never", ",\"timeout\":\"2s\"");
    world_wait_running(w, id);
    assert_true(world_job(w, id)->deadline >= begin + 2 * NS_PER_SEC);
    ends_with(w, id, JOB_FAILED, KIND_JOB_TIMEOUT, "timeout: the job has used up its time");
    assert_true(clock_now() - begin >= 2 * NS_PER_SEC);
    world_free(w);
}

/* Without a limit it has no clock at all. */
static void test_no_time_out(void **state)
{
    (void)state;
    struct world *w = world_new("", false);
    uint64_t id = submit_with(w, "/bytes?n=1&hold=it", ",\"timeout\":\"0\"");
    world_wait_running(w, id);
    assert_int_equal(world_job(w, id)->deadline, 0);
    origin_release(w->origin, "it");
    world_wait_end(w, id, JOB_DONE);
    world_free(w);
}

/* --- cancel ----------------------------------------------------------------------------------- */

struct found {
    struct store_get get;
    bool done;
};

static void on_found(struct mail *mail)
{
    container_of(mail, struct found, get.call.mail)->done = true;
}

/* The row as the store has it: the caller's. */
static struct store_job *row_of(struct world *w, uint64_t id)
{
    struct found f = {.get = {.id = id}};
    mail_init(&f.get.call.mail, on_found);
    w->gate.inner->engine->get(w->gate.inner, &f.get);
    WORLD_WAIT(w, f.done);
    assert_non_null(f.get.job);
    return f.get.job;
}

/* It waits in the store for its next attempt, and is nowhere in memory. */
static void test_cancelled_where_only_the_store_has_it(void **state)
{
    (void)state;
    struct world *w = world_new("[fetch]\nretry_delay = 1h\nretry_delay_max = 1h\n", false);
    uint64_t id = submit_with(w, "/bytes?n=1&status=503", ",\"max_attempts\":5");
    WORLD_WAIT(w, w->gate.made[GATE_POSTPONE] == 1 && !job_find(w->jobs, id));
    assert_int_equal(job_cancel_row(w->jobs, row_of(w, id), "not any more"), 0);
    ends_with(w, id, JOB_CANCELLED, KIND_NONE, "\"reason\":\"not any more\"");
    assert_int_equal(world_logged(w, "\"event\":\"verdict\""), 1);
    assert_int_equal(w->jobs->attempts, 1);
    struct store_job *row = row_of(w, id);
    assert_int_equal(row->state, JOB_CANCELLED);
    store_job_free(row);
    world_free(w);
}

/* The first reason stays, and the attempt's end is the one that it was told. */
static void test_cancelled_twice(void **state)
{
    (void)state;
    struct world *w = world_new("", false);
    uint64_t id = world_submit(w, HOST, "/bytes?n=1&hold=never");
    world_wait_running(w, id);
    assert_int_equal(world_job(w, id)->abandon_at, 0);
    assert_true(job_cancel(world_job(w, id), "first"));
    uint64_t until = world_job(w, id)->abandon_at;
    assert_true(until > 0); /* its parser has so long to return */
    job_cancel(world_job(w, id), "second");
    assert_int_equal(world_job(w, id)->abandon_at, until); /* and no longer */
    ends_with(w, id, JOB_CANCELLED, KIND_NONE, "\"reason\":\"first\"");
    assert_int_equal(world_logged(w, "\"reason\":\"second\""), 0);
    world_free(w);
}

/* With a store that ends with the daemon there is no other start for it to run after. */
static void test_stopped_with_its_store(void **state)
{
    (void)state;
    struct world *w = world_new("", false);
    uint64_t id = world_submit(w, HOST, "/bytes?n=1&hold=never");
    world_wait_running(w, id);
    drain_begin(w->jobs, world_on_drained, w);
    assert_int_equal(world_job(w, id)->place, PLACE_RUNNING); /* it may go on */
    drain_stop(w->jobs);
    WORLD_WAIT(w, w->drained);
    assert_int_equal(world_end_of(w, id)->state, JOB_CANCELLED);
    assert_int_equal(world_logged(w, "\"event\":\"verdict\""), 1);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_room_for_its_words),
        cmocka_unit_test(test_room_for_a_redirect),
        cmocka_unit_test(test_torn_too_often),
        cmocka_unit_test(test_a_credential_that_is_gone),
        cmocka_unit_test(test_redirects_are_counted),
        cmocka_unit_test(test_where_a_redirect_may_not_lead),
        cmocka_unit_test(test_time_out),
        cmocka_unit_test(test_no_time_out),
        cmocka_unit_test(test_cancelled_where_only_the_store_has_it),
        cmocka_unit_test(test_cancelled_twice),
        cmocka_unit_test(test_stopped_with_its_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
