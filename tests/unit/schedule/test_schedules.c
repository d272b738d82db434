/* When schedules run: at their time, once, and after a start; and what happens when the store does
 * not follow. */
#include "schedules_world.h"

/* --- the clock -------------------------------------------------------------------------------- */

static void test_runs_when_it_is_due(void **state)
{
    (void)state;
    assert_int_equal(put("a", "/bytes?n=1", "\"every\":\"1h\"", 50000), 0);
    WORLD_WAIT(w, w->end_count == 1);
    assert_int_equal(look("a")->runs, 1);
    assert_true(seen->next_at > clock_real_us());
    assert_int_equal(agenda_find(&schedules->agenda, "a")->due, seen->next_at);
}

/* One run at a time: what falls due meanwhile is left out, and counted. */
static void test_one_at_a_time(void **state)
{
    (void)state;
    assert_int_equal(put("a", "/bytes?n=1&hold=it", "\"every\":\"1s\"", 50000), 0);
    WORLD_WAIT(w, look("a")->skipped >= 1);
    assert_int_equal(seen->runs, 1);
    assert_true(seen->left_out >= 1);
    origin_release(w->origin, "it");
    WORLD_WAIT(w, look("a")->runs == 2);
}

/* A full queue, say: the run is made up for once it is possible. */
static void test_refused_by_the_store(void **state)
{
    (void)state;
    w->gate.refuse[GATE_SUBMIT] = -EDQUOT;
    assert_int_equal(put("a", "/bytes?n=1", "\"every\":\"1h\"", 50000), 0);
    WORLD_WAIT(w, look("a")->problem);
    assert_true(store_schedule_failing(seen));
    assert_int_equal(seen->runs, 0);
    w->gate.refuse[GATE_SUBMIT] = 0;
    WORLD_WAIT(w, w->end_count == 1);
    assert_null(look("a")->problem);
    assert_int_equal(seen->runs, 1);
}

/* Its user has his number of jobs: the time is left out, and no other schedule waits for it. */
static void test_its_user_has_enough(void **state)
{
    (void)state;
    w->gate.refuse[GATE_SUBMIT] = -EUSERS;
    assert_int_equal(put("a", "/bytes?n=1", "\"every\":\"1h\"", 50000), 0);
    WORLD_WAIT(w, look("a")->problem);
    assert_int_equal(schedules->hold_until, 0);
    assert_true(seen->next_at > clock_real_us());
    assert_int_equal(seen->runs, 0);
    WORLD_WAIT(w, agenda_find(&schedules->agenda, "a"));
    assert_int_equal(agenda_find(&schedules->agenda, "a")->due, seen->next_at);
    w->gate.refuse[GATE_SUBMIT] = 0;
    assert_int_equal(put("b", "/bytes?n=1", "\"every\":\"1h\"", 50000), 0);
    WORLD_WAIT(w, w->end_count == 1);
    assert_int_equal(look("b")->runs, 1);
}

/* Its parser is not there any more: that is told, and it is tried at its next time. */
static void test_no_job_can_be_made(void **state)
{
    (void)state;
    assert_int_equal(put("a", "/bytes?n=1", "\"parser\":\"gone\",\"every\":\"1h\"", 50000), 0);
    WORLD_WAIT(w, look("a")->problem);
    assert_non_null(strstr(seen->problem, "gone"));
    assert_true(seen->next_at > clock_real_us());
    assert_int_equal(w->gate.made[GATE_SUBMIT], 0);
    WORLD_WAIT(w, agenda_find(&schedules->agenda, "a"));
}

/* Somebody else has had this time, or changed the schedule: it is read again, and not run twice. */
static void test_had_by_another(void **state)
{
    (void)state;
    assert_int_equal(put("a", "/bytes?n=1", "\"every\":\"1h\"", LATER), 0);
    struct agenda_entry *entry = agenda_find(&schedules->agenda, "a");
    int64_t now = clock_real_us();
    entry->row->next_at = now; /* which it is not in the store */
    agenda_begin(&schedules->agenda, entry);
    agenda_put_back(&schedules->agenda, entry, now);
    schedules_look(schedules);
    WORLD_WAIT(w, w->gate.made[GATE_SUBMIT] == 1 && schedules->starting == 0);
    assert_int_equal(w->gate.made[GATE_SCHEDULE_GET], 1);
    assert_int_equal(look("a")->runs, 0);
    assert_int_equal(agenda_find(&schedules->agenda, "a")->due, seen->next_at);
}

/* Nothing is started while a drain is on, and none of what was on its way is lost. */
static void test_drain(void **state)
{
    (void)state;
    w->gate.hold[GATE_SUBMIT] = true;
    assert_int_equal(put("a", "/bytes?n=1", "\"every\":\"1h\"", 1), 0);
    assert_int_equal(put("b", "/bytes?n=1", "\"every\":\"1h\"", LATER), 0);
    WORLD_WAIT(w, w->gate.held_count == 1);
    drain_begin(w->jobs, world_on_drained, w);
    for (int i = 0; i < 20; i++)
        uv_run(&w->loop, UV_RUN_NOWAIT);
    assert_false(w->drained);
    schedules_look(schedules);
    gate_release(&w->gate);
    WORLD_WAIT(w, w->drained);
    assert_int_equal(w->gate.made[GATE_SUBMIT], 2); /* held, and released */
    assert_int_equal(look("a")->runs, 1);
    assert_int_equal(w->end_count, 1); /* the store ends with the daemon: it has its verdict */
    assert_int_equal(w->ends[0].state, JOB_CANCELLED);
}

/* --- at the start ----------------------------------------------------------------------------- */

static void begin_again(void)
{
    struct error err = {""};
    WORLD_WAIT(w, !schedules->starting && !schedules->turning && !schedules->loading);
    closed = false;
    schedules_close(schedules, on_schedules_closed, NULL);
    WORLD_WAIT(w, closed);
    assert_int_equal(schedules_new(w->jobs, &schedules, &err), 0);
}

static void test_read_again(void **state)
{
    (void)state;
    made("a", "/bytes?n=1");
    made("b", "/bytes?n=1");
    unsigned before = w->gate.made[GATE_SCHEDULES];
    w->gate.refuse[GATE_SCHEDULES] = -EIO;
    begin_again();
    WORLD_WAIT(w, w->gate.made[GATE_SCHEDULES] == before + 2); /* a second later */
    w->gate.refuse[GATE_SCHEDULES] = 0;
    assert_null(agenda_first(&schedules->agenda));
    WORLD_WAIT(w, agenda_find(&schedules->agenda, "b"));
    assert_int_equal(schedules->agenda.count, 2);
}

/* The day's clock was set back by a day: what was soon is soon. */
static void test_the_clock_was_set_back(void **state)
{
    (void)state;
    assert_int_equal(put("a", "/bytes?n=1", "\"every\":\"2h\"", 24 * LATER), 0);
    assert_int_equal(put("b", "/bytes?n=1", "\"every\":\"48h\"", 24 * LATER), 0);
    assert_int_equal(put("c", "/bytes?n=1", "\"cron\":\"0 3 1 1 *\"", 24 * LATER), 0);
    schedules->ahead += 24 * LATER;
    assert_int_equal(put("d", "/bytes?n=1", "\"every\":\"1h\"", 1), 0); /* which is looked at */
    WORLD_WAIT(w, w->end_count == 1 && !schedules->set_back.under_way);
    assert_true(look("a")->next_at < clock_real_us() + 2 * LATER);
    assert_true(look("b")->next_at > clock_real_us() + 20 * LATER);
    assert_true(look("c")->next_at > clock_real_us() + 20 * LATER);
    WORLD_WAIT(w, agenda_find(&schedules->agenda, "a"));
    assert_int_equal(agenda_find(&schedules->agenda, "a")->due, look("a")->next_at);
}

/* What was missed while nobody looked is not all run in one moment. */
static void test_missed(void **state)
{
    char name[16];
    (void)state;
    w->gate.hold[GATE_SUBMIT] = true;
    for (int i = 0; i < 30; i++) {
        snprintf(name, sizeof name, "s%d", i);
        assert_int_equal(put(name, "/bytes?n=1", "\"every\":\"5min\"", -LATER * 2), 0);
        agenda_drop(&schedules->agenda, name);
    }
    gate_release(&w->gate);
    begin_again();
    schedules->started_at -= 15000000; /* half of the time in which they are made up for */
    WORLD_WAIT(w, w->end_count > 0 && schedules->starting == 0 && !schedules->turning &&
                      agenda_first(&schedules->agenda) &&
                      agenda_first(&schedules->agenda)->due > clock_real_us());
    assert_in_range(schedules->agenda.count, 3, 30);
    uint64_t made = w->jobs->submitted;
    assert_in_range(made, 5, 29);
    for (int i = 0; i < 30; i++) {
        snprintf(name, sizeof name, "s%d", i);
        const struct agenda_entry *entry = agenda_find(&schedules->agenda, name);
        assert_non_null(entry);
        assert_true(entry->due < clock_real_us() + 301000000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(test_runs_when_it_is_due),
        EACH(test_one_at_a_time),
        EACH(test_refused_by_the_store),
        EACH(test_its_user_has_enough),
        EACH(test_no_job_can_be_made),
        EACH(test_had_by_another),
        EACH(test_drain),
        EACH(test_read_again),
        EACH(test_the_clock_was_set_back),
        EACH(test_missed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
