/* A daemon's jobs in a fleet: its own hosts alone, its lease, what others do to its jobs. */
#include "fleet_world.h"
#include "job/admission.h"
#include "job/hold.h"
#include "job/run.h"
#include "job/window.h"

#define HOST  "127.0.0.1"
#define OTHER "localhost"

/* --- whose hosts ------------------------------------------------------------------------------ */

/* What another member's host has to do is stored, and not started here. */
static void test_only_ours_start(void **state)
{
    (void)state;
    struct fleet_world *f = fleet_world_new("");
    struct world *w = f->w;
    fleet_gain(f, HOST);
    assert_int_not_equal(store_shard(HOST), store_shard(OTHER));
    uint64_t ours = world_submit(w, HOST, "/bytes?n=1");
    uint64_t theirs = world_submit(w, OTHER, "/bytes?n=1");
    world_wait_end(w, ours, JOB_DONE);
    assert_null(job_find(w->jobs, theirs));
    assert_null(host_find(w->jobs, OTHER));
    assert_int_equal(w->gate.made[GATE_CLAIM], 0); /* ours came claimed, theirs did not */
    fleet_hint(f, OTHER);                          /* it is not for us */
    assert_null(host_find(w->jobs, OTHER));
    /* The other one goes: its host is ours, is read, and what waits there starts. */
    fleet_gain(f, OTHER);
    world_wait_end(w, theirs, JOB_DONE);
    fleet_world_free(f);
}

/* A hint wakes one host; a row that another member has stored is found by it. */
static void test_a_hint_wakes_its_host(void **state)
{
    (void)state;
    struct fleet_world *f = fleet_world_new("");
    struct world *w = f->w;
    uint64_t id = world_submit(w, HOST, "/bytes?n=1"); /* nobody's yet */
    assert_null(job_find(w->jobs, id));
    w->gate.refuse[GATE_HOSTS] = -EIO; /* so it is not found by the gain */
    fleet_gain(f, HOST);
    WORLD_WAIT(w, !recover_busy(w->jobs));
    assert_null(job_find(w->jobs, id));
    fleet_hint(f, HOST);
    world_wait_end(w, id, JOB_DONE);
    w->gate.refuse[GATE_HOSTS] = 0;
    fleet_world_free(f);
}

/* What others run on a host of ours takes slots of it. */
static void test_elsewhere_counts_against_the_limit(void **state)
{
    (void)state;
    struct fleet_world *f = fleet_world_new("[fetch]\nhost_connections = 2\n");
    struct world *w = f->w;
    fleet_gain(f, HOST);
    fleet_elsewhere(f, HOST, 1);
    uint64_t first = world_submit(w, HOST, "/bytes?n=1&hold=first");
    world_wait_running(w, first);
    assert_int_equal(host_find(w->jobs, HOST)->elsewhere, 1);
    uint64_t second = world_submit(w, HOST, "/bytes?n=1&hold=second");
    WORLD_WAIT(w, world_is_at(w, second, PLACE_WINDOW));
    for (int i = 0; i < 100; i++)
        uv_run(&w->loop, UV_RUN_NOWAIT);
    assert_true(world_is_at(w, second, PLACE_WINDOW));
    assert_false(world_job(w, second)->claimed);
    fleet_elsewhere(f, OTHER, 1); /* replaces what was said before */
    world_wait_running(w, second);
    origin_release(w->origin, "first");
    origin_release(w->origin, "second");
    world_wait_end(w, first, JOB_DONE);
    world_wait_end(w, second, JOB_DONE);
    fleet_world_free(f);
}

/* A host whose slots others have gives up its window where that is full; once they have ended, its
 * jobs are loaded again. */
static void test_elsewhere_while_the_budget_is_used_up(void **state)
{
    (void)state;
    struct fleet_world *f =
        fleet_world_new("[queue]\nwindow_max = 64\n[fetch]\nhost_connections = 1\n");
    struct world *w = f->w;
    uint64_t last = 0;
    fleet_gain(f, HOST);
    fleet_gain(f, OTHER);
    fleet_elsewhere(f, HOST, 1);
    WORLD_WAIT(w, !recover_busy(w->jobs));
    for (int i = 0; i < 70; i++)
        last = world_submit(w, HOST, "/bytes?n=1");
    assert_int_equal(w->jobs->window_len, 64);
    char text[128];
    snprintf(text, sizeof text, "{\"url\":\"http://localhost:%u/bytes?n=1\",\"parser\":\"count\"}",
             (unsigned)origin_port(w->origin));
    uint64_t other = fleet_row(w, OTHER, "count", text);
    fleet_hint(f, OTHER);
    world_wait_end(w, other, JOB_DONE);
    assert_int_equal(host_find(w->jobs, HOST) ? host_find(w->jobs, HOST)->window_len : 0, 0);
    fleet_elsewhere(f, OTHER, 0);
    world_wait_end(w, last, JOB_DONE);
    WORLD_WAIT(w, w->end_count == 71);
    fleet_world_free(f);
}

/* What runs goes on; what is claimed ahead or waits goes back, and then the shard. */
static void test_a_lost_host(void **state)
{
    (void)state;
    struct fleet_world *f = fleet_world_new("[fetch]\nhost_connections = 1\n");
    struct world *w = f->w;
    fleet_gain(f, HOST);
    uint64_t runs = world_submit(w, HOST, "/bytes?n=1&hold=runs");
    world_wait_running(w, runs);
    uint64_t claimed = world_submit(w, HOST, "/bytes?n=1");
    uint64_t waits = world_submit(w, HOST, "/bytes?n=1");
    host_find(w->jobs, HOST)->ahead = 1;
    claim_ahead(host_find(w->jobs, HOST));
    WORLD_WAIT(w, world_job(w, claimed)->claimed);
    w->gate.hold[GATE_POSTPONE] = true;
    fleet_lose(f, HOST);
    assert_null(job_find(w->jobs, waits));
    WORLD_WAIT(w, w->gate.held_count == 1);
    assert_false(fleet_released(f, HOST)); /* it is on its way back */
    gate_release(&w->gate);
    WORLD_WAIT(w, fleet_released(f, HOST));
    WORLD_WAIT(w, !job_find(w->jobs, claimed));
    assert_true(world_is_at(w, runs, PLACE_RUNNING));
    origin_release(w->origin, "runs");
    world_wait_end(w, runs, JOB_DONE);
    for (int i = 0; i < 100; i++)
        uv_run(&w->loop, UV_RUN_NOWAIT);
    assert_null(job_find(w->jobs, claimed));
    assert_int_equal(world_logged(w, "interrupted"), 0);
    fleet_gain(f, HOST); /* it comes back to us, and they run */
    world_wait_end(w, claimed, JOB_DONE);
    world_wait_end(w, waits, JOB_DONE);
    fleet_world_free(f);
}

/* One of which only the store has jobs is forgotten, and its next owner's; it comes back like
 * others. */
static void test_a_lost_host_that_rests(void **state)
{
    (void)state;
    struct fleet_world *f = fleet_world_new("");
    struct world *w = f->w;
    fleet_gain(f, HOST);
    assert_int_equal(hold_set(w->jobs, NULL, NULL, true), 0);
    uint64_t id = world_submit(w, HOST, "/bytes?n=1");
    window_drop(world_job(w, id));
    host_has_more(host_get(w->jobs, HOST));
    host_rest(host_find(w->jobs, HOST), false);
    assert_true(host_rests(w->jobs, HOST));
    fleet_lose(f, HOST);
    assert_false(host_rests(w->jobs, HOST));
    assert_int_equal(host_queued(w->jobs, HOST), 0);
    assert_false(host_rests(w->jobs, HOST)); /* whose it is knows of it */
    assert_int_equal(hold_set(w->jobs, NULL, NULL, false), 0);
    fleet_gain(f, HOST);
    world_wait_end(w, id, JOB_DONE);
    fleet_world_free(f);
}

/* A claim under way keeps the shard, and its job does not start. */
static void test_lost_while_claiming(void **state)
{
    (void)state;
    struct fleet_world *f = fleet_world_new("");
    struct world *w = f->w;
    w->gate.hold[GATE_CLAIM] = true;
    uint64_t id = world_submit(w, HOST, "/bytes?n=1");
    fleet_gain(f, HOST);
    WORLD_WAIT(w, w->gate.held_count == 1);
    fleet_lose(f, HOST);
    assert_int_equal(f->releases, 0);
    gate_release(&w->gate);
    WORLD_WAIT(w, fleet_released(f, HOST));
    WORLD_WAIT(w, !job_find(w->jobs, id));
    assert_int_equal(w->jobs->permits_used, 0);
    assert_int_equal(w->gate.made[GATE_POSTPONE], 1);
    assert_int_equal(world_logged(w, "\"job\""), 0);
    fleet_gain(f, HOST);
    world_wait_end(w, id, JOB_DONE);
    assert_int_equal(world_logged(w, "\"by\":\"me\""), 2); /* attempt and verdict */
    fleet_world_free(f);
}

/* A new owner does not know what the one before has spent of the rate. */
static void test_no_tokens_at_first(void **state)
{
    (void)state;
    struct fleet_world *f = fleet_world_new("[host \"127.0.0.1\"]\nrequests_per_second = 1\n");
    struct world *w = f->w;
    uint64_t now = clock_now();
    fleet_gain(f, HOST);
    uint64_t id = world_submit(w, HOST, "/bytes?n=1&hold=first");
    const struct host *host = host_find(w->jobs, HOST);
    assert_non_null(host);
    world_wait_running(w, id);
    assert_true(clock_now() - now >= 900 * NS_PER_MS);
    origin_release(w->origin, "first");
    world_wait_end(w, id, JOB_DONE);
    fleet_world_free(f);
}

/* --- time ------------------------------------------------------------------------------------- */

/* An hour ahead of ours: what is due there is due. */
static void test_the_servers_time(void **state)
{
    (void)state;
    struct fleet_world *f = fleet_world_new("");
    struct world *w = f->w;
    f->ahead = INT64_C(3600) * 1000000;
    fleet_gain(f, HOST);
    char text[256], due[CLOCK_STAMP_SIZE];
    clock_stamp(clock_real_us() + 1800 * INT64_C(1000000), due);
    snprintf(text, sizeof text,
             "{\"url\":\"http://127.0.0.1:%u/bytes?n=1\",\"parser\":\"count\",\"not_before\":"
             "\"%s\"}",
             (unsigned)origin_port(w->origin), due);
    uint64_t id = world_submit_json(w, text);
    world_wait_end(w, id, JOB_DONE);
    snprintf(text, sizeof text,
             "{\"url\":\"http://127.0.0.1:%u/bytes?n=1\",\"parser\":\"count\",\"not_before\":60}",
             (unsigned)origin_port(w->origin));
    id = world_submit_json(w, text);
    const struct host *host = host_find(w->jobs, HOST);
    assert_non_null(host);
    assert_true(host->due.at > clock_real_us() + f->ahead);
    fleet_world_free(f);
}

/* --- the lease -------------------------------------------------------------------------------- */

/* All that runs ends, its log says so, and the store hears nothing of it. */
static void test_fenced(void **state)
{
    (void)state;
    struct fleet_world *f = fleet_world_new("[fetch]\nhost_connections = 1\n");
    struct world *w = f->w;
    fleet_gain(f, HOST);
    uint64_t runs = world_submit(w, HOST, "/bytes?n=1&hold=runs");
    world_wait_running(w, runs);
    uint64_t waits = world_submit(w, HOST, "/bytes?n=1");
    assert_non_null(job_find(w->jobs, waits));
    fleet_tell(f, fleet_event(EVENT_FENCED));
    assert_null(job_find(w->jobs, waits));
    WORLD_WAIT(w, !job_find(w->jobs, runs));
    assert_int_equal(w->gate.made[GATE_POSTPONE] + w->gate.made[GATE_FINISH], 0);
    assert_int_equal(world_logged(w, "\"outcome\":\"interrupted\""), 1);
    assert_int_equal(world_logged(w, "verdict"), 0);
    assert_int_equal(w->jobs->permits_used, 0);
    uint64_t later = world_submit(w, HOST, "/bytes?n=1");
    assert_null(job_find(w->jobs, later));
    /* A member again: what others have closed meanwhile is said of its log. */
    f->voided[0] = (struct store_void_attempt){.job = runs, .attempt = 1};
    f->void_count = 1;
    fleet_tell(f, fleet_event(EVENT_JOINED));
    WORLD_WAIT(w, f->told_count == 1);
    fleet_gain(f, HOST);
    world_wait_end(w, later, JOB_DONE);
    char line[128];
    snprintf(line, sizeof line, "\"event\":\"revoke\",\"job\":%llu,\"attempt\":1,",
             (unsigned long long)runs);
    assert_int_equal(world_logged(w, line), 1);
    fleet_world_free(f);
}

/* The thread that tells it hangs: the lease itself is asked before a line is written. */
static void test_no_verdict_behind_the_lease(void **state)
{
    (void)state;
    struct fleet_world *f = fleet_world_new("");
    struct world *w = f->w;
    fleet_gain(f, HOST);
    uint64_t id = world_submit(w, HOST, "/bytes?n=1&hold=runs");
    world_wait_running(w, id);
    f->lease = 0;
    origin_release(w->origin, "runs");
    WORLD_WAIT(w, !job_find(w->jobs, id));
    assert_int_equal(w->gate.made[GATE_FINISH], 0);
    assert_int_equal(world_logged(w, "verdict"), 0);
    WORLD_WAIT(w, w->jobs->fleet->fenced); /* its own timer sees it, too */
    fleet_world_free(f);
}

/* What was on its way when this daemon's own clock knew comes behind that. */
static void test_gained_behind_the_lease(void **state)
{
    (void)state;
    struct fleet_world *f = fleet_world_new("");
    struct world *w = f->w;
    fleet_gain(f, HOST);
    f->lease = 0;
    WORLD_WAIT(w, w->jobs->fleet->fenced);
    assert_int_equal(fleet_shards(w->jobs), 0);
    fleet_gain(f, HOST);
    fleet_tell(f, fleet_event(EVENT_FENCED));
    assert_int_equal(fleet_shards(w->jobs), 0);
    assert_int_equal(w->jobs->fleet->fences, 1);
    f->lease = 1000000;
    fleet_tell(f, fleet_event(EVENT_JOINED));
    assert_false(fleet_owns(w->jobs, HOST));
    fleet_world_free(f);
}

/* Fenced while a claim is under way: whatever the store says of it, nothing starts. */
static void test_fenced_while_claiming(void **state)
{
    (void)state;
    struct fleet_world *f = fleet_world_new("");
    struct world *w = f->w;
    w->gate.hold[GATE_CLAIM] = true;
    uint64_t id = world_submit(w, HOST, "/bytes?n=1");
    fleet_gain(f, HOST);
    WORLD_WAIT(w, w->gate.held_count == 1);
    fleet_tell(f, fleet_event(EVENT_FENCED));
    gate_release(&w->gate);
    WORLD_WAIT(w, !job_find(w->jobs, id));
    assert_int_equal(w->gate.made[GATE_POSTPONE], 0);
    assert_int_equal(w->jobs->permits_used, 0);
    assert_int_equal(world_logged(w, "\"job\""), 0);
    fleet_world_free(f);
}

/* Somebody else has closed the attempt: its verdict is told nobody, and its line is revoked. */
static void test_a_stale_end_is_revoked(void **state)
{
    (void)state;
    struct fleet_world *f = fleet_world_new("");
    struct world *w = f->w;
    fleet_gain(f, HOST);
    w->gate.refuse[GATE_FINISH] = -ESTALE;
    uint64_t id = world_submit(w, HOST, "/bytes?n=1");
    WORLD_WAIT(w, !job_find(w->jobs, id));
    assert_null(world_end_of(w, id));
    WORLD_WAIT(w, world_logged(w, "\"event\":\"revoke\"") == 1);
    assert_int_equal(world_logged(w, "\"event\":\"verdict\""), 1);
    assert_int_equal(w->jobs->fleet->revoked, 1);
    w->gate.refuse[GATE_FINISH] = 0;
    fleet_world_free(f);
}

/* --- what others have left -------------------------------------------------------------------- */

static void test_torn(void **state)
{
    (void)state;
    struct fleet_world *f = fleet_world_new("");
    struct world *w = f->w;
    f->torn[0] = 41;
    f->torn[1] = 42;
    f->torn_count = 2;
    fleet_gain(f, HOST);
    fleet_tell(f, fleet_event(EVENT_TORN));
    WORLD_WAIT(w, f->closed_count == 2 && w->jobs->fleet->torn_open == 0);
    assert_int_equal(f->closed[0].attempt, 1);
    assert_non_null(strstr(f->closed[0].line, "\"outcome\":\"interrupted\""));
    assert_non_null(strstr(f->closed[0].line, "\"by\":\"dead\""));
    assert_int_equal(world_logged(w, "\"by\":\"dead\""), 2);
    assert_int_equal(w->gate.made[GATE_POSTPONE], 0);
    assert_null(job_find(w->jobs, 41));
    fleet_world_free(f);
}

/* Two have seen it: who comes second says no more of it. */
static void test_torn_and_closed_by_another(void **state)
{
    (void)state;
    struct fleet_world *f = fleet_world_new("");
    struct world *w = f->w;
    f->torn[0] = 41;
    f->torn_count = 1;
    f->close_result = -ESTALE;
    fleet_tell(f, fleet_event(EVENT_TORN));
    WORLD_WAIT(w, f->closed_count == 1 && w->jobs->fleet->torn_open == 0);
    assert_int_equal(world_logged(w, "revoke"), 0);
    fleet_world_free(f);
}

/* --- what this config cannot read ------------------------------------------------------------- */

/* What no other config could read better is left where it is, and not looked at again and again;
 * what stands behind it runs. */
static void test_what_nobody_can_read_is_left(void **state)
{
    (void)state;
    struct fleet_world *f = fleet_world_new("");
    struct world *w = f->w;
    for (int i = 0; i < 3; i++)
        fleet_row(w, HOST, "count", "{\"url\":\"http://127.0.0.1/\",\"what\":1}");
    uint64_t last = world_submit(w, HOST, "/bytes?n=1");
    fleet_gain(f, HOST);
    world_wait_end(w, last, JOB_DONE);
    for (int i = 0; i < 100; i++)
        uv_run(&w->loop, UV_RUN_NOWAIT);
    assert_true(w->gate.made[GATE_WINDOW] < 8);
    assert_int_equal(w->gate.made[GATE_FINISH], 1);
    assert_int_equal(world_logged(w, "\"event\":\"verdict\""), 1);
    assert_int_equal(host_find(w->jobs, HOST)->unread_count, 3);
    assert_string_equal(admission_obstacle(w->jobs, HOST, "theirs", 0), "parser");
    assert_string_equal(admission_obstacle(w->jobs, OTHER, "count", 0), "member");
    /* A reload may bring what is missing. */
    unsigned before = w->gate.made[GATE_WINDOW];
    hosts_limits_changed(w->jobs);
    WORLD_WAIT(w,
               w->gate.made[GATE_WINDOW] > before && host_find(w->jobs, HOST)->unread_count == 3);
    fleet_world_free(f);
}

/* As by a credential that only others have. */
static void test_an_unknown_credential_is_left(void **state)
{
    (void)state;
    struct fleet_world *f = fleet_world_new("");
    struct world *w = f->w;
    uint64_t id = fleet_row(w, HOST, "count",
                            "{\"url\":\"http://127.0.0.1/\",\"parser\":\"count\","
                            "\"credential\":\"theirs\"}");
    fleet_gain(f, HOST);
    WORLD_WAIT(w, f->park_count > 0 && host_find(w->jobs, HOST)->unread_count == 1);
    for (int i = 0; i < 100; i++)
        uv_run(&w->loop, UV_RUN_NOWAIT);
    assert_null(job_find(w->jobs, id));
    assert_int_equal(w->gate.made[GATE_CLAIM], 0);
    assert_int_equal(w->gate.made[GATE_FINISH], 0);
    assert_int_equal(world_logged(w, "\"job\""), 0);
    assert_int_equal(w->jobs->permits_used, 0);
    fleet_world_free(f);
}

/* --- cancel ----------------------------------------------------------------------------------- */

static void test_cancelled_by_another(void **state)
{
    (void)state;
    struct fleet_world *f = fleet_world_new("");
    struct world *w = f->w;
    fleet_gain(f, HOST);
    uint64_t id = world_submit(w, HOST, "/bytes?n=1&hold=runs");
    world_wait_running(w, id);
    struct store_event *event = fleet_event(EVENT_CANCEL);
    event->id = id;
    event->why = strdup("cancelled by uid 7");
    fleet_tell(f, event);
    world_wait_end(w, id, JOB_CANCELLED);
    assert_int_equal(world_logged(w, "cancelled by uid 7"), 1);
    fleet_world_free(f);
}

/* Nobody runs it, and its host is ours. */
static void test_cancelled_while_nobody_runs_it(void **state)
{
    (void)state;
    struct fleet_world *f = fleet_world_new("");
    struct world *w = f->w;
    uint64_t id = world_submit(w, HOST, "/bytes?n=1");
    w->gate.hold[GATE_HOSTS] = true;
    fleet_gain(f, HOST);
    struct store_event *event = fleet_event(EVENT_CANCEL);
    event->id = id;
    fleet_tell(f, event);
    world_wait_end(w, id, JOB_CANCELLED);
    gate_release(&w->gate);
    fleet_world_free(f);
}

/* It was queued when it was cancelled here, and another has claimed it meanwhile: that one is
 * asked, and what this log says of it is revoked. */
static void test_cancel_meets_a_claim(void **state)
{
    (void)state;
    struct fleet_world *f = fleet_world_new("");
    struct world *w = f->w;
    struct store_job row = {.id = 50,
                            .created = clock_real_us(),
                            .host = (char *)OTHER,
                            .parser = (char *)"count",
                            .spec = (char *)"{\"url\":\"http://localhost/\"}",
                            .labels = (char *)"{}"};
    w->gate.refuse[GATE_FINISH] = -ESTALE;
    assert_int_equal(job_cancel_row(w->jobs, store_job_copy(&row), "cancelled on request"), 0);
    WORLD_WAIT(w, f->cancel_count == 1);
    assert_int_equal(f->cancelled[0], 50);
    WORLD_WAIT(w, !job_find(w->jobs, 50));
    WORLD_WAIT(w, world_logged(w, "\"event\":\"revoke\"") == 1);
    w->gate.refuse[GATE_FINISH] = 0;
    fleet_world_free(f);
}

/* Whatever is done, it is refused, as by a store that takes us for dead: it comes to an end. */
static void test_cancel_that_never_comes_through(void **state)
{
    (void)state;
    struct fleet_world *f = fleet_world_new("");
    struct world *w = f->w;
    uint64_t id = world_submit(w, OTHER, "/bytes?n=1");
    struct store_job row = {.id = id,
                            .created = clock_real_us(),
                            .host = (char *)OTHER,
                            .parser = (char *)"count",
                            .spec = (char *)"{\"url\":\"http://localhost/\"}",
                            .labels = (char *)"{}"};
    f->cancel_result = -EAGAIN;
    w->gate.refuse[GATE_FINISH] = -ESTALE;
    assert_int_equal(job_cancel_row(w->jobs, store_job_copy(&row), "cancelled on request"), 0);
    WORLD_WAIT(w, !job_find(w->jobs, id));
    assert_int_equal(f->cancel_count, 4);
    assert_int_equal(w->jobs->fleet->revoked, 4);
    w->gate.refuse[GATE_FINISH] = 0;
    fleet_world_free(f);
}

/* Hosts that come once nothing is under way begin nothing: nobody would wait for it. */
static void test_gained_while_it_ends(void **state)
{
    (void)state;
    struct fleet_world *f = fleet_world_new("");
    struct world *w = f->w;
    drain_begin(w->jobs, world_on_drained, w);
    WORLD_WAIT(w, w->drained);
    fleet_gain(f, HOST);
    f->torn[0] = 1;
    f->torn_count = 1;
    fleet_tell(f, fleet_event(EVENT_TORN));
    assert_false(recover_busy(w->jobs));
    fleet_world_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_ours_start),
        cmocka_unit_test(test_a_hint_wakes_its_host),
        cmocka_unit_test(test_elsewhere_counts_against_the_limit),
        cmocka_unit_test(test_elsewhere_while_the_budget_is_used_up),
        cmocka_unit_test(test_a_lost_host),
        cmocka_unit_test(test_a_lost_host_that_rests),
        cmocka_unit_test(test_lost_while_claiming),
        cmocka_unit_test(test_no_tokens_at_first),
        cmocka_unit_test(test_the_servers_time),
        cmocka_unit_test(test_fenced),
        cmocka_unit_test(test_no_verdict_behind_the_lease),
        cmocka_unit_test(test_gained_behind_the_lease),
        cmocka_unit_test(test_fenced_while_claiming),
        cmocka_unit_test(test_a_stale_end_is_revoked),
        cmocka_unit_test(test_torn),
        cmocka_unit_test(test_torn_and_closed_by_another),
        cmocka_unit_test(test_what_nobody_can_read_is_left),
        cmocka_unit_test(test_an_unknown_credential_is_left),
        cmocka_unit_test(test_cancelled_by_another),
        cmocka_unit_test(test_cancelled_while_nobody_runs_it),
        cmocka_unit_test(test_cancel_meets_a_claim),
        cmocka_unit_test(test_cancel_that_never_comes_through),
        cmocka_unit_test(test_gained_while_it_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
