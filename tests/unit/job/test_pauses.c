/* What other members hold back is held here as well, and let go as they do. */
#include "fleet_world.h"
#include "job/hold.h"
#include "job/pauses.h"
#include "job/permit.h"

#define HOST "127.0.0.1"

/* All that was asked for has come. */
static void settle(struct fleet_world *f)
{
    WORLD_WAIT(f->w, !pauses_busy(f->w->jobs));
}

static void told(struct fleet_world *f)
{
    fleet_tell(f, fleet_event(EVENT_PAUSES));
    settle(f);
}

static struct fleet_world *begin(void)
{
    struct fleet_world *f = fleet_world_new("");
    fleet_gain(f, HOST);
    settle(f);
    return f;
}

static void begin_anew(struct fleet_world *f)
{
    fleet_tell(f, fleet_event(EVENT_FENCED));
    fleet_tell(f, fleet_event(EVENT_JOINED));
    fleet_gain(f, HOST);
    settle(f);
}

static void test_what_another_holds(void **state)
{
    static const struct {
        const char *host, *parser;
    } cases[] = {{NULL, NULL}, {HOST, NULL}, {NULL, "count"}};
    struct fleet_world *f = begin();
    struct jobs *jobs = f->w->jobs;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        fleet_pause(f, cases[i].host, cases[i].parser, true);
        told(f);
        uint64_t id = world_submit(f->w, HOST, "/bytes?n=1");
        const struct hold *hold = hold_on_job(jobs, HOST, "count");
        assert_non_null(hold);
        assert_int_equal(hold->uid, 1000);
        assert_int_equal(hold->at, 1700000000000000);
        assert_string_equal(hold->member, "other");
        for (int k = 0; k < 50; k++)
            uv_run(&f->w->loop, UV_RUN_NOWAIT);
        assert_int_equal(jobs->permits_used, 0);
        fleet_pause(f, cases[i].host, cases[i].parser, false);
        told(f);
        assert_null(hold_next(jobs, NULL));
        world_wait_end(f->w, id, JOB_DONE);
    }
    fleet_world_free(f);
}

/* A change costs itself, and not all that is held: only what is new is asked for. */
static void test_changes_alone_are_read(void **state)
{
    struct fleet_world *f = begin();
    char name[24];
    (void)state;
    for (int i = 0; i < 2500; i++) {
        snprintf(name, sizeof name, "h%d", i);
        fleet_pause(f, name, NULL, true);
    }
    unsigned before = f->pauses_asked;
    told(f);
    assert_int_equal(f->pauses_asked - before, 3); /* pages */
    assert_int_equal(f->w->jobs->fleet->pauses.seen, 2500);
    fleet_pause(f, "h7", NULL, false);
    before = f->pauses_asked;
    told(f);
    assert_int_equal(f->pauses_asked - before, 1);
    assert_null(hold_find(f->w->jobs, "h7", NULL));
    assert_non_null(hold_find(f->w->jobs, "h2499", NULL));
    fleet_world_free(f);
}

/* A change that comes while others are read. */
static void test_none_is_missed(void **state)
{
    struct fleet_world *f = begin();
    (void)state;
    fleet_tell(f, fleet_event(EVENT_PAUSES)); /* answered already, and not taken yet */
    fleet_pause(f, NULL, "count", true);
    told(f);
    assert_true(hold_on_parser(f->w->jobs, "count"));
    fleet_world_free(f);
}

/* Nothing starts as long as it is not known what is held. */
static void test_nothing_starts_before(void **state)
{
    struct fleet_world *f = begin();
    struct jobs *jobs = f->w->jobs;
    (void)state;
    f->pauses_result = -EIO;
    begin_anew(f);
    uint64_t id = world_submit(f->w, HOST, "/bytes?n=1");
    assert_false(permit_open(jobs, 0));
    membership_tick(jobs);
    settle(f);
    assert_false(permit_open(jobs, 0));
    f->pauses_result = 0;
    membership_tick(jobs);
    settle(f);
    world_wait_end(f->w, id, JOB_DONE);
    unsigned before = f->pauses_asked;
    membership_tick(jobs);
    settle(f);
    assert_int_equal(f->pauses_asked, before); /* it knows all */
    fleet_world_free(f);
}

/* What was let go while it was no member, or before a failure, may be in no change that it reads:
 * so all is read. */
static void test_what_is_held_no_more(void **state)
{
    struct fleet_world *f = begin();
    struct jobs *jobs = f->w->jobs;
    (void)state;
    for (int failing = 0; failing < 2; failing++) {
        fleet_pause(f, HOST, NULL, true);
        fleet_pause(f, NULL, NULL, true);
        told(f);
        assert_non_null(hold_find(jobs, HOST, NULL));
        store_pauses_free(&f->pauses);
        fleet_pause(f, NULL, "lines", true);
        if (failing) {
            f->pauses_result = -EIO;
            told(f);
            assert_true(hold_on_all(jobs)); /* as it was */
            f->pauses_result = 0;
            membership_tick(jobs);
            settle(f);
        } else {
            begin_anew(f);
        }
        assert_null(hold_find(jobs, HOST, NULL));
        assert_false(hold_on_all(jobs));
        assert_true(hold_on_parser(jobs, "lines"));
        world_wait_end(f->w, world_submit(f->w, HOST, "/bytes?n=1"), JOB_DONE);
    }
    fleet_world_free(f);
}

/* Two members may have held as many hosts as one may: all of them are. */
static void test_more_hosts_than_one_may(void **state)
{
    struct fleet_world *f = begin();
    char name[24];
    (void)state;
    for (int i = 0; i <= HOLD_HOSTS_MAX; i++) {
        snprintf(name, sizeof name, "h%d", i);
        fleet_pause(f, name, NULL, true);
    }
    told(f);
    assert_non_null(hold_find(f->w->jobs, name, NULL));
    assert_true(hold_is_full(f->w->jobs, "other"));
    assert_false(hold_is_full(f->w->jobs, name));
    fleet_world_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_another_holds),   cmocka_unit_test(test_changes_alone_are_read),
        cmocka_unit_test(test_none_is_missed),       cmocka_unit_test(test_nothing_starts_before),
        cmocka_unit_test(test_what_is_held_no_more), cmocka_unit_test(test_more_hosts_than_one_may),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
