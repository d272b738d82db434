/* What a beat is told, taken from results as a server would give them. */
#include "pg_inside.h"

#define MEMBER_COLUMNS 11

/* --- a beat ----------------------------------------------------------------------------------- */

static void a_beat_says_how_it_stands(void **state)
{
    struct inside *in = *state;
    struct answer *a = &in->pulse.answer;
    give(answer_take_beat, &in->pulse, NO_ROWS); /* the row has gone: nothing is known */
    assert_int_equal(a->n, 0);
    give(answer_take_beat, &in->pulse, ROWS(4, "41", "1700000000000001", "0000000A", "t"));
    assert_int_equal(a->n, 41);
    assert_true(a->now == INT64_C(1700000000000001));
    assert_string_equal(a->timeline, "0000000A");
    assert_true(a->copied);
    give(answer_take_beat, &in->pulse, ROWS(4, "42", "2", "0000000B", "f"));
    assert_false(a->copied);
    give(answer_take_beat, &in->pulse, ROWS(4, "42", "2", "longer than its place is", "f"));
    assert_string_equal(a->timeline, "longer than its");
}

static void each_member_has_a_row(void **state)
{
    struct inside *in = *state;
    struct answer *a = &in->pulse.answer;
    give(answer_take_members, &in->pulse,
         ROWS(MEMBER_COLUMNS, "7", "me", "here", "1.0", "d1", "100", "f", "3", "2", "8", "60000",
              "8", "other", "there", "1.1", "d2", "200", "t", "4", "0", "16", "1500"));
    assert_int_equal(a->member_count, 2);
    const struct fleet_member *m = &a->members[1];
    assert_int_equal(m->id, 8);
    assert_string_equal(m->name, "other");
    assert_string_equal(m->machine, "there");
    assert_string_equal(m->version, "1.1");
    assert_string_equal(m->config, "d2");
    assert_int_equal(m->started, 200);
    assert_true(m->draining);
    assert_false(a->members[0].draining);
    assert_int_equal(m->n, 4);
    assert_int_equal(m->running, 0);
    assert_int_equal(m->workers, 16);
    assert_true(m->lease_ns == 1500 * NS_PER_MS);
    assert_ptr_equal(m->name, fleet_name(in->pg.fleet, "other")); /* which stays */
    assert_false(a->failed);
}

static void shards_are_each_somebodys(void **state)
{
    struct inside *in = *state;
    struct answer *a = &in->pulse.answer;
    give(answer_take_shards, &in->pulse,
         ROWS(2, "0", "7", "255", "8", "9", NULL, "256", "9", "-1", "9"));
    assert_int_equal(a->owners[0], 7);
    assert_int_equal(a->owners[255], 8);
    assert_int_equal(a->owners[9], 0);
    for (int i = 1; i < 255; i++)
        assert_int_equal(a->owners[i], 0); /* a shard that there is not is nobody's */
}

/* --- events ----------------------------------------------------------------------------------- */

/* Nothing is told before the whole answer stands. */
static void hosts_that_are_due_are_told_at_the_end(void **state)
{
    struct inside *in = *state;
    give(answer_take_due, &in->pulse, ROWS(1, "a.test", "b.test"));
    assert_int_equal(inside_deliver(in), 0);
    answer_post_events(&in->pulse);
    assert_int_equal(inside_deliver(in), 2);
    assert_int_equal(in->events[0]->kind, EVENT_HOST);
    assert_string_equal(in->events[0]->host, "a.test");
    assert_string_equal(in->events[1]->host, "b.test");
    answer_post_events(&in->pulse); /* once */
    assert_int_equal(inside_deliver(in), 2);
}

static void an_answer_that_comes_to_nothing_tells_nothing(void **state)
{
    struct inside *in = *state;
    give(answer_take_due, &in->pulse, ROWS(1, "a.test"));
    give(answer_take_guests, &in->pulse, ROWS(3, "b.test", "t", "f"));
    answer_clear(&in->pulse.answer);
    answer_post_events(&in->pulse);
    assert_int_equal(inside_deliver(in), 0);
    answer_clear(&in->pulse.answer);
}

static void guests_are_told_of_hosts_of_others(void **state)
{
    struct inside *in = *state;
    give(answer_take_guests, &in->pulse, ROWS(3, "a.test", "t", "f", "b.test", "f", "t"));
    answer_post_events(&in->pulse);
    assert_int_equal(inside_deliver(in), 2);
    assert_int_equal(in->events[0]->kind, EVENT_GUEST);
    assert_string_equal(in->events[0]->host, "a.test");
    assert_true(in->events[0]->owner_waits);
    assert_false(in->events[0]->others_run);
    assert_false(in->events[1]->owner_waits);
    assert_true(in->events[1]->others_run);
    assert_null(in->pulse.guests_host); /* those were all */
}

/* Of as many as are told at once the last one is noted: the next beat goes on behind it. */
static void the_last_of_many_hosts_is_noted(void **state)
{
    static const char *values[3 * GUESTS_MAX];
    static char hosts[GUESTS_MAX][16];
    struct inside *in = *state;
    for (size_t i = 0; i < GUESTS_MAX; i++) {
        snprintf(hosts[i], sizeof hosts[i], "h%02zu.test", i);
        values[3 * i] = hosts[i];
        values[3 * i + 1] = values[3 * i + 2] = "f";
    }
    give(answer_take_guests, &in->pulse, rows_make(3, values, (size_t)3 * GUESTS_MAX));
    assert_string_equal(in->pulse.guests_host, "h63.test");
    answer_clear(&in->pulse.answer);
    give(answer_take_guests, &in->pulse, rows_make(3, values, (size_t)3 * (GUESTS_MAX - 1)));
    assert_null(in->pulse.guests_host);
    answer_clear(&in->pulse.answer);
    give(answer_take_guests, &in->pulse, NO_ROWS);
    assert_null(in->pulse.guests_host);
}

/* A cancel that the loop was told of is not told at each beat; one that is over and comes again
 * is. */
static void a_cancel_is_told_once(void **state)
{
    struct inside *in = *state;
    struct pulse *p = &in->pulse;
    give(answer_take_cancels, p, ROWS(2, "5", "by uid 1", "6", "by uid 2"));
    answer_post_events(p);
    assert_int_equal(inside_deliver(in), 2);
    assert_int_equal(in->events[0]->kind, EVENT_CANCEL);
    assert_int_equal(in->events[0]->id, 5);
    assert_string_equal(in->events[0]->why, "by uid 1");
    assert_int_equal(in->events[1]->id, 6);
    give(answer_take_cancels, p, ROWS(2, "6", "by uid 2", "7", "by uid 3"));
    answer_post_events(p);
    assert_int_equal(inside_deliver(in), 3);
    assert_int_equal(in->events[2]->id, 7);
    give(answer_take_cancels, p, NO_ROWS);
    give(answer_take_cancels, p, ROWS(2, "6", "by uid 2"));
    answer_post_events(p);
    assert_int_equal(inside_deliver(in), 4);
    assert_int_equal(in->events[3]->id, 6);
}

static void torn_attempts_are_told_if_there_are_any(void **state)
{
    struct inside *in = *state;
    give(answer_take_torn, &in->pulse, ROWS(1, "f"));
    assert_int_equal(in->pulse.answer.event_count, 0);
    give(answer_take_torn, &in->pulse, ROWS(1, "t"));
    answer_post_events(&in->pulse);
    assert_int_equal(inside_deliver(in), 1);
    assert_int_equal(in->events[0]->kind, EVENT_TORN);
}

static void what_is_parked_is_told_by_its_kind(void **state)
{
    struct inside *in = *state;
    give(answer_take_parked, &in->pulse, ROWS(3, "parser:a", "10", "4", "parser:b", "1", "0"));
    give(answer_take_parked, &in->pulse, NO_ROWS); /* that nothing is parked is news as well */
    answer_post_events(&in->pulse);
    assert_int_equal(inside_deliver(in), 2);
    const struct store_event *e = in->events[0];
    assert_int_equal(e->kind, EVENT_PARKED);
    assert_int_equal(e->parked_count, 2);
    assert_string_equal(e->parked[0].needs, "parser:a");
    assert_int_equal(e->parked[0].jobs, 10);
    assert_int_equal(e->parked[0].ours, 4);
    assert_string_equal(e->parked[1].needs, "parser:b");
    assert_int_equal(in->events[1]->parked_count, 0);
    assert_false(in->pulse.answer.failed);
}

/* An end is told to who awaits it here, and to all of them at once. */
static void an_awaited_end_is_told_once(void **state)
{
    struct inside *in = *state;
    fleet_await(in->pg.fleet, 5, true);
    fleet_await(in->pg.fleet, 5, true);
    give(answer_take_ended, &in->pulse, ROWS(1, "4", "5"));
    assert_int_equal(inside_deliver(in), 1);
    assert_int_equal(in->events[0]->kind, EVENT_ENDED);
    assert_int_equal(in->events[0]->id, 5);
    give(answer_take_ended, &in->pulse, ROWS(1, "5"));
    assert_int_equal(inside_deliver(in), 1);
}

/* --- figures ---------------------------------------------------------------------------------- */

static void counts_are_of_the_others(void **state)
{
    struct inside *in = *state;
    struct answer *a = &in->pulse.answer;
    give(answer_take_counts, &in->pulse, NO_ROWS);
    assert_int_equal(a->others[0], 0);
    give(answer_take_counts, &in->pulse,
         ROWS(16, "99", "1", "2", "3", "4", "5", "6", "7", "11", "12", "13", "14", "15", "16",
              "1700", "77"));
    for (int i = 0; i < JOB_STATE_COUNT_; i++)
        assert_int_equal(a->others[i], 11 + i);
    assert_int_equal(a->others[JOB_STATE_COUNT_], 1700);
}

static void schedules_are_counted(void **state)
{
    struct inside *in = *state;
    struct answer *a = &in->pulse.answer;
    assert_false(a->has_schedules);
    give(answer_take_schedules, &in->pulse, ROWS(4, "10", "2", "3", "1700000000000000"));
    assert_true(a->has_schedules);
    assert_int_equal(a->schedules[0], 10);
    assert_int_equal(a->schedules[1], 2);
    assert_int_equal(a->schedules[2], 3);
    assert_true(a->schedules[3] == NOW);
    give(answer_take_version, &in->pulse, ROWS(1, "17"));
    assert_int_equal(a->version, 17);
}

static void health_is_the_servers_own(void **state)
{
    struct inside *in = *state;
    give(answer_take_health, &in->pulse, ROWS(2, "t", "2500"));
    assert_true(in->pulse.answer.standby_lags);
    assert_true(in->pulse.answer.oldest_ns == 2500000);
    give(answer_take_health, &in->pulse, ROWS(2, "f", NULL));
    assert_false(in->pulse.answer.standby_lags);
    assert_true(in->pulse.answer.oldest_ns == 0);
}

static uint64_t kinds_of(struct inside *in, PGresult *result)
{
    give(answer_take_kinds, &in->pulse, result);
    return in->pulse.answer.kinds;
}

/* Other kinds have another sum: texts end where they end, and their order counts. */
static void kinds_are_told_apart_by_their_sum(void **state)
{
    struct inside *in = *state;
    uint64_t sums[] = {kinds_of(in, NO_ROWS),           kinds_of(in, ROWS(1, "")),
                       kinds_of(in, ROWS(1, "ab")),     kinds_of(in, ROWS(1, "a", "b")),
                       kinds_of(in, ROWS(1, "b", "a")), kinds_of(in, ROWS(1, "ab", "")),
                       kinds_of(in, ROWS(1, "a"))};
    for (size_t i = 0; i < sizeof sums / sizeof sums[0]; i++)
        for (size_t k = 0; k < i; k++)
            assert_true(sums[i] != sums[k]);
    assert_true(kinds_of(in, ROWS(1, "a", "b")) == sums[3]);
    assert_int_equal(in->pulse.answer.kind_count, 2);
}

/* --- what runs elsewhere ---------------------------------------------------------------------- */

static void what_runs_elsewhere_is_by_host(void **state)
{
    struct inside *in = *state;
    struct elsewhere *e = &in->pulse.answer.elsewhere;
    struct store_event event = {.elsewhere = NULL};
    give(answer_take_elsewhere, &in->pulse, ROWS(2, "a.test", "3", "b.test", "1"));
    assert_int_equal(e->count, 2);
    assert_string_equal(e->list[0].host, "a.test");
    assert_int_equal(e->list[0].running, 3);
    assert_int_equal(elsewhere_copy(e, &event), 0);
    assert_int_equal(event.elsewhere_count, 2);
    assert_string_equal(event.elsewhere[1].host, "b.test");
    assert_ptr_not_equal(event.elsewhere[1].host, e->list[1].host);
    assert_int_equal(event.elsewhere[1].running, 1);
    struct elsewhere copy = {.list = event.elsewhere, .count = 2};
    assert_true(elsewhere_same(e, &copy));
    copy.list[1].running = 2;
    assert_false(elsewhere_same(e, &copy));
    copy.list[1].running = 1;
    copy.list[1].host[0] = 'c';
    assert_false(elsewhere_same(e, &copy));
    struct elsewhere shorter = {.list = e->list, .count = 1};
    assert_false(elsewhere_same(e, &shorter));
    elsewhere_clear(&copy);
    assert_true(elsewhere_same(&copy, &(struct elsewhere){.list = NULL}));
}

static void nothing_runs_elsewhere(void **state)
{
    struct inside *in = *state;
    struct store_event event = {.elsewhere = NULL};
    give(answer_take_elsewhere, &in->pulse, NO_ROWS);
    assert_false(in->pulse.answer.failed);
    assert_int_equal(elsewhere_copy(&in->pulse.answer.elsewhere, &event), 0);
    assert_non_null(event.elsewhere); /* a list, though it is empty */
    assert_int_equal(event.elsewhere_count, 0);
    free(event.elsewhere);
}

/* One that says nothing has none of what the one before it said. */
static void an_answer_begins_empty(void **state)
{
    struct inside *in = *state;
    struct answer *a = &in->pulse.answer;
    give(answer_take_beat, &in->pulse, ROWS(4, "41", "1", "0000000A", "t"));
    give(answer_take_members, &in->pulse,
         ROWS(MEMBER_COLUMNS, "7", "me", "h", "1", "d", "1", "f", "3", "2", "8", "60000"));
    give(answer_take_elsewhere, &in->pulse, ROWS(2, "a.test", "3"));
    give(answer_take_shards, &in->pulse, ROWS(2, "1", "7"));
    give(answer_take_torn, &in->pulse, ROWS(1, "t"));
    answer_clear(a);
    static const struct answer empty;
    assert_memory_equal(a, &empty, sizeof empty);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FLEET(a_beat_says_how_it_stands),
        FLEET(each_member_has_a_row),
        FLEET(shards_are_each_somebodys),
        FLEET(hosts_that_are_due_are_told_at_the_end),
        FLEET(an_answer_that_comes_to_nothing_tells_nothing),
        FLEET(guests_are_told_of_hosts_of_others),
        FLEET(the_last_of_many_hosts_is_noted),
        FLEET(a_cancel_is_told_once),
        FLEET(torn_attempts_are_told_if_there_are_any),
        FLEET(what_is_parked_is_told_by_its_kind),
        FLEET(an_awaited_end_is_told_once),
        FLEET(counts_are_of_the_others),
        FLEET(schedules_are_counted),
        FLEET(health_is_the_servers_own),
        FLEET(kinds_are_told_apart_by_their_sum),
        FLEET(what_runs_elsewhere_is_by_host),
        FLEET(nothing_runs_elsewhere),
        FLEET(an_answer_begins_empty),
    };
    return cmocka_run_group_tests_name("a beat's answer", tests, NULL, NULL);
}
