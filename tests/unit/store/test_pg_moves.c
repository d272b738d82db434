/* Which shards a member should have, has, takes and gives, beat by beat. */
#include "pg_inside.h"
#include "store/postgresql/pg_assign.h"
#include "store/postgresql/pg_moves.h"

#define OTHER 8

static struct store_shards all_shards(void)
{
    struct store_shards s;
    memset(&s, 0xff, sizeof s);
    return s;
}

static unsigned count_of(struct store_shards s)
{
    unsigned n = 0;
    for (unsigned i = 0; i < STORE_SHARDS; i++)
        n += store_shards_has(&s, i);
    return n;
}

static bool same(struct store_shards a, struct store_shards b)
{
    return memcmp(&a, &b, sizeof a) == 0;
}

static struct store_shards less(struct store_shards a, struct store_shards b)
{
    return shards_less(a, b);
}

static void set_members(struct inside *in, size_t count)
{
    struct fleet *f = in->pg.fleet;
    if (!f->members)
        f->members = calloc(2, sizeof *f->members);
    assert_non_null(f->members);
    f->members[0] = (struct fleet_member){.id = ME, .name = "me", .workers = 8};
    f->members[1] = (struct fleet_member){.id = OTHER, .name = "other", .workers = 8};
    f->member_count = count;
}

/* The rows say that this member has those. */
static void own(struct inside *in, struct store_shards shards, int64_t others)
{
    for (unsigned i = 0; i < STORE_SHARDS; i++)
        in->pulse.answer.owners[i] = store_shards_has(&shards, i) ? ME : others;
}

/* A beat says what it has, and then what it takes and gives is done. */
static void settle(struct inside *in, struct store_shards has, int64_t others)
{
    own(in, has, others);
    moves_reckon(&in->pulse);
    if (!moves_due(&in->pulse))
        return;
    own(in, shards_or(shards_less(has, in->pulse.give), in->pulse.take), others);
    moves_done(&in->pulse);
}

/* All are ours, and the loop has been told so. */
static void have_all(struct inside *in)
{
    set_members(in, 1);
    settle(in, (struct store_shards){.bits = {0}}, 0);
    assert_int_equal(inside_deliver(in), 1);
    inside_forget(in);
}

/* --- alone in the fleet ----------------------------------------------------------------------- */

static void the_only_member_takes_all(void **state)
{
    struct inside *in = *state;
    struct pulse *p = &in->pulse;
    set_members(in, 1);
    own(in, (struct store_shards){.bits = {0}}, 0);
    moves_reckon(p);
    assert_true(moves_due(p));
    assert_true(same(p->take, all_shards()));
    assert_false(shards_any(&p->give));
    assert_int_equal(count_of(fleet_mine(in->pg.fleet)), 0); /* it has none yet */
    assert_int_equal(inside_deliver(in), 0);
    own(in, all_shards(), 0);
    moves_done(p);
    assert_int_equal(inside_deliver(in), 1);
    assert_int_equal(in->events[0]->kind, EVENT_GAINED);
    assert_true(same(in->events[0]->shards, all_shards()));
    assert_true(same(fleet_mine(in->pg.fleet), all_shards()));
    moves_reckon(p);
    assert_false(moves_due(p)); /* and that is that */
}

/* What somebody else was quicker to take is not ours. */
static void a_shard_that_another_took_is_not_gained(void **state)
{
    struct inside *in = *state;
    struct store_shards taken = {.bits = {5, 0, 0, 0}};
    set_members(in, 1);
    own(in, (struct store_shards){.bits = {0}}, 0);
    moves_reckon(&in->pulse);
    assert_true(moves_due(&in->pulse));
    own(in, less(all_shards(), taken), OTHER);
    moves_done(&in->pulse);
    assert_int_equal(inside_deliver(in), 1);
    assert_true(same(in->events[0]->shards, less(all_shards(), taken)));
}

/* What another owns is left to it, wanted or not. */
static void what_another_owns_is_not_taken(void **state)
{
    struct inside *in = *state;
    set_members(in, 1);
    own(in, (struct store_shards){.bits = {0}}, OTHER);
    moves_reckon(&in->pulse);
    assert_false(moves_due(&in->pulse));
    assert_int_equal(count_of(in->pulse.wanted), STORE_SHARDS);
}

/* --- another joins ---------------------------------------------------------------------------- */

/* The loop is asked first; what it lets go is given, and nothing else. */
static void the_loop_lets_go_first(void **state)
{
    struct inside *in = *state;
    struct pulse *p = &in->pulse;
    have_all(in);
    set_members(in, 2);
    own(in, all_shards(), 0);
    moves_reckon(p);
    assert_false(moves_due(p));
    assert_int_equal(inside_deliver(in), 1);
    assert_int_equal(in->events[0]->kind, EVENT_LOST);
    struct store_shards lost = in->events[0]->shards;
    assert_true(same(lost, less(all_shards(), p->wanted)));
    assert_in_range(count_of(lost), 115, 141);
    assert_true(same(fleet_mine(in->pg.fleet), p->wanted)); /* nothing more starts there */
    moves_reckon(p);
    assert_int_equal(inside_deliver(in), 1); /* it is asked once */
    fleet_release(in->pg.fleet, &lost);
    assert_true(moves_due(p));
    assert_true(same(p->give, lost));
    own(in, p->wanted, OTHER);
    moves_done(p);
    assert_false(moves_due(p));
    assert_true(same(p->owned, p->wanted));
    assert_false(shards_any(&p->leaving));
    assert_false(shards_any(&in->pg.fleet->released));
    assert_int_equal(inside_deliver(in), 1);
}

static void part_of_it_can_go_before_the_rest(void **state)
{
    struct inside *in = *state;
    struct pulse *p = &in->pulse;
    have_all(in);
    set_members(in, 2);
    own(in, all_shards(), 0);
    moves_reckon(p);
    inside_deliver(in);
    struct store_shards lost = in->events[0]->shards, first = {.bits = {0}};
    for (unsigned i = 0; i < STORE_SHARDS && count_of(first) < 10; i++)
        if (store_shards_has(&lost, i))
            shards_set(&first, i);
    fleet_release(in->pg.fleet, &first);
    assert_true(moves_due(p));
    assert_true(same(p->give, first));
    own(in, less(all_shards(), first), OTHER);
    moves_done(p);
    assert_true(same(p->leaving, less(lost, first)));
    assert_false(moves_due(p));
}

/* The other goes again while some are being given: those that are still ours stay. */
static void who_goes_again_gives_back(void **state)
{
    struct inside *in = *state;
    struct pulse *p = &in->pulse;
    have_all(in);
    set_members(in, 2);
    own(in, all_shards(), 0);
    moves_reckon(p);
    inside_deliver(in);
    struct store_shards lost = in->events[0]->shards;
    fleet_release(in->pg.fleet, &lost);
    assert_true(moves_due(p));
    own(in, less(all_shards(), lost), OTHER);
    moves_done(p);
    set_members(in, 1);
    own(in, less(all_shards(), lost), 0); /* they are free */
    moves_reckon(p);
    assert_true(moves_due(p));
    assert_true(same(p->take, lost));
    own(in, all_shards(), 0);
    moves_done(p);
    assert_int_equal(inside_deliver(in), 2);
    assert_int_equal(in->events[1]->kind, EVENT_GAINED);
    assert_true(same(in->events[1]->shards, lost));
}

/* Who shall be given nothing: it is about to go. */
static void a_member_that_drains_wants_none(void **state)
{
    struct inside *in = *state;
    have_all(in);
    set_members(in, 2);
    in->pg.fleet->members[1].draining = true;
    own(in, all_shards(), 0);
    moves_reckon(&in->pulse);
    assert_int_equal(inside_deliver(in), 0);
    assert_int_equal(count_of(in->pulse.wanted), STORE_SHARDS);
}

static void who_drains_gives_all(void **state)
{
    struct inside *in = *state;
    have_all(in);
    fleet_drain(in->pg.fleet);
    own(in, all_shards(), 0);
    moves_reckon(&in->pulse);
    assert_int_equal(inside_deliver(in), 1);
    assert_int_equal(in->events[0]->kind, EVENT_LOST);
    assert_true(same(in->events[0]->shards, all_shards()));
    struct store_shards released = in->events[0]->shards;
    fleet_release(in->pg.fleet, &released);
    assert_true(moves_due(&in->pulse));
    own(in, (struct store_shards){.bits = {0}}, 0);
    moves_done(&in->pulse);
    moves_reckon(&in->pulse);
    assert_false(moves_due(&in->pulse)); /* it takes none of what is free */
}

/* --- without a word --------------------------------------------------------------------------- */

/* As by an operator's hand: the loop is told, and what it lets go of it counts no more. */
static void what_was_taken_is_told(void **state)
{
    struct inside *in = *state;
    struct store_shards taken = {.bits = {0xf0, 0, 0, 1}};
    have_all(in);
    in->pg.fleet->released = taken;
    own(in, less(all_shards(), taken), OTHER);
    moves_reckon(&in->pulse);
    assert_int_equal(inside_deliver(in), 1);
    assert_int_equal(in->events[0]->kind, EVENT_LOST);
    assert_true(same(in->events[0]->shards, taken));
    assert_true(same(in->pulse.owned, less(all_shards(), taken)));
    assert_false(shards_any(&in->pg.fleet->released));
    moves_reckon(&in->pulse);
    assert_int_equal(inside_deliver(in), 1); /* once */
}

/* A change whose answer was lost stands: the next beat finds it, and says so. */
static void what_stands_unanswered_is_found(void **state)
{
    struct inside *in = *state;
    set_members(in, 1);
    own(in, all_shards(), 0);
    moves_reckon(&in->pulse);
    assert_true(in->pulse.move_due);
    assert_true(moves_due(&in->pulse));
    assert_false(shards_any(&in->pulse.take));
    own(in, all_shards(), 0);
    moves_done(&in->pulse);
    assert_int_equal(inside_deliver(in), 1);
    assert_int_equal(in->events[0]->kind, EVENT_GAINED);
    moves_reckon(&in->pulse);
    assert_false(moves_due(&in->pulse));
}

/* Behind the news that it is fenced the loop would keep what it is told that it has gained. */
static void a_fenced_member_gains_nothing(void **state)
{
    struct inside *in = *state;
    set_members(in, 1);
    own(in, (struct store_shards){.bits = {0}}, 0);
    moves_reckon(&in->pulse);
    assert_true(moves_due(&in->pulse));
    fleet_end_lease(in->pg.fleet, &(struct error){"gone"});
    own(in, all_shards(), 0);
    moves_done(&in->pulse);
    assert_int_equal(inside_deliver(in), 1);
    assert_int_equal(in->events[0]->kind, EVENT_FENCED);
    assert_int_equal(count_of(fleet_mine(in->pg.fleet)), 0);
}

/* --- what runs elsewhere ---------------------------------------------------------------------- */

static void runs(struct inside *in, const char *host, const char *running)
{
    elsewhere_clear(&in->pulse.answer.elsewhere);
    give(answer_take_elsewhere, &in->pulse, ROWS(2, host, running));
}

static void a_gain_brings_what_runs_there(void **state)
{
    struct inside *in = *state;
    struct store_shards a = {.bits = {0}};
    set_members(in, 1);
    own(in, a, 0);
    moves_reckon(&in->pulse);
    assert_true(moves_due(&in->pulse));
    shards_set(&a, store_shard("a.test"));
    give(answer_take_elsewhere, &in->pulse, ROWS(2, "a.test", "3", "foreign.test", "9"));
    assert_true(store_shard("a.test") != store_shard("foreign.test"));
    own(in, a, OTHER); /* of the rest others were quicker */
    moves_done(&in->pulse);
    assert_int_equal(inside_deliver(in), 1);
    assert_int_equal(in->events[0]->elsewhere_count, 1);
    assert_string_equal(in->events[0]->elsewhere[0].host, "a.test");
    assert_int_equal(in->events[0]->elsewhere[0].running, 3);
}

static void what_runs_elsewhere_is_told_when_it_changes(void **state)
{
    struct inside *in = *state;
    moves_tell_elsewhere(&in->pulse);
    assert_int_equal(inside_deliver(in), 0); /* nothing, as before */
    runs(in, "a.test", "3");
    moves_tell_elsewhere(&in->pulse);
    assert_int_equal(inside_deliver(in), 1);
    assert_int_equal(in->events[0]->kind, EVENT_ELSEWHERE);
    assert_int_equal(in->events[0]->elsewhere[0].running, 3);
    runs(in, "a.test", "3");
    moves_tell_elsewhere(&in->pulse);
    assert_int_equal(inside_deliver(in), 1);
    runs(in, "a.test", "4");
    moves_tell_elsewhere(&in->pulse);
    assert_int_equal(inside_deliver(in), 2);
    elsewhere_clear(&in->pulse.answer.elsewhere);
    moves_tell_elsewhere(&in->pulse);
    assert_int_equal(inside_deliver(in), 3); /* that there is nothing any more is told, too */
    assert_int_equal(in->events[2]->elsewhere_count, 0);
}

/* --- what each should have -------------------------------------------------------------------- */

/* All reckon for themselves, and come to the same, in whatever order they know the members. */
static void all_come_to_the_same(void **state)
{
    static const struct assign_member there[] = {{"a", 3}, {"b", 5}, {"c", 40}};
    static const struct assign_member back[] = {{"c", 40}, {"b", 5}, {"a", 3}};
    size_t one[STORE_SHARDS], two[STORE_SHARDS];
    (void)state;
    assign_shards(there, 3, one);
    assign_shards(back, 3, two);
    for (unsigned i = 0; i < STORE_SHARDS; i++)
        assert_string_equal(there[one[i]].name, back[two[i]].name);
}

/* So do the versions of a daemon that may meet in one fleet: what it comes to is never changed. */
static void it_comes_to_the_same_for_ever(void **state)
{
    static const struct assign_member members[] = {{"one", 8}, {"two", 16}, {"three", 3}};
    size_t owners[STORE_SHARDS];
    uint64_t sum = UINT64_C(14695981039346656037);
    (void)state;
    assign_shards(members, 3, owners);
    for (unsigned i = 0; i < STORE_SHARDS; i++)
        sum = (sum ^ owners[i]) * UINT64_C(1099511628211);
    assert_true(sum == UINT64_C(532433501496699253));
}

/* None has more than a tenth over its share, rounded up; so none of the others starves. */
static void none_has_far_more_than_its_share(void **state)
{
    char names[16][8];
    struct assign_member members[16];
    size_t owners[STORE_SHARDS];
    (void)state;
    for (size_t count = 1; count <= 16; count++) {
        size_t counts[16] = {0};
        unsigned all = 0;
        for (size_t i = 0; i < count; i++) {
            snprintf(names[i], sizeof names[i], "m%zu", i);
            members[i] = (struct assign_member){names[i], (unsigned)(i % 5)};
            all += i % 5 ? (unsigned)(i % 5) : 1; /* none counts as one */
        }
        assign_shards(members, count, owners);
        for (unsigned i = 0; i < STORE_SHARDS; i++) {
            assert_true(owners[i] < count);
            counts[owners[i]]++;
        }
        for (size_t i = 0; i < count; i++) {
            unsigned weight = i % 5 ? (unsigned)(i % 5) : 1;
            assert_true(counts[i] * all * 10 <
                        (size_t)11 * STORE_SHARDS * weight + (size_t)10 * all);
        }
    }
}

/* Its weight has an end, so that no product of it overflows. */
static void more_workers_than_there_can_be_are_a_million(void **state)
{
    static const struct assign_member huge[] = {{"a", 4000000000u}, {"b", 1000000}};
    static const struct assign_member even[] = {{"a", 1000000}, {"b", 1000000}};
    size_t one[STORE_SHARDS], two[STORE_SHARDS];
    (void)state;
    assign_shards(huge, 2, one);
    assign_shards(even, 2, two);
    assert_memory_equal(one, two, sizeof one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FLEET(the_only_member_takes_all),
        FLEET(a_shard_that_another_took_is_not_gained),
        FLEET(what_another_owns_is_not_taken),
        FLEET(the_loop_lets_go_first),
        FLEET(part_of_it_can_go_before_the_rest),
        FLEET(who_goes_again_gives_back),
        FLEET(a_member_that_drains_wants_none),
        FLEET(who_drains_gives_all),
        FLEET(what_was_taken_is_told),
        FLEET(what_stands_unanswered_is_found),
        FLEET(a_fenced_member_gains_nothing),
        FLEET(a_gain_brings_what_runs_there),
        FLEET(what_runs_elsewhere_is_told_when_it_changes),
        cmocka_unit_test(all_come_to_the_same),
        cmocka_unit_test(it_comes_to_the_same_for_ever),
        cmocka_unit_test(none_has_far_more_than_its_share),
        cmocka_unit_test(more_workers_than_there_can_be_are_a_million),
    };
    log_set_level(LOG_LEVEL_ERROR);
    return cmocka_run_group_tests_name("shards that come and go", tests, NULL, NULL);
}
